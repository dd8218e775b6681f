"""A training that was killed goes on: its state after every epoch, in one file without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from imageclinic.core.reading import caches


class Checkpoint(keras.callbacks.Callback):
    """Saves after each epoch, and takes up what an earlier process saved: weights, the optimizer's state, the logs, and
    what early stopping and the schedule remember. The last of the callbacks: the others forget when training begins.

    A run that goes on does not repeat bit for bit what it would have been: the order of the images and the
    augmentation are drawn again.

    Args:
        file: where it is kept (``.npz``).
        key: names the settings and the data; a state with another key is not taken up.
        others: the callbacks whose memory is kept.
    """

    KEPT = ("wait", "best", "best_epoch", "cooldown_counter")

    def __init__(self, file: Path, key: str, others: list[keras.callbacks.Callback]) -> None:
        super().__init__()
        self.file, self.key, self.others = file, key, others
        self.saved = self._read()
        self.logs: dict[str, list[float]] = dict(self.saved["logs"]) if self.saved else {}

    @property
    def epochs_done(self) -> int:
        """Epochs that earlier processes did."""
        return len(self.logs.get("loss", []))

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        if not self.saved:
            return
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        for variables, name in ((self.model.weights, "weights"), (optimizer.variables, "optimizer")):
            for variable, value in zip(variables, self.saved[name], strict=True):
                variable.assign(value)
        for callback, memory in zip(self.others, self.saved["memory"], strict=True):
            for name, value in memory.items():
                setattr(callback, name, value)
            if hasattr(callback, "best_weights"):
                callback.best_weights = self.saved["best"] or None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.logs.setdefault(name, []).append(float(value))
        memory = [{n: _plain(getattr(c, n)) for n in self.KEPT if hasattr(c, n)} for c in self.others]
        best: list[Any] = next((c.best_weights for c in self.others if getattr(c, "best_weights", None)), [])
        state = {"key": self.key, "logs": self.logs, "memory": memory}
        arrays = {
            "weights": [v.numpy() for v in self.model.weights],
            "optimizer": [v.numpy() for v in self.model.optimizer.variables],
            "best": best,
        }
        named = {f"{name}_{i}": value for name, values in arrays.items() for i, value in enumerate(values)}
        caches.write_arrays(self.file, {"state": np.array(json.dumps(state)), **named})

    def _read(self) -> dict[str, Any]:
        saved = caches.read_arrays(self.file)
        if saved is None:
            return {}  # none, or damaged: training starts at its first epoch
        state: dict[str, Any] = json.loads(str(saved["state"]))
        for name in ("weights", "optimizer", "best"):
            count = sum(key.startswith(f"{name}_") for key in saved)
            state[name] = [saved[f"{name}_{i}"] for i in range(count)]
        return state if state["key"] == self.key else {}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
