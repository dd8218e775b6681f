/* Cards and pictures of the images that come next, fetched before they are needed. */
import { call, pictureUrl } from "./app.js";
import { BESIDE } from "./copies.js";

const FAR = 60; // cards that are kept

export class Stock {
  constructor() {
    this.ready = new Map(); // id → {card, picture}: both are there
    this.coming = new Map(); // id → promise of that, null when the sample is gone
  }

  /** Card and picture of a sample when both are there already, else undefined. */
  at(id) {
    return this.ready.get(id);
  }

  /** Resolves with card and picture; null when the sample is gone. Rejects when the server does not answer. */
  async get(id) {
    return this.ready.get(id) || this.coming.get(id) || (this.fetch([id]), this.coming.get(id));
  }

  /** Have these at hand soon. */
  prepare(ids) {
    const missing = ids.filter((id) => !this.ready.has(id) && !this.coming.has(id));
    if (missing.length && (missing.length >= 4 || missing.includes(ids[0]))) this.fetch(missing);
    for (const id of this.ready.keys()) {
      if (this.ready.size <= FAR) break;
      if (!ids.includes(id)) this.ready.delete(id);
    }
  }

  /** What is known about these is out of date. */
  forget(ids) {
    for (const id of ids) { this.ready.delete(id); this.coming.delete(id); }
  }

  fetch(ids) {
    const answer = call("cards", { ids });
    for (const id of ids) {
      const both = answer.then(async ({ cards }) => {
        const card = (cards || []).find((one) => one.id === id);
        if (!card) return null;
        const beside = card.copies.slice(0, BESIDE).map((copy) => load(copy.picture)); // judged with the image
        const entry = { card, picture: await load(card.picture), copies: await Promise.all(beside) };
        for (const other of [...card.copies.slice(BESIDE), ...card.near]) new Image().src = pictureUrl(other.picture);
        if (this.coming.get(id) === both) this.ready.set(id, entry);
        return entry;
      });
      this.coming.set(id, both);
      both.catch(() => {}).finally(() => { if (this.coming.get(id) === both) this.coming.delete(id); });
    }
  }
}

async function load(path) { // null: the browser can't draw it
  const picture = new Image();
  picture.src = pictureUrl(path);
  try {
    await picture.decode();
    return picture;
  } catch (error) {
    return null;
  }
}
