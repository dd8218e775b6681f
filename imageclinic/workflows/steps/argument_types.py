"""Checks the types of what the Python API is given, so that a slip is one line that says what was expected, and not a
TypeError from somewhere deep inside."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import pandas as pd

from imageclinic.core.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])


def checked(function: Function) -> Function:
    """The same function, which checks the arguments that it annotates as paths and as sequences of names.

    A single name is taken for a sequence of one: ``skip="dark"`` is ``skip=["dark"]``, and not four letters. What an
    audit returned is taken for the path of its run (it has ``__fspath__``).
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            kinds = str(signature.parameters[name].annotation).replace(" ", "").split("|")
            where = f"{function.__name__}({name}=…)"
            if "Path" in kinds:
                _check_path(where, name, value, kinds)
            elif kinds == ["Sequence[str]"]:
                given.arguments[name] = _names(where, value)
        return function(*given.args, **given.kwargs)

    return call  # type: ignore[return-value]


def _check_path(where: str, name: str, value: Any, kinds: list[str]) -> None:
    frame = "pd.DataFrame" in kinds
    if isinstance(value, str | os.PathLike) or (value is None and "None" in kinds):
        return
    if frame and isinstance(value, pd.DataFrame):
        return
    expected = "a path"
    if name == "run":
        expected = "the path of a run folder, or what imageclinic.audit returned"
    if frame:
        expected = "the path of a folder or of a manifest, or a frame with the columns path and label"
    raise InputError(f"{where} is {_kind(value)}", expected=expected)


def _names(where: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Collection) or isinstance(value, dict | bytes):
        raise InputError(f"{where} is {_kind(value)}", expected="a list of names")
    wrong = next((item for item in value if not isinstance(item, str)), None)
    if wrong is not None:
        raise InputError(f"{where} holds {_kind(wrong)}", expected="names only")
    return list(value)


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" + (f" of shape {shape}" if shape is not None else "")
