"""How far can the statistics of a review be trusted? Simulated reviewers of real label errors.

    python -m benchmarks.review MANIFEST.csv --truth COLUMN --labels COLUMN,… [--split train] [--run FOLDER]
                                [--runs 200] [--stop-below 20] [--batch 250] [--goal 0.95]

Audits the manifest (path and label columns) once on each --labels column, in the run folder --run (a temporary one when
none is given; one that is there is used again). The reviewer knows the labels of --truth, which the audit never sees: a
flag is right when its label is wrong. Only the review is simulated, with the product's own functions. Shares of the
--runs reviewers carry 95 % Wilson intervals.

**Intervals.** The precision of the flags that were not reviewed, and the share of wrong labels among the images that
were not flagged (*missed*), after n random reviews drawn by `cleaning.trust.random_sample`: how often the 95 % interval
holds the truth, its mean width, and the ratio to Wilson's interval for a simple random sample of n. *then by rank*: 300
flags are reviewed from the top afterwards; *after rank*: before; *in turns, better order*: ten times n/10 at random,
then 30 by an order that knows more than the score does (the truth with noise), as after a rerank.

**Stopping.** Reviewers who look after every review, and stop once the bound on the next 100 flags is below
--stop-below. *premature*: of all reviewers, those who stopped although among the next 100 so many were right. *stopped
after* and *at the earliest*: median reviews, and what a reviewer needs who goes by rank and knows the truth. Each goes
through another nine in ten of the images. Lists: the *flags*; the *worst half* of all images by score, as flags, so
that the list gets thin; and *flat* ones of 1,000 flags of which --stop-below in 100 are right everywhere, where nobody
may stop. By rank only, or with a random review before every four. *weak*: of reviewers who draw 300 and look after
each, those to whom a score was named below which not so few are right as was announced.

**Order.** Reviews until the share --goal of all labels is right: by our score, by our score, scored again
after every --batch reviews (as `imageclinic rerank` does), by cleanlab's self-confidence, and in an order by chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.rank import get_label_quality_scores

import imageclinic
from benchmarks import reviewers
from benchmarks.show import share, table, wilson
from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.cleaning.trust import bounds, random_sample, stopping
from imageclinic.core import tables
from imageclinic.core.run import Run

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

SIZES = (30, 100, 300)
BY_RANK, FLAT = 300, 1000
#: Spread of the noise in an order that knows more than the score.
_NOISE = 0.7


@dataclass(frozen=True)
class Data:
    """One label set, images in the order of our score, the worst first."""

    name: str
    run: Run
    image_id: pd.Series
    wrong: Mask
    flagged: Mask
    score: Floats
    confidence: Floats
    """cleanlab's self-confidence."""


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--truth", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--split", default="")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--stop-below", type=float, default=20)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--goal", type=float, default=0.95)
    given = parser.parse_args(arguments)
    rows = pd.read_csv(given.manifest, dtype=str)
    if given.split:
        rows = rows[rows["split"] == given.split]
    intervals, stops, orders = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.labels.split(","):
            data = _audited(rows, name, given, given.run or Path(folder) / "run")
            random = np.random.default_rng(0)
            intervals += list(_intervals(data, given.runs, random))
            stops += list(_stops(data, given.runs, given.stop_below, random))
            orders += list(_orders(data, rows.set_index("path")[given.truth], given.goal, given.batch, random))
    header = ("labels", "share", "reviews", "how", "truth", "held by", "mean width", "to a simple sample's")
    print(table(header, intervals))
    print()
    flat = [_flat(given.runs, given.stop_below, np.random.default_rng(1))]
    header = ("labels", "list", "how", "stopped", "premature", "stopped after", "at the earliest", "weak, wrongly")
    print(table(header, stops + flat))
    print()
    print(table(("labels", "right at first", "order", f"reviews until {given.goal:.0%} are right"), orders))


