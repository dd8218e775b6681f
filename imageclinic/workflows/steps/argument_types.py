"""Checks what the Python API is given, so that a slip (a misspelt name, a value of another type) is one line that says
what was expected, and not a TypeError from somewhere deep inside."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any, TypeVar

import pandas as pd

from imageclinic.core.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])


def takes_fields_of(*options: Any) -> Callable[[Function], Function]:
    """Of a function with ``**options``: its signature names the fields of these dataclasses, with their defaults."""

    def named(function: Function) -> Function:
        signature = inspect.signature(function)
        only = inspect.Parameter.KEYWORD_ONLY
        parameters = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters += [
            inspect.Parameter(each.name, only, default=each.default, annotation=each.type)
            for kind in options
            for each in fields(kind)
        ]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return function

    return named


def checked(function: Function) -> Function:
    """The same function, which checks the names of its arguments, and those that it annotates as paths and as
    sequences of names.

    A single name is taken for a sequence of one: ``skip="dark"`` is ``skip=["dark"]``, and not four letters. What an
    audit returned is taken for the path of its run (it has ``__fspath__``).
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _check_names(function.__name__, kwargs, signature)
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


def _check_names(command: str, given: Collection[str], signature: inspect.Signature) -> None:
    known = list(signature.parameters)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.0)[0]
            raise InputError(f"imageclinic.{command} has no option {name!r}", fix=f"the nearest is {near!r}")


def _check_path(where: str, name: str, value: Any, kinds: list[str]) -> None:
    frame = "pd.DataFrame" in kinds
    if any(kind.endswith("InMemory") for kind in kinds) and value is not None:
        return  # the formats say what they take
    if isinstance(value, str | os.PathLike) or (value is None and "None" in kinds):
        return
    if frame and isinstance(value, pd.DataFrame):
        return
    expected = "a path"
    if name == "run":
        expected = "the path of a run folder, or what imageclinic.audit returned"
    if frame:
        expected = "the path of a folder or of a manifest, or a frame with the columns path and label"
    raise InputError(f"{where} is {kind_of(value)}", expected=expected)


def _names(where: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Collection) or isinstance(value, dict | bytes):
        raise InputError(f"{where} is {kind_of(value)}", expected="a list of names")
    wrong = next((item for item in value if not isinstance(item, str)), None)
    if wrong is not None:
        raise InputError(f"{where} holds {kind_of(wrong)}", expected="names only")
    return list(value)


def kind_of(value: Any) -> str:
    """The type of a value, and its shape if it has one, for messages."""
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" + (f" of shape {shape}" if shape is not None else "")
