"""Whether TensorFlow sees a GPU (`training.devices`)."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

from imageclinic.training import devices


def test_tensorflow_is_asked_only_where_there_may_be_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "tensorflow"
    spec: importlib.machinery.ModuleSpec | None
    spec = importlib.machinery.ModuleSpec("tensorflow", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    drivers = tmp_path / "dev"
    drivers.mkdir()
    monkeypatch.setattr(devices, "_DEVICES", drivers)
    (drivers / "null").touch()
    assert not devices.has_gpu()
    assert "tensorflow" not in sys.modules
    for sign in (drivers / "nvidia0", drivers / "kfd", package.parent / "tensorflow-plugins"):
        sign.mkdir(parents=True)
        assert devices._may_have_one(), sign
        sign.rmdir()
    (drivers / "nvidia0").mkdir()
    spec = None
    assert not devices.has_gpu(), "it is not installed"


def test_tensorflow_is_asked_where_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    monkeypatch.setattr(devices, "_DEVICES", tmp_path)
    for found in ([], ["a GPU"]):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind, found=found: found)
        assert devices.has_gpu() == bool(found)
