"""The formats of an export: one file each, found by walking this folder. The file's name is the format's name.

A file holds a class `Format`, an `imageclinic.cleaning.export.export_format.ExportFormat`, and all that is peculiar to
its format. The first line of its docstring is the format's help text.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

from imageclinic.core.errors import InputError

if TYPE_CHECKING:
    from imageclinic.cleaning.export.export_format import ExportFormat


def names() -> list[str]:
    """The names of all formats, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ExportFormat:
    """The format of this name. Raises InputError, which lists all formats, when there is none."""
    if name not in names():
        raise InputError(f"unknown format {name!r}", expected=f"one of {', '.join(names())}")
    format: ExportFormat = importlib.import_module(f"{__name__}.{name}").Format()
    return format


def help_text() -> str:
    """All formats and what each is. The files are read and not imported: `--help` must not load pandas."""
    return "; ".join(f"{name}: {_summary(name)}" for name in names()) + "."


def _summary(name: str) -> str:
    spec = importlib.util.find_spec(f"{__name__}.{name}")
    assert spec is not None and spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")
