/* The map of the report: points on a canvas, coloured by what the reader chooses, with a picture of the one under the
   pointer. Labels and file names are hostile: they are only ever written as text. */
(function () {
  "use strict";
  const at = (id) => document.getElementById(id);
  const source = at("map-data");
  if (!source) return;
  const data = JSON.parse(source.textContent), n = data.id.length, SIZE = 4000, NEAR = 14, NAMED = 14;
  const canvas = at("map-canvas"), tip = at("map-tip"), legend = at("map-legend"), select = at("map-by");
  const flagged = data.by.check.at.map((code) => code >= 0);
  const PALETTE = ["#4269d0", "#e08a00", "#e4544a", "#3ca951", "#a463f2", "#14a3a8", "#d6569a", "#9c6b4e", "#7d8f1f", "#5b9bd5"];
  const view = { scale: 1, x: SIZE / 2, y: SIZE / 2 };
  const low = Math.min(...data.y), high = Math.max(...data.y), TALL = Math.min(1, Math.max(0.5, (high - low + 250) / SIZE));
  canvas.style.aspectRatio = String(1 / TALL);
  let only = -1, over = -1, side = 0, drag = null, moved = false; // only: the value that the legend has picked out

  const colour = (code, count) => (count <= PALETTE.length ? PALETTE[code] : `hsl(${(code * 137.5) % 360} 60% ${48 + (code % 3) * 7}%)`);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const place = (i) => [side / 2 + ((data.x[i] - view.x) * view.scale * side * 0.94) / SIZE, (side * TALL) / 2 + ((data.y[i] - view.y) * view.scale * side * 0.94) / SIZE];

  function draw() {
    side = canvas.clientWidth;
    const dense = window.devicePixelRatio || 1;
    canvas.width = Math.round(side * dense);
    canvas.height = Math.round(side * TALL * dense);
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    const { at: codes, values } = data.by[select.value], none = style("--faint"), rim = style("--ink");
    const small = Math.max(1.3, Math.min(3.2, 90 / Math.sqrt(n))) * Math.sqrt(view.scale), large = small * 1.25 + 1;
    for (let i = 0; i < n; i++) { // flagged ones come last in the data, and so lie above
      const [x, y] = place(i);
      if (x < -9 || y < -9 || x > side + 9 || y > side * TALL + 9) continue;
      pen.globalAlpha = only >= 0 && codes[i] !== only ? 0.08 : flagged[i] ? 0.95 : codes[i] < 0 ? 0.3 : 0.5;
      pen.fillStyle = codes[i] < 0 ? none : colour(codes[i], values.length);
      pen.beginPath();
      pen.arc(x, y, flagged[i] ? large : small, 0, 7);
      pen.fill();
      if (flagged[i]) { pen.strokeStyle = rim; pen.lineWidth = 0.8; pen.stroke(); }
    }
    if (over >= 0) {
      const [x, y] = place(over);
      Object.assign(pen, { globalAlpha: 1, strokeStyle: rim, lineWidth: 2 });
      pen.beginPath();
      pen.arc(x, y, large + 4, 0, 7);
      pen.stroke();
    }
  }

  function el(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function drawLegend() {
    const { at: codes, values } = data.by[select.value], counts = new Array(values.length).fill(0);
    let without = 0;
    for (const code of codes) if (code < 0) without++; else counts[code]++;
    const entry = (code, words, count, fill) => {
      const button = el("button"), dot = el("i");
      button.type = "button";
      button.setAttribute("aria-pressed", String(only === code));
      dot.style.background = fill;
      button.append(dot, el("bdi", "", words), el("span", "faint", count.toLocaleString("en")));
      button.onclick = () => { only = only === code ? -1 : code; drawLegend(); draw(); };
      return button;
    };
    const there = values.map((_, code) => code).filter((code) => counts[code]);
    legend.replaceChildren(...there.slice(0, NAMED).map((code) => entry(code, values[code], counts[code], colour(code, values.length))));
    if (there.length > NAMED) legend.append(el("span", "faint", `and ${(there.length - NAMED).toLocaleString("en")} more`));
    if (without) {
      const rest = el("span"), dot = el("i");
      dot.style.background = style("--faint");
      rest.append(dot, el("span", "faint", `none ${without.toLocaleString("en")}`));
      legend.append(rest);
    }
  }

  function nearest(x, y) {
    let best = -1, least = NEAR * NEAR;
    for (let i = 0; i < n; i++) {
      if (only >= 0 && data.by[select.value].at[i] !== only) continue;
      const [px, py] = place(i), d = (px - x) ** 2 + (py - y) ** 2;
      if (d < least || (d === least && flagged[i])) { best = i; least = d; }
    }
    return best;
  }

  let embedded = null; // file name → the picture that a check's section shows
  function pictureOf(i) {
    if (data.pictures[i]) return data.pictures[i];
    if (!embedded) embedded = new Map([...document.querySelectorAll("img[alt]")].map((image) => [image.alt, image.src]));
    return embedded.get(data.id[i]);
  }

  function drawTip(i) {
    tip.hidden = i < 0;
    if (i < 0) return;
    const uri = pictureOf(i), lines = [];
    if (uri) { const image = el("img"); image.src = uri; image.alt = ""; lines.push(image); }
    lines.push(el("bdi", "id", data.id[i]));
    for (const { name, values, at: codes } of Object.values(data.by)) {
      if (codes[i] < 0) continue;
      const line = el("div");
      line.append(el("span", "faint", `${name}: `), el("bdi", "", values[codes[i]]));
      lines.push(line);
    }
    if (!uri) lines.push(el("div", "faint", "This report does not embed its picture."));
    tip.replaceChildren(...lines);
    const [x, y] = place(i);
    tip.style.left = `${x > side / 2 ? Math.max(0, x - tip.offsetWidth - 14) : Math.min(side - tip.offsetWidth, x + 14)}px`;
    tip.style.top = `${Math.max(0, Math.min(side * TALL - tip.offsetHeight, y - tip.offsetHeight / 2))}px`;
  }

  function point(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    if (drag) {
      moved = moved || Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 4;
      const by = SIZE / (view.scale * side * 0.94);
      view.x = drag.from.x - (event.clientX - drag.x) * by;
      view.y = drag.from.y - (event.clientY - drag.y) * by;
    }
    const found = drag && moved ? -1 : nearest(x, y);
    if (found === over && !drag) return;
    over = found;
    draw();
    drawTip(over);
  }

  function zoom(factor) {
    view.scale = factor ? Math.min(40, Math.max(1, view.scale * factor)) : 1;
    if (view.scale === 1) view.x = view.y = SIZE / 2;
    over = -1;
    drawTip(-1);
    draw();
  }

  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", (event) => {
    if (view.scale > 1) { drag = { x: event.clientX, y: event.clientY, from: { ...view } }; moved = false; canvas.setPointerCapture(event.pointerId); }
    else point(event);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { if (!drag) { over = -1; draw(); drawTip(-1); } });
  select.onchange = () => { only = -1; drawLegend(); draw(); };
  at("map-in").onclick = () => zoom(1.6);
  at("map-out").onclick = () => zoom(1 / 1.6);
  at("map-all").onclick = () => zoom(0);
  const again = () => { drawLegend(); draw(); };
  window.addEventListener("resize", again);
  window.addEventListener("beforeprint", again);
  window.addEventListener("afterprint", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  again();
})();
