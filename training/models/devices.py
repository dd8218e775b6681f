"""Whether TensorFlow sees a GPU, asked of TensorFlow only where there may be one: to load it takes seconds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from imageclinic import training

#: What the drivers of NVIDIA, AMD and Windows's Linux make, where they have a GPU.
DRIVERS = ("nvidia*", "kfd", "dxg")
_DEVICES = Path("/dev")


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    if not _may_have_one():
        return False
    training.load_tensorflow()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _may_have_one() -> bool:
    """Whether TensorFlow could see one: it is loaded already and can be asked, a driver is there, or a plugin of
    TensorFlow's, such as Apple's for Metal."""
    if "tensorflow" in sys.modules or any(True for name in DRIVERS for _ in _DEVICES.glob(name)):
        return True
    spec = importlib.util.find_spec("tensorflow")
    beside = Path(spec.origin).parent.parent if spec is not None and spec.origin else None
    return beside is not None and (beside / "tensorflow-plugins").is_dir()
