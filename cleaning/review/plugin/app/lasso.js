/* Keys on what a lasso on the map holds: one decision about many images, after a confirmation that says how many. */
import { COLOURS } from "./actions.js";
import * as app from "./app.js";
import * as dialogs from "./dialogs.js";
import { images, sleep } from "./dom.js";

const ONE = ["best", "not_copies", "more", "undo"]; // these are about one image, or about none
const VERBS = { keep: "Keep", relabel: "Relabel", drop: "Drop", unsure: "Unsure about" };

const WANTED = "imageclinic-map"; // somebody is on the way to the map

/** Open the workspace with the map; the view stays. */
export function openMap() {
  sessionStorage.setItem(WANTED, "yes");
  const address = new URL(location.href);
  address.searchParams.set("workspace", "map");
  location.assign(address);
}

/** FiftyOne's panel begins with a list of one map: go on to it. */
export function enterMap() {
  const card = sessionStorage.getItem(WANTED) && document.querySelector('.emb-run-card[role="button"]');
  if (!card) return;
  sessionStorage.removeItem(WANTED);
  card.click();
  colour();
}

/** The panel begins with "Color by None", whatever the workspace says: choose the checks, as a person would. */
async function colour() {
  const menu = 'button.emb-facet-trigger[aria-label="Color by"]:not(:disabled)';
  const choice = await appears(menu);
  if (!choice || !/None/.test(choice.textContent)) return; // another App, or somebody was faster
  choice.click();
  const checks = await appears('[role="option"] [title="checks"]');
  if (checks) checks.closest('[role="option"]').click();
}

async function appears(selector) { // null: not within ten seconds
  for (let i = 0; i < 100; i++) {
    const found = document.querySelector(selector);
    if (found) return found;
    await sleep(100);
  }
  return null;
}

/** Whether a key is about many images at once. */
export const isBatch = (decision) => !ONE.includes(decision);

/** Ask about the images `ids`; decide(params) is called with what was confirmed, for the operator whole_view. */
export async function ask(decision, ids, label, decide) {
  const counts = await app.call("view_counts", { ids });
  const sure = (chosen, name) => decide({ decision: chosen, label: name, ids, sure: true, from_key: true });
  if (decision === "whole_view") return dialogs.askWholeView(counts, (chosen) => sure(chosen, null));
  if (decision === "relabel_to") {
    const { classes } = await app.call("classes", {});
    return dialogs.askLabel(`New label for ${images(counts.left)} of the lasso`, classes, (name) => confirm("relabel", name, counts, sure));
  }
  return confirm(decision, label, counts, sure);
}

function confirm(decision, label, counts, sure) {
  const many = decision === "relabel" && !label ? counts.suggested : counts.left;
  if (!many) return dialogs.tell("Lasso", counts.left ? `None of the ${images(counts.left)} has a suggested label.` : `All ${images(counts.total)} of the lasso are decided.`);
  const to = decision !== "relabel" ? "" : label ? ` to ${label}` : ", each to its suggested label";
  return dialogs.confirm(`${VERBS[decision]} ${images(many)}${to}?`, notes(counts), `Yes, ${images(many)}`, COLOURS[decision], () => sure(decision, label));
}

function notes({ total, left, testing }) {
  const lines = ["These are the undecided images of the lasso. Undo takes all of it back."];
  if (total > left) lines.push(`${images(total - left)} of the lasso are decided already and stay so.`);
  if (testing) lines.push(`${images(testing)} of these are in the test split.`);
  return lines.join(" ");
}
