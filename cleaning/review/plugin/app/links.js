/* Addresses that lead to an image or to a pair of classes: the report's links. */
import { call } from "./app.js";

const NAMES = ["given", "predicted", "tested", "image"];
let followed = false;

/** Open what the page's address asks for, once; a reload does not open it again. */
export async function follow(api) {
  const [arrival] = performance.getEntriesByType("navigation");
  const query = new URL(location.href).searchParams, asked = Object.fromEntries(NAMES.map((name) => [name, query.get(name)]));
  if (followed || (arrival && arrival.type !== "navigate") || !NAMES.some((name) => asked[name])) return;
  followed = true;
  if (asked.image) {
    const { id } = await call("find", { image_id: asked.image });
    if (id) await api.openDesk(id); else api.say(`${asked.image} is not among the images that are loaded.`);
  } else if (asked.given && asked.predicted) await api.openPair(asked.given, asked.predicted, asked.tested === "1");
}
