"""One promise of an export, and whether it holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from imageclinic.core.naming.wording import few


@dataclass(frozen=True)
class Proof:
    """One promise: what was proven, whether it holds, and the numbers or the first offenders."""

    name: str
    ok: bool
    detail: str


def proof(name: str, offenders: Collection[str] | pd.Series, good: str, bad: str) -> Proof:
    """Holds, with the words `good`, when there are no offenders; else says how many are `bad`, and which."""
    if not len(offenders):
        return Proof(name, True, good)
    return Proof(name, False, f"{len(offenders)} {bad}: {few(list(offenders))}")
