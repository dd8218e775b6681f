"""Folders of ours that are no runs, and are named where a run is expected."""

from __future__ import annotations

from pathlib import Path

from imageclinic.core.errors import InputError


def no_run(path: Path) -> InputError:
    """That a folder is no run, and what to do, by what it holds."""
    return InputError(f"{path} is no imageclinic run", expected="a folder of imageclinic audit", fix=_instead(path))


def _instead(path: Path) -> str:
    if (path / "model.keras").is_file():
        return "name the run that its export was made from; a model's test images are shown by imageclinic report"
    if (path / "export.json").is_file():
        return "this is an export: name the run that it was made from"
    if (path / "comparison.json").is_file():
        return "this is a comparison of two datasets: audit one of them, and name that run"
    return "audit first"
