/* What the FiftyOne App loads: it takes hold of the App, and then of the modules in app/, which do the rest.

   No build step. It leans on the App's own globals (seen in FiftyOne 1.22.1), which are no public API: when one is
   missing it steps aside, and the App's operator list (key `) still decides. */
(function () {
  "use strict";
  if (window.__imageclinic__) return; // never register twice
  const foo = window.__foo__, fos = window.__fos__, fop = window.__fop__, React = window.React;
  if (!foo || !fos || !fop || !React || !foo.executeOperator || !fos.useUpdateSamples || !fop.registerComponent) return;
  const PLUGIN = "@imageclinic/review", PANEL = "imageclinic_review";
  const MODULES = ["main.js", "app.js", "tiles.js", "actions.js", "saver.js", "desk.js", "stock.js", "card_view.js", "side_panel.js", "dialogs.js", "dom.js", "watch.js", "lasso.js", "copies.js", "sheet.js", "matrix.js", "links.js"];
  const here = document.currentScript.src;
  // What the browser tests read.
  const api = (window.__imageclinic__ = { active: false, log: [], tiles: null, shown: null, selected: [], lasso: [], tasks: new Map(), panels: new Set() });

  // A JavaScript operator gives us React hooks and Recoil's snapshot without any visible component.
  class Bridge extends foo.Operator {
    get config() {
      return new foo.OperatorConfig({ name: "bridge", label: "imageclinic bridge", unlisted: true, skipInput: true, skipOutput: true });
    }
    useHooks() {
      return { updateSamples: fos.useUpdateSamples(), setSelected: fos.useSetSelected(), clearModal: fos.useClearModal(), setExpanded: fos.useSetExpandedSample() };
    }
    async execute(ctx) {
      const task = api.tasks.get(ctx.params.task);
      api.tasks.delete(ctx.params.task);
      if (task) await task(ctx.hooks, (state) => ctx.state.snapshot.getPromise(state));
      return {};
    }
  }
  // Runs whenever a dataset opens.
  class Open extends foo.Operator {
    get config() {
      return new foo.OperatorConfig({ name: "open", label: "imageclinic open", unlisted: true, skipInput: true, skipOutput: true, onDatasetOpen: true });
    }
    async execute() {
      if (api.opened) api.opened();
      return {};
    }
  }
  foo.registerOperator(Bridge, PLUGIN);
  foo.registerOperator(Open, PLUGIN);

  // What a lasso on the map holds is a stage in the App's own state, which tells a component when it changes.
  api.heldBy = (stage) => Array.from(((stage || {})["fiftyone.core.stages.Select"] || {}).sample_ids || []);
  const useLasso = window.recoil && window.recoil.useRecoilValue && fos.extendedSelectionOverrideStage ? () => window.recoil.useRecoilValue(fos.extendedSelectionOverrideStage) : () => null;

  function Panel() { // the side panel: an element that the module fills
    const box = React.useRef(null), held = useLasso();
    React.useEffect(() => {
      api.lasso = api.heldBy(held);
      if (api.drawPanels) api.drawPanels();
    }, [held]);
    React.useEffect(() => {
      const element = box.current;
      api.panels.add(element);
      if (api.drawPanels) api.drawPanels();
      return () => { api.panels.delete(element); };
    }, []);
    return React.createElement("div", { ref: box, className: "imageclinic-panel" });
  }
  fop.registerComponent({ name: PANEL, label: "Review", component: Panel, type: fop.PluginComponentType.Panel, activator: () => true, panelOptions: { surfaces: "grid" } });

  // A browser keeps modules of an earlier version for hours: ask for each whether it is still the same.
  const base = new URL("app/", here);
  Promise.all([...MODULES, "style.css"].map((name) => fetch(new URL(name, base), { cache: "no-cache" })))
    .then(() => import(new URL("main.js", base)))
    .then((main) => main.start({ api, foo, fos, plugin: PLUGIN, base }))
    .catch((error) => console.error("imageclinic: the review's keys could not be loaded", error));
})();
