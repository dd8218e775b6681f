"""From key to painted picture and evidence, in the browser: ``python tests/browser/key_times.py RUN [VIEW [KEYS]]``.

What counts is what can be seen: in every frame the picture on the page is compared with the one before, and so is the
text beside it. A key's time goes from before the key to the last frame in which one of them changed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from tests.browser.driver import app, current, open_image, open_view, page

_WATCH = """() => {
  const small = document.createElement('canvas');
  small.width = small.height = 24;
  const context = small.getContext('2d', { willReadFrequently: true });
  const watch = (window.watch = { picture: [0, null], text: [0, null] });
  const look = () => {
    const image = document.querySelector('#imageclinic-desk .ic-image');
    let sum = 0;
    context.clearRect(0, 0, 24, 24);
    if (image) context.drawImage(image, 0, 0, 24, 24);
    for (const value of context.getImageData(0, 0, 24, 24).data) sum = (sum * 31 + value) | 0;
    const text = (document.querySelector('#imageclinic-desk .facts') || {}).innerText;
    const now = performance.now();
    if (sum !== watch.picture[1]) watch.picture = [now, sum];
    if (text !== watch.text[1]) watch.text = [now, text];
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def times(shown: Page, keys: int, key: str = "k", pause: int = 700) -> npt.NDArray[np.float64]:
    """Milliseconds from each key to picture and to evidence, float (keys, 2); the desk is open."""
    shown.evaluate(_WATCH)
    result = []
    for _ in range(keys):
        current(shown)
        shown.wait_for_timeout(pause)
        start = shown.evaluate("performance.now()")
        shown.keyboard.press(key)
        shown.wait_for_function("start => watch.picture[0] > start && watch.text[0] > start", arg=start)
        current(shown)
        result.append(shown.evaluate("start => [watch.picture[0] - start, watch.text[0] - start]", start))
    return np.array(result)


def in_words(measured: npt.NDArray[np.float64]) -> str:
    """Median and 95th percentile of picture, evidence, and both."""
    columns = {"picture": measured[:, 0], "evidence": measured[:, 1], "both": measured.max(axis=1)}
    return "\n".join(
        f"{name}: median {np.median(values):.0f} ms, p95 {np.percentile(values, 95):.0f} ms"
        for name, values in columns.items()
    )


if __name__ == "__main__":
    view, count = [*sys.argv[2:], *("mislabeled", "40")[len(sys.argv) - 2 :]]
    with app(Path(sys.argv[1])) as inbox, tempfile.TemporaryDirectory() as profile, page(Path(profile)) as shown:
        open_view(shown, inbox, view)
        open_image(shown, 0)
        print(in_words(times(shown, int(count))))
        print(
            "until it is in the log:", np.percentile(shown.evaluate("__imageclinic__.log.map(e => e.python)"), [50, 95])
        )
