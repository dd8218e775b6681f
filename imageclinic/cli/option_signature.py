"""Commands whose options are a dataclass (`core.option_fields`): its fields become options of the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer import Option


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each parameter that is a dataclass replaced, in its place, by the options that it holds.

    A parameter of the type ``Annotated[Settings, {"epochs": "Most epochs of a trial.", "seed": None}]`` takes these
    fields alone, with another help where one is given; the others keep their defaults.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[Any, list[str]]] = {}
    parameters = []
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
            parameters.append(parameter.replace(annotation=hints[name], kind=only))

    def run(**given: Any) -> None:
        for name, (kind, names) in groups.items():
            values = {n: given.pop(n) for n in names}
            given[name] = kind(**{n: value for n, value in values.items() if value is not None})
        command(**given)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _options(kind: Any, chosen: Mapping[str, str | None] | None) -> Iterator[inspect.Parameter]:
    """The fields that have a help: a field without one is for the Python API alone."""
    types = get_type_hints(kind)
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind) if "help" in each.metadata}
    for name, help in (chosen or dict.fromkeys(known, None)).items():
        known_of = known[name].metadata
        how = Option(help=help or known_of["help"], **known_of["shown"])
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=known[name].default or None if known_of["type"] else known[name].default,
            annotation=Annotated[known_of["type"] or types[name], how],
        )
