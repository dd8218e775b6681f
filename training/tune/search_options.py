"""How a search is made: the options of ``imageclinic tune``. Loads no TensorFlow and no Optuna."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import CheckedOptions, option, whole
from imageclinic.training.fit.settings import TrainKeywords
from imageclinic.training.option_ranges import BUDGET

TRIALS = whole(1, 1_000_000)


class TuneKeywords(TrainKeywords, total=False):
    """The fields of `SearchOptions`, and those of `Settings`, as keyword arguments."""

    over: Sequence[str]
    search: str
    trials: int
    budget: float | None
    prune: str
    seeds: int
    study: str | None
    name: str


@dataclass(frozen=True)
class SearchOptions(CheckedOptions):
    """How to search.

    `over`: see `training.tune.search_space.parse`. `search`: a name in `training.tune.studies.SEARCHES`. `trials`: how
    many the study shall have, those of earlier runs and other processes included; those that were interrupted don't
    count. `budget`: minutes after which this process begins no epoch more; None: none. `prune`: a name in
    `training.tune.studies.PRUNERS`. `seeds`: times that the best setting and the usual one are retrained and tested; 0:
    never. `study`, `name`: URL of an SQL database and name of the study in it, to share a search; None: a file in the
    folder.
    """

    over: Sequence[str] = option(
        (),
        "What to search, repeatable: NAME, NAME=LOW:HIGH or NAME=A,B,C. Names: learning_rate, batch_size, "
        "optimizer, dropout, weight_decay, augment (these by default), l1, l2, model.",
        given_as=list[str] | None,
    )
    search: str = option("tpe", "tpe or gp (Bayesian; gp needs PyTorch), random, or grid.")
    trials: int = option(
        30, "Trials in the study, with those of earlier runs and other processes.", whole(1, 1_000_000)
    )
    budget: float | None = option(None, "Minutes for the search, without the test.", BUDGET)
    prune: str = option("median", "How bad trials are ended early: median, hyperband or none.")
    seeds: int = option(5, "Times that the best setting is retrained and tested at the end; 0: never.", whole(0, 1000))
    study: str | None = option(None, "URL of an SQL database, to share the search: sqlite:///FILE, postgresql://….")
    name: str = option("imageclinic", "Name of the study in its database.")


def check(options: SearchOptions) -> None:
    """Raises InputError for a single seed, which gives no interval. (Names are checked where they are looked up.)"""
    if options.seeds == 1:
        raise InputError("seeds 1", expected="0, for no test, or at least 2, for an interval")
