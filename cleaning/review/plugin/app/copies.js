/* Copies side by side: each with its facts, the best of them marked, and where they differ. */
import { pictureUrl } from "./app.js";
import { el, fileName } from "./dom.js";

export const BESIDE = 4; // copies that are shown beside the image; more of them are in the strip below

const TURNS = { // what turns the copy into the image: mirrored left-right first, then turned anticlockwise
  identity: "", rot90: "rotate(-90deg)", rot180: "rotate(180deg)", rot270: "rotate(90deg)",
  flip: "scaleX(-1)", flip_rot90: "rotate(-90deg) scaleX(-1)", flip_rot180: "rotate(180deg) scaleX(-1)", flip_rot270: "rotate(90deg) scaleX(-1)",
};

/** The image with its copies, each as {element to show}; image: the picture of the card. */
export function sideBySide(card, image) {
  const shown = card.copies.slice(0, BESIDE), all = [card, ...shown];
  const best = { pixels: top(all, pixels), bytes: top(all, (one) => one.size[2]), sharpness: top(all, (one) => one.sharpness) };
  const other = shown.find((copy) => copy.survivor && copy.survivor.endsWith("would stay")) || shown[0];
  return el("div.ic-side", {}, figure(card, image, best, card, true),
    shown.map((copy) => figure(copy, el("img.ic-copy", { src: pictureUrl(copy.picture), alt: "" }), best, card, false)),
    differs(card, other));
}

function figure(one, picture, best, card, open) {
  const facts = [
    fact(one.size[0] ? `${one.size[0]} × ${one.size[1]}` : "", best.pixels && pixels(one) === best.pixels),
    fact(kilobytes(one.size[2]), best.bytes && one.size[2] === best.bytes),
    fact(one.sharpness ? `sharpness ${one.sharpness.toPrecision(2)}` : "", best.sharpness && one.sharpness === best.sharpness),
    fact(one.split ? `in ${one.split}` : "", false),
  ].filter(Boolean);
  const same = open || (one.cluster && one.cluster === card.cluster);
  const stays = same && one.survivor && one.survivor.endsWith("would stay"), label = one.given === null ? "no label" : one.given;
  return el(`figure.ic-member${open ? ".ic-open" : ""}${stays ? ".ic-stays" : ""}`, { title: one.image_id || "" }, el("div.ic-frame", {}, picture),
    el("figcaption", {}, el("b", {}, stays ? "best copy: would stay" : !same ? "like it, but in no group with it" : one.survivor ? "copy" : ""), el("span", { class: one.given === card.given ? "ic-label" : "ic-label ic-warn" }, label),
      facts.map((part) => [part, " · "]).flat().slice(0, -1), el("small", {}, fileName(one.image_id), one.decision ? ` · decided: ${one.decision}` : "")));
}

/** Where the copy differs from the image: black where they are equal. */
function differs(card, copy) {
  if (!copy.turn) return null; // the two were not compared
  const turn = TURNS[copy.turn];
  if (turn === undefined) return el("figure.ic-member", {}, el("div.ic-frame.ic-quiet", {}, "laid over each other by points: no difference picture"), el("figcaption"));
  const layer = (path, more) => el("img", { src: pictureUrl(path), alt: "", style: more });
  return el("figure.ic-member", {}, el("div.ic-frame", {}, el("div.ic-difference", {}, layer(card.picture, ""), layer(copy.picture, `transform:${turn || "none"};mix-blend-mode:difference`))),
    el("figcaption", {}, el("b", {}, "difference"), el("span.ic-label", {}, `to ${fileName(copy.image_id)}, four times as bright${turn ? ", turned as this one is" : ""}`)));
}

/** The first position after `at` (before it for by = -1) in another group of copies than that of `at`; -1: none. */
export function nextGroup(clusters, at, by) {
  let to = at + by;
  while (to >= 0 && to < clusters.length && (!clusters[to] || clusters[to] === clusters[at])) to += by;
  if (to < 0 || to >= clusters.length) return -1;
  while (by < 0 && to > 0 && clusters[to - 1] === clusters[to]) to--; // its first member
  return to;
}

const pixels = (one) => (one.size[0] || 0) * (one.size[1] || 0);
const fact = (words, best) => (words ? el(best ? "b" : "span", best ? { title: "the best of the group" } : {}, words) : null);
const kilobytes = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : bytes ? `${bytes} B` : "");

function top(all, value) { // null where all are alike: then none is better
  const values = all.map((one) => value(one) || 0), most = Math.max(...values);
  return values.every((each) => each === most) ? null : most;
}
