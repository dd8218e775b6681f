"""What the user names as ``module:function``."""

from __future__ import annotations

import importlib
from typing import Any

from imageclinic.core.errors import InputError


def find(spec: str, expected: str) -> Any:
    """The object that ``module:function`` names.

    Args:
        spec: as the user wrote it.
        expected: what else might have been meant, for the error.

    Raises:
        InputError: when there is no such module or name.
    """
    module, _, name = spec.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"there is no {spec}: {error}",
            expected=expected,
            fix="check the names, and that Python finds the module (PYTHONPATH)",
        ) from error
