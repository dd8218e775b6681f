/* The confusion matrix: each number opens the images of its pair of classes. */
import { call } from "./app.js";
import * as dialogs from "./dialogs.js";
import { el } from "./dom.js";

const number = (n) => n.toLocaleString("en");
const progress = (n, left) => (left === n ? number(n) : left ? `${number(left)}/${number(n)}` : `${number(n)} ✓`);

/** Show the matrix of out-of-fold predictions, or, where `tested`, of the test images; openPair(given, predicted, tested). */
export async function open(openPair, tested) {
  const found = await call("confusion_matrix", { tested });
  if (found.message) return dialogs.tell("Confusion matrix", el("p", {}, found.message));
  const largest = Math.max(1, ...found.pairs.map(([, , n]) => n));
  const go = (given, predicted) => () => { dialogs.close(); openPair(given, predicted, tested); };
  const cell = (n, left, given, predicted) => el("td", {}, given === predicted ? el("span.ic-quiet", {}, number(n)) : !n ? "" : el("button.ic-cell", {
    type: "button", "data-left": left, style: `--heat:${Math.round((100 * n) / largest)}%`, class: left ? "ic-cell" : "ic-cell ic-cell-done",
    title: `${given} → ${predicted}: ${number(n)}, ${left ? `${number(left)} undecided` : "all decided"}`, onclick: go(given, predicted),
  }, progress(n, left)));
  const rows = found.classes.map((given, y) => el("tr", {}, el("th", { title: given }, given),
    found.classes.map((predicted, x) => cell(found.rows[y][x], found.left[y][x], given, predicted))));
  const table = el("table.ic-matrix", {}, el("thead", {}, el("tr", {}, el("th", {}, "given"), found.classes.map((name) => el("th", { title: name }, el("span", {}, name))))), el("tbody", {}, rows));
  const pairs = found.left_out ? [el("h4", {}, "Most frequent"), el("div.ic-pairs", {}, found.pairs.map(([given, predicted, n, left]) => el("button.ic-button", { type: "button", onclick: go(given, predicted) },
    el("span", {}, `${given} → ${predicted}`), el("i", {}, progress(n, left)))))] : [];
  const words = tested ? "Test label against what most trainings after cleaning name." : "Given label against what models predict that did not see the image.";
  const note = found.left_out ? ` The classes that are confused most; ${number(found.left_out)} images are confused between others.` : "";
  const box = dialogs.show(el("div.ic-box.ic-wide", {}, el("h3", {}, tested ? "Confusion matrix, test images" : "Confusion matrix"),
    el("p.ic-quiet", {}, `${words} A number opens its images, the least likely label first; 1/9: one of nine is undecided; ✓: none is.${note}`), el("div.ic-scroll", {}, table), ...pairs), { onkey: (event) => move(event, table) });
  const cells = [...box.querySelectorAll(".ic-cell")].sort((one, other) => other.dataset.left - one.dataset.left);
  (cells[0] || box.querySelector("button")).focus(); // where most is undecided
  return box;
}

/** Arrows: to the next number that way. */
function move(event, table) {
  const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  const from = way && document.activeElement.closest("td");
  if (!from) return;
  event.preventDefault();
  let x = from.cellIndex, y = from.parentElement.rowIndex, cell = from;
  do {
    [x, y] = [x + way[0], y + way[1]];
    cell = table.rows[y] && table.rows[y].cells[x];
  } while (cell && !cell.querySelector("button"));
  if (cell) cell.querySelector("button").focus();
}
