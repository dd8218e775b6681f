/* A whole confusion on one sheet: all images of a pair of classes, ticked. Exceptions are unticked, and one key decides
   about all that are ticked, after a confirmation that says how many. */
import { COLOURS, ERROR } from "./actions.js";
import { call, pictureUrl } from "./app.js";
import * as dialogs from "./dialogs.js";
import { bar, el, fileName, images } from "./dom.js";
import * as tiles from "./tiles.js";

const VERBS = { keep: "Keep", relabel: "Relabel", drop: "Drop", unsure: "Unsure about" };

let sheet = null;
export const isOpen = () => !!sheet;
export const current = () => sheet;

/** Open the images of a pair ({given, predicted, tested}), as the operator confusion returned them. */
export function open(context, pair, found) {
  close();
  sheet = new Sheet(context, pair, found);
  sheet.draw();
}

export function close() {
  if (sheet) sheet.leave();
}

class Sheet {
  constructor(context, pair, found) {
    Object.assign(this, { api: context.api, pair, rows: found.images, off: new Set(), seen: new Set(), at: 0, busy: false, chain: Promise.resolve() });
    this.head = el("header.ic-head");
    this.keys = el("div.ic-sheet-keys");
    this.grid = el("div.ic-sheet-grid", { role: "listbox", "aria-multiselectable": "true", "aria-label": `${pair.given}, predicted as ${pair.predicted}` });
    this.message = el("div.ic-message", { role: "status" });
    this.box = el("div", { id: "imageclinic-sheet", tabindex: "-1" }, this.head, this.keys, this.grid, this.message);
    this.observer = new IntersectionObserver((entries) => entries.forEach((one) => one.isIntersecting && this.seen.add(one.target.dataset.id)), { root: this.grid, threshold: 0.5 });
    this.classes = call("classes", {}); // there before somebody types
    this.classes.catch(() => {}); // said when a label is asked for
    document.body.append(this.box);
    this.box.focus();
    this.say("All undecided images are ticked. Untick the exceptions by a click, or by arrows and Space; then a key decides about what is ticked.");
  }

  /** The images that a key decides about. */
  ticked() {
    return this.rows.filter((row) => row.waiting && !this.off.has(row.id));
  }

  draw() {
    this.observer.disconnect();
    this.grid.replaceChildren(...this.rows.map((row, n) => this.tile(row, n)));
    for (const tile of this.grid.children) this.observer.observe(tile);
    this.drawHead();
    this.mark(this.at);
  }

  tile(row, n) {
    const ticked = row.waiting && !this.off.has(row.id);
    const shares = [el("span.ic-suggested", {}, percent(row.predicted)), " · ", el("span.ic-given", {}, percent(row.given))]; // in the head's colours
    const words = `${row.name}: ${percent(row.predicted)} ${this.pair.predicted}, ${percent(row.given)} ${this.pair.given}`;
    return el(`figure.ic-tile.${row.waiting ? (ticked ? "ic-on" : "ic-off") : "ic-done"}`, {
      "data-id": row.id, role: "option", "aria-selected": String(ticked), title: words,
      onclick: () => { this.mark(n); this.toggle(n); },
    },
    el("img", { src: pictureUrl(row.picture), alt: fileName(row.name), loading: "lazy", decoding: "async" }),
    el("span.ic-tick", { "aria-hidden": "true" }, row.waiting ? (ticked ? "✓" : "") : ""),
    el("button.ic-large", { type: "button", tabindex: "-1", title: "large [Enter]", onclick: (event) => { event.stopPropagation(); this.api.openDesk(row.id); } }, "⤢"),
    el("figcaption", {}, row.waiting ? shares : row.state || "settled", row.split === "test" ? el("b", {}, " test") : null));
  }

  drawHead() {
    const waiting = this.rows.filter((row) => row.waiting).length, all = this.rows.length, n = this.ticked().length;
    const { given, predicted, tested } = this.pair;
    this.head.replaceChildren(
      el("button.ic-link", { type: "button", onclick: () => this.leave() }, "← Grid [Esc]"),
      el("button.ic-link", { type: "button", onclick: () => this.api.openMatrix(tested) }, "Matrix [t]"),
      el("span.ic-sheet-pair", {}, el("span.ic-given", {}, given), " → ", el("span.ic-suggested", {}, predicted)),
      bar(all - waiting, all), el("span", {}, `${(all - waiting).toLocaleString("en")} of ${all.toLocaleString("en")} decided`),
      el("b.ic-count", {}, `${n.toLocaleString("en")} ticked`), el("span.ic-quiet", {}, "? keys"));
    const button = (key, words, decision, off = !n) => el("button.ic-button", { type: "button", disabled: off, "data-decision": decision, onmousedown: (event) => event.preventDefault(), onclick: () => this.press(decision) },
      el("kbd", { style: `background:${COLOURS[decision] || "#3a3a42"}` }, key), el("span", {}, words));
    this.keys.replaceChildren(
      button("r", `→ ${predicted}`, "relabel"), button("k", `Keep ${given}`, "keep"), button("d", "Drop", "drop"),
      button("l", "Other label …", "relabel_to"), button("n", "Unsure", "unsure"), button("u", "Undo", "undo", false),
      el("button.ic-button", { type: "button", onclick: () => this.tickAll() }, el("kbd", { style: "background:#3a3a42" }, "a"), el("span", {}, n ? "Tick none" : "Tick all")));
  }

