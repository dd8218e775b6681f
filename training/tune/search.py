"""A search for hyperparameters: trials are judged on validation images; the best is retrained and tested once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from imageclinic.core.errors import Failed, InputError
from imageclinic.training.fit.fit_model import Progress
from imageclinic.training.fit.settings import Settings, check
from imageclinic.training.models import capacity_ladder as ladder
from imageclinic.training.models import pretrained
from imageclinic.training.tune import final_test, importance, search_summary, studies, trials
from imageclinic.training.tune import search_space as spaces

_ALL_FAIL = 5  # trials; when the first ones all fail, so will the others
NAME = "imageclinic"


@dataclass(frozen=True)
class Search:
    """How to search.

    `over`: see `training.tune.search_space.parse`. `search`: a name in `training.tune.studies.SEARCHES`. `trials`: how
    many the study shall have, those of earlier runs and other processes included; those that were interrupted don't
    count. `budget`: minutes after which this process begins no epoch more; None: none. `prune`: a name in
    `training.tune.studies.PRUNERS`. `seeds`: times that the best setting and the usual one are retrained and tested; 0:
    never. `settings`: everything that is not searched. `url`, `name`: the study, to share it; None: a file in the
    folder.
    """

    over: Sequence[str] = ()
    search: str = "tpe"
    trials: int = 30
    budget: float | None = None
    prune: str = "median"
    seeds: int = 5
    settings: Settings = field(default_factory=Settings)
    url: str | None = None
    name: str = NAME


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. `result` tells what is done, without a test; None when no trial is."""

    def __init__(self, result: dict[str, Any] | None) -> None:
        super().__init__()
        self.result = result


class _Recorded(Exception):
    """A trial failed, and the study knows why."""


class _OutOfTime(Exception):
    """The budget ended within a trial."""


def tune(out: Path, folder: Path, *, how: Search | None = None, stage: Callable[[str], Any]) -> dict[str, Any]:
    """Search, then retrain the best setting and the usual one on fresh seeds, and test both once.

    Args:
        out: a folder that ``imageclinic export`` wrote.
        folder: for the study (``study.db``) and the finished retrainings (``tested``).
        how: the search; None: the usual one.
        stage: see `core.progress.Stage`.

    Returns:
        The content of tuning.json: `out, study, search, prune, space, settings, images, classes, trials, counts, best,
        importance, final, command, notes, words`.

    Raises:
        InputError: an export without training or validation images; unknown names; a study of other images, space or
            settings; a database that can't be used; a budget that is too small for one trial.
        Failed: the first trials all failed.
        Interrupted: Ctrl-C; what is done stays in the study.
    """
    use = how or Search()
    if use.settings.learning_rate is None:
        use = replace(
            use, settings=replace(use.settings, learning_rate=pretrained.learning_rate(use.settings.unfreeze))
        )
    space = spaces.parse(use.over)
    _check(use)
    if out.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(
            f"--to {folder} lies in the export, which is proven to hold nothing else", expected="another folder"
        )
    prune = studies.pruner(use.prune, use.settings.epochs)
    studies.sampler(use.search, space, 0, 0, shared=False)
    deadline = math.inf if use.budget is None else time.monotonic() + 60 * use.budget
    task = trials.load(out, use.settings)
    fixed = {k: v for k, v in asdict(use.settings).items() if k not in space and k not in ("seed", "mirror")}
    identity = {
        "images": task.digest,
        "space": spaces.described(space),
        "settings": {**fixed, "mirror": task.flip, "size": task.size},
    }
    study = studies.connect(folder / "study.db", use.url, use.name, identity)
    study.pruner = prune
    where = use.url or str(folder / "study.db")

    def told(final: dict[str, Any] | None) -> dict[str, Any]:
        with studies.storage_errors(where):
            every = study.get_trials(deepcopy=False)
        result = {
            "out": str(out),
            "study": {"url": studies.shown(where), "name": use.name},
            "search": use.search,
            "prune": use.prune,
            "space": identity["space"],
            "settings": identity["settings"],
            "images": task.counts,
            "classes": len(task.classes),
            **_told(every, space, use, out, task),
            "final": final,
        }
        return result | {"words": search_summary.of(result)}

    try:
        with stage("Searching") as progress, studies.storage_errors(where):
            _search(study, task, space, use, deadline, progress)
        best = _best(study.get_trials(deepcopy=False), use)
        final = None
        if use.seeds:
            with stage("Testing the best setting") as progress:
                final = final_test.test(
                    task, _settings(best, use), use.settings, _score(best), use.seeds, folder / "tested", progress
                )
    except KeyboardInterrupt as stop:
        done = _finished(study.get_trials(deepcopy=False))
        raise Interrupted(told(None) if done else None) from stop
    return told(final)


