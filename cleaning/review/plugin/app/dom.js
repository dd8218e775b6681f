/* Elements from data. Labels and file names are hostile: nothing here or elsewhere writes HTML, only text. */

/** An element: el("b.big", {title: "…"}, "text", child, …). */
export function el(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element[name] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when the browser has painted what the page shows now. */
export const painted = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));

/** 1 image, 2 images. */
export const images = (n) => (n === 1 ? "1 image" : `${n.toLocaleString("en")} images`);

/** The last part of a path. */
export const fileName = (path) => String(path || "").split("/").pop();

/** A bar that shows how much of a whole is done. */
export function bar(done, whole) {
  const share = whole ? Math.round((1000 * done) / whole) / 10 : 0;
  return el("div.ic-bar", { title: `${done} of ${whole}` }, el("div", { style: `width:${share}%` }));
}
