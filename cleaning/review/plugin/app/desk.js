/* The desk: one image at a time, with all that speaks about it. A key counts only when its image has been in sight. */
import { BLIND, COLOURS, ERROR } from "./actions.js";
import { call } from "./app.js";
import { nextGroup } from "./copies.js";
import * as view from "./card_view.js";
import * as dialogs from "./dialogs.js";
import { bar, el, fileName, images, painted } from "./dom.js";
import { Saver } from "./saver.js";
import { Stock } from "./stock.js";
import * as tiles from "./tiles.js";

const AHEAD = 12; // images whose cards and pictures are fetched in advance
const SEEN_MS = 200; // nobody sees and judges a picture in less: such a key was meant for the one before
const PAST = { keep: "Kept", relabel: "Relabelled", drop: "Dropped", unsure: "Unsure about" };
const MEMORY = "imageclinic-open"; // the image that a reload opens again

let desk = null;
export const isOpen = () => !!desk;
export const current = () => desk;

/** Open the desk on the view, at a sample or at the first undecided one. onclose(): it is gone. */
export async function open(context, start, onclose) {
  close();
  desk = new Desk(context, onclose);
  await desk.begin(start);
}

export function close() {
  if (desk) desk.leave();
}

/** The sample that a reload of this page is to open again, null when none was open. */
export function remembered() {
  const [address, id] = JSON.parse(sessionStorage.getItem(MEMORY) || "[]");
  return address === location.pathname + location.search ? id : null;
}

class Desk {
  constructor(context, onclose) {
    this.api = context.api;
    this.onclose = onclose;
    this.order = []; this.waiting = new Map(); this.at = -1; this.classes = []; this.blind = false;
    this.entry = null; this.shownAt = null; this.zoom = 1; this.ended = false;
    this.judged = new Set(); // decided here, though maybe disputed: not to come again by itself
    this.changed = new Map(); // samples as Python returned them, for the grid
    this.stock = new Stock();
    this.saver = new Saver((job) => call("decide", job.params), (job, answer) => this.saved(job, answer), (jobs, message) => this.failed(jobs, message), () => this.drawHead());
    this.head = el("header.ic-head");
    this.place = el("div.ic-place");
    this.strip = el("div");
    this.facts = el("aside.facts");
    this.message = el("div.ic-message", { role: "status" });
    this.box = el("div", { id: "imageclinic-desk", tabindex: "-1" }, el("main.picture", {}, this.head, this.place, this.strip, this.message), this.facts);
    document.body.append(this.box);
    this.box.focus();
  }

  async begin(start) {
    this.say("Opening …");
    let found;
    try {
      found = await call("order", {});
    } catch (error) {
      this.say("The server does not answer: " + error.message, ERROR);
      return;
    }
    if (desk !== this) return;
    this.order = found.ids;
    this.clusters = new Map(found.ids.map((id, n) => [id, found.clusters[n]]));
    this.waiting = new Map(found.ids.map((id, n) => [id, found.waiting[n]]));
    Object.assign(this, { classes: found.classes, blind: found.blind, view: found.view, progress: found.progress, reviewer: found.reviewer });
    this.say("");
    const place = start ? this.order.indexOf(start) : this.order.findIndex((id) => this.waiting.get(id));
    if (place < 0 && start) { this.order.unshift(start); this.waiting.set(start, false); }
    if (place < 0 && !start) await this.end(); else await this.show(Math.max(place, 0));
  }

  /** Put the image at a position in sight; nothing is in sight until both picture and facts are there. */
  async show(at) {
    const id = this.order[at];
    Object.assign(this, { at, entry: null, shownAt: null, ended: false });
    this.api.shown = null;
    sessionStorage.setItem(MEMORY, JSON.stringify([location.pathname + location.search, id]));
    let entry = this.stock.at(id);
    if (!entry) {
      this.place.replaceChildren(); this.strip.replaceChildren(); this.facts.replaceChildren();
      try {
        entry = await this.stock.get(id);
      } catch (error) {
        if (desk === this && this.at === at) this.say("The server does not answer: " + error.message, ERROR);
        return;
      }
      if (desk !== this || this.at !== at || this.order[at] !== id) return; // another image was opened meanwhile
      if (!entry) { this.order.splice(at, 1); return this.onward(at - 1); }
    }
    this.draw(entry);
    this.prepare();
    await painted();
    if (desk !== this || this.entry !== entry) return;
    this.shownAt = performance.now();
    this.api.shown = id;
  }

  draw(entry) {
    this.entry = entry;
    this.place.replaceChildren(view.placeOf(entry, this.zoom, this.blind));
    this.strip.replaceChildren(view.neighbours(entry.card, this.blind));
    this.facts.replaceChildren(view.labels(entry.card, this.blind),
      view.buttons(entry.card, this, (decision, label) => this.press(decision, label)), view.evidence(entry.card, this.blind));
    this.drawHead();
  }

