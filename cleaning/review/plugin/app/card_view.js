/* What is shown about an image: labels, buttons in their places, evidence, copies and look-alikes. */
import { COLOURS } from "./actions.js";
import { pictureUrl } from "./app.js";
import { BESIDE, sideBySide } from "./copies.js";
import { el, fileName } from "./dom.js";

const LARGEST = 8; // small pictures are enlarged at most so many times

/** The picture, as large as its place, scaled by the reviewer's zoom. */
export function pictureOf(entry, zoom) {
  if (!entry.picture) return el("div.ic-missing", {}, "This picture can't be drawn.");
  const image = entry.picture;
  image.className = "ic-image";
  image.alt = "";
  image.style.maxWidth = image.style.maxHeight = "100%";
  image.style.width = `${image.naturalWidth * LARGEST}px`;
  image.style.transform = zoom === 1 ? "" : `scale(${zoom})`;
  return image;
}

/** What stands in the picture's place: the picture, or, with copies, all of them side by side at the same zoom. */
export function placeOf(entry, zoom, blind) {
  const picture = pictureOf(entry, zoom);
  if (blind || !entry.card.copies.length) return picture;
  const place = sideBySide(entry.card, picture);
  zoomCopies(place, zoom);
  return place;
}

/** Copies are enlarged as the image is. */
export function zoomCopies(place, zoom) {
  for (const one of place.querySelectorAll(".ic-copy, .ic-difference")) one.style.scale = zoom;
}

/** The labels in question, large: given → suggested, and what is decided. */
export function labels(card, blind) {
  const pair = el("div.ic-pair", {}, el("span.ic-given", { title: "given" }, card.given === null ? "no label" : card.given));
  if (!blind && card.suggested) pair.append(" → ", el("span.ic-suggested", { title: "suggested" }, card.suggested));
  return el("div", {}, pair, state(card));
}

function state(card) {
  if (card.disputed) return el("div.ic-state.ic-warn", {}, "Reviewers disagree. ", card.who || "Who decided what, shows after your own decision.");
  if (card.others) return el("div.ic-state.ic-warn", {}, `${card.reviewer} has decided; what, shows after your own decision.`);
  if (card.decision) {
    const what = card.decision === "relabel" ? `relabel to ${card.label}` : card.decision;
    const by = card.reviewer ? `, by ${card.reviewer.split(";").join(" and ")}` : "";
    return el("div.ic-state", { style: `color:${COLOURS[card.decision] || ""}` }, `Decided: ${what}${by}. A key replaces it.`);
  }
  return el("div.ic-state", {}, card.settled ? "Its copies are all dropped: nothing is left to decide." : "Undecided");
}

/** Buttons, always all of them and in the same places; what does not apply is grey. act(decision, label). */
export function buttons(card, { blind, classes }, act) {
  const button = (key, words, decision, { label = null, off = false, share = null, title = "" } = {}) => el("button.ic-button", {
    "data-decision": decision, "data-label": label, disabled: off, title, type: "button",
    onmousedown: (event) => event.preventDefault(), // keep the focus where it is
    onclick: (event) => { event.stopPropagation(); act(decision, label); },
  }, el("kbd", { style: `background:${COLOURS[decision] || "#3a3a42"}` }, key), el("span", {}, words), share === null ? null : el("i", {}, percent(share)));
  const none = !card;
  const suggested = !none && !blind && card.suggested;
  const choices = none ? [] : numbered(card, blind, classes);
  return el("div.ic-buttons", {},
    button("k", card && card.given !== null ? `Keep ${card.given}` : "Keep", "keep", { off: none }),
    button("r", suggested ? `→ ${suggested}` : "→ suggested", "relabel", { off: !suggested }),
    button("d", "Drop", "drop", { off: none }),
    el("div.ic-numbers", {}, choices.map(({ name, share }, n) =>
      button(String(n + 1), name, "number", { label: name, share, title: card && name === card.given ? "the given label: keeps it" : "" }))),
    button("l", "Other label …", "relabel_to", { off: none }),
    button("n", "Unsure", "unsure", { off: none }),
    button("b", "Best copy", "best", { off: none || blind || !card.cluster }),
    button("c", "Not copies", "not_copies", { off: none || blind || !card.cluster }),
    button("m", "More like it", "more", { off: none || blind }),
    button("u", "Undo", "undo"),
    button("v", "Whole view …", "whole_view", { off: blind }),
  );
}

