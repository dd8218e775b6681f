"""The logs of a training, a line or a point an epoch: as a CSV file, and for TensorBoard."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf

from imageclinic.core import tables


class CsvLog(keras.callbacks.Callback):
    """Writes `file` after each epoch, whole each time, so never torn.

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


class BoardLog(keras.callbacks.Callback):
    """Writes what ``tensorboard --logdir FOLDER`` shows, live: the curves that Keras's own callback names ``epoch_…``,
    of training and of validation as two runs. Unlike Keras's, it needs no TensorBoard where the training runs.

    Args:
        folder: holds the two runs. What an earlier training left there goes, unless this one goes on with it.
        goes_on: whether it does.
    """

    _SCALAR = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
        data_class=1,  # DATA_CLASS_SCALAR
    )

    def __init__(self, folder: Path, *, goes_on: bool) -> None:
        super().__init__()
        self.folder = folder
        if not goes_on and folder.exists():
            shutil.rmtree(folder)
        self.writers = {run: tf.summary.create_file_writer(str(folder / run)) for run in ("train", "validation")}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        for name, value in (logs or {}).items():
            run = "validation" if name.startswith("val_") else "train"
            with self.writers[run].as_default(step=epoch + 1):
                tag = f"epoch_{name.removeprefix('val_')}"
                tf.summary.write(tag, tf.constant(float(value), tf.float32), metadata=self._SCALAR)
                self.writers[run].flush()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        for writer in self.writers.values():
            writer.close()
