"""The templates of this folder: strict, and whatever they are given stays text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

_HERE = Path(__file__).resolve().parent


def render(template: str, filters: dict[str, Callable[..., Any]] | None = None, **content: Any) -> str:
    """A template of this folder, filled in; it gets the stylesheet as ``style``, the script as ``script``, and as
    ``script_hash`` what a content security policy needs to run this script and no other."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    style = Markup((_HERE / "style.css").read_text("utf-8"))  # noqa: S704 (our own file)
    script = (_HERE / "map.js").read_text("utf-8")
    ours = {
        "style": style,
        "script": Markup(script),  # noqa: S704 (our own file)
        "script_hash": f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    }
    return environment.get_template(template).render(**ours, **content)
