/* One key per decision in the FiftyOne App: k keep, r relabel to suggested, l relabel to another label, d drop,
   b keep the best copy and drop the others, n unsure, u undo, v the whole view; m shows more like the image.

   One hand-written file, no build step. It leans on the App's own globals (seen in FiftyOne 1.22.1), which are no
   public API: when one is missing it steps aside, and the buttons of the Python operators still work. Labels and
   file names are hostile: nothing here writes HTML, only textContent. */
(function () {
  "use strict";
  if (window.__imageclinic__) return; // never register twice
  const foo = window.__foo__, fos = window.__fos__, fosp = window.__fosp__;
  if (!foo || !fos || !fosp || !fos.useUpdateSamples || !fos.modalNavigation || !foo.usePanelEvent) return;
  const PLUGIN = "@imageclinic/review", PANEL = "imageclinic_review", MODAL = "fiftyone-modal-spaces";
  const ACTIONS = [ // key, what Python calls it, what the bar says, its colour
    ["k", "keep", "keep", "#3fb86b"],
    ["r", "relabel", "suggested", "#ff8f3a"],
    ["l", "relabel_to", "label …", "#ff8f3a"],
    ["d", "drop", "drop", "#ef5350"],
    ["b", "best", "best copy", "#b57bee"],
    ["n", "unsure", "unsure", "#8a8f98"],
    ["u", "undo", "undo", ""],
    ["v", "whole_view", "whole view …", ""],
    ["m", "more", "more like it", ""],
  ];
  const KEYS = Object.fromEntries(ACTIONS.map(([key, decision]) => [key, decision]));
  const COLOURS = Object.fromEntries(ACTIONS.map(([, decision, , colour]) => [decision, colour]));
  const HINTS = ["relabel", "best", "whole_view", "more"]; // these tell what checks said: not for the random sample
  const PROMPTS = ["relabel_to", "whole_view"]; // these ask in a dialog first
  const AHEAD = 20; // how far to look for the next undecided image
  // What the browser tests read: whether keys are live, and how long each decision took.
  const api = (window.__imageclinic__ = { active: false, log: [], tiles: null, selected: [] });

  // A JavaScript operator gives us React hooks and Recoil's snapshot without any visible component.
  class Key extends foo.Operator {
    get config() {
      return new foo.OperatorConfig({ name: "key", label: "imageclinic key", unlisted: true, skipInput: true, skipOutput: true });
    }
    useHooks() {
      return {
        updateSamples: fos.useUpdateSamples(),
        setExpanded: fos.useSetExpandedSample(),
        setSelected: fos.useSetSelected(),
        prompt: foo.usePromptOperatorInput(),
        panels: ["fiftyone-spaces", MODAL].flatMap((id) => fosp.useSpaceNodes(id)),
        panelEvent: foo.usePanelEvent(),
      };
    }
    async execute(ctx) {
      const { decision, pressed } = ctx.params;
      const read = (state) => ctx.state.snapshot.getPromise(state);
      const modal = await read(fos.nullableModalSampleId);
      const ids = modal ? [modal] : Array.from((await read(fos.selectedSamples)).keys());
      if (modal && openId() && openId() !== modal) return { retry: true }; // the App is still switching images
      if (!["undo", "whole_view"].includes(decision) && !ids.length) { say("Select images or open one first."); return {}; }
      if (decision === "more") {
        const { said } = await execute(PLUGIN + "/more", { from_key: true });
        say(said);
        return {};
      }
      if (PROMPTS.includes(decision) && !ctx.params.result) {
        ctx.hooks.prompt(PLUGIN + "/" + decision, { from_key: true }, { callback: (r) => chosen(r, decision, pressed) });
        focusDialog();
        return {};
      }
      const nav = modal && fos.modalNavigation.get();
      const ahead = nav && decision !== "undo" ? await peekAhead(nav) : [];
      const asked = { decision, ids, ahead: modal ? ahead : null };
      const result = ctx.params.result || (await execute(PLUGIN + "/decide", asked));
      if (result.failed) { say(result.said, "#ef5350"); return {}; }
      const answered = performance.now();
      let to = null, note = "";
      if (result.n) {
        ctx.hooks.updateSamples(result.samples.map((sample) => [sample._id, sample]));
        redraw(result.samples);
        if (!modal) select(ctx.hooks.setSelected, decision === "undo" ? result.ids : result.next ? [result.next] : []);
      }
      if (result.n && nav && decision !== "undo") {
        const skip = result.skip || 0;
        if (skip < ahead.length) to = await nav.next(skip + 1);
        else if (ahead.length === AHEAD) to = await nav.next(AHEAD);
        else note = " That was the last one of this view.";
      } else if (result.n && nav) {
        to = await back(nav, modal, result.ids[0]);
      } else if (result.n && modal) {
        note = " Open it from the grid to move on by key.";
      } else if (result.n && result.next === null && decision !== "undo") {
        note = " That was the last one of this view.";
      }
      if (to) await ctx.hooks.setExpanded(to);
      for (const panel of ctx.hooks.panels) { // one that shows another image refreshes by itself
        if (panel.type === PANEL && !to) ctx.hooks.panelEvent(panel.id, { operator: PLUGIN + "/" + PANEL + "#refresh", params: {} });
      }
      say(result.said + note, result.n ? COLOURS[decision] : "");
      const entry = { decision, n: result.n, python: answered - pressed };
      api.log.push(entry);
      return { to: to && to.id, entry };
    }
  }

  // Runs whenever a dataset opens: keys are live only in our own datasets.
  class Open extends foo.Operator {
    get config() {
      return new foo.OperatorConfig({ name: "open", label: "imageclinic open", unlisted: true, skipInput: true, skipOutput: true, onDatasetOpen: true });
    }
    async execute(ctx) {
      const dataset = await ctx.state.snapshot.getPromise(fos.dataset);
      let info = dataset && dataset.info;
      if (typeof info === "string") info = JSON.parse(info);
      api.active = !!(info && info.imageclinic);
      if (api.active) say(""); else if (bar) { bar.remove(); bar = null; }
    }
  }
  // An image opens with our panel beside it, where the App would hide it behind a tab.
  class Beside extends foo.Operator {
    get config() {
      return new foo.OperatorConfig({ name: "beside", label: "imageclinic beside", unlisted: true, skipInput: true, skipOutput: true });
    }
    useHooks() {
      return { spaces: fosp.useSpaces(MODAL).spaces, nodes: fosp.useSpaceNodes(MODAL) };
    }
    async execute(ctx) {
      const { spaces, nodes } = ctx.hooks;
      const panel = nodes.find((node) => node.type === PANEL), tabs = panel && panel.parent;
      if (!tabs) return { done: false }; // the App is still opening
      if (!tabs.isPanelContainer() || tabs.children.length < 2 || !spaces.canSplitLayout(tabs)) return { done: true };
      spaces.splitLayout(tabs, "horizontal", panel);
      spaces.setNodeSizes(tabs, [0.7, 0.3]);
      return { done: true };
    }
  }
  foo.registerOperator(Key, PLUGIN);
  foo.registerOperator(Beside, PLUGIN);
  foo.registerOperator(Open, PLUGIN);

  function execute(uri, params) {
    return new Promise((resolve, reject) => {
      foo.executeOperator(uri, params, {
        skipOutput: true,
        callback: (r) => (r && r.error ? reject(new Error(r.errorMessage || r.error)) : resolve((r && r.result) || {})),
      });
    });
  }

  async function peekAhead(nav) {
    const ids = [];
    for (let offset = 1; offset <= AHEAD; offset++) {
      const sample = await nav.peek(offset);
      if (!sample) break;
      ids.push(sample.id);
    }
    return ids;
  }

  async function back(nav, open, wanted) { // to the image whose decision was taken back, if it is near
    for (let offset = 0; offset <= 2 * AHEAD; offset++) {
      const sample = offset ? await nav.peek(-offset) : { id: open };
      if (!sample) return null;
      if (sample.id === wanted) return offset ? nav.previous(offset) : null;
    }
    return null;
  }

  async function select(setSelected, ids) { // in the grid, and bring the first one into sight
    const few = ids.slice(0, 50);
    setSelected(new Map(few.map((id) => [id, "default"])));
    api.selected = few;
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

  // The App has no public way to redraw tiles of the grid: find the Samples panel's tile cache
  // ({shown, get, isShown, …}) and its record store (a WeakMap) on its React hooks; null if the App changed.
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
  // A tile takes the new sample in its own time, may be made anew meanwhile, and writes its labels anew only when
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

  // The bar at the bottom: the keys, as buttons too, and what happened last.
  let bar = null, message = null;
  function say(text, colour) {
    if (!bar) {
      bar = document.createElement("div");
      bar.id = "imageclinic-bar";
      bar.style.cssText = "position:fixed;left:50%;bottom:14px;transform:translateX(-50%);z-index:100000;display:flex;gap:6px;align-items:center;padding:6px 10px;border-radius:8px;background:#1b1b1fee;border:1px solid #3a3a42;color:#e6e6ea;font:13px/1.4 system-ui,sans-serif;box-shadow:0 2px 12px #0008";
      for (const [key, decision, words] of ACTIONS) {
        const button = document.createElement("button");
        const cap = document.createElement("kbd");
        cap.textContent = key;
        cap.style.cssText = "display:inline-block;min-width:16px;margin-right:5px;border-radius:4px;background:#3a3a42;font:600 12px system-ui,sans-serif;text-align:center";
        button.append(cap, words);
        button.dataset.decision = decision;
        button.style.cssText = "border:0;background:none;color:inherit;font:inherit;cursor:pointer;padding:2px 4px;white-space:nowrap";
        button.onmousedown = (event) => event.preventDefault(); // keep the focus where it is
        button.onclick = (event) => { event.stopPropagation(); press(decision); };
        bar.append(button);
      }
      message = document.createElement("span");
      message.style.cssText = "border-left:1px solid #3a3a42;padding-left:10px;white-space:nowrap";
      bar.append(message);
      document.body.appendChild(bar);
    }
    message.textContent = text;
    message.style.display = text ? "" : "none";
    message.style.color = colour || "inherit";
  }

  let beside = false;
  setInterval(() => { // the App says nowhere that another view or an image is open
    if (!beside && api.active && document.querySelector("#modal.modalon") && openId()) {
      beside = true;
      execute(PLUGIN + "/beside", {}).then((result) => { beside = result.done; }).catch(() => {}); // then it stays behind
    }
    const blind = new URLSearchParams(location.search).get("view") === "calibrate";
    for (const button of bar ? bar.querySelectorAll("button") : []) {
      button.style.display = blind && HINTS.includes(button.dataset.decision) ? "none" : "";
    }
  }, 500);

  function typing() {
    const focus = document.activeElement;
    if (!focus) return false;
    if (focus.isContentEditable || focus.tagName === "TEXTAREA" || focus.tagName === "SELECT") return true;
    return focus.tagName === "INPUT" && !/^(button|checkbox|radio|range|reset|submit)$/.test(focus.type);
  }
  function annotating() {
    try {
      return !!document.querySelector("#modal.modalon") && fos.jotaiStore.get(fos.modalMode) === "annotate";
    } catch (error) {
      return false; // this App has no such mode
    }
  }
  const openId = () => new URLSearchParams(location.search).get("id");
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  async function once(decision, pressed, given, tries) {
    const result = await execute(PLUGIN + "/key", { decision, pressed, result: given });
    if (result.retry && tries < 100) { await sleep(20); return once(decision, pressed, given, tries + 1); }
    if (result.retry) throw new Error("the App did not settle");
    for (let i = 0; result.to && openId() !== result.to && i < 100; i++) await sleep(20); // until the next is current
    if (result.entry) result.entry.next = performance.now() - pressed;
  }

  let chain = Promise.resolve(); // one decision at a time, in the order of the keys
  function press(decision) {
    run(decision, performance.now(), null);
  }
  function chosen(reply, decision, pressed) { // the dialog is closed, and Python has decided
    const result = (reply && reply.result) || {};
    if (reply && reply.error) { result.failed = true; result.said = "NOT SAVED: " + (reply.errorMessage || reply.error); }
    run(decision, pressed, result);
  }
  async function focusDialog() {
    for (let i = 0; i < 100; i++) {
      const input = document.querySelector(".MuiDialog-root input");
      if (input) return input.focus();
      await sleep(50);
    }
  }
  function run(decision, pressed, given) {
    chain = chain
      .then(() => once(decision, pressed, given, 0))
      .catch((error) => say("NOT SAVED: " + String((error && error.message) || error).slice(0, 160), "#ef5350"));
  }
  window.addEventListener("keydown", (event) => {
    const decision = KEYS[event.key];
    if (!decision || !api.active || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
    if (typing() || annotating() || document.querySelector(".MuiDialog-root")) return;
    event.stopImmediatePropagation(); // the App must not see it: r resets its zoom
    event.preventDefault();
    if (!event.repeat) press(decision);
  }, true);

  execute(PLUGIN + "/open", {}).catch(() => {}); // the first dataset may have opened before this script came
})();
