"""The end of a search: the best setting and the usual one, retrained on fresh seeds and tested on the test images."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from imageclinic.core.reading import caches
from imageclinic.training.compare import arms
from imageclinic.training.compare.intervals import Interval, delta_interval
from imageclinic.training.fit import train_network
from imageclinic.training.fit.export_images import ExportImages, Part
from imageclinic.training.fit.fit_model import Progress
from imageclinic.training.fit.settings import Settings

Bools = npt.NDArray[np.bool_]


def test(
    task: ExportImages, best: Settings, usual: Settings, score: float, seeds: int, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Retrain both settings on the same fresh seeds and score them on the test images.

    Args:
        task: the images.
        best: the setting that won on the validation images.
        usual: the setting without a search.
        score: the best setting's validation accuracy in the search, which chose it: the greatest of many.
        seeds: trainings of each, at least 2.
        folder: finished trainings are kept there, so that a killed one goes on.
        progress: called with (trainings done, trainings).

    Returns:
        `seeds`; per setting (`best, usual`) `val_accuracy` and `test_accuracy` (a number a seed) and `test` (an
        interval); `gain`, the interval of best − usual on the test images; `optimism`: `score` minus the test accuracy,
        an interval; `luck`: `score` minus the validation accuracy over the fresh seeds; `tested`, how many settings
        have been scored on these test images in this folder. Without test images the last are None.
    """
    held = task.parts["test"] if task.counts["test"] else None
    settings = {"best": best, "usual": usual}
    right: dict[str, dict[str, Bools]] = {}
    for at, (name, one) in enumerate(settings.items()):
        rows = []
        for n in range(seeds):
            progress(at * seeds + n, 2 * seeds)
            rows.append(_once(task, replace(one, seed=one.seed + 1 + n), held, folder))
        right[name] = {part: np.stack([row[part] for row in rows]) for part in rows[0]}
    progress(2 * seeds, 2 * seeds)
    found: dict[str, Any] = {"seeds": seeds}
    for name, scores in right.items():
        found[name] = {
            "val_accuracy": scores["val"].mean(axis=1).tolist(),
            "test_accuracy": scores["test"].mean(axis=1).tolist() if held is not None else None,
            "test": None,
        }
    found |= {"luck": score - float(right["best"]["val"].mean()), "gain": None, "optimism": None, "tested": 0}
    if held is None:
        return found
    keys = {path.name.partition("-")[0] for path in folder.iterdir() if path.suffix == ".npz"}
    found["tested"] = len(keys)
    groups = held.rows["split_group"].to_numpy(object)
    if len(set(groups.tolist())) < 2:
        return found
    none = np.zeros_like(right["best"]["test"])
    for name, scores in right.items():
        found[name]["test"] = _interval(delta_interval(none, scores["test"], groups))
    exact = found["best"]["test"]
    found["gain"] = _interval(delta_interval(right["usual"]["test"], right["best"]["test"], groups))
    found["optimism"] = {
        "estimate": score - exact["estimate"],
        "low": score - exact["high"],
        "high": score - exact["low"],
    }
    return found


def _once(task: ExportImages, settings: Settings, held: Part | None, folder: Path) -> dict[str, Bools]:
    """val, and test where there is one: (n,) whether each image's class was named."""
    setting = {k: v for k, v in asdict(settings).items() if k != "seed"}
    key = arms.digest({**setting, "images": task.digest, "size": task.size, "flip": task.flip})
    file = folder / f"{key}-{settings.seed}.npz"
    if (kept := caches.read_arrays(file)) is not None:
        return kept
    keras.backend.clear_session()  # the last one's network is garbage
    network = train_network.run(task, settings)[0]
    found = {"val": train_network.correct(network, task.parts["val"], settings)}
    if held is not None:
        found["test"] = train_network.correct(network, held, settings)
    caches.write_arrays(file, found)
    return found


def _interval(interval: Interval) -> dict[str, float]:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
