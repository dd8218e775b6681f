"""JSON files of a run or an export: read up to a size and a depth, and held to a shape that is written as types."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from imageclinic.core.errors import InputError
from imageclinic.core.reading.regular_files import read_bytes

#: No JSON file of ours is larger, in bytes, or nested more deeply.
MOST_BYTES, MOST_DEPTH = 1 << 28, 32

#: Numbers as shapes write them: how many; any finite number of ordinary size; a part of one.
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def read_json(path: Path, shape: Any, *, fix: str) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        shape: its type, such as a TypedDict of `typing_extensions`: what it must hold. What else is there stays.
        fix: what to do about a file that does not fit, such as the command that makes it again.

    Raises:
        InputError: the file is missing, no JSON, too large or too deep, or not of that shape; names file and field.
    """
    try:
        return parse_json(read_bytes(path, MOST_BYTES), shape, where=str(path))
    except FileNotFoundError:
        raise InputError(f"{path} is missing", fix=fix) from None
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}", fix=fix) from error
    except InputError as error:
        raise InputError(error.problem, expected=error.expected, fix=fix) from error


def parse_json(text: bytes | str, shape: Any, *, where: str) -> Any:
    """As `read_json`, of a text; `where` says what it is of. Raises InputError."""
    try:
        content = json.loads(text)
        _check_depth(content)
        json.dumps(content, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair can't be written again
    except (ValueError, RecursionError) as error:
        reason = str(error)[:300] if isinstance(error, ValueError) else f"nested more than {MOST_DEPTH} deep"
        raise InputError(f"{where} is no JSON: {reason}") from error
    check_shape(content, shape, where=where)
    return content


def check_shape(content: Any, shape: Any, *, where: str) -> None:
    """Raises InputError when `content` is not of the type `shape`; names the field of `where`."""
    try:
        _adapter(shape).validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part)[:100] for part in first["loc"])
        value = first["input"]
        held = "" if isinstance(value, Mapping | list) else f" {str(value)[:100]!r}"
        raise InputError(
            f"{where}: {field or 'its content'}{held} does not fit", expected=_words(first["msg"])
        ) from error


@functools.cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _words(message: str) -> str:
    """``Input should be a valid integer`` → ``a valid integer``."""
    return message.removeprefix("Input should be ").removeprefix("Field ").replace("required", "a value")


def _check_depth(content: Any) -> None:
    level, depth = [content], 0
    while level:
        if depth > MOST_DEPTH:
            raise ValueError(f"nested more than {MOST_DEPTH} deep")
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        depth += 1
