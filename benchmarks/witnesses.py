"""Wrong labels with and without the votes of neighbours, everything else the same: embeddings, folds, noise model.

    python -m benchmarks.witnesses DATA [the options of benchmarks.mislabels] [--seeds 3]

DATA is embedded once, by an audit of the true labels. Then each label set (the --labels columns; the errors that
--plant plants, drawn --seeds times) is predicted out of fold by linear heads and discriminants, and by these and the
neighbours. A line for each: average precision, F1 of the flags, estimated share of wrong labels, and how many of the
labels that score .95 or more are wrong. `weight` is what the votes count.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from benchmarks import mislabels
from benchmarks.show import table
from imageclinic import training
from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.core import tables
from imageclinic.core.run import Run
from imageclinic.workflows.steps.auditing.embeddings import rows_of
from imageclinic.workflows.steps.auditing.predictions import draw_folds

HEADER = ("labels", "wrong", "neighbours", "weight", "AP", "F1", "share", f"score ≥ {mislabels.SURE}")


def main(arguments: list[str] | None = None) -> None:
    """See this module's text."""
    rest = list(sys.argv[1:] if arguments is None else arguments)
    seeds = 3
    if "--seeds" in rest:
        at = rest.index("--seeds")
        seeds = int(rest[at + 1])
        del rest[at : at + 2]
    given = mislabels._arguments(rest)
    data, root = mislabels._load(given)
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        run = mislabels._audit(data.assign(label=data["truth"]), root, Path(folder) / "run", given)
        training.load_tensorflow()
        for column in filter(None, given.labels.split(",")):
            rows += _both(column, data.assign(label=data[column]), run, 0)
        for seed in range(seeds):
            given.seed = seed
            for name, labels in mislabels._planted(data, run, given):
                rows += _both(f"{name}, {seed}", data.assign(label=labels), run, seed)
    print(table(HEADER, rows))


def _both(name: str, data: pd.DataFrame, run: Run, seed: int) -> list[tuple[object, ...]]:
    """A row of the table without and one with the neighbours."""
    from imageclinic.training.predict import out_of_fold

    known = run.read(tables.DATASET)[["image_id", "sha256", "read_error"]]
    known = known.merge(run.read(tables.CLUSTERS)[["image_id", "split_group"]], on="image_id", how="left")
    known = known.assign(path=known["image_id"].map(tables.to_path)).merge(data, on="path", validate="1:1")
    known = known[known["read_error"].isna()].reset_index(drop=True)
    known["split_group"] = known["split_group"].fillna(known["image_id"])
    classes = tuple(sorted(known["label"].unique()))
    codes = confident_learning.codes(known["label"], classes)
    wrong = (known["label"] != known["truth"]).to_numpy()
    vectors, folds = rows_of(run.read_embeddings(), known["image_id"]), draw_folds(known, seed)
    rows: list[tuple[object, ...]] = []
    for witnesses in (out_of_fold.WITNESSES[:2], out_of_fold.WITNESSES):
        found = out_of_fold.out_of_fold(vectors, codes, folds, witnesses=witnesses)
        model = noise_model.fit(codes, found.pred_probs)
        others, _ = confident_learning.likeliest_others(codes, found.pred_probs)
        named = noise_model.named(codes, found.pred_probs, model.channel, model.power, others)
        flagged, sure = noise_model.flags(model.wrong), model.wrong * named >= mislabels.SURE
        f1 = 2 * int((flagged & wrong).sum()) / max(int(flagged.sum() + wrong.sum()), 1)
        with_them = "with" if "neighbours" in witnesses else "without"
        precision = average_precision_score(wrong, model.wrong) if wrong.any() else np.nan
        scores = (f"{precision:.3f}", f"{f1:.3f}", f"{model.share:.1%}", f"{(sure & wrong).sum()} of {sure.sum()}")
        rows.append((name, f"{wrong.mean():.1%}", with_them, f"{found.votes:.1f}", *scores))
    return rows


if __name__ == "__main__":
    main()
