"""Several annotators: whose consensus, and whose annotator quality, is nearer the truth, ours or cleanlab's.

    python -m benchmarks.annotators DATA [--truth COLUMN --labels COLUMN,COLUMN,…] [--split train]
                                    [--run FOLDER] [--part report|tune|all] [--seed 0]

DATA is a manifest (.csv with path, the true labels in --truth, and a column of labels for each annotator), or class
folders: the folders are then the truth, and five annotators are simulated who are right on 95, 90, 80, 65 and 10 % of
what they label (the last one names classes at random; each of the others has a class that they take for one certain
other class in half of their errors), each of a random 60 % of the images.

The labels are audited (`imageclinic.audit`, in --run, kept where it is named), and cleanlab's
`get_label_quality_multiannotator` with its defaults (CROWDLAB; Goh, Tkachenko and Mueller, 2022) gets the same labels
and the same out-of-fold predictions. Our model was tuned on half of CIFAR-10N's images, drawn by --seed; numbers are of
the other half (--part). Everything is fitted to all images: no method sees the truth.

- **majority**: votes, ties broken by cleanlab (with the predictions), and doubt by the share of the votes.
- **right**: share of consensus labels that are the true one. Our audit holds the *given* one, of the annotators alone,
  until somebody decides; *likeliest* is with the predictions.
- **AP**: average precision of finding the method's own wrong consensus labels by its own doubt.
- **AP, majority**: of finding the wrong labels of the majority vote, one list for all methods.
- **expected**: share of right consensus labels by the method's own probabilities.
- **quality off**: mean absolute difference of annotator quality from the annotator's true share of right labels.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.multiannotator import get_label_quality_multiannotator
from sklearn.metrics import average_precision_score

import imageclinic
from benchmarks.show import table
from imageclinic.audit.labels import annotator_model
from imageclinic.audit.listing import image_listing
from imageclinic.core import tables
from imageclinic.core.run import Run

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

QUALITIES = (0.95, 0.9, 0.8, 0.65, 0.1)
SEEN = 0.6
HEADER = ("method", "right", "AP", "AP, majority", "expected", "quality off")


@dataclass(frozen=True)
class Judged:
    """What a method says: consensus (class numbers), doubt of it, doubt of the majority vote, annotators' quality."""

    name: str
    consensus: Ints
    doubt: Floats
    of_majority: Floats
    quality: Floats


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    given = _arguments(arguments)
    data, root, names = _load(given)
    with tempfile.TemporaryDirectory() as folder:
        frame = data[["path"]].assign(**{f"annotator:{n}": data[n] for n in names})
        run = imageclinic.audit(frame, given.run or Path(folder) / "run", root=root, seed=given.seed).run
        methods, truth, labels = judge(data, names, run)
    part = _part(len(truth), given)
    print(f"{part.sum():,} of {len(truth):,} images; labels as {', '.join(names)}\n")
    print(table(HEADER, [_measured(m, methods[0].consensus, truth, labels, part) for m in methods]))
    _annotators(methods, truth, labels, names, run)


