"""Which properties of new images are distributed otherwise than those of a run: two-sample tests, corrected for their
number. Pure.

Numbers by Kolmogorov and Smirnov's test, kinds (format, pixel mode, class) by the chi-squared test of homogeneity, with
simulated tables where expected counts are small (Hope 1968). P-values are corrected by Holm's (1979) method, so that
the chance of any false alarm is at most `ALPHA`. A difference that is certain and small is not reported: see `LEAST`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.labels.separability import holm

#: Chance of any false alarm among the tests of one check.
ALPHA = 0.01
#: The least difference that matters: of two distribution functions, or of two lists of shares, somewhere.
LEAST = 0.1
#: Fewer new images than this say nothing.
FEWEST = 20
_SIMULATED = 9_999
_FEW_EXPECTED = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PropertyTest:
    """One property: `difference` in [0, 1] (Kolmogorov–Smirnov distance; for kinds half the sum of the differences of
    shares), `p`, `p_corrected`, what is typical of the run and of the new images, and whether it `moved`."""

    name: str
    difference: float
    p: float
    p_corrected: float
    in_run: str
    in_new: str
    moved: bool

    def as_json(self) -> dict[str, Any]:
        """For check.json."""
        return asdict(self)


def compare(values: Mapping[str, tuple[pd.Series, pd.Series]], *, seed: int = 0) -> list[PropertyTest]:
    """Test all properties that both sides have.

    Args:
        values: property → its values in the run and in the new images, numbers or text; nulls are left out of numbers
            and are a kind of their own in text.
        seed: of the simulated tables.

    Returns:
        One test per property, the least corrected p-value first.
    """
    found: list[tuple[str, float, float, str, str]] = []
    for name, (run, new) in values.items():
        if pd.api.types.is_numeric_dtype(run):
            one, two = (side.dropna().to_numpy(np.float64) for side in (run, new))
            if len(one) and len(two):
                found.append((name, *_numbers(one, two)))
        else:
            found.append((name, *_kinds(run.fillna("none"), new.fillna("none"), seed)))
    corrected = holm(np.array([p for _, _, p, _, _ in found]))
    tests = [
        PropertyTest(name, round(d, 4), p, float(c), a, b, bool(c < ALPHA and d >= LEAST))
        for (name, d, p, a, b), c in zip(found, corrected, strict=True)
    ]
    return sorted(tests, key=lambda t: (t.p_corrected, -t.difference, t.name))


def visible(n: int, m: int, tests: int) -> float:
    """The Kolmogorov–Smirnov distance from which on a test of n against m images is significant, with so many tests:
    smaller shifts go unnoticed. Asymptotic (Smirnov 1948)."""
    return float(min(1.0, np.sqrt(-np.log(ALPHA / max(tests, 1) / 2) / 2) * np.sqrt((n + m) / (n * m))))


def _numbers(run: Floats, new: Floats) -> tuple[float, float, str, str]:
    from scipy.stats import ks_2samp  # here, for its import takes long

    found = ks_2samp(run, new, method="asymp" if len(run) * len(new) > 1_000_000 else "auto")
    words = [f"median {np.median(v):.4g}" for v in (run, new)]
    return float(found.statistic), float(found.pvalue), words[0], words[1]


def _kinds(run: pd.Series, new: pd.Series, seed: int) -> tuple[float, float, str, str]:
    from scipy.stats import MonteCarloMethod, chi2_contingency

    names = sorted({*run, *new})
    table = np.array([[side.eq(name).sum() for name in names] for side in (run, new)], dtype=np.int64)
    shares = table / table.sum(axis=1, keepdims=True)
    difference = float(np.abs(shares[0] - shares[1]).sum() / 2)
    words = [_commonest(names, row) for row in shares]
    if len(names) < 2:
        return difference, 1.0, words[0], words[1]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    simulated = MonteCarloMethod(n_resamples=_SIMULATED, rng=np.random.default_rng(seed))
    small = expected.min() < _FEW_EXPECTED
    found = chi2_contingency(table, correction=False, method=simulated if small else None)
    return difference, float(found.pvalue), words[0], words[1]


def _commonest(names: list[str], shares: Floats) -> str:
    first = np.argsort(-shares, kind="stable")[:3]
    return ", ".join(f"{names[k]} {shares[k]:.0%}" for k in first if shares[k] > 0)
