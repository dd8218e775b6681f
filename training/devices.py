"""Whether TensorFlow sees a GPU, asked of TensorFlow only where there may be one: to load it takes seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from imageclinic import training
from imageclinic.core.processes.optional_packages import module_spec

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
    """Whether TensorFlow could see one: it is loaded already and can be asked; or it is installed, and a driver is
    there, or a plugin of TensorFlow's, such as Apple's for Metal."""
    if "tensorflow" in sys.modules:
        return True
    spec = module_spec("tensorflow")
    if spec is None or not spec.origin:
        return False
    driver = any(True for name in DRIVERS for _ in _DEVICES.glob(name))
    return driver or (Path(spec.origin).parent.parent / "tensorflow-plugins").is_dir()