def judge(data: pd.DataFrame, names: list[str], run: Run) -> tuple[list[Judged], Ints, Ints]:
    """All methods on the readable images of a run; true class numbers; (images, annotators) labels, -1 where none."""
    predictions = run.read_predictions()
    rows = data.set_index(data["path"].map(tables.to_image_id)).reindex(predictions.rows["image_id"])
    classes = sorted({*predictions.classes, *rows[names].stack().dropna(), *rows["truth"]})
    code = {name: n for n, name in enumerate(classes)}
    labels = np.stack([rows[n].map(code).fillna(-1).to_numpy(int) for n in names], axis=1)
    probs = np.zeros((len(rows), len(classes)))
    probs[:, [code[c] for c in predictions.classes]] = predictions.pred_probs
    answers = pd.DataFrame(np.where(labels >= 0, labels, np.nan))
    best, plain = (
        get_label_quality_multiannotator(answers, probs, consensus_method=how, verbose=False)
        for how in ("best_quality", "majority_vote")
    )
    own, voted = best["label_quality"], plain["label_quality"]
    majority = voted["consensus_label"].to_numpy(int)
    votes = (labels == majority[:, None]).sum(axis=1) / np.maximum((labels >= 0).sum(axis=1), 1)
    known = run.read(tables.CONSENSUS).set_index("image_id").reindex(rows.index)
    held = known["label"].map(code).to_numpy()
    image, annotator = np.nonzero(labels >= 0)
    said = annotator_model.Labels(image, annotator, labels[image, annotator], len(rows), len(names), len(classes))
    fits = [annotator_model.fit(said, p) for p in (probs, None)]
    every = np.arange(len(rows))
    with_model = 1 - fits[0].probabilities[every, majority]
    agree = np.array([(column == majority)[column >= 0].mean() for column in labels.T])
    quality = best["annotator_stats"].sort_index()["annotator_quality"].to_numpy()
    methods = [
        Judged("majority", majority, 1 - votes, 1 - votes, agree),
        *(
            Judged(
                name,
                f.probabilities.argmax(axis=1),
                1 - f.probabilities.max(axis=1),
                1 - f.probabilities[every, majority],
                f.quality,
            )
            for name, f in zip(("ours, likeliest", "ours, annotators alone"), fits, strict=True)
        ),
        Judged("ours, given", held, known["wrong"].to_numpy(), with_model, fits[0].quality),
        Judged(
            "cleanlab",
            own["consensus_label"].to_numpy(int),
            1 - own["consensus_quality_score"].to_numpy(),
            1 - voted["consensus_quality_score"].to_numpy(),
            quality,
        ),
    ]
    return methods, rows["truth"].map(code).to_numpy(int), labels


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--truth", default="label")
    parser.add_argument("--labels", default="")
    parser.add_argument("--split", default="")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--part", choices=("report", "tune", "all"), default="report")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def _load(given: argparse.Namespace) -> tuple[pd.DataFrame, Path, list[str]]:
    """Rows with path, truth and a column per annotator; the root of the paths; the annotators."""
    if given.data.is_dir():
        images = image_listing.load(given.data).images
        data = pd.DataFrame({"path": images["image_id"].map(tables.to_path), "truth": images["label"]})
        simulated = simulate(data["truth"].to_numpy(object), np.random.default_rng(given.seed))
        return data.join(simulated), given.data.resolve(), [str(name) for name in simulated.columns]
    data = pd.read_csv(given.data, dtype=str)
    if given.split:
        data = data[data["split"] == given.split]
    return (
        data.assign(truth=data[given.truth]).reset_index(drop=True),
        given.data.resolve().parent,
        given.labels.split(","),
    )


def simulate(truth: npt.NDArray[np.object_], random: np.random.Generator) -> pd.DataFrame:
    """A column of labels for each of `QUALITIES`, null where the annotator has not seen the image."""
    classes = np.unique(truth.astype(str))
    columns = {}
    for number, quality in enumerate(QUALITIES):
        wrong = random.random(len(truth)) >= quality
        other = np.array([random.choice(classes[classes != t]) for t in truth], dtype=object)
        if quality > 1 / len(classes):
            taken = classes[number % len(classes)], classes[(number + 1) % len(classes)]
            habit = (truth == taken[0]) & (random.random(len(truth)) < 0.5)
            other[habit] = taken[1]
        label = np.where(wrong, other, truth).astype(object)
        label[random.random(len(truth)) >= SEEN] = None
        columns[f"{'spammer' if quality <= 1 / len(classes) else 'person'}-{100 * quality:.0f}"] = label
    return pd.DataFrame(columns)


def _part(n: int, given: argparse.Namespace) -> npt.NDArray[np.bool_]:
    tuned = np.random.default_rng(given.seed).permutation(n) < n // 2
    return {"tune": tuned, "report": ~tuned, "all": np.ones(n, bool)}[given.part]


def _measured(method: Judged, majority: Ints, truth: Ints, labels: Ints, part: npt.NDArray[np.bool_]) -> list[str]:
    part = part & (labels >= 0).any(axis=1)
    wrong = (method.consensus != truth)[part]
    return [
        method.name,
        f"{1 - wrong.mean():.4f}",
        f"{average_precision_score(wrong, method.doubt[part]):.3f}",
        f"{average_precision_score((majority != truth)[part], method.of_majority[part]):.3f}",
        f"{1 - method.doubt[part].mean():.4f}",
        f"{np.abs(method.quality - _true_quality(truth, labels)).mean():.3f}",
    ]


def _true_quality(truth: Ints, labels: Ints) -> Floats:
    return np.array([(column == truth)[column >= 0].mean() for column in labels.T])


def _annotators(methods: list[Judged], truth: Ints, labels: Ints, names: list[str], run: Run) -> None:
    """Each annotator's quality by every method, and our interval."""
    said = {a["annotator"]: a for a in run.info()["annotators"]}
    header = ("annotator", "labels", "true", *(m.name for m in methods if m.name != "ours, given"), "our interval")
    rows = [
        (
            name,
            f"{(labels[:, a] >= 0).sum():,}",
            f"{_true_quality(truth, labels)[a]:.3f}",
            *(f"{m.quality[a]:.3f}" for m in methods if m.name != "ours, given"),
            f"{said[name]['low']:.3f} to {said[name]['high']:.3f}",
        )
        for a, name in enumerate(names)
    ]
    print(f"\n{table(header, rows)}")


if __name__ == "__main__":
    main()
