/* Questions to the reviewer: another label, the whole view, and the list of keys. Drawn by us, so that a letter typed
   right after the key is already in the field. */
import { HELP } from "./actions.js";
import { el, images } from "./dom.js";

const SHOWN = 50; // classes in the list at once
let open = null;

/** Whether a dialog of ours is open: then all keys are its own. */
export const isOpen = () => !!open;

/** Show a dialog; onkey(event) gets the keys but Escape. */
export function show(content, { onkey, onclose } = {}) {
  close();
  const box = el("div.ic-dialog", { role: "dialog", "aria-modal": "true", onclick: (event) => { if (event.target === box) close(); } }, content);
  open = { box, onkey, onclose };
  document.body.append(box);
  return box;
}

export function close() {
  if (!open) return;
  const { box, onclose } = open;
  open = null;
  box.remove();
  if (onclose) onclose();
}

/** A key event while a dialog is open. */
export function key(event) {
  if (event.key === "Escape") { event.preventDefault(); close(); } else if (open.onkey) open.onkey(event);
}

/** A key event from before the dialog was there. */
export function typed(event) {
  const input = open.box.querySelector(".ic-input");
  if (!input || event.key.length !== 1) return key(event);
  input.value += event.key;
  return input.oninput();
}

/** Ask for a label: done(label) once, by one Enter or a click. A class that does not exist yet takes a second Enter. */
export function askLabel(title, classes, done) {
  const input = el("input.ic-input", { type: "text", spellcheck: "false", autocomplete: "off", "aria-label": title });
  const list = el("div.ic-list", { role: "listbox" });
  let shown = [], at = 0, sure = false;
  const draw = () => {
    const typed = input.value.trim(), low = typed.toLowerCase();
    const starts = classes.filter((name) => name.toLowerCase().startsWith(low));
    const holds = low ? classes.filter((name) => !name.toLowerCase().startsWith(low) && name.toLowerCase().includes(low)) : [];
    shown = [...starts, ...holds].slice(0, SHOWN).map((name) => ({ name, fresh: false }));
    const exact = shown.findIndex(({ name }) => name === typed);
    if (exact > 0) shown.unshift(...shown.splice(exact, 1));
    if (typed && !classes.includes(typed)) shown.push({ name: typed, fresh: true });
    at = Math.max(0, Math.min(at, shown.length - 1));
    list.replaceChildren(...shown.map(({ name, fresh }, n) => el("div.ic-option", {
      role: "option", "aria-selected": n === at ? "true" : "false",
      onmousedown: (event) => { event.preventDefault(); at = n; choose(); },
    }, fresh ? (sure && n === at ? `Enter again: add “${name}” as a new class` : `New class “${name}”`) : name)));
    const marked = list.children[at];
    if (marked) marked.scrollIntoView({ block: "nearest" });
  };
  const choose = () => {
    const chosen = shown[at];
    if (!chosen) return;
    if (chosen.fresh && !sure) { sure = true; draw(); return; }
    close();
    done(chosen.name);
  };
  input.oninput = () => { at = 0; sure = false; draw(); };
  show(el("div.ic-box", {}, el("h3", {}, title), input, list), {
    onkey: (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) { at += step; sure = false; draw(); } else if (event.key === "Enter") { if (!event.repeat) choose(); } else return;
      event.preventDefault();
    },
  });
  draw();
  input.focus();
}

/** Ask what to decide about every undecided image of the view; done(decision) after a confirmation of the count.
    batch: what could be accepted at once, as the operator next_batch returns it; decision "accept" is about that. */
export function askWholeView({ total, left, testing }, done, batch = {}) {
  if (!left) return tell("The whole view", `All ${images(total)} of this view are decided.`);
  const notes = ["Undo takes all of it back."];
  if (total > left) notes.push(`${images(total - left)} of the view are decided already and stay so.`);
  if (testing) notes.push(`${images(testing)} of these are in the test split.`);
  let chosen = null;
  const next = batch.n && batch.supported;
  const choices = [...(next ? [["a", "accept", `relabel only the next ${images(batch.n)} to the suggested labels`]] : []), ["k", "keep", "keep"], ["r", "relabel", "relabel to the suggested label, where there is one"], ["d", "drop", "drop"], ["n", "unsure", "unsure"]];
  const go = el("button.ic-go", { type: "button", disabled: true, onclick: () => { close(); done(chosen); } }, "Choose first");
  const rows = choices.map(([k, decision, words]) => el("label.ic-choice", {},
    el("input", { type: "radio", name: "ic-whole", value: decision, onchange: () => pick(decision) }), el("kbd", {}, k), words));
  const pick = (decision) => {
    chosen = decision;
    box.querySelector(`input[value=${decision}]`).checked = true;
    go.disabled = false;
    go.textContent = decision === "accept" ? `Yes, relabel ${images(batch.n)}` : `Yes, ${decision} ${images(left)}`;
    go.focus();
  };
  const box = show(el("div.ic-box", {}, el("h3", {}, `Decide about ${images(left)}`), rows, el("p.ic-quiet", {}, notes.join(" ")),
    batch.n ? el("p.ic-quiet.ic-batch", {}, aboutBatch(batch)) : null, go), {
    onkey: (event) => {
      const choice = choices.find(([k]) => k === event.key.toLowerCase());
      if (choice) { event.preventDefault(); pick(choice[1]); }
    },
  });
  go.focus();
  return box;
}

/** What random reviews say of the next labels, and what to do where they do not support accepting them all. */
function aboutBatch({ n, reviews, wrong, needed, most, supported, testing }) {
  const these = `the next ${n} suggested label${n === 1 ? "" : "s"}`;
  if (!needed) return `Too few suggested labels are left to accept them at once (${n}): decide one at a time.`;
  if (reviews < needed) return `To accept ${these} at once takes ${needed} random reviews of such flags or more; there are ${reviews}. Open Calibrate.`;
  const says = `By ${reviews} random reviews (${wrong} of them found the suggested label wrong), 0 to ${most} of ${these} are expected to be wrong`;
  if (!supported) return `${says}, too many to accept them at once: decide one at a time.`;
  return `${says} (95 % interval).${testing ? ` ${images(testing)} of these are in the test split.` : ""} Afterwards a few of them are shown for a check.`;
}

/** Ask whether to go on: done() after a click or an Enter of its own, not one that was typed before it was in sight. */
export function confirm(title, notes, yes, colour, done) {
  const go = el("button.ic-go", { type: "button", style: `background:${colour}`, onclick: () => { close(); done(); } }, yes);
  const no = el("button.ic-go.ic-plain", { type: "button", onclick: () => close() }, "No [Esc]");
  const box = show(el("div.ic-box", {}, el("h3", {}, title), el("p.ic-quiet", {}, notes), go, no));
  go.focus();
  return box;
}

/** Something to read; any of Enter and Escape puts it away. */
export function tell(title, ...content) {
  return show(el("div.ic-box", {}, el("h3", {}, title), ...content), { onkey: (event) => { if (event.key === "Enter") close(); } });
}

/** The list of keys. */
export const help = () => tell("Keys", el("table.ic-keys", {}, HELP.map(([name, words]) => el("tr", {}, el("td", {}, el("kbd", {}, name)), el("td", {}, words)))));
