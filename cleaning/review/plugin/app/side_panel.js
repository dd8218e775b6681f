/* The panel beside the grid: what is selected, how far the review is, how far the flags can be trusted. */
import { call } from "./app.js";
import * as view from "./card_view.js";
import { bar, el, images } from "./dom.js";
import { openMap } from "./lasso.js";

let context = null, shown = { ids: null, card: null }, facts = null, drawn = 0;
const unfolded = new Set(); // lists that are

export function use(given) {
  context = given;
  context.api.drawPanels = () => refresh();
}

/** Fetch what the panel says and draw it; the selection's card only when the selection is another one. */
export async function refresh(ids = shown.ids || []) {
  if (!context.api.active || !context.api.panels.size) return;
  const turn = ++drawn;
  if (ids.join() !== (shown.ids || []).join()) draw({ ids, card: null });
  try {
    const [found, status] = await Promise.all([ids.length === 1 ? call("cards", { ids }) : { cards: [] }, call("panel", {})]);
    if (turn !== drawn) return;
    if (status.other) return fill(() => [el("p.ic-quiet", {}, status.other)]);
    facts = status;
    draw({ ids, card: found.cards[0] || null });
  } catch (error) { /* the next refresh may find the server again; `watch` says when it is gone */ }
}

/** The label that has the number n for the selected image; null when there is none. */
export function numbered(n) {
  const choice = shown.card && view.numbered(shown.card, facts.blind, facts.classes)[n - 1];
  return choice ? choice.name : null;
}

function draw(state) {
  shown = state;
  const { ids, card } = state, blind = !!(facts && facts.blind), held = context.api.lasso.length;
  const title = card ? view.labels(card, blind) : el("div.ic-state", {}, ids.length ? `${images(ids.length)} selected` : held ? `${images(held)} in the lasso: a key decides about all of them, after a confirmation.` : "Select images, or press Enter to review one at a time.");
  const several = ids.length > 1 || (held && !ids.length) ? { given: null, suggested: "suggested", likely: [], cluster: ids.length > 1 } : null;
  fill(() => [title.cloneNode(true),
    view.buttons(card || several, { blind, classes: (facts && facts.classes) || [] }, (decision, label) => context.api.press(decision, null, label)),
    card ? view.evidence(card, blind) : "", facts ? status(blind) : ""]);
}

function fill(make) {
  for (const panel of context.api.panels) panel.replaceChildren(...make());
}

function status(blind) {
  const done = blind ? facts.sample : facts;
  const move = (name, params = {}) => () => call(name, params);
  return el("div.ic-status", {},
    el("button.ic-go", { type: "button", onclick: () => context.api.openDesk() }, "Review one at a time [Enter]"),
    el("h4", {}, `${done.done.toLocaleString("en")} of ${done.flagged.toLocaleString("en")} ${blind ? "of the random sample" : "flagged images"} decided`),
    bar(done.done, done.flagged),
    facts.notice ? el("p.ic-warn", {}, facts.notice) : null,
    !blind && facts.flagged && facts.done === facts.flagged ? el("p", {}, "Next: ", el("code", {}, facts.export)) : null,
    facts.ranked ? el("p", {}, `Labels were ranked again with ${facts.ranked.toLocaleString("en")} lines of decisions.`) : null,
    facts.ranked ? el("button.ic-go", { type: "button", onclick: move("new_order") }, "Mislabeled: show the new order") : null,
    el("button.ic-go.ic-plain", { type: "button", onclick: move("calibrate") }, "Calibrate: a random sample"),
    el("button.ic-go.ic-plain", { type: "button", onclick: move("inbox") }, "Inbox: show what is left"),
    facts.map && !blind ? el("button.ic-go.ic-plain", { type: "button", onclick: openMap }, "Map: choose images by a lasso") : null,
    facts.confusions.length ? el("button.ic-go.ic-plain", { type: "button", onclick: () => context.api.openMatrix(false) }, "Confusion matrix [t]") : null,
    blind ? null : el("button.ic-go.ic-plain", { type: "button", onclick: () => window.open("/report", "imageclinic-report") }, "Report: its pictures and numbers lead here"),
    list("Given → predicted label", pairs(facts.confusions, false)),
    list("Test images, by compare", [...facts.tested.map(([name, n]) => choice(name, n, move("open_view", { view: name }))), ...matrixOfTests(), ...pairs(facts.tested_confusions, true)]),
    el("h4", {}, "How far to trust the flags"), trust(facts.trust, facts.lines),
    blind ? null : checks(facts.checks),
    blind ? null : el("p.ic-views", {}, "Other views: ", ["Undecided", "Disputed", "Decided"].map(opens)));
}

const pairs = (rows, tested) => rows.map(([given, predicted, n]) => // label and prediction, each a view of its images
  choice(`${given} → ${predicted}`, n, () => context.api.openPair(given, predicted, tested)));

const matrixOfTests = () => (facts.tested_confusions.length ? [choice("Confusion matrix", null, () => context.api.openMatrix(true))] : []);

const choice = (words, n, onclick) => el("button.ic-button", { type: "button", onclick }, el("span", { title: words }, words), n === null ? null : el("i", {}, n.toLocaleString("en")));

function list(title, rows) { // that stays unfolded when the panel is drawn again
  const toggle = (event) => (event.target.open ? unfolded.add(title) : unfolded.delete(title));
  return rows.length ? el("details.ic-confusions", { open: unfolded.has(title), ontoggle: toggle }, el("summary", {}, title), rows) : null;
}

function trust(rows, lines) {
  if (!rows.length && !lines.length) return el("p.ic-quiet", {}, "Not known yet: judge some of the random sample (Calibrate).");
  const table = rows.length ? el("table", {}, el("tr", {}, ["check", "flags right", "missed"].map((name) => el("th", {}, name))),
    rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell))))) : null;
  return el("details", {}, el("summary", {}, table || "What the random reviews say"), el("ul", {}, lines.map((line) => el("li", {}, line))));
}

const opens = (view) => el("button.ic-link", { type: "button", title: `open the view ${view}`, onclick: () => call("open_view", { view }) }, view);

const checks = (rows) => el("table", {}, el("tr", {}, ["check", "decided", "flagged"].map((name) => el("th", {}, name))),
  rows.map(([name, done, all]) => el("tr", {}, el("td", {}, opens(name), bar(done, all)), el("td", {}, done.toLocaleString("en")), el("td", {}, all.toLocaleString("en")))));
