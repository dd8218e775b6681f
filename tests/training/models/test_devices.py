"""Whether TensorFlow sees a GPU (`training.models.devices`)."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

import pytest

from imageclinic.training.models import devices


def test_tensorflow_is_asked_only_where_there_may_be_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "tensorflow"
    spec: importlib.machinery.ModuleSpec | None
    spec = importlib.machinery.ModuleSpec("tensorflow", None, origin=str(package / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    drivers = tmp_path / "dev"
    drivers.mkdir()
    monkeypatch.setattr(devices, "_DEVICES", drivers)
    asked: list[str] = []
    monkeypatch.setattr(devices.training, "load_tensorflow", lambda: asked.append("loaded"))
    (drivers / "null").touch()
    assert not devices.has_gpu()
    assert not asked
    for sign in (drivers / "nvidia0", drivers / "kfd", package.parent / "tensorflow-plugins"):
        sign.mkdir(parents=True)
        devices.has_gpu()
        sign.rmdir()
    assert len(asked) == 3
    (drivers / "nvidia0").mkdir()
    spec = None
    assert not devices.has_gpu(), "it is not installed"
    assert len(asked) == 3
    monkeypatch.setitem(sys.modules, "tensorflow", importlib.import_module("tensorflow"))
    devices.has_gpu()
    assert len(asked) == 4, "what is loaded is asked"
