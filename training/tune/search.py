"""A search for hyperparameters: trials are judged on validation images; the best is retrained and tested once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.trial import FrozenTrial, TrialState

from imageclinic.core.errors import Failed, InputError
from imageclinic.training.fit import export_images, train_network
from imageclinic.training.fit import settings as train_settings
from imageclinic.training.fit.export_images import ExportImages
from imageclinic.training.fit.fit_model import Progress
from imageclinic.training.fit.settings import Settings, usual_rate
from imageclinic.training.models import pretrained
from imageclinic.training.models.rungs import LADDER
from imageclinic.training.tune import final_test, importance, search_options, search_summary, studies
from imageclinic.training.tune import search_space as spaces
from imageclinic.training.tune.search_options import SearchOptions

_ALL_FAIL = 5  # trials; when the first ones all fail, so will the others


@dataclass(frozen=True)
class _Search:
    """What all trials share: the images, what is searched and how, everything that is not searched, and when no epoch
    may begin any more."""

    images: ExportImages
    space: spaces.Space
    options: SearchOptions
    settings: Settings
    deadline: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. `result` holds what is done, without a test; None when no trial is."""

    def __init__(self, result: dict[str, Any] | None) -> None:
        super().__init__()
        self.result = result


class _Recorded(Exception):
    """A trial failed, and the study knows why."""


class _OutOfTime(Exception):
    """The budget ended within a trial."""


