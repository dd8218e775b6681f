"""The study of a hyperparameter search: an SQL database in which trials are kept, and that several processes share."""

from __future__ import annotations

import contextlib
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import optuna
import sqlalchemy.exc
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from imageclinic.core.errors import InputError
from imageclinic.core.processes.child_process import POSIX
from imageclinic.training.tune import search_space as spaces

SEARCHES = ("tpe", "gp", "random", "grid")
PRUNERS = ("median", "hyperband", "none")
REASON, AGAIN, WORKER = "reason", "again", "worker"
_HEARTBEAT = 30  # seconds; a trial that gave no sign of life for four times as long is dead
_PATIENCE = 20  # seconds to wait for another process's write to SQLite
_FIRST = 10  # trials at random before a model of the earlier ones proposes


def connect(file: Path, url: str | None, name: str, identity: Mapping[str, Any]) -> optuna.Study:
    """Open a study, or create it.

    Args:
        file: SQLite file to use without `url`; it appears whole or not at all.
        url: of an SQL database instead, as SQLAlchemy writes them: ``sqlite:///study.db``, ``postgresql://host/name``.
        name: of the study.
        identity: what must be the same for trials to be comparable: part → value, JSON-ready.

    Raises:
        InputError: a database that can't be reached, read or written, or a study with another identity.
    """
    where = shown(url or str(file))
    with storage_errors(where):
        url = url or f"sqlite:///{file.absolute()}"
        own = _file(url, where)
        if own is not None:
            own.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(own.with_name(f".{own.name}.lock")):
                if not own.exists():
                    fresh = own.with_name(f".{own.name}.tmp")
                    fresh.unlink(missing_ok=True)
                    _storage(f"sqlite:///{fresh}").engine.dispose()
                    fresh.replace(own)
        storage = _storage(url)
        study = _study(storage, name)
        known = study.user_attrs.get("identity")
        if known is None:
            study.set_user_attr("identity", dict(identity))
            known = dict(identity)
    other = [part for part in identity if known.get(part) != identity[part]]
    if other:
        raise InputError(
            f"the study {name!r} in {where} is of {'; '.join(_difference(p, known, identity) for p in other)}",
            expected="a study of the same images, space and settings",
            fix="search under another --name, or in another folder with --to",
        )
    return study


def sampler(search: str, space: spaces.Space, seed: int, trials: int, *, shared: bool) -> optuna.samplers.BaseSampler:
    """What proposes the next trial. Made again for each, so that a search that goes on proposes what it would have
    proposed, and never stored.

    Args:
        search: a name in `SEARCHES`.
        space: what is searched.
        seed: of the search.
        trials: how many the study has.
        shared: whether other processes may propose at the same time: then the process's number is part of the seed.

    Raises:
        InputError: unknown search, or ``gp`` without PyTorch.
    """
    if search not in SEARCHES:
        raise InputError(f"unknown search {search!r}", expected=f"one of {', '.join(SEARCHES)}")
    parts = [seed, trials, os.getpid() if shared else 0]
    number = int(np.random.SeedSequence(parts).generate_state(1)[0])
    if search == "random":
        return optuna.samplers.RandomSampler(seed=number)
    if search == "grid":
        return optuna.samplers.GridSampler(spaces.grid(space), seed=seed)
    if search == "tpe":
        with quiet():
            return optuna.samplers.TPESampler(
                n_startup_trials=_FIRST, multivariate=True, constant_liar=shared, seed=number
            )
    if find_spec("torch") is None:
        raise InputError(
            "the search gp needs PyTorch, which is not installed",
            fix="pip install torch, or use --search tpe",
        )
    return optuna.samplers.GPSampler(n_startup_trials=_FIRST, seed=number)


def pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    """What ends a trial early that does worse than the others did after as many epochs.

    Raises:
        InputError: for an unknown name.
    """
    if name not in PRUNERS:
        raise InputError(f"unknown pruner {name!r}", expected=f"one of {', '.join(PRUNERS)}")
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
    return optuna.pruners.NopPruner()


def worker() -> list[Any]:
    """This process, as trials keep it."""
    return [socket.gethostname(), os.getpid()]


def recover(study: optuna.Study) -> int:
    """Fail the running trials whose process is dead, and queue the settings of lost trials again, once each.

    Processes of this machine are looked up; those of others are dead when they gave no sign of life for two minutes.

    Returns:
        The number of trials queued.
    """
    with quiet():
        optuna.storages.fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process = trial.user_attrs.get(WORKER, (None, 0))
        if host == socket.gethostname() and not _alive(process):
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # another process was quicker
                study.tell(trial.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    repeated = {trial.user_attrs.get(AGAIN) for trial in trials}
    lost = [t for t in trials if is_lost(t) and t.number not in repeated and AGAIN not in t.user_attrs and t.params]
    for trial in lost:
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.WAITING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={AGAIN: trial.number},
                system_attrs=trial.system_attrs,  # the grid's point
            )
        )
    return len(lost)


def is_lost(trial: FrozenTrial) -> bool:
    """Whether its process died or was interrupted, so that the trial says nothing about its settings."""
    return trial.state == TrialState.FAIL and REASON not in trial.user_attrs


@contextlib.contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Turn what a database says into an InputError. Passwords in a URL are not shown."""
    try:
        with quiet():
            yield
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError, OSError, RuntimeError, ImportError) as error:
        cause: BaseException = error
        while isinstance(cause, StorageInternalError) and cause.__cause__ is not None:
            cause = cause.__cause__
        reason = str(getattr(cause, "orig", None) or cause).partition("\n")[0]
        raise InputError(
            f"the study in {shown(where)} can't be used: {reason}",
            expected="a database that can be written and that no other program has locked",
        ) from error


def shown(url: str) -> str:
    """A URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url


def _storage(url: str) -> optuna.storages.RDBStorage:
    options = {"connect_args": {"timeout": _PATIENCE}} if url.startswith("sqlite") else {}
    return optuna.storages.RDBStorage(
        url, engine_kwargs=options, heartbeat_interval=_HEARTBEAT, grace_period=4 * _HEARTBEAT
    )


def _study(storage: optuna.storages.RDBStorage, name: str) -> optuna.Study:
    try:
        return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    except DuplicatedStudyError:  # created between its look and its write
        return optuna.load_study(storage=storage, study_name=name)


def _file(url: str, where: str) -> Path | None:
    """The file of an SQLite database; None for a server.

    Raises:
        InputError: a name that a URL can't hold, or a database in memory, which would keep nothing.
    """
    if not url.startswith("sqlite"):
        return None
    database = make_url(url).database
    if not database or database == ":memory:" or set("?%") & set(url):
        raise InputError(
            f"the study can't be kept in {where}",
            expected="a file, in a folder whose name has no ? and no %",
        )
    return Path(database)


def _difference(part: str, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    old, new = known.get(part), wanted[part]
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return f"{'another' if part == 'space' else 'other'} {part} ({', '.join(names)})"
    return f"other {part}"


def _alive(process: int) -> bool:
    if not POSIX:
        return True  # to ask would end it; Optuna's own heartbeat fails its trials in time
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna says errors alone, and not what of it is experimental. How much it says elsewhere in the process is as
    before once this ends."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.ERROR))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