/** The classes that have a number key: the likeliest first; of the random sample all, in their order, if they are few. */
export function numbered(card, blind, classes) {
  if (blind) return classes.length <= 9 ? classes.map((name) => ({ name, share: null })) : [];
  return card.likely.map(([name, share]) => ({ name, share }));
}

/** What the checks found, who gave which label, and where the file is. */
export function evidence(card, blind) {
  if (blind) return el("div.ic-evidence", {}, el("p.ic-quiet", {}, "Random sample: what the checks found is hidden."));
  const lines = card.evidence.map((line) => {
    const [, check, text] = /^([a-z0-9_]+): ([^]*)$/.exec(line) || [null, "", line];
    return el("li", {}, check ? el("b", {}, check.replace(/_/g, " ")) : null, check ? ` ${text}` : text);
  });
  const [width, height, bytes] = card.size;
  const facts = [width ? `${width} × ${height}` : "", size(bytes), card.split || ""].filter(Boolean).join(" · ");
  return el("div.ic-evidence", {}, lines.length ? el("ul", {}, lines) : el("p.ic-quiet", {}, "No check found anything here."),
    card.said && card.said.length ? said(card.said) : null,
    el("p.ic-quiet", {}, facts), el("p.ic-quiet.ic-path", {}, card.image_id || ""));
}

/** Each annotator's label, and how often their labels are right. */
const said = (rows) => el("ul.ic-said", {}, rows.map(([who, label, quality]) => el("li", {}, `${who}: `, el("b", {}, label),
  quality === null ? null : el("span.ic-quiet", { title: "estimated share of this annotator's labels that is right" }, ` right ${percent(quality)}`))));

/** Copies that are not beside the image, with how they differ, and what looks like it. */
export function neighbours(card, blind) {
  if (blind) return el("div.ic-strip");
  const copies = card.copies.slice(BESIDE).map((copy) => tile(copy, [copy.survivor, copy.decision].filter(Boolean).join(", "), difference(card, copy)));
  const near = card.near.map((one) => tile(one, one.given === null ? "no label" : one.given, ""));
  return el("div.ic-strip", {},
    copies.length ? group("More copies in this group", copies) : null,
    near.length ? group("Looks most like it", near) : null);
}

const group = (title, tiles) => el("div.ic-group", {}, el("h4", {}, title), el("div.ic-tiles", {}, tiles));
const tile = (one, words, note) => el("figure", { title: one.image_id || "" },
  el("img", { src: pictureUrl(one.picture), alt: "" }), el("figcaption", {}, words, note ? el("small", {}, note) : null));

function difference(card, copy) { // in pixels, bytes, label and split: what makes one of two copies the better one
  const facts = [fileName(copy.image_id)];
  if (copy.given !== card.given) facts.push(`label ${copy.given}`);
  if (copy.split !== card.split) facts.push(`in ${copy.split}`);
  const [w, h, b] = card.size, [w2, h2, b2] = copy.size;
  if (w && w2) facts.push(w === w2 && h === h2 ? "same size" : `${w2} × ${h2}`);
  if (b && b2) facts.push(b === b2 ? "same bytes" : `${b2 > b ? "+" : "−"}${Math.round((100 * Math.abs(b2 - b)) / b)} % bytes`);
  return facts.join(" · ");
}

const percent = (share) => (share >= 0.995 ? "> 99 %" : share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`);
const size = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : bytes >= 1e3 ? `${Math.round(bytes / 1e3)} kB` : bytes ? `${bytes} B` : "");
