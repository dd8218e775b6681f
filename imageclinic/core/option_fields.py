"""Fields of options: dataclasses that the Python API and the command line share. A field says what both must know of
an option: its default, its help, and which numbers it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field, fields
from typing import Any

from imageclinic.core.errors import InputError


def option(
    default: Any,
    help: str,
    *,
    least: float = -math.inf,
    below: float = math.inf,
    given_as: Any = None,
    **shown: Any,
) -> Any:
    """A field of a dataclass of options.

    Args:
        default: its default. None or empty: its help says what holds then.
        help: a phrase or two for ``--help``.
        least: the least number that `check_ranges` lets pass.
        below: what the number has to stay below.
        given_as: its type on the command line; None: that of the field.
        shown: how the command line shows it: further arguments of `typer.Option`, such as `min`, `max` and `metavar`.
    """
    ways = {"show_default": default not in (None, ()), **shown}
    return field(default=default, metadata={"help": help, "range": (least, below), "type": given_as, "shown": ways})


def check_ranges(options: Any) -> None:
    """Raises InputError for a field of `options` whose number is out of its range. None passes."""
    for each in fields(options):
        least, below = each.metadata.get("range", (-math.inf, math.inf))
        value = getattr(options, each.name)
        if isinstance(value, int | float) and not least <= value < below:
            raise InputError(
                f"{each.name.replace('_', ' ')} {value}",
                expected=f"a number from {least}" + ("" if below == math.inf else f", below {below:,}"),
            )


def listed(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
