/* Addresses that lead to an image or to a pair of classes: the report's links. */
import { call } from "./app.js";

const NAMES = ["given", "predicted", "tested", "image"];
let followed = false;

/** Open what the page's address asks for, once. */
export async function follow(api) {
  const address = new URL(location.href), asked = Object.fromEntries(NAMES.map((name) => [name, address.searchParams.get(name)]));
  if (followed || !NAMES.some((name) => asked[name])) return;
  followed = true;
  for (const name of NAMES) address.searchParams.delete(name); // a reload is not to open it again
  history.replaceState(history.state, "", address);
  if (asked.image) {
    const { id } = await call("find", { image_id: asked.image });
    if (id) await api.openDesk(id); else api.say(`${asked.image} is not among the images that are loaded.`);
  } else if (asked.given && asked.predicted) await api.openPair(asked.given, asked.predicted, asked.tested === "1");
}