def _audited(rows: pd.DataFrame, name: str, given: argparse.Namespace, folder: Path) -> Data:
    frame = rows.assign(label=rows[name])[["path", "label"]]
    run = imageclinic.audit(frame, folder, root=given.manifest.resolve().parent, model="patches").run
    predictions = run.read_predictions()
    known = predictions.rows[["image_id", "label_quality"]].assign(path=lambda f: f["image_id"].map(tables.to_path))
    known = known.merge(rows[["path", name, given.truth]], on="path", how="left", validate="1:1")
    codes = confident_learning.codes(known[name], predictions.classes)
    probs = predictions.pred_probs.astype(np.float64)
    known["confidence"] = get_label_quality_scores(codes, probs / probs.sum(axis=1, keepdims=True))
    issues = run.read(tables.ISSUES)
    known["flagged"] = known["image_id"].isin(issues.loc[issues["check"] == "mislabeled", "image_id"])
    known = known.sort_values(["label_quality", "image_id"], ignore_index=True)
    wrong = known[name].ne(known[given.truth]).to_numpy()
    score, confidence = 1 - known["label_quality"].to_numpy(), known["confidence"].to_numpy()
    return Data(name, run, known["image_id"], wrong, known["flagged"].to_numpy(), score, confidence)


def _intervals(data: Data, runs: int, random: np.random.Generator) -> Iterator[tuple[object, ...]]:
    right = data.wrong[data.flagged]
    images = pd.DataFrame({"image_id": data.image_id})
    flags = images[data.flagged].reset_index(drop=True)
    place = pd.Series(np.arange(len(flags)), index=flags["image_id"])
    top = np.arange(len(flags))
    ways: dict[str, Callable[[int], list[tuple[int, int]]]] = {
        "random only": lambda n: [(n, 0)],
        "then by rank": lambda n: [(n, 0), (0, BY_RANK)],
        "after rank": lambda n: [(0, BY_RANK), (n, 0)],
        "in turns, better order": lambda n: [(n // 10, BY_RANK // 10)] * 10,
    }
    for n in SIZES:
        for way, parts in ways.items():
            found = []
            for seed in range(runs):
                drawn = random_sample.draw(flags, images, flagged=len(flags), unflagged=0, seed=seed)["image_id"].map(
                    place
                )
                order = np.argsort(random.normal(0, _NOISE, len(flags)) - right) if "better" in way else top
                at, by_chance = reviewers.in_turns(drawn.to_numpy(np.intp), order, parts(n))
                about = reviewers.reviews(right, at, by_chance, n / len(flags))
                found.append(_judged(stopping.rest(about), right[about.unseen], n))
            yield data.name, "precision", n, way, *_summary(found)
    others = data.wrong[~data.flagged]
    for n in SIZES:
        found = []
        for _ in range(runs):
            at = random.permutation(len(others))[:n]
            stratum = np.zeros(n, dtype=np.int64)
            interval = bounds.rest(others[at], np.full(n, len(others) / n), stratum, np.array([len(others)]))
            found.append(_judged(interval, np.delete(others, at), n))
        yield data.name, "missed", n, "random only", *_summary(found)


def _judged(interval: tuple[float, float, float], left: Mask, n: int) -> tuple[float, bool, float, float]:
    """The truth, whether the interval holds it, its width, and that of a simple random sample of n."""
    _, low, high = interval
    truth = float(left.mean())
    effective = 1 / (1 / n + 1 / len(left))
    plain = np.subtract(*wilson(truth * effective, effective)[::-1])  # type: ignore[arg-type]
    return truth, low <= truth <= high, high - low, float(plain)


def _summary(found: list[tuple[float, bool, float, float]]) -> tuple[str, ...]:
    truth, held, width, plain = np.array(found, dtype=float).T
    return (
        f"{truth.mean():.3f}",
        share(int(held.sum()), len(held)),
        f"{width.mean():.3f}",
        f"{(width / plain).mean():.2f}",
    )


def _stops(data: Data, runs: int, worth: float, random: np.random.Generator) -> Iterator[tuple[object, ...]]:
    lists = {"flags": int(data.flagged.sum()), "worst half": len(data.wrong) // 2}
    for name, size in lists.items():
        for way in ("by rank", "in turns"):
            found, weak = [], 0
            for _ in range(runs):
                some = np.sort(random.permutation(len(data.wrong))[: len(data.wrong) * 9 // 10])
                right = data.wrong[some][: size * 9 // 10]
                found.append(reviewers.stop(right, way, worth, random))
                weak += way == "by rank" and reviewers.named_wrongly(right, worth, random)
            yield data.name, name, way, *_stopped(found, runs), share(weak, runs) if way == "by rank" else ""


def _flat(runs: int, worth: float, random: np.random.Generator) -> tuple[object, ...]:
    """Lists that don't get worse; nobody may stop before the last flags."""
    early, weak = 0, 0
    for _ in range(runs):
        right = random.random(FLAT) < worth / 100
        early += reviewers.stop(right, "in turns", worth, random)[0] is not None
        weak += reviewers.named_wrongly(random.permutation(FLAT) < FLAT * worth / 100, worth, random)
    return "", "flat", "in turns", share(early, runs), share(early, runs), "", "", share(weak, runs)


def _stopped(found: list[tuple[int | None, bool, int]], runs: int) -> tuple[str, ...]:
    when = [t for t, _, _ in found if t is not None]
    early = sum(premature for _, premature, _ in found)
    after = f"{np.median(when):.0f}" if when else "–"
    earliest = f"{np.median([t for _, _, t in found]):.0f}"
    return share(len(when), runs), share(early, runs), after, earliest


def _orders(
    data: Data, truth: pd.Series, goal: float, batch: int, random: np.random.Generator
) -> Iterator[tuple[object, ...]]:
    wanted = int(np.ceil(data.wrong.sum() - (1 - goal) * len(data.wrong)))
    orders = {
        "ours": np.arange(len(data.wrong)),
        f"ours, scored again every {batch}": _scored_again(data, truth, wanted, batch),
        "cleanlab": np.argsort(data.confidence, kind="stable"),
        "by chance": random.permutation(len(data.wrong)),
    }
    for name, order in orders.items():
        needed = int(np.argmax(np.cumsum(data.wrong[order]) >= wanted)) + 1 if wanted > 0 else 0
        yield data.name, f"{1 - data.wrong.mean():.1%}", name, f"{needed:,}"


def _scored_again(data: Data, truth: pd.Series, wanted: int, batch: int) -> Ints:
    """The order of a review whose labels are scored again by heads that learn from what was decided, batch by batch."""
    from imageclinic.training import load_tensorflow
    from imageclinic.workflows.steps.auditing.embeddings import rows_of
    from imageclinic.workflows.steps.auditing.predictions import draw_folds

    load_tensorflow()
    from imageclinic.training.predict import out_of_fold

    predictions = data.run.read_predictions()
    held = pd.DataFrame({"image_id": data.image_id}).merge(
        data.run.read(tables.DATASET)[["image_id", "sha256", "label"]], on="image_id", validate="1:1"
    )
    held = held.merge(data.run.read(tables.CLUSTERS)[["image_id", "split_group"]], on="image_id", how="left")
    label = held["label"].to_numpy(object)
    true = truth.reindex(data.image_id.map(tables.to_path)).to_numpy(object)
    held["split_group"] = held["split_group"].fillna(held["image_id"])
    folds = draw_folds(held, data.run.info()["seed"])
    vectors = rows_of(data.run.read_embeddings(), data.image_id)
    strength = float(tables.metadata(data.run.predictions)["strength"])
    at, score = np.zeros(0, dtype=np.intp), data.score
    while data.wrong[at].sum() < wanted:
        left = np.setdiff1d(np.argsort(-score, kind="stable"), at, assume_unique=True)
        at = np.concatenate([at, left[:batch]])
        label[at] = true[at]
        codes = confident_learning.codes(pd.Series(label), predictions.classes)
        found = out_of_fold.out_of_fold(vectors, codes, folds, strengths=[strength])
        score = noise_model.fit(codes, found.pred_probs).wrong
    return np.concatenate([at, np.setdiff1d(np.arange(len(label)), at)])


if __name__ == "__main__":
    main(sys.argv[1:])
