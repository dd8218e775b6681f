/* Keys and clicks: to the desk when it is open, else about the selection in the grid. */
import { ACTIONS, BLIND, COLOURS, ERROR, HINTS, meaning } from "./actions.js";
import * as app from "./app.js";
import * as desk from "./desk.js";
import * as dialogs from "./dialogs.js";
import { el, images } from "./dom.js";
import * as lasso from "./lasso.js";
import { follow } from "./links.js";
import * as matrix from "./matrix.js";
import * as sheet from "./sheet.js";
import * as panel from "./side_panel.js";
import * as tiles from "./tiles.js";
import { watch } from "./watch.js";

let context = null, bar = null, message = null, chain = Promise.resolve(), viewer = false, moved = 0;
let early = null; // keys typed since one that opens a dialog was pressed: they are the dialog's, and decide nothing here
const ASKS = ["relabel_to", "whole_view"];

export function start(given) {
  context = given;
  for (const module of [app, tiles, panel]) module.use(given);
  document.head.append(el("link", { rel: "stylesheet", href: new URL("style.css", given.base) }));
  Object.assign(given.api, { opened, press, say, openDesk, openPair, openMatrix });
  window.addEventListener("keydown", onKey, true);
  window.addEventListener("click", onClick, true);
  window.addEventListener("popstate", () => { desk.close(); sheet.close(); });
  setInterval(look, 300);
  setInterval(catchUp, 15_000);
  watch();
  opened(); // the first dataset may have opened before this module came
}

/** A dataset has opened: keys are live only in our own ones. */
async function opened() {
  try {
    context.api.active = await app.isOurs();
  } catch (error) {
    context.api.active = false;
  }
  if (!context.api.active) { if (bar) bar.remove(); bar = null; return; }
  say("");
  panel.refresh();
  const id = desk.remembered();
  if (id && !desk.isOpen()) openDesk(id);
  follow(context.api).catch((error) => say("The server does not answer: " + error.message, ERROR));
}

/** All images of a pair of classes on one sheet, ticked. */
async function openPair(given, predicted, tested = false) {
  const found = await app.call("confusion", { given, predicted, tested });
  if (found.images.length) sheet.open(context, { given, predicted, tested }, found); else say(found.message);
}

async function openMatrix(tested = false) {
  await matrix.open(openPair, tested);
}

async function openDesk(id = null) {
  const first = id || (await app.selection())[0] || null;
  await desk.open(context, first, (last) => { say(last); panel.refresh(); if (sheet.isOpen()) sheet.current().refresh(); });
}

function onKey(event) {
  if (!context.api.active) return;
  if (dialogs.isOpen()) { dialogs.key(event); event.stopImmediatePropagation(); return; }
  if (early && !event.ctrlKey && !event.metaKey && !event.altKey && (event.key.length === 1 || event.key === "Enter")) {
    early.push(event);
    event.stopImmediatePropagation();
    event.preventDefault();
    return;
  }
  if (typing() || app.annotating() || document.querySelector(".MuiDialog-root")) return;
  const asked = meaning(event);
  if (!asked || (viewer && !desk.isOpen())) return;
  if (asked.help) dialogs.help();
  else if (asked.decision) { if (!event.repeat) (desk.isOpen() ? desk.current() : sheet.isOpen() ? sheet.current() : context.api).press(asked.decision); }
  else if (!(desk.isOpen() ? inDesk(asked, event) : sheet.isOpen() ? sheet.current().key(asked) : !event.repeat && inGrid(asked))) return;
  event.stopImmediatePropagation(); // the App must not see it: r resets its zoom
  event.preventDefault();
}

function inDesk({ number, name }, event) {
  const open = desk.current();
  if (number) { if (!event.repeat) open.number(number); }
  else if (name === "ArrowRight") open.step(1);
  else if (name === "ArrowLeft") open.step(-1);
  else if (name === "PageDown") open.group(1);
  else if (name === "PageUp") open.group(-1);
  else if (name === "+" || name === "=") open.zoomBy(1.5);
  else if (name === "-") open.zoomBy(1 / 1.5);
  else if (name === "0") open.zoomBy(0);
  else if (name === "Escape") open.leave();
  else if (name === "Enter" && open.ended) { const go = document.querySelector(".ic-end .ic-go"); if (go) go.click(); }
  else if (name === "o" || name === "O") ownViewer(open);
  else return name.length === 1; // nothing behind the desk hears letters
  return true;
}

function inGrid({ name, number }) {
  if (number) {
    const label = panel.numbered(number);
    if (label !== null) press("relabel", null, label);
    return label !== null;
  }
  if (name === "t" || name === "T") { openMatrix(); return true; }
  const focus = document.activeElement;
  if (name !== "Enter" || (focus && !/^(BODY|DIV|CANVAS)$/.test(focus.tagName) && focus.type !== "checkbox")) return false;
  openDesk();
  return true;
}

async function ownViewer(open) {
  if (!open.entry) return;
  const id = open.entry.card.id;
  viewer = true;
  open.leave();
  await app.inside(async (hooks) => hooks.setExpanded({ id }));
}

