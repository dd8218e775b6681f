"""How much each hyperparameter mattered in a search, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

_LEAST = 15  # trials, and as many as `_EACH` for each hyperparameter: below that a forest fits noise
_EACH = 4
_DRAWS = 40
_TREES = 16


def of(trials: Sequence[FrozenTrial], names: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Share of the variance of the validation accuracy that each hyperparameter explains alone.

    Functional ANOVA on a random forest (Hutter, Hoos & Leyton-Brown, "An Efficient Approach for Assessing
    Hyperparameter Importance", 2014; Optuna's). The interval is the middle 90 % over bootstrap samples of the trials.
    `chance` is the 95th percentile of what the same forest finds when the accuracies are dealt out at random among the
    trials: an importance below it may be none. Pruned trials count with the last accuracy they had, and the
    trials lie where the search looked, not evenly: both bend the shares, so they describe this search.

    Args:
        trials: of a study; finished and pruned ones count.
        names: the hyperparameters.
        seed: of forests and draws.

    Returns:
        `trials`, how many count; `reason`, why there are no shares, or empty; `shares`: a dict a hyperparameter,
        `name, share, low, high, chance, beyond_chance`, largest first; `beyond_chance`: whether it is above `chance`.
    """
    counted = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED) and t.value is not None]
    counted = [t for t in counted if all(name in t.params for name in names)]
    varied = [name for name in names if len({t.params[name] for t in counted}) > 1]
    needed = max(_LEAST, _EACH * len(names))
    if len(counted) < needed:
        return {
            "trials": len(counted),
            "reason": f"{len(counted)} trials are too few to tell which hyperparameter matters; {needed} are needed.",
            "shares": [],
        }
    values = np.array([t.value for t in counted])
    if not varied or np.ptp(values) == 0:
        return {"trials": len(counted), "reason": "All trials are alike.", "shares": []}
    random = np.random.default_rng(seed)
    n = len(counted)
    found = _shares(counted, values, np.arange(n), varied, seed)
    drawn = np.array([_shares(counted, values, random.integers(0, n, n), varied, seed) for _ in range(_DRAWS)])
    dealt = np.array([_shares(counted, random.permutation(values), np.arange(n), varied, seed) for _ in range(_DRAWS)])
    chance = np.quantile(dealt, 0.95, axis=0)
    low, high = np.quantile(drawn, (0.05, 0.95), axis=0)
    rows = [
        {
            "name": name,
            "share": float(found[i]),
            "low": float(min(low[i], found[i])),
            "high": float(max(high[i], found[i])),
            "chance": float(chance[i]),
            "beyond_chance": bool(found[i] > chance[i]),
        }
        for i, name in enumerate(varied)
    ]
    return {"trials": n, "reason": "", "shares": sorted(rows, key=lambda row: -float(row["share"]))}


def _shares(
    trials: Sequence[FrozenTrial], values: np.ndarray, rows: np.ndarray, names: Sequence[str], seed: int
) -> list[float]:
    """The share of each name, when trial `rows[i]` has value `values[rows[i]]`; zero where nothing varies."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: trials[row].params[name] for name in names},
                distributions={name: trials[row].distributions[name] for name in names},
                value=float(values[row]),
            )
            for row in rows
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=seed)
    try:
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(names))
    except RuntimeError:  # a draw without variance
        return [0.0] * len(names)
    return [found.get(name, 0.0) for name in names]
