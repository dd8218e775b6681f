"""Finds the checks, gives each what its signature asks for, and collects issues and outcomes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, get_args, get_type_hints

import pandas as pd

from imageclinic.audit import checks, several_classes_in_checks
from imageclinic.core import tables
from imageclinic.core.engines.piece_map import PieceMap, here
from imageclinic.core.errors import Failed, InputError, NotApplicable
from imageclinic.core.option_fields import Range

#: What a check may ask for.
INPUTS = ("dataset", "features", "neighbors", "clusters", "embeddings", "predictions", "annotations", "consensus")
#: The parameter of a check by which it learns where the pieces of its work are done (`core.engines.piece_map`).
PIECE_MAP = "piece_map"
#: What a finding may be about: single images, their labels, copies among them, or whole classes.
SUBJECTS = ("images", "labels", "copies", "classes")
#: Which images of a cluster a check of copies means: all, those with equal pixels, or those in several splits.
COPIES = ("all", "equal", "across splits")
#: Columns of the features that the search for copies reads, and no check.
OF_COPIES = (*(f"phash_{orientation}" for orientation in tables.ORIENTATIONS), "pixel_hash")
#: What an option of a check takes that names no range: neither NaN nor infinity.
ANY_NUMBER = Range(-1e12, 1e12)
#: A check that flags more than this share of the images has found a property of the dataset.
PROPERTY_SHARE = 0.2


@dataclass(frozen=True)
class Check:
    """A check: its name, its function, what the function's signature and docstring say, how urgent its findings are
    (the smallest number is seen first), what they are about (some of `SUBJECTS`), and for a policy that accepts it: the
    suggested actions that it may take (None: all), and, of copies, which of a cluster it means (one of `COPIES`)."""

    name: str
    find: Callable[..., pd.DataFrame]
    urgency: int
    about: tuple[str, ...]
    accepted: tuple[str, ...] | None = None
    copies: str = "all"

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tables that it needs."""
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = inspect.signature(self.find).parameters.values()
        return tuple(p.name for p in parameters if p.kind in kinds and p.name != PIECE_MAP)

    @cached_property
    def in_pieces(self) -> bool:
        """Whether it takes `PIECE_MAP`, because its work is long."""
        return PIECE_MAP in inspect.signature(self.find).parameters

    @cached_property
    def options(self) -> dict[str, Any]:
        """Its options and their defaults."""
        parameters = inspect.signature(self.find).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @cached_property
    def ranges(self) -> dict[str, Range]:
        """The numbers that its options take: ``Annotated[float, Range(…)]``; where none is given, `ANY_NUMBER`."""
        hints = get_type_hints(self.find, include_extras=True)
        beside = {name: get_args(hints.get(name))[1:] for name in self.options}
        given = {name: each for name, found in beside.items() for each in found if isinstance(each, Range)}
        numbers = [name for name, default in self.options.items() if type(default) in (int, float)]
        return {**dict.fromkeys(numbers, ANY_NUMBER), **given}

    @property
    def help(self) -> str:
        """What it detects, why it matters, what to do, and the source of the method."""
        return inspect.getdoc(self.find) or ""

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        return " ".join(self.help.split("\n\n")[0].split())


@cache
def load() -> dict[str, Check]:
    """All checks by name, found by walking `audit/checks`.

    Raises:
        TypeError: a module there has no function `find`, one that asks for an unknown table, or no `URGENCY` and
            `ABOUT`.
    """
    found = {}
    for module in sorted(pkgutil.iter_modules(checks.__path__), key=lambda m: m.name):
        content = importlib.import_module(f"{checks.__name__}.{module.name}")
        find, urgency, about = (getattr(content, name, None) for name in ("find", "URGENCY", "ABOUT"))
        if not callable(find):
            raise TypeError(f"audit/checks/{module.name}.py has no function find")
        if not isinstance(urgency, int) or not isinstance(about, tuple) or not about or set(about) - set(SUBJECTS):
            raise TypeError(
                f"audit/checks/{module.name}.py needs URGENCY, a number, and ABOUT, some of {', '.join(SUBJECTS)}"
            )
        check = Check(
            module.name, find, urgency, about, getattr(content, "ACCEPTED", None), getattr(content, "COPIES", "all")
        )
        if check.copies not in COPIES:
            raise TypeError(f"audit/checks/{module.name}.py has COPIES {check.copies!r}, none of {', '.join(COPIES)}")
        unknown = set(check.inputs) - set(INPUTS)
        if unknown:
            raise TypeError(f"audit/checks/{module.name}.py asks for {unknown}; known: {', '.join(INPUTS)}")
        found[module.name] = check
    return found


