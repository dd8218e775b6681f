"""What several annotators say together, with the predictions: the table consensus, and how good each annotator is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.labels import annotator_model
from imageclinic.core import tables
from imageclinic.core.errors import NotApplicable
from imageclinic.core.naming.wording import few, shown
from imageclinic.core.run import Run
from imageclinic.workflows.steps.result_keys import key

#: An annotator who is surely right less often than this is named in a warning.
_POOR = 0.5


def record(run: Run, annotations: pd.DataFrame | None) -> None:
    """Write down who said what; or remove what an earlier audit of the run wrote, where nobody is named."""
    if annotations is None:
        run.table_path(tables.ANNOTATIONS).unlink(missing_ok=True)
    else:
        run.write(tables.ANNOTATIONS, annotations, key(annotations))


def forget(run: Run) -> None:
    """Remove what an earlier audit of the run made of its annotators."""
    run.table_path(tables.CONSENSUS).unlink(missing_ok=True)
    run.update_info({"annotators": []})


def current_key(run: Run) -> str | None:
    """Of the annotations of a run; None without annotators."""
    return tables.metadata(run.table_path(tables.ANNOTATIONS)).get("key") if run.has(tables.ANNOTATIONS) else None


def said(run: Run) -> pd.DataFrame:
    """The table annotations. Raises NotApplicable when nobody is named."""
    if not run.has(tables.ANNOTATIONS):
        raise NotApplicable("it is not known who gave the labels (see docs/annotators.md)")
    return run.read(tables.ANNOTATIONS)


def judge(run: Run, dataset: pd.DataFrame, predictions: tables.Predictions | None, notes: list[str]) -> pd.DataFrame:
    """Write and return the table consensus; write how good each annotator is, worst first, as ``annotators`` into
    run.json: annotator, labels, agreement (share of labels equal to the given one), quality, low, high, and
    ``confusion``: the classes that they mix up most, as [true, named, how often], or null.

    Raises:
        NotApplicable: nobody is named, or nothing is labelled by two.
    """
    annotations = said(run)
    if annotations["annotator"].nunique() < 2:
        raise NotApplicable("all labels are by one annotator")
    if not _several(annotations):
        raise NotApplicable("no image is labelled by two annotators")
    ids = pd.Index(annotations["image_id"].unique())
    given = dataset.set_index("image_id")["label"].reindex(ids)
    if predictions is None:
        fitted = _Fitted(annotations, ids, (), None)
    else:
        place = pd.Index(predictions.rows["image_id"]).get_indexer(ids)
        shares = np.bincount(predictions.pred_probs.argmax(axis=1), minlength=len(predictions.classes)) + 1.0
        probs = np.where(place[:, None] >= 0, predictions.pred_probs[place], shares / shares.sum())
        fitted = _Fitted(annotations, ids, predictions.classes, probs)
    probabilities, rows = fitted.found.probabilities, np.arange(len(ids))
    best = probabilities.argmax(axis=1)
    counts = np.bincount(fitted.image, minlength=len(ids))
    low, high = annotator_model.intervals(fitted.labels, fitted.probs)
    consensus = tables.frame(
        tables.CONSENSUS,
        image_id=ids,
        label=given.to_numpy(),
        likeliest=fitted.classes[best],
        probability=probabilities[rows, best],
        wrong=np.clip(1 - probabilities[rows, fitted.codes(given)], 0, 1),
        labels=counts,
        agreeing=np.bincount(fitted.image, fitted.label == best[fitted.image], len(ids)).astype(int),
        ask=fitted.whom_to_ask(low),
    )
    run.write(tables.CONSENSUS, consensus)
    annotators = fitted.annotators(annotations["label"].to_numpy() == given.to_numpy()[fitted.image], low, high)
    run.update_info({"annotators": annotators})
    poor = [a for a in annotators if a["high"] < _POOR]
    if poor:
        named = few([f"{shown(a['annotator'])} ({a['quality']:.0%} of {a['labels']:,})" for a in poor])
        notes.append(f"WARNING: labels of {len(poor):,} of {len(annotators):,} annotators are mostly wrong: {named}")
    return consensus


def label_quality(
    run: Run, held: pd.DataFrame, classes: Sequence[str], pred_probs: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64] | None:
    """(n,), in [0, 1], 0 = worst: probability that each label is right, by all annotators and the predictions; None
    where no image is labelled by two.

    Args:
        run: with annotations.
        held: n rows with image_id and label, one of `classes`.
        classes: names of the columns of `pred_probs`.
        pred_probs: (n, classes), rows sum to 1, out of fold.
    """
    if not run.has(tables.ANNOTATIONS):
        return None
    ids = pd.Index(held["image_id"])
    annotations = said(run)
    if not _several(annotations):
        return None
    fitted = _Fitted(annotations[annotations["image_id"].isin(ids)], ids, classes, pred_probs)
    right = fitted.found.probabilities[np.arange(len(ids)), fitted.codes(held["label"])]
    return np.asarray(np.clip(right, 0, 1))


def _several(annotations: pd.DataFrame) -> bool:
    return bool(annotations["image_id"].duplicated().any())


class _Fitted:
    """The model of `audit.labels.annotator_model`, with the names of what its arrays are of."""

    def __init__(
        self, said: pd.DataFrame, ids: pd.Index, classes: Sequence[str], probs: npt.NDArray[np.floating] | None
    ) -> None:
        self.classes = np.array(sorted({*classes, *said["label"]}), dtype=object)
        self.image = ids.get_indexer(pd.Index(said["image_id"]))
        self.annotator, who = pd.factorize(said["annotator"], sort=True)
        self.who = np.asarray(who, dtype=object)
        self.label = self.codes(said["label"])
        self.probs = None
        if probs is not None:  # some classes may be named by annotators alone
            self.probs = np.zeros((len(ids), len(self.classes)), probs.dtype)
            self.probs[:, self.codes(list(classes))] = probs
        sizes = (len(ids), len(self.who), len(self.classes))
        self.labels = annotator_model.Labels(self.image, self.annotator, self.label, *sizes)
        self.found = annotator_model.fit(self.labels, self.probs)

    def codes(self, labels: pd.Series | Sequence[str]) -> npt.NDArray[np.intp]:
        return pd.Index(self.classes).get_indexer(pd.Index(list(labels)))

    def whom_to_ask(self, low: npt.NDArray[np.float64]) -> list[str | None]:
        """For each image the best annotator (of whom `low` is the greatest) who has not labelled it; None: all have."""
        ask = np.full(len(self.found.probabilities), -1)
        asked = {(i, a) for i, a in zip(self.image.tolist(), self.annotator.tolist(), strict=True)}
        left = np.arange(len(ask))
        for best in np.argsort(-low, kind="stable"):
            free = np.array([(i, best) not in asked for i in left.tolist()], dtype=bool)
            ask[left[free]] = best
            left = left[~free]
            if not len(left):
                break
        return [None if a < 0 else str(self.who[a]) for a in ask]

    def annotators(
        self, agrees: npt.NDArray[np.bool_], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
    ) -> list[dict[str, Any]]:
        """A record per annotator, see `judge`; `agrees`: whether each label is the one that the image has."""
        count = np.bincount(self.annotator, minlength=len(self.who))
        agreement = np.bincount(self.annotator, agrees, len(self.who)) / count
        records = [
            {
                "annotator": str(name),
                "labels": int(count[a]),
                "agreement": round(float(agreement[a]), 4),
                "quality": round(float(self.found.quality[a]), 4),
                "low": round(float(low[a]), 4),
                "high": round(float(high[a]), 4),
                "confusion": self._confusion(a),
            }
            for a, name in enumerate(self.who)
        ]
        return sorted(records, key=lambda r: (r["quality"], r["annotator"]))

    def _confusion(self, annotator: int) -> list[Any] | None:
        """The class that is most often called another one, and how often (expected)."""
        mine = self.annotator == annotator
        counts = np.zeros((len(self.classes),) * 2)
        np.add.at(counts, self.label[mine], self.found.probabilities[self.image[mine]])  # [named, true]
        np.fill_diagonal(counts, 0)
        named, true = np.unravel_index(counts.argmax(), counts.shape)
        often = float(counts[named, true])
        return [str(self.classes[true]), str(self.classes[named]), round(often, 1)] if often >= 1 else None
