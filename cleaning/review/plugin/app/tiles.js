/* The tiles of the App's grid: which sample each shows, and how to draw them again after a decision.

   The App has no public way to do either. This finds the Samples panel's tile cache ({shown, get, isShown, …}) and its
   record store (a WeakMap) on its React hooks, and gives up where the App has changed. */
import { sleep } from "./dom.js";
import { inside, selection } from "./app.js";

let api = null;
export function use(given) {
  api = given.api;
}

function grid() {
  const element = document.querySelector('[data-cy="fo-grid"]');
  const key = element && Object.keys(element).find((k) => k.startsWith("__reactFiber$"));
  let fiber = key && element[key];
  for (let up = 0; fiber && up < 6; fiber = fiber.return, up++) {
    if (typeof fiber.type === "string") continue;
    const found = { cache: null, store: null };
    let hook = fiber.memoizedState;
    for (let i = 0; hook && typeof hook === "object" && "next" in hook && i < 1000; hook = hook.next, i++) {
      const memo = hook.memoizedState, cache = memo && memo.current && memo.current.result;
      if (cache && typeof cache.isShown === "function" && typeof cache.get === "function") found.cache = cache;
      if (Array.isArray(memo) && memo[0] instanceof WeakMap) found.store = memo[0];
    }
    if (found.cache) return found;
  }
  return null;
}

/** The id of the sample that a tile shows; null when it can't be known. */
export function sampleOf(tile) {
  try {
    for (const [id, looker] of grid().cache.shown) {
      const element = looker.lookerElement && looker.lookerElement.element;
      if (element && (element === tile || tile.contains(element) || element.contains(tile))) return String(id);
    }
  } catch (error) { /* another App: FiftyOne's own viewer opens, and we take over from there */ }
  return null;
}

/** Give changed samples to the App and draw their tiles again. */
export async function update(samples) {
  if (!samples.length) return;
  await inside(async (hooks) => hooks.updateSamples(samples.map((sample) => [sample._id, sample])));
  redraw(samples);
}

// A tile takes the new sample in its own time, may be made again meanwhile, and writes its labels again only when
// one of its options changes: so look after each for a while.
async function redraw(samples) {
  const relabelled = new Map();
  for (let round = 0; round < 12; round++) {
    try {
      const tiles = grid();
      api.tiles = !!tiles;
      if (!tiles) return;
      for (const sample of samples) redrawTile(tiles, sample, relabelled);
    } catch (error) { // a tile that shows the old decision until the next reload is no reason to fail
      api.tiles = String(error);
      return;
    }
    await sleep(250);
  }
}

function redrawTile(tiles, sample, relabelled) {
  const tile = tiles.cache.get(sample._id);
  if (!tile || relabelled.get(sample._id) === tile) return;
  const state = tile.state, symbol = state && state.config && state.config.symbol;
  const record = symbol && tiles.store && tiles.store.get(symbol);
  if (record) record.sample = sample;
  if (!tile.sample) return;
  if (["decision", "decided_label"].some((f) => (tile.sample[f] || null) !== (sample[f] || null))) return tile.updateSample(sample);
  tile.updater({ options: { labelTagColors: { ...state.options.labelTagColors, imageclinic: performance.now() } } });
  relabelled.set(sample._id, tile);
}

/** Select samples in the grid and bring the first one into sight. Resolves when the App has them selected: the next key
    is about them. */
export async function select(ids) {
  const few = ids.slice(0, 50);
  await inside(async (hooks) => hooks.setSelected(new Map(few.map((id) => [id, "default"]))));
  for (let i = 0; i < 100 && (await selection()).join() !== few.join(); i++) await sleep(20); // React takes its time
  api.selected = few;
  scrollTo(few);
}

async function scrollTo(few) {
  for (let i = 0; few.length && i < 20; i++) {
    await sleep(100);
    const box = document.querySelector('[data-cy="fo-grid"] [data-cy="looker"] input:checked');
    if (!box) continue;
    const tile = box.closest('[data-cy="looker"]'), place = tile.getBoundingClientRect();
    const frame = tile.closest('[data-cy="fo-grid"]').getBoundingClientRect();
    if (place.top < frame.top + 40 || place.bottom > frame.bottom - 60) tile.scrollIntoView({ block: "center" }); // not under the bars
    return;
  }
}