def names_about(subject: str) -> frozenset[str]:
    """Names of the checks whose findings are about a subject, one of `SUBJECTS`."""
    return frozenset(name for name, check in load().items() if subject in check.about)


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct names of checks, the most urgent first; those of no check of ours last, by name."""
    known = load()
    return sorted(set(names), key=lambda name: (name not in known, known[name].urgency if name in known else 0, name))


def select(only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[dict[str, Check], list[str]]:
    """Checks to run and names of those skipped.

    Raises:
        InputError: an unknown name; the message lists the valid ones.
    """
    known = load()
    for name in (*only, *skip):
        if name not in known:
            raise InputError(f"there is no check {name!r}", expected=f"one of {', '.join(known)}")
    chosen = {n: c for n, c in known.items() if (not only or n in only) and n not in skip}
    return chosen, [n for n in known if n not in chosen]


def parse_options(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`CHECK.OPTION=VALUE` strings → options per check, typed like the defaults.

    Raises:
        InputError: an unknown check or option, or a value of the wrong type or out of its range; the message lists what
            is valid.
    """
    known = load()
    parsed: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, dot, rest = setting.partition(".")
        option, equals, text = rest.partition("=")
        if not dot or not equals:
            raise InputError(f"option {setting!r}", expected="CHECK.OPTION=VALUE, such as dark.threshold=0.3")
        if name not in known:
            raise InputError(f"there is no check {name!r}", expected=f"one of {', '.join(known)}")
        valid = known[name].options
        if option not in valid:
            listed = ", ".join(f"{k} (default {v})" for k, v in valid.items()) or "no options"
            raise InputError(f"check {name} has no option {option!r}", expected=listed)
        value = _typed(setting, text, valid[option])
        if (numbers := known[name].ranges.get(option)) is not None and value not in numbers:
            raise InputError(f"option {setting!r}", expected=numbers.in_words)
        parsed.setdefault(name, {})[option] = value
    return parsed


def _typed(setting: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        values = {"true": True, "false": False}
        if text.lower() not in values:
            raise InputError(f"option {setting!r}", expected="true or false")
        return values[text.lower()]
    try:
        return type(default)(text)
    except ValueError:
        raise InputError(f"option {setting!r}", expected=f"a value of type {type(default).__name__}") from None


def run(
    chosen: Mapping[str, Check],
    skipped: Sequence[str],
    inputs: Mapping[str, Any],
    missing: Mapping[str, str],
    broken: Mapping[str, str],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    label_separator: str | None = None,
    piece_map: PieceMap = here,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Run checks.

    Args:
        chosen: checks by name.
        skipped: names of checks that the user left out; they are recorded.
        inputs: the tables by name.
        missing: reasons why a table does not apply here, by name.
        broken: tracebacks of tables that could not be made, by name: checks that need them have failed.
        options: options per check.
        label_separator: what separates the classes of an image that may have several; None: each has one.
        piece_map: where the pieces of long work are done.
        progress: called with (checks done, checks in all).

    Returns:
        The issues table, and one outcome per check, by name: check, outcome, n_issues, reason, seconds, options.
        A check that raises is `failed`, with its traceback as the reason, and the others go on.

    Raises:
        Failed: by `piece_map`: workers are lost over and over.
    """
    found, outcomes = [], []
    images = max(1, len(inputs["dataset"]))
    for done, (name, check) in enumerate(chosen.items(), start=1):
        settings = {**check.options, **(options or {}).get(name, {})}
        start = time.perf_counter()
        outcome, reason, n = "clean", "", 0
        lacking = [i for i in check.inputs if i not in inputs]
        if label_separator is not None and name in several_classes_in_checks.ONE_CLASS:
            outcome, reason = "not_applicable", several_classes_in_checks.REASON
        elif any(i in broken for i in lacking):
            outcome, reason = "failed", next(broken[i] for i in lacking if i in broken)
        elif lacking:
            outcome, reason = "not_applicable", missing.get(lacking[0], f"there is no table {lacking[0]}")
        else:
            try:
                dataset = several_classes_in_checks.dataset_for(name, inputs["dataset"], label_separator)
                given = {**inputs, "dataset": dataset}
                where = {PIECE_MAP: piece_map} if check.in_pieces else {}
                issues = check.find(*(given[i] for i in check.inputs), **where, **settings)
                n = len(issues)
                if n:  # most checks find nothing, and to validate that would be most of the time of a small audit
                    issues = tables.validate(issues.assign(check=name), tables.ISSUES)
                    outcome = "found"
                    found.append(issues.sort_values(["score", "image_id"], ascending=[False, True]))
                share = issues["image_id"].nunique() / images
                if share > PROPERTY_SHARE and check.about == ("images",):
                    reason = f"{share:.0%} of the images: that says more about the dataset than about single images"
            except NotApplicable as error:
                outcome, reason = "not_applicable", str(error)
            except Failed:  # of an engine, whose workers were lost over and over: finished pieces are kept
                raise
            except Exception:  # a check's own bug: reported as its outcome, with the traceback; the others still run
                outcome, reason = "failed", traceback.format_exc()
        seconds = round(time.perf_counter() - start, 3)
        outcomes.append(
            {
                "check": name,
                "outcome": outcome,
                "n_issues": n,
                "reason": reason,
                "seconds": seconds,
                "options": settings,
            }
        )
        if progress:
            progress(done, len(chosen))
    outcomes += [
        {"check": n, "outcome": "skipped", "n_issues": 0, "reason": "left out", "seconds": 0.0, "options": {}}
        for n in skipped
    ]
    issues = pd.concat(found, ignore_index=True) if found else tables.empty(tables.ISSUES)
    return issues, sorted(outcomes, key=lambda o: o["check"])