  /** A decision about what is ticked, by key or button. */
  press(decision) {
    if (decision === "undo") return this.send("decide", { decision: "undo", ids: [] }, decision);
    if (this.busy) return undefined; // what is ticked is about to change
    if (decision === "relabel_to") return this.ticked().length ? this.askLabel() : this.say("Nothing is ticked.");
    if (!VERBS[decision]) return this.say("That is about single images: Enter shows one large.");
    return this.confirm(decision, decision === "relabel" ? this.pair.predicted : null);
  }

  async askLabel() {
    this.busy = true;
    try {
      const { classes } = await this.classes;
      dialogs.askLabel(`New label for ${images(this.ticked().length)}`, classes, (name) => this.confirm("relabel", name));
    } catch (error) {
      this.say("The server does not answer: " + error.message, ERROR);
    }
    this.busy = false;
  }

  confirm(decision, label) {
    const chosen = this.ticked(), ids = chosen.map((row) => row.id);
    if (!ids.length) return this.say(this.off.size ? "Nothing is ticked." : "All images of this pair are decided.");
    const to = label ? ` to ${label}` : decision === "keep" ? ` as ${this.pair.given}` : "";
    return dialogs.confirm(`${VERBS[decision]} ${images(ids.length)}${to}?`, this.notes(chosen), `Yes, ${images(ids.length)}`, COLOURS[decision],
      () => this.send("whole_view", { decision, label, ids, sure: true, from_key: true }, decision));
  }

  notes(chosen) {
    const unseen = chosen.filter((row) => !this.seen.has(row.id)).length, testing = chosen.filter((row) => row.split === "test").length;
    const waiting = this.rows.filter((row) => row.waiting).length, lines = ["Undo takes all of it back."];
    if (waiting > chosen.length) lines.push(`${images(waiting - chosen.length)} unticked: undecided, as before.`);
    if (testing) lines.push(`${images(testing)} of these are in the test split.`);
    if (unseen) lines.push(`${images(unseen)} of these you have not scrolled to yet.`);
    return lines.join(" ");
  }

  /** Write a decision, after those that are on their way. */
  send(operator, params, decision) {
    this.chain = this.chain.then(() => this.write(operator, params, decision));
    return this.chain;
  }

  async write(operator, params, decision) {
    this.busy = true;
    this.say("saving …");
    try {
      const answer = await call(operator, params);
      this.say(answer.message, answer.failed ? ERROR : answer.n ? COLOURS[decision] : "");
      this.api.log.push({ decision, n: answer.n });
      if (answer.n) await this.refresh();
      if (answer.n && decision !== "undo") this.say(`${answer.message} ${this.next()}`, COLOURS[decision]);
      tiles.update(answer.samples);
    } catch (error) {
      this.say("NOT SAVED: " + error.message, ERROR);
    }
    this.busy = false;
  }

  next() {
    const left = this.rows.filter((row) => row.waiting).length;
    return left ? `${images(left)} left: a ticks all of them.` : "All of this pair are decided: t shows the other pairs.";
  }

  /** Bring in what was decided since, here or elsewhere; ticks stay. */
  async refresh() {
    const found = await call("confusion", { ...this.pair, again: true });
    if (sheet !== this || !found.images.length) return;
    this.rows = found.images;
    const place = this.grid.scrollTop;
    this.draw();
    this.grid.scrollTop = place;
    this.box.focus();
  }

  toggle(n) {
    const row = this.rows[n];
    if (!row || !row.waiting) return;
    if (!this.off.delete(row.id)) this.off.add(row.id);
    const fresh = this.tile(row, n);
    this.observer.observe(fresh);
    this.grid.children[n].replaceWith(fresh);
    this.drawHead();
    this.mark(n);
  }

  tickAll() {
    const none = this.ticked().length > 0;
    this.off = new Set(none ? this.rows.map((row) => row.id) : []);
    this.draw();
  }

  /** A key that is no decision; whether it is taken. */
  key({ name }) {
    if (name === undefined) return true; // a number: nothing here
    const across = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[name];
    if (step) this.mark(Math.min(this.rows.length - 1, Math.max(0, this.at + step)), true);
    else if (name === " ") this.toggle(this.at);
    else if (name === "a" || name === "A") this.tickAll();
    else if (name === "t" || name === "T") this.api.openMatrix(this.pair.tested);
    else if (name === "Enter") this.api.openDesk(this.rows[this.at].id);
    else if (name === "Escape") this.leave();
    else return name.length === 1; // nothing behind the sheet hears letters
    return true;
  }

  mark(n, scroll = false) {
    for (const tile of this.grid.querySelectorAll(".ic-at")) tile.classList.remove("ic-at");
    this.at = n;
    const tile = this.grid.children[n];
    if (tile) tile.classList.add("ic-at");
    if (tile && scroll) tile.scrollIntoView({ block: "nearest" });
  }

  say(text, colour = "") {
    this.message.textContent = text;
    this.message.style.color = colour;
  }

  /** Back to the grid, which shows the same images. */
  leave() {
    if (sheet !== this) return;
    sheet = null;
    this.observer.disconnect();
    this.box.remove();
    this.api.say(this.message.textContent);
    this.api.drawPanels();
  }
}

const percent = (share) => (share >= 0.995 ? "> 99 %" : share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`);
