/* Whether the review's server is still there. A page whose server has ended says so, and comes back with it. */
import { el, sleep } from "./dom.js";

const EVERY = 4_000, PATIENCE = 30_000;

export async function watch() {
  let missed = 0, banner = null;
  for (;;) {
    await sleep(EVERY);
    if (document.hidden) continue;
    const there = await answers();
    missed = there ? 0 : missed + 1;
    if (missed >= 2 && !banner) {
      banner = el("div.ic-ended", { role: "alert" }, "The review's server has ended. All that was shown as saved is in decisions.csv. Start imageclinic review again: at the same address this page goes on by itself; else open the one that it prints.");
      document.body.append(banner);
    } else if (there && banner) {
      location.reload();
      return;
    }
  }
}

async function answers() {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), PATIENCE);
  try {
    await fetch("/fiftyone", { signal: stop.signal, cache: "no-store" });
    return true; // whatever it says
  } catch (error) {
    return error.name === "AbortError"; // a busy server is slow, one that has ended refuses at once
  } finally {
    clearTimeout(timer);
  }
}