  drawHead() {
    const left = this.order.filter((id) => this.waiting.get(id)).length, all = this.order.length;
    const saving = this.saver.waiting;
    this.head.replaceChildren(
      el("button.ic-link", { type: "button", onclick: () => this.leave() }, "← Grid [Esc]"), el("b", {}, this.view || "View"),
      bar(all - left, all), el("span", {}, `${(all - left).toLocaleString("en")} of ${all.toLocaleString("en")} decided`),
      el("span.ic-quiet.ic-saving", {}, saving ? `saving ${saving} …` : "all saved"),
      el("span.ic-quiet", {}, "? keys"));
  }

  prepare() {
    const next = [];
    for (let at = this.at + 1; at < this.order.length && next.length < AHEAD; at++) if (this.waiting.get(this.order[at])) next.push(this.order[at]);
    const beside = [this.order[this.at + 1], this.order[this.at - 1]].filter(Boolean);
    this.stock.prepare([...new Set([...next, ...beside, this.order[this.at]])]);
  }

  /** Whether something is on its way that is shown when it is made. */
  get busy() {
    return this.saver.jobs.some((job) => !job.card);
  }

  /** A decision by key or button; label is the new one. */
  press(decision, label = null) {
    if (decision === "whole_view" || decision === "more") return this.api.press(decision, this.entry ? [this.entry.card.id] : []);
    if (this.ended && decision !== "undo") return undefined;
    if (decision === "undo") return this.wait({ decision, ids: [] }); // of the log's end, whatever is in sight
    if (this.busy || !this.shownAt || performance.now() - this.shownAt < SEEN_MS) return this.hold();
    const { card } = this.entry;
    if (this.blind && ["relabel", "best", "not_copies"].includes(decision) && label === null) return this.say(BLIND + "that is hidden here.");
    if (decision === "best" || decision === "not_copies") return this.wait({ decision, ids: [card.id], shown: { [card.id]: card.decision } });
    if (decision === "relabel_to") return dialogs.askLabel("New label", this.classes, (name) => this.decide("relabel", name));
    if (decision === "number") return this.decide("relabel", label);
    if (decision === "relabel" && label === null && !card.suggested) return this.say("No label is suggested here. l relabels to another one.");
    return this.decide(decision, label);
  }

  /** The number n was pressed. */
  number(n) {
    const choice = this.entry && view.numbered(this.entry.card, this.blind, this.classes)[n - 1];
    if (choice) this.press("number", choice.name); else if (this.entry) this.say(`No class has the number ${n} here.`);
  }

  hold() { // the key is not taken, and the page shows that
    this.place.classList.remove("ic-hold");
    void this.place.offsetWidth; // restart the animation
    this.place.classList.add("ic-hold");
  }

  decide(decision, label) {
    const { card } = this.entry;
    const before = { decision: card.decision, label: card.label, reviewer: card.reviewer, others: card.others, disputed: card.disputed };
    const actual = decision === "relabel" && (label || card.suggested) === card.given ? "keep" : decision;
    const params = { decision, label, ids: [card.id], shown: { [card.id]: card.decision } };
    Object.assign(card, { decision: actual, label: actual === "relabel" ? label || card.suggested : null, reviewer: this.reviewer, others: false, disputed: false });
    const waited = this.waiting.get(card.id);
    this.waiting.set(card.id, false);
    this.judged.add(card.id);
    const replaced = before.decision && !before.others ? ` Replaced ${before.decision}.` : "";
    const what = `${PAST[actual]} ${this.blind ? "the image" : fileName(card.image_id)}${actual === "relabel" ? ` as ${card.label}` : ""}.`;
    this.say(what + replaced, COLOURS[actual]);
    this.saver.add({ params, card, before, waited, pressed: performance.now() });
    this.onward(this.at);
  }

  /** To the next undecided image after a position, else to the first one before it, else the end. */
  async onward(from) {
    const around = [...this.order.keys()];
    const next = [...around.slice(from + 1), ...around.slice(0, from + 1)].find((at) => this.waiting.get(this.order[at]));
    if (next === undefined) await this.end();
    else {
      if (next <= from) this.say(this.message.textContent + " From the start of the view again.");
      await this.show(next);
    }
  }

  step(by) {
    const at = this.ended ? this.order.length - 1 : this.at + by;
    if (at >= 0 && at < this.order.length) this.show(at); else this.hold();
  }

  /** To the next group of copies, or the one before. */
  group(by) {
    const at = nextGroup(this.order.map((id) => this.clusters.get(id)), this.ended ? this.order.length : this.at, by);
    if (at < 0) this.hold(); else this.show(at);
  }

