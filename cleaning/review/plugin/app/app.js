/* The FiftyOne App, as far as we use it: its operators, its selection, its view, its pictures. */

let context = null;
let task = 0;

export function use(given) {
  context = given;
}

/** Run one of our Python operators; resolves with what it returns. */
export function call(name, params = {}) {
  return new Promise((resolve, reject) => {
    context.foo.executeOperator(`${context.plugin}/${name}`, params, {
      skipOutput: true,
      callback: (r) => (r && r.error ? reject(new Error(r.errorMessage || String(r.error))) : resolve((r && r.result) || {})),
    });
  });
}

/** Run a function with the App's React hooks and a reader of its state. */
export function inside(work) {
  return new Promise((resolve, reject) => {
    const key = ++task;
    context.api.tasks.set(key, async (hooks, read) => {
      try { resolve(await work(hooks, read, context.fos)); } catch (error) { reject(error); }
    });
    context.foo.executeOperator(`${context.plugin}/bridge`, { task: key }, { skipOutput: true, callback: (r) => r && r.error && reject(new Error(r.errorMessage || String(r.error))) });
  });
}

/** The ids of the samples that are selected in the grid. */
export const selection = () => inside(async (hooks, read, fos) => Array.from((await read(fos.selectedSamples)).keys()));

/** The ids of the samples that a lasso on the map holds. */
export const lasso = () => inside(async (hooks, read) => context.api.heldBy(context.fos.extendedSelectionOverrideStage ? await read(context.fos.extendedSelectionOverrideStage) : null));

/** Whether the open dataset is one of ours. */
export const isOurs = () => inside(async (hooks, read, fos) => {
  const dataset = await read(fos.dataset);
  const info = dataset && typeof dataset.info === "string" ? JSON.parse(dataset.info) : dataset && dataset.info;
  return !!(info && info.imageclinic);
});

/** The address of the picture at a path. */
export function pictureUrl(path) {
  try {
    const found = context.fos.getSampleSrc(path);
    if (found) return found;
  } catch (error) { /* this App has no such function any more */ }
  return "/media?filepath=" + encodeURIComponent(path);
}

/** Put FiftyOne's own viewer away. */
export const closeViewer = () => inside(async (hooks) => hooks.clearModal());

/** The id of the sample that FiftyOne's own viewer shows; null when it is not open. */
export const viewerId = () => (document.querySelector("#modal.modalon") ? new URLSearchParams(location.search).get("id") : null);

/** Whether the open view is the random sample, which is judged blind. */
export const blindView = () => new URLSearchParams(location.search).get("view") === "calibrate";

export function annotating() {
  try {
    return !!document.querySelector("#modal.modalon") && context.fos.jotaiStore.get(context.fos.modalMode) === "annotate";
  } catch (error) {
    return false; // this App has no such mode
  }
}
