"""What the command line makes of a command's parameters: dataclasses of options (`core.option_fields`) become options,
and numbers are checked before the command begins."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer import Option

from imageclinic.core.option_fields import Range


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each parameter that is a dataclass replaced, in its place, by the options that it holds.

    A parameter of the type ``Annotated[Settings, {"epochs": "Most epochs of a trial.", "seed": None}]`` takes these
    fields alone, with another help where one is given; the others keep their defaults. A parameter of the type
    ``Annotated[int, Option(…), Range(…)]`` takes the numbers of that range.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[Any, list[str]]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind, chosen = hints[name], None
        if get_origin(kind) is Annotated:
            kind, chosen = get_args(kind)[:2]
        if is_dataclass(kind):
            found = list(_options(kind, chosen))
            groups[name] = (kind, [each.name for each in found])
            parameters += found
        else:
            only = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=_with_help(hints[name]), kind=only))
    ranges = {each.name: numbers for each in parameters if (numbers := numbers_of(each.annotation)) is not None}

    def run(**given: Any) -> None:
        for name, numbers in ranges.items():
            numbers.check(f"--{name.replace('_', '-')}", given[name])
        for name, (kind, names) in groups.items():
            values = {n: given.pop(n) for n in names}
            given[name] = kind(**{n: value for n, value in values.items() if value is not None})
        command(**given)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def numbers_of(annotation: Any) -> Range | None:
    """The range of a parameter ``Annotated[int, Option(…), Range(…)]``; None when it has none."""
    return next((each for each in get_args(annotation)[1:] if isinstance(each, Range)), None)


def _with_help(annotation: Any) -> Any:
    """The type of a parameter with its range in the help of its option."""
    numbers = numbers_of(annotation)
    if numbers is None:
        return annotation
    kind, how = get_args(annotation)[:2]
    shown = copy.copy(how)
    shown.help = _help(how.help, numbers)
    return Annotated[kind, shown, numbers]


def _options(kind: Any, chosen: Mapping[str, str | None] | None) -> Iterator[inspect.Parameter]:
    """The fields that have a help: a field without one is for the Python API alone."""
    types = get_type_hints(kind)
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind) if "help" in each.metadata}
    for name, help in (chosen or dict.fromkeys(known, None)).items():
        known_of = known[name].metadata
        shown, numbers = dict(known_of["shown"]), known_of["numbers"]
        how = Option(*shown.pop("names", ()), help=_help(help or known_of["help"], numbers), **shown)
        type_ = known_of["type"] or types[name]
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=known[name].default or None if known_of["type"] else known[name].default,
            annotation=Annotated[type_, how] if numbers is None else Annotated[type_, how, numbers],
        )


def _help(text: str, numbers: Range | None) -> str:
    return text if numbers is None else f"{text} {str(numbers).capitalize()}."