@studies.quiet()
def tune(
    out: Path,
    folder: Path,
    options: SearchOptions | None = None,
    settings: Settings | None = None,
    *,
    stage: Callable[[str], Any],
) -> dict[str, Any]:
    """Search, then retrain the best setting and the usual one on fresh seeds, and test both once.

    Args:
        out: a folder that ``imageclinic export`` wrote.
        folder: for the study (``study.db``) and the finished retrainings (``tested``).
        options: the search; None: the usual one.
        settings: everything that is not searched; None: the defaults.
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
    use, base = options or SearchOptions(), settings or Settings()
    if base.learning_rate is None:
        base = replace(base, learning_rate=usual_rate(base.unfreeze))
    space = spaces.parse(use.over)
    _check(use, base)
    if out.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(
            f"--to {folder} lies in the export, which is proven to hold nothing else", expected="another folder"
        )
    prune = studies.pruner(use.prune, base.epochs)
    studies.sampler(use.search, space, 0, 0, shared=False)
    deadline = math.inf if use.budget is None else time.monotonic() + 60 * use.budget
    # Whatever the seed of a search is: those who share a study must agree.
    images = export_images.load(out, base, as_arrays=True, mirror_seed=0)
    search = _Search(images, space, use, base, deadline)
    fixed = {k: v for k, v in asdict(base).items() if k not in space and k not in ("seed", "mirror")}
    identity = {
        "images": images.digest,
        "space": spaces.described(space),
        "settings": {**fixed, "mirror": images.flip, "size": images.size},
    }
    study = studies.connect(folder / "study.db", use.study, use.name, identity)
    study.pruner = prune
    where = use.study or str(folder / "study.db")

    def report_of(final: dict[str, Any] | None) -> dict[str, Any]:
        with studies.storage_errors(where):
            every = study.get_trials(deepcopy=False)
        result = {
            "out": str(out),
            "study": {"url": studies.shown(where), "name": use.name},
            "search": use.search,
            "prune": use.prune,
            "space": identity["space"],
            "settings": identity["settings"],
            "images": images.counts,
            "classes": len(images.classes),
            **_result(every, search, out),
            "final": final,
        }
        return result | {"words": search_summary.of(result)}

    try:
        with stage("Searching") as progress, studies.storage_errors(where):
            _run(study, search, progress)
        best = _best(study.get_trials(deepcopy=False), search)
        final = None
        if use.seeds:
            with stage("Testing the best setting") as progress:
                final = final_test.test(
                    images, _settings(best, base), base, _score(best), use.seeds, folder / "tested", progress
                )
    except KeyboardInterrupt as stop:
        done = _finished(study.get_trials(deepcopy=False))
        raise Interrupted(report_of(None) if done else None) from stop
    return report_of(final)


def _run(study: optuna.Study, search: _Search, progress: Progress) -> None:
    """Trials one after another, until there are enough or the time is up."""
    use, space, base = search.options, search.space, search.settings
    usual = {name: getattr(base, name) for name in space}
    if use.search != "grid" and not study.get_trials(deepcopy=False) and spaces.holds(space, usual):
        study.enqueue_trial(usual)  # first of all what is used without a search
    while time.monotonic() < search.deadline:
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
        shared = use.study is not None
        study.sampler = studies.sampler(use.search, space, base.seed, len(every), shared=shared)
        if isinstance(study.sampler, optuna.samplers.GridSampler) and study.sampler.is_exhausted(study):
            return
        try:
            study.optimize(lambda trial: _trial(trial, search), n_trials=1, catch=(_Recorded,))
        except _OutOfTime:
            return


def _trial(trial: optuna.Trial, search: _Search) -> float:
    """The validation accuracy of the epoch whose weights are kept."""
    trial.set_user_attr(studies.WORKER, studies.worker())
    keras.backend.clear_session()  # the last trial's network is garbage
    options: dict[str, Any] = spaces.suggest(trial, search.space)
    settings = replace(search.settings, **options)

    def watch(epoch: int, logs: Any) -> None:
        trial.report(logs["val_accuracy"], epoch)
        if time.monotonic() > search.deadline:
            raise _OutOfTime
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        history = train_network.run(search.images, settings, watch=watch)[1]
    except (InputError, optuna.TrialPruned, _OutOfTime):
        raise
    except Exception as error:  # whatever Keras makes of the settings: the search goes on
        reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        trial.set_user_attr(studies.REASON, reason.partition("\n")[0][:500])
        raise _Recorded(reason) from error
    trial.set_user_attr("best_epoch", history.best_epoch)
    return history.logs["val_accuracy"][history.best_epoch - 1]


def _best(every: Sequence[FrozenTrial], search: _Search) -> FrozenTrial:
    """The finished trial of highest validation accuracy, the first of equals."""
    finished = _finished(every)
    if finished:
        return max(finished, key=lambda t: (_score(t), -t.number))
    longest = max((len(t.intermediate_values) for t in every), default=0)
    budget = search.options.budget
    raise InputError(
        f"no trial was finished in the budget of {budget:g} minutes; the longest did {longest} of at most "
        f"{search.settings.epochs} epochs"
        if budget is not None
        else "no trial was finished",
        expected="time for one trial at least",
        fix="a larger --budget, fewer --epochs or a smaller --size",
    )


def _finished(every: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [t for t in every if t.state == TrialState.COMPLETE]


def _score(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _settings(trial: FrozenTrial, base: Settings) -> Settings:
    options: dict[str, Any] = trial.params
    return replace(base, **options)


def _result(every: Sequence[FrozenTrial], search: _Search, out: Path) -> dict[str, Any]:
    use, space, base = search.options, search.space, search.settings
    best = _best(every, search)
    rows = [_row(trial) for trial in every if trial.state != TrialState.WAITING]
    notes = []
    if use.search == "grid":
        points = math.prod(len(values) for values in spaces.grid(space).values())
        if points > use.trials:
            notes.append(f"The grid has {points:,} points; {use.trials:,} of them, drawn at random, were to be tried.")
    return {
        "format": 2,
        "trials": rows,
        "counts": {
            state: sum(row["state"] == state for row in rows)
            for state in ("finished", "pruned", "failed", "interrupted", "running")
        },
        "best": {"trial": best.number, "options": best.params, "val_accuracy": _score(best)},
        "importance": importance.of(every, list(space)),
        "command": search_summary.command(out, _settings(best, base), base, search.images.size),
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


def _check(use: SearchOptions, base: Settings) -> None:
    train_settings.check(base)
    search_options.check(use)
    if pretrained.is_one(base.model):
        pretrained.find(base.model)
    elif base.model not in LADDER:
        raise InputError(f"unknown model {base.model!r}", expected=f"{', '.join(LADDER)} or pretrained")
