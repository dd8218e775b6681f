"""Wrong labels: what an audit finds of them, against cleanlab's defaults, k-NN votes and a network per fold.

    python -m benchmarks.mislabels DATA --truth COLUMN [--labels COLUMN,…] [--plant 0.05] [--split train]
                                   [--networks FOLDER] [--sheet FILE.png] [--seed 0] [--model auto]

DATA is a manifest (.csv with path, the true labels in --truth, and given labels in the --labels columns) or class
folders (the folders are then the truth). --plant adds label sets with that share of wrong labels: `uniform` (any other
class) and `alike` (the class that it is most often taken for, by models cross-validated on the true labels). The true
labels are audited as well: what is flagged there is false. Only rows of --split are used, where it is given.

Every set is audited (`imageclinic.audit`, checks mislabeled, overlapping_classes, outlier and all of the scan), in one
run folder, so that the first audit is the whole one and the others find the embeddings there. All methods but the
networks get the same embeddings:

- **ours**: the scores and flags of `mislabeled`.
- **cleanlab**: `find_label_issues` with its defaults, on our probabilities; ranked by self-confidence.
- **cleanlab, both**: its filter `both`.
- **k-NN votes**: shares of the classes among the 20 nearest other images (cosine, the other folds only), flagged by
  cleanlab's defaults.
- **networks** (with --networks, not on the true labels; hours): a convolutional network per fold, as in `audit --train
  full`; finished folds are kept in FOLDER. Flagged by cleanlab's defaults, and by ours (**networks, ours**).

AP is the average precision of the ranking. Accuracy is that of the likeliest class on the true labels. `share` is the
estimated share of wrong labels (cleanlab: `num_label_issues`). The last column counts the labels that score .95 or
more (ours: by the finding's score), how many of these are wrong, and of how many the likeliest other class is the true
one (`--model benchmarks.weak_eyes:thumbnails` shows what becomes of them where features are weak). --sheet draws the
thirty highest flags of the first set that are false by the true labels.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.count import num_label_issues
from PIL import Image, ImageDraw
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors

import imageclinic
from benchmarks.show import table
from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.audit.listing import image_listing
from imageclinic.cleaning.split import stratified_split
from imageclinic.core import tables
from imageclinic.core.run import Run

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEIGHBOURS = 20
SURE = 0.95
HEADER = (
    "labels",
    "wrong",
    "method",
    "AP",
    "flags",
    "precision",
    "recall",
    "F1",
    "accuracy",
    "share",
    f"score ≥ {SURE}",
)


@dataclass(frozen=True)
class Judged:
    """What a method says: flags, how surely each label is wrong, class probabilities, estimated share of wrong ones;
    scores of findings, where these are others."""

    flagged: Mask
    score: Floats
    probs: Floats
    share: float
    finding: Floats | None = None


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    given = _arguments(arguments)
    data, root = _load(given)
    columns = [c for c in given.labels.split(",") if c]
    with tempfile.TemporaryDirectory() as folder:
        run_path = Path(folder) / "run"
        clean = _audit(data.assign(label=data["truth"]), root, run_path, given)
        whole = clean.info()["seconds"]
        sets = {c: data[c] for c in columns} | dict(_planted(data, clean, given))
        rows = []
        for name, labelled in ({"truth": data["truth"]} | sets).items():
            frame = data.assign(label=labelled)
            run = _audit(frame, root, run_path, given)
            rows += _measure(name, frame, run, given)
            if given.sheet and name == next(iter(sets), "truth"):
                _sheet(frame, run, given.sheet)
    print(table(HEADER, rows))
    _costs(whole)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--truth", default="label")
    parser.add_argument("--labels", default="")
    parser.add_argument("--plant", type=float, default=0.0)
    parser.add_argument("--split", default="")
    parser.add_argument("--networks", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="auto")
    return parser.parse_args(arguments)


def _load(given: argparse.Namespace) -> tuple[pd.DataFrame, Path]:
    """Rows with path, truth and the columns of given labels; and the root of the paths."""
    if given.data.is_dir():
        images = image_listing.load(given.data).images
        data = pd.DataFrame({"path": images["image_id"].map(tables.to_path), "truth": images["label"]})
        return data.reset_index(drop=True), given.data.resolve()
    data = pd.read_csv(given.data, dtype=str)
    if given.split:
        data = data[data["split"] == given.split]
    return data.assign(truth=data[given.truth]).reset_index(drop=True), given.data.resolve().parent


def _audit(data: pd.DataFrame, root: Path, path: Path, given: argparse.Namespace) -> Run:
    frame = data[["path", "label"]]
    return imageclinic.audit(frame, path, root=root, model=given.model, seed=given.seed).run


def _planted(data: pd.DataFrame, clean: Run, given: argparse.Namespace) -> Iterator[tuple[str, pd.Series]]:
    """Label sets with planted errors. Who looks like whom is known from predictions made on the true labels."""
    if not given.plant:
        return
    random = np.random.default_rng(given.seed)
    truth = data["truth"]
    classes = np.array(sorted(truth.unique()))
    predictions = clean.read_predictions()
    taken = pd.Series(
        np.array(predictions.classes)[predictions.pred_probs.argmax(axis=1)],
        index=predictions.rows["image_id"].map(tables.to_path),
    ).reindex(data["path"])
    confused = pd.crosstab(truth.to_numpy(), taken.to_numpy()).reindex(index=classes, columns=classes, fill_value=0)
    alike = {c: str(confused.loc[c].drop(c).idxmax()) for c in classes}
    for name in ("uniform", "alike"):
        wrong = truth.copy()
        for row in random.choice(len(data), round(given.plant * len(data)), replace=False):
            own = truth.iloc[row]
            wrong.iloc[row] = alike[own] if name == "alike" else str(random.choice(classes[classes != own]))
        yield f"{name} {given.plant:.0%}", wrong


def _measure(name: str, data: pd.DataFrame, run: Run, given: argparse.Namespace) -> list[tuple[object, ...]]:
    """Rows of the table for one label set."""
    predictions = run.read_predictions()
    known = predictions.rows.assign(path=predictions.rows["image_id"].map(tables.to_path))
    known = known.merge(data, on="path", how="left", validate="1:1")
    own, truth = (pd.Index(predictions.classes).get_indexer(pd.Index(known[c])) for c in ("label", "truth"))
    issues = run.read(tables.ISSUES)
    found = issues[issues["check"] == "mislabeled"].set_index("image_id")["score"].reindex(known["image_id"])
    flagged = found.notna().to_numpy()
    wrong = 1 - known["label_quality"].to_numpy()
    probs: Floats = predictions.pred_probs.astype(np.float64)
    votes = _votes(run, known["image_id"], known["fold"].to_numpy(), own, len(predictions.classes))
    methods = {
        "ours": Judged(flagged, wrong, probs, float(wrong.mean()), found.fillna(0).to_numpy()),
        "cleanlab": _cleanlab(own, probs),
        "cleanlab, both": _cleanlab(own, probs, "both"),
        f"{NEIGHBOURS}-NN votes": _cleanlab(own, votes),
    }
    if given.networks is not None and name != "truth":
        probs = _networks(name, known, run, given)
        model = noise_model.fit(own, probs)
        methods["networks"] = _cleanlab(own, probs)
        methods["networks, ours"] = Judged(noise_model.flags(model.wrong), model.wrong, probs, model.share)
    return [(name, f"{(own != truth).mean():.1%}", *_row(m, j, own, truth)) for m, j in methods.items()]


def _row(method: str, judged: Judged, own: Ints, truth: Ints) -> tuple[object, ...]:
    wrong = own != truth
    hits = int((judged.flagged & wrong).sum())
    flags = int(judged.flagged.sum())
    scores = ["–"] * 4
    if wrong.any():
        precision, recall = hits / max(flags, 1), hits / int(wrong.sum())
        f1 = 2 * hits / (flags + int(wrong.sum()))
        scores = [f"{s:.3f}" for s in (average_precision_score(wrong, judged.score), precision, recall, f1)]
    accuracy = (judged.probs.argmax(axis=1) == truth).mean()
    sure = (judged.score if judged.finding is None else judged.finding) >= SURE
    others = judged.probs.copy()
    others[np.arange(len(own)), own] = -1
    named = others.argmax(axis=1) == truth
    at_sure = f"{(sure & wrong).sum()} of {sure.sum()}, {(sure & named).sum()} named"
    return method, scores[0], flags, *scores[1:], f"{accuracy:.3f}", f"{judged.share:.1%}", at_sure


def _cleanlab(own: Ints, probs: Floats, filter_by: str = "prune_by_noise_rate") -> Judged:
    flagged = confident_learning.flags(own, probs, filter_by)
    share = num_label_issues(own, probs) / len(own)
    return Judged(flagged, 1 - probs[np.arange(len(own)), own], probs, float(share))


def _votes(run: Run, image_id: pd.Series, fold: Ints, own: Ints, classes: int) -> Floats:
    """(n, classes): shares of the classes among the nearest images of other folds."""
    embeddings = run.read_embeddings()
    at = pd.Series(range(len(embeddings.image_id)), index=embeddings.image_id.to_numpy())
    vectors = embeddings.alike[at[image_id.to_numpy()].to_numpy()]
    votes = np.zeros((len(own), classes))
    for held in np.unique(fold):
        seen = np.flatnonzero(fold != held)
        search = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(vectors[seen])
        near = own[seen[search.kneighbors(vectors[fold == held], return_distance=False)]]
        votes[fold == held] = (near[:, :, None] == np.arange(classes)).mean(axis=1)
    return votes


def _networks(name: str, known: pd.DataFrame, run: Run, given: argparse.Namespace) -> Floats:
    """Probabilities by a network per fold, on the labels of this set."""
    from imageclinic.training.predict import network_folds  # loads TensorFlow

    groups = known.merge(run.read(tables.CLUSTERS), on="image_id", how="left")["split_group"].fillna(known["image_id"])
    parts = stratified_split.allocate(known["label"], groups, [1.0] * 10, seed=given.seed)
    paths = [run.root / path for path in known["path"]]
    start = time.perf_counter()
    codes = confident_learning.codes(known["label"], tuple(sorted(known["label"].unique())))
    found = network_folds.out_of_fold(paths, codes, parts, given.networks / name, seed=given.seed)
    print(f"networks on {name}: {time.perf_counter() - start:,.0f} s (of the folds that were not there yet)")
    return found.pred_probs.astype(np.float64)


def _costs(seconds: dict[str, float]) -> None:
    """What the first audit took, which embedded."""
    total = sum(seconds.values())
    print()
    print(
        table(("stage of the first audit", "seconds"), [(k, f"{v:.1f}") for k, v in (seconds | {"all": total}).items()])
    )
    print(f"cross-validation / embedding: {seconds['predict'] / seconds['embed']:.0%}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, benchmark included: {peak:,.0f} MB")


def _sheet(data: pd.DataFrame, run: Run, path: Path, *, count: int = 30, side: int = 150) -> None:
    """The highest flags whose label is right by the truth, as a picture: given label, suggested one, score."""
    issues = run.read(tables.ISSUES)
    found = issues[issues["check"] == "mislabeled"].assign(path=lambda f: f["image_id"].map(tables.to_path))
    found = found.merge(data[["path", "truth", "label"]].rename(columns={"label": "given"}), on="path")
    false = found[found["given"] == found["truth"]].nlargest(count, "score")
    columns = 6
    page = Image.new("RGB", (columns * (side + 10), max(1, -(-len(false) // columns)) * (side + 40)), "white")
    draw = ImageDraw.Draw(page)
    for n, row in enumerate(false.itertuples()):
        x, y = n % columns * (side + 10), n // columns * (side + 40)
        with Image.open(run.root / str(row.path)) as image:
            page.paste(image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (x, y))
        draw.text((x, y + side + 2), f"{n + 1}. {row.given} ({row.score:.2f})\nor {row.suggested_label}", fill="black")
    page.save(path)


if __name__ == "__main__":
    main(sys.argv[1:])
