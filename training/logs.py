"""The logs of a training as a CSV file: a line an epoch, written whole each time, so never torn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import pandas as pd

from audit import tables


class CsvLog(keras.callbacks.Callback):
    """Writes `file` after each epoch.

    Args:
        file: a .csv file: epoch (from 1), then a column a name.
        before: logs of the epochs that an earlier process did, one number an epoch.
    """

    def __init__(self, file: Path, before: Mapping[str, list[float]]) -> None:
        super().__init__()
        self.file = file
        self.values = {name: list(numbers) for name, numbers in before.items()}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.values.setdefault(name, []).append(float(value))
        frame = pd.DataFrame(self.values)
        frame.insert(0, "epoch", range(1, len(frame) + 1))
        tables.write_text(self.file, frame.to_csv(index=False, lineterminator="\n"))
