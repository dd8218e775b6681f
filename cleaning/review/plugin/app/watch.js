/* Whether the review's server is still there. A page whose server has ended says so, and comes back when the link of its
   next start has been opened: each start has a secret of its own. */
import { el, sleep } from "./dom.js";

const EVERY = 4_000, PATIENCE = 30_000, LOCKED = 403;

export async function watch() {
  let missed = 0, banner = null;
  for (;;) {
    await sleep(EVERY);
    if (document.hidden) continue;
    const there = await answers();
    missed = there ? 0 : missed + 1;
    if (missed >= 2 && !banner) {
      banner = el("div.ic-ended", { role: "alert" }, "The review's server has ended. All that was shown as saved is in decisions.csv. Start imageclinic review again and open the link that it prints; where its address is this one, this page then goes on by itself.");
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
    return (await fetch("/fiftyone", { signal: stop.signal, cache: "no-store" })).status !== LOCKED;
  } catch (error) {
    return error.name === "AbortError"; // a busy server is slow, one that has ended refuses at once
  } finally {
    clearTimeout(timer);
  }
}