  /** A decision that is shown when it is made: undo, and those about a whole group of copies. */
  wait(params) {
    this.say("saving …");
    this.saver.add({ params, card: null, pressed: performance.now() });
  }

  saved(job, answer) {
    this.api.log.push({ decision: job.params.decision, n: answer.n, python: performance.now() - job.pressed });
    for (const sample of answer.samples) {
      this.changed.set(sample._id, sample);
      if (job.params.decision === "undo") this.judged.delete(sample._id);
      const mine = (sample.reviewer || "").split(";").includes(this.reviewer);
      const open = this.blind ? !mine : !sample.decision && !sample.settled; // the random sample waits for each reviewer
      this.waiting.set(sample._id, open && !this.judged.has(sample._id));
      const entry = this.stock.at(sample._id);
      if (entry && !this.saver.jobs.some((one) => one.card === entry.card)) {
        Object.assign(entry.card, { decision: sample.decision || null, label: sample.decided_label || null, reviewer: sample.reviewer || null, disputed: !!sample.disputed, who: sample.who_decided_what || null, settled: !!sample.settled, others: !!(this.blind ? sample.reviewer : sample.decision) && !mine });
      }
    }
    if (desk !== this) return tiles.update(answer.samples);
    if (job.card) {
      if (/Reviewers disagree|Replaced/.test(answer.message)) this.say(answer.message);
      return undefined;
    }
    this.say(answer.message, answer.n ? COLOURS[job.params.decision] : "");
    if (!answer.n) return undefined;
    if (job.params.decision !== "undo") {
      this.stock.forget(answer.ids); // their copies have changed
      return this.onward(this.at);
    }
    const place = this.order.indexOf(answer.ids[0]);
    return place >= 0 ? this.show(place) : this.entry && this.draw(this.entry);
  }

  /** Take back what was shown as decided, and go back to it. */
  failed(jobs, message) {
    for (const { card, before, waited } of jobs.filter((job) => job.card).reverse()) {
      Object.assign(card, before);
      this.judged.delete(card.id);
      this.waiting.set(card.id, waited);
    }
    const first = jobs.find((job) => job.card);
    const others = jobs.length > 1 ? ` Nor the ${images(jobs.length - 1)} after it.` : "";
    if (first) this.stock.forget([first.card.id]); // somebody else may have decided
    if (desk !== this) return this.api.say(message + others, ERROR);
    this.say(message + others, ERROR);
    return first && this.order.includes(first.card.id) ? this.show(this.order.indexOf(first.card.id)) : undefined;
  }

  /** Nothing in this view is undecided. */
  async end() {
    Object.assign(this, { entry: null, shownAt: null, ended: true });
    this.api.shown = null;
    sessionStorage.removeItem(MEMORY);
    await this.saver.empty();
    if (desk !== this || !this.ended) return;
    let progress = this.progress;
    try { progress = await call("progress", {}); } catch (error) { this.say("The server does not answer: " + error.message, ERROR); }
    if (desk !== this || !this.ended) return;
    this.place.replaceChildren(endOf(this, progress));
    this.strip.replaceChildren(); this.facts.replaceChildren(view.buttons(null, this, (decision) => this.press(decision)));
    this.drawHead();
  }

  zoomBy(factor) {
    this.zoom = factor ? Math.min(20, Math.max(1, this.zoom * factor)) : 1;
    if (this.entry) view.pictureOf(this.entry, this.zoom);
    view.zoomCopies(this.place, this.zoom);
  }

  say(text, colour = "") {
    this.message.textContent = text;
    this.message.style.color = colour;
  }

  /** Back to the grid, where decisions show as soon as they are saved. */
  leave() {
    if (desk !== this) return;
    desk = null;
    this.api.shown = null;
    sessionStorage.removeItem(MEMORY);
    this.box.remove();
    tiles.update([...this.changed.values()].slice(-200));
    this.onclose(this.message.textContent);
  }
}

function endOf(desk, { flagged, done, export: command }) {
  const left = flagged - done;
  const go = (slug) => () => location.assign(`${location.pathname}?view=${slug}&workspace=review`);
  return el("div.ic-end", {}, el("h2", {}, desk.order.length ? `All ${images(desk.order.length)} of this view are decided.` : "This view is empty."),
    left ? el("p", {}, `${images(left)} with findings are left.`) : el("p", {}, `All ${flagged.toLocaleString("en")} flagged images are decided. Next: `, el("code", {}, command)),
    left ? el("button.ic-go", { type: "button", onclick: go("inbox") }, "Inbox [Enter]") : null,
    el("button.ic-go", { type: "button", onclick: () => desk.leave() }, "Grid [Esc]"));
}
