"""What the last diagnosis of the same data reached, so that the next one begins with what it did not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from imageclinic.core.reading import caches

Of = TypeVar("Of")


@dataclass(frozen=True)
class Earlier:
    """`unreached`: experiments that the last diagnosis had no time for. `made`: those whose runs are kept, so that they
    take no time: the same images, recipe and budget."""

    unreached: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()


def read(file: Path, key: str) -> Earlier:
    """What `write` wrote; nothing where there is no such file.

    Args:
        file: of the last diagnosis.
        key: of images, recipe and budget: with another, no runs are kept.
    """
    found = caches.read_facts(file)
    if found is None:
        return Earlier()
    return Earlier(frozenset(found["unreached"]), frozenset(found["made"] if found["key"] == key else ()))


def write(file: Path, key: str, unreached: Collection[str], made: Collection[str]) -> None:
    """Remember a diagnosis."""
    file.parent.mkdir(parents=True, exist_ok=True)
    caches.write_facts(file, {"key": key, "unreached": sorted(unreached), "made": sorted(made)})


def ordered(experiments: Mapping[str, Of], settling: str, earlier: Earlier) -> dict[str, Of]:
    """Experiments in their order, but those that were not reached come first after `settling`, the last one that
    changes what the others are made with."""
    names = list(experiments)
    place = {name: i for i, name in enumerate(names)}
    after = place[settling]
    return {
        name: experiments[name]
        for name in sorted(names, key=lambda n: (place[n] > after, place[n] > after and n not in earlier.unreached))
    }