function onClick(event) { // a tile opens on the desk
  if (!context.api.active || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const tile = event.target.closest && event.target.closest('[data-cy="fo-grid"] [data-cy="looker"]');
  if (!tile || event.target.closest('[data-cy^="looker-checkbox"], input, label')) return;
  const id = tiles.sampleOf(tile);
  if (!id) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  openDesk(id);
}

let selected = "", address = "";
async function look() { // the App says nowhere that another view or an image is open, or that others are selected
  if (!context.api.active) return;
  const id = app.viewerId();
  if (!id) viewer = false;
  if (id && !viewer && !desk.isOpen()) { // by an address or by the App's own ways: on the desk, too
    viewer = true; // until it is gone
    openDesk(id);
    app.closeViewer();
  }
  lasso.enterMap();
  const blind = app.blindView();
  for (const button of bar ? bar.querySelectorAll("button") : []) button.style.display = blind && HINTS.includes(button.dataset.decision) ? "none" : "";
  if (desk.isOpen()) return;
  const boxes = document.querySelectorAll('[data-cy="fo-grid"] [data-cy="looker"] input:checked').length;
  const now = location.pathname + location.search;
  if (`${boxes}/${moved}` === selected && now === address) return;
  selected = `${boxes}/${moved}`;
  address = now;
  panel.refresh(await app.selection());
}

async function catchUp() { // what other reviewers decided
  if (!context.api.active || document.hidden || desk.isOpen()) return;
  try {
    const { samples } = await app.call("changes", {});
    if (samples.length) { await tiles.update(samples); panel.refresh(); }
  } catch (error) { /* `watch` says when the server is gone */ }
}

/** Decide about the selection (or `ids`), one decision at a time, in the order of the keys. */
function press(decision, ids = null, label = null) {
  const pressed = performance.now(), asks = ASKS.includes(decision);
  if (asks) early = early || [];
  chain = chain.then(() => once(decision, ids, label, pressed)).catch((error) => tell("NOT SAVED: " + String((error && error.message) || error).slice(0, 160), ERROR));
  if (asks) chain = chain.then(toDialog);
  return chain;
}

function toDialog() {
  const typed = early || [];
  early = null;
  for (const event of typed) if (dialogs.isOpen()) dialogs.typed(event);
}

function tell(text, colour) {
  if (desk.isOpen()) desk.current().say(text, colour); else say(text, colour);
}

async function once(decision, given, label, pressed) {
  const ids = given || (await app.selection());
  const held = ids.length || desk.isOpen() || !lasso.isBatch(decision) ? [] : await app.lasso();
  if (held.length && app.blindView()) return tell(BLIND + "one image at a time.");
  if (held.length) return void (await lasso.ask(decision, held, label, (params) => inTurn(() => app.call("whole_view", params), params.decision, pressed)));
  if (!["undo", "whole_view"].includes(decision) && !ids.length) return say("Select images or open one first.");
  if (app.blindView() && HINTS.includes(decision)) return tell(BLIND + "that would show what the checks found.");
  if (decision === "more") {
    const answer = await app.call("more", { from_key: true, ids });
    desk.close();
    return say(answer.message);
  }
  if (decision === "whole_view") {
    const [counts, batch] = await Promise.all([app.call("view_counts", {}), app.call("next_batch", {})]);
    return void dialogs.askWholeView(counts, (chosen) => {
      if (chosen === "accept") return accept(batch.ids);
      return inTurn(() => app.call("whole_view", { decision: chosen, sure: true, from_key: true }), chosen, pressed);
    }, batch);
  }
  if (decision === "relabel_to") {
    const { classes } = await app.call("classes", {});
    return void dialogs.askLabel(`New label for ${images(ids.length)}`, classes, (name) => press("relabel", ids, name));
  }
  const actual = decision === "number" ? "relabel" : decision;
  return decided(await app.call("decide", { decision: actual, ids, label, grid: true }), actual, pressed);
}

/** Accept the suggested labels of a batch; Python opens a view of a few of them. */
function accept(ids) {
  chain = chain.then(async () => {
    const answer = await app.call("accept_batch", { ids });
    if (answer.n) desk.close();
    tell(answer.message, answer.failed ? ERROR : COLOURS.relabel);
  }).catch((error) => tell("NOT SAVED: " + error.message, ERROR));
}

function inTurn(work, decision, pressed) {
  chain = chain.then(async () => decided(await work(), decision, pressed)).catch((error) => tell("NOT SAVED: " + error.message, ERROR));
}

async function decided(answer, decision, pressed) {
  if (answer.failed) return tell(answer.message, ERROR);
  if (desk.isOpen()) { tell(answer.message); return desk.current().begin(null); }
  let note = "";
  if (answer.n) {
    await tiles.update(answer.samples);
    if (decision !== "undo" && !answer.next && !context.api.lasso.length) note = " That was the last one of this view.";
    await tiles.select(decision === "undo" ? answer.ids : answer.next ? [answer.next] : []);
    moved++;
  }
  say(answer.message + note, answer.n ? COLOURS[decision] : "");
  context.api.log.push({ decision, n: answer.n, python: performance.now() - pressed });
  return undefined;
}

/** The bar at the bottom of the grid: the keys, as buttons too, and what happened last. */
function say(text, colour) {
  if (!bar) {
    message = el("span.ic-bar-message");
    bar = el("div", { id: "imageclinic-bar" }, ACTIONS.map(({ key, decision, words }) => el("button", {
      type: "button", "data-decision": decision,
      onmousedown: (event) => event.preventDefault(), // keep the focus where it is
      onclick: (event) => { event.stopPropagation(); press(decision); },
    }, el("kbd", {}, key), words)), message);
    document.body.append(bar);
  }
  message.textContent = text;
  message.style.display = text ? "" : "none";
  message.style.color = colour || "inherit";
}

function typing() {
  const focus = document.activeElement;
  if (!focus || desk.isOpen() || sheet.isOpen()) return false;
  if (focus.isContentEditable || focus.tagName === "TEXTAREA" || focus.tagName === "SELECT") return true;
  return focus.tagName === "INPUT" && !/^(button|checkbox|radio|range|reset|submit)$/.test(focus.type);
}
