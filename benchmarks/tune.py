"""Does a Bayesian search find better hyperparameters than a random one, at an equal number of trials?

    python -m benchmarks.tune TABLE.csv [--searches random,tpe,gp] [--runs 200] [--trials 30] [--draws 1] [--minutes M]

Every setting of a grid (learning rate, batch size, optimizer, L2, width) is trained `--draws` times, with another seed
each, on scikit-learn's digits: 600 to learn from, 200 to choose on, 997 to test on. The networks are scikit-learn's,
with one hidden layer: what is compared are the searches, and these train in a fraction of a second. TABLE.csv keeps
each training, so a run that was stopped goes on; `--minutes` stops it. On the whole table searches are replayed as
`imageclinic tune` makes them (`training.tune.studies.sampler`), each with another seed, another split of the held-out
images
into validation and test, and the training of one draw: hundreds of searches cost no training. (So do HPOBench and
NAS-Bench-101.)

For each search and number of trials: the test accuracy of the setting that is best on the validation images, mean over
runs with a 95 % interval, and its paired difference to random search; `score` is its validation accuracy, which
flatters it. The intervals speak of new searches on this table, not of other data. A table has steps where a real space
is continuous.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.show import table
from imageclinic.core import tables
from imageclinic.training.tune import search_space as spaces
from imageclinic.training.tune import studies

Floats = npt.NDArray[np.float64]
GRID: dict[str, tuple[spaces.Value, ...]] = {
    "learning_rate": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03),
    "batch_size": (16, 64, 256),
    "optimizer": ("adam", "sgd"),
    "l2": (0.0001, 1.0),
    "width": (8, 32, 128),
}
SPACE = {name: spaces.Choice(values) for name, values in GRID.items()}
SETTINGS = list(itertools.product(*GRID.values()))
_LEARN, _VALIDATE = 600, 200
_EPOCHS = 15
_STOPS = (5, 10, 15, 20, 30)


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--searches", default="random,tpe")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--settings", type=int, default=len(SETTINGS), help="only the first ones: to try it out")
    given = parser.parse_args(arguments)
    wanted = list(itertools.product(range(given.draws), range(given.settings)))
    known = measure(given.table, wanted, time.monotonic() + 60 * given.minutes)
    print(f"{len(known)} of {len(wanted)} trainings are in {given.table.name}")
    if len(known) < len(wanted):
        return
    right = np.stack([[known[draw, at] for at in range(given.settings)] for draw in range(given.draws)])
    truth = right[..., _VALIDATE:].mean(axis=(0, 2))
    print(f"test accuracy of the settings: {_quantiles(truth)}")
    rows = list(compare(right, given.searches.split(","), given.runs, given.trials))
    print(table(("search", "trials", "score", "test accuracy", "95 %", "against random", "95 %"), rows))


def measure(
    file: Path, wanted: Sequence[tuple[int, int]], deadline: float
) -> dict[tuple[int, int], npt.NDArray[np.bool_]]:
    """(draw, setting) → (1,197,) whether each held-out image was named; trains those that the file lacks."""
    known: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
    if file.is_file():
        for draw, at, bits in pd.read_csv(file, dtype={"right": str}).itertuples(index=False):
            known[int(draw), int(at)] = np.frombuffer(bits.encode(), np.uint8) == ord("1")
    missing = [key for key in wanted if key not in known]
    for n, key in enumerate(missing, 1):
        known[key] = _train(*key)
        over = time.monotonic() > deadline
        if over or n % 10 == 0 or n == len(missing):
            _write(file, known)
        if over:
            break
    return {key: known[key] for key in wanted if key in known}


def _write(file: Path, known: dict[tuple[int, int], npt.NDArray[np.bool_]]) -> None:
    rows = [(draw, at, "".join("01"[int(r)] for r in right)) for (draw, at), right in known.items()]
    text = pd.DataFrame(rows, columns=["draw", "setting", "right"]).to_csv(index=False)
    tables.write_text(file, text)


def _train(draw: int, at: int) -> npt.NDArray[np.bool_]:
    options: dict[str, Any] = dict(zip(GRID, SETTINGS[at], strict=True))
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels, classes = images[order] / 16, labels[order]
    network = MLPClassifier(
        (options["width"],),
        solver=options["optimizer"],
        alpha=options["l2"],
        batch_size=options["batch_size"],
        learning_rate_init=options["learning_rate"],
        max_iter=_EPOCHS,
        random_state=draw,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are the budget
        network.fit(pixels[:_LEARN], classes[:_LEARN])
    return np.asarray(network.predict(pixels[_LEARN:]) == classes[_LEARN:])


def compare(
    right: npt.NDArray[np.bool_], searches: Sequence[str], runs: int, trials: int
) -> Iterator[tuple[object, ...]]:
    """A row a search and number of trials, from right (draws, settings, held-out images)."""
    found = {search: np.array([replay(right, search, run, trials) for run in range(runs)]) for search in searches}
    for search, stop in itertools.product(searches, [s for s in _STOPS if s <= trials]):
        score, test = found[search][:, stop - 1].T
        mean, half = _interval(test)
        delta = ("", "")
        if search != searches[0]:
            gain, around = _interval(test - found[searches[0]][:, stop - 1, 1])
            delta = (f"{100 * gain:+.2f}", f"{100 * (gain - around):+.2f} to {100 * (gain + around):+.2f}")
        yield (
            search,
            stop,
            f"{100 * score.mean():.2f}",
            f"{100 * mean:.2f}",
            f"{100 * (mean - half):.2f} to {100 * (mean + half):.2f}",
            *delta,
        )


def replay(right: npt.NDArray[np.bool_], search: str, run: int, trials: int) -> Floats:
    """One search: (trials, 2) after each trial the validation and the test accuracy of the best setting so far."""
    random = np.random.default_rng(run)  # the same split and draw for every search of this number
    images = random.permutation(right.shape[2])
    draw = right[int(random.integers(len(right)))]
    validation, test = draw[:, images[:_VALIDATE]].mean(axis=1), draw[:, images[_VALIDATE:]].mean(axis=1)
    numbers = {setting: at for at, setting in enumerate(SETTINGS[: right.shape[1]])}
    study = optuna.create_study(direction="maximize")
    path, best = [], -1
    for done in range(trials):
        study.sampler = studies.sampler(search, SPACE, run, done, shared=False)
        trial = study.ask()
        setting = tuple(spaces.suggest(trial, SPACE).values())
        at = numbers.get(setting)
        study.tell(trial, 0.0 if at is None else float(validation[at]))
        if at is not None and (best < 0 or validation[at] > validation[best]):
            best = at
        path.append((validation[best], test[best]) if best >= 0 else (0.0, 0.0))
    return np.array(path)


def _interval(values: Floats) -> tuple[float, float]:
    """The mean over runs, and half the width of its 95 % interval. It speaks of new runs on this table."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / len(values) ** 0.5)


def _quantiles(values: Floats) -> str:
    return ", ".join(f"{q:.0%} {100 * np.quantile(values, q):.1f} %" for q in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0))


if __name__ == "__main__":
    main(sys.argv[1:])