def _search(
    study: optuna.Study,
    task: trials.Task,
    space: spaces.Space,
    use: Search,
    deadline: float,
    progress: Progress,
) -> None:
    usual = {name: getattr(use.settings, name) for name in space}
    if use.search != "grid" and not study.get_trials(deepcopy=False) and spaces.holds(space, usual):
        study.enqueue_trial(usual)  # first of all what is used without a search
    while time.monotonic() < deadline:
        studies.recover(study)
        every = [
            t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING and not studies.is_lost(t)
        ]
        progress(min(len(every), use.trials), use.trials)
        failed = [t for t in every if t.state == TrialState.FAIL]
        if len(failed) >= _ALL_FAIL and not _finished(every):
            raise Failed(
                f"The first {len(failed)} trials all failed. The last: {failed[-1].user_attrs[studies.REASON]}"
            )
        if len(every) >= use.trials:
            return
        shared = use.url is not None
        study.sampler = studies.sampler(use.search, space, use.settings.seed, len(every), shared=shared)
        if isinstance(study.sampler, optuna.samplers.GridSampler) and study.sampler.is_exhausted(study):
            return
        try:
            study.optimize(lambda trial: _trial(trial, task, space, use, deadline), n_trials=1, catch=(_Recorded,))
        except _OutOfTime:
            return


def _trial(trial: optuna.Trial, task: trials.Task, space: spaces.Space, use: Search, deadline: float) -> float:
    """The validation accuracy of the epoch whose weights are kept."""
    trial.set_user_attr(studies.WORKER, studies.worker())
    options: dict[str, Any] = spaces.suggest(trial, space)
    settings = replace(use.settings, **options)

    def watch(epoch: int, logs: Any) -> None:
        trial.report(logs["val_accuracy"], epoch)
        if time.monotonic() > deadline:
            raise _OutOfTime
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        history = trials.run(task, settings, watch=watch)[1]
    except (InputError, optuna.TrialPruned, _OutOfTime):
        raise
    except Exception as error:  # whatever Keras makes of the settings: the search goes on
        reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        trial.set_user_attr(studies.REASON, reason.partition("\n")[0][:500])
        raise _Recorded(reason) from error
    trial.set_user_attr("best_epoch", history.best_epoch)
    return history.logs["val_accuracy"][history.best_epoch - 1]


def _best(every: Sequence[FrozenTrial], use: Search) -> FrozenTrial:
    """The finished trial of highest validation accuracy, the first of equals."""
    finished = _finished(every)
    if finished:
        return max(finished, key=lambda t: (_score(t), -t.number))
    longest = max((len(t.intermediate_values) for t in every), default=0)
    raise InputError(
        f"no trial was finished in the budget of {use.budget:g} minutes; the longest did {longest} of at most "
        f"{use.settings.epochs} epochs"
        if use.budget is not None
        else "no trial was finished",
        expected="time for one trial at least",
        fix="a larger --budget, fewer --epochs or a smaller --size",
    )


def _counts(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.WAITING and not studies.is_lost(trial)


def _finished(every: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in every if t.state == TrialState.COMPLETE]


def _score(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _settings(trial: FrozenTrial, use: Search) -> Settings:
    options: dict[str, Any] = trial.params
    return replace(use.settings, **options)


def _told(
    every: Sequence[FrozenTrial], space: spaces.Space, use: Search, out: Path, task: trials.Task
) -> dict[str, Any]:
    best = _best(every, use)
    rows = [_row(trial) for trial in every if trial.state != TrialState.WAITING]
    notes = []
    if use.search == "grid":
        points = math.prod(len(values) for values in spaces.grid(space).values())
        if points > use.trials:
            notes.append(f"The grid has {points:,} points; {use.trials:,} of them, drawn at random, were to be tried.")
    return {
        "trials": rows,
        "counts": {
            state: sum(row["state"] == state for row in rows)
            for state in ("finished", "pruned", "failed", "interrupted", "running")
        },
        "best": {"trial": best.number, "options": best.params, "val_accuracy": _score(best)},
        "importance": importance.of(every, list(space)),
        "command": search_summary.command(out, _settings(best, use), use.settings, task.size),
        "notes": notes,
    }


def _row(trial: FrozenTrial) -> dict[str, Any]:
    state = {
        TrialState.COMPLETE: "finished",
        TrialState.PRUNED: "pruned",
        TrialState.RUNNING: "running",
    }.get(trial.state, "interrupted" if studies.is_lost(trial) else "failed")
    return {
        "trial": trial.number,
        "state": state,
        "val_accuracy": trial.value,
        "epochs": len(trial.intermediate_values),
        "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 1),
        "options": trial.params,
        "reason": trial.user_attrs.get(studies.REASON, ""),
    }


def _check(use: Search) -> None:
    check(use.settings)
    if pretrained.is_one(use.settings.model):
        pretrained.find(use.settings.model)
    elif not ladder.is_rung(use.settings.model):
        raise InputError(f"unknown model {use.settings.model!r}", expected=f"{', '.join(ladder.LADDER)} or pretrained")
    if use.trials < 1 or use.seeds < 0 or use.seeds == 1 or (use.budget is not None and not use.budget > 0):
        raise InputError(
            f"{use.trials} trials, budget {use.budget}, {use.seeds} seeds",
            expected="at least one trial, a budget above 0 minutes, and no seeds or at least 2",
        )
