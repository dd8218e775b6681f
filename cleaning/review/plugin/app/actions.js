/* The keys: what each decides, and the message about it. */

export const ACTIONS = [ // key, what Python calls it, what the bar says, its colour, its help
  { key: "k", decision: "keep", words: "keep", colour: "#3fb86b", help: "keep: the image stays with its given label" },
  { key: "r", decision: "relabel", words: "suggested", colour: "#ff8f3a", help: "relabel to the suggested label" },
  { key: "l", decision: "relabel_to", words: "label …", colour: "#ff8f3a", help: "relabel to another one: type, Enter" },
  { key: "d", decision: "drop", words: "drop", colour: "#ef5350", help: "drop: the image leaves the dataset" },
  { key: "b", decision: "best", words: "best copy", colour: "#b57bee", help: "keep the best copy of its group, drop the others" },
  { key: "c", decision: "not_copies", words: "not copies", colour: "#3fb86b", help: "not copies: keep all images of the group; near copies may then be in different splits" },
  { key: "n", decision: "unsure", words: "unsure", colour: "#8a8f98", help: "unsure: somebody else may know" },
  { key: "u", decision: "undo", words: "undo", colour: "", help: "take back the last decision, as many steps as you like" },
  { key: "v", decision: "whole_view", words: "whole view …", colour: "", help: "decide about the whole view, after a confirmation" },
  { key: "m", decision: "more", words: "more like it", colour: "", help: "more like this one: the same mistake first" },
];
export const KEYS = Object.fromEntries(ACTIONS.map((action) => [action.key, action.decision]));
export const COLOURS = Object.fromEntries(ACTIONS.map((action) => [action.decision, action.colour]));
/** These tell what checks found: not for the random sample. */
export const HINTS = ["relabel", "best", "not_copies", "whole_view", "more"];
export const BLIND = "The random sample is judged blind: ";
export const ERROR = "#ef5350";

export const HELP = [
  ["Enter", "open the selected image, or the first undecided one, large"],
  ["1 … 9", "in an open image: relabel to the class that has this number"],
  ...ACTIONS.map((action) => [action.key, action.help]),
  ["← →", "in an open image: the one before, the next one, decided or not"],
  ["PgUp PgDn", "in an open image: the group of copies before, the next one"],
  ["+ − 0", "in an open image: larger, smaller, as it was; stays for the next"],
  ["o", "in an open image: FiftyOne's own viewer"],
  ["t", "the confusion matrix; a number opens all images of its pair, ticked"],
  ["Space a", "on such a sheet: untick or tick an image, all images; a decision is about what is ticked"],
  ["Esc", "back to the grid"],
  ["?", "these keys"],
];

/** What of ours a key event asks for: a decision, a number, "help", a key's name; null: it is not ours. */
export function meaning(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  if (event.key === "?") return { help: true };
  if (/^[1-9]$/.test(event.key)) return { number: Number(event.key) };
  const decision = event.key.length === 1 ? KEYS[event.key.toLowerCase()] : undefined; // capital letters, too
  if (decision) return { decision };
  return { name: event.key };
}
