"""New images unlike all of the run's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import tail_chances
from imageclinic.audit.against import chance_in_run
from imageclinic.audit.against.distance_to_run import distances
from imageclinic.audit.checks import outlier as of_run
from imageclinic.audit.issue_rows import findings
from imageclinic.audit.principal_axes import evened_axes
from imageclinic.audit.verdict.line import number
from imageclinic.core.errors import NotApplicable
from imageclinic.core.tables import Embeddings

URGENCY = 70
ABOUT = ("images",)

#: Images of the run that new ones are measured by, at most, and of a class surely (for its mean).
MOST, OF_CLASS = 20_000, 20

Ints = npt.NDArray[np.intp]


def find(
    dataset: pd.DataFrame,
    new_embeddings: Embeddings,
    run_embeddings: Embeddings,
    run_images: pd.DataFrame,
    run_options: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """New images that are less like their class than the run's images are like theirs.

    The audit's measure and rule, with the options that the run was audited with: the Mahalanobis distance to the mean
    of the image's class in the run, and how far the members most like it are, together; the chance that a usual image
    of the run is so strange, by the run's own tail; and of the least likely as many as keep the expected share of usual
    ones at `outlier.false_share` (Benjamini & Hochberg, 1995). What is usual comes from the run alone, so many that are
    alike don't hide each other; a delivery of fewer than 300 images is judged as one of 300, so that of single images
    one in 667 usual ones is flagged. The run's images are measured as if they were new; where fewer of them lie as far
    than the tail says, their share is the chance. What was dropped from the run, and what its audit flagged as outlier
    and nobody decided to keep, is not usual. Score: 1 − exp(−distance / median distance).

    Of the others, and of all where the run has fewer than 300 images in classes of 5 or more, the mean cosine
    distance to the 20 nearest images of the run counts, in its principal components: flagged where its logarithm lies
    more than 2.5 robust standard deviations above the median of a third of the run, which is held out for that. A
    tail that few images speak for may be too long to see a crowd of strangers that has no neighbours in the run.

    Where nothing is flagged and the features tell the run's own classes too little apart, the check is not applicable,
    as in the audit.
    """
    options = run_options["outlier"]
    neighbours, deviations = int(options["neighbours"]), float(options["deviations"])
    known, labels = _usual(run_embeddings, run_images)
    if len(known) < 2 * neighbours:
        raise NotApplicable(f"the run's {len(known)} images are too few to look at {neighbours} nearest neighbours")
    run, new = run_embeddings.last_layer, new_embeddings.last_layer
    codes, classes = pd.factorize(labels)
    given = dataset.set_index("image_id")["label"].reindex(new_embeddings.image_id)
    new_codes = pd.Index(classes).get_indexer(pd.Index(given))
    inside = of_run.in_a_class(codes)
    numbers, own = np.unique(codes[inside], return_inverse=True)
    by_class = np.flatnonzero(np.isin(new_codes, numbers))
    found, told_apart, left = [], 1.0, np.ones(len(new), bool)
    if inside.any():
        rows, asked = known[inside], np.searchsorted(numbers, new_codes[by_class])
        crowd = _crowd(run[rows], own)
        chances = chance_in_run.chances(run[rows], own, crowd, new[by_class], asked, deviations)
        found.append(_off_class(by_class, chances, float(options["false_share"])))
        if len(numbers) > 1:
            told_apart = of_run.classes_told_apart(chances.of_run)
        left[found[0][0] if told_apart >= of_run.TOLD_APART else by_class] = False
    if left.any():
        others = np.flatnonzero(left)
        found.append(_off_neighbours(others, run[known], new[others], neighbours, deviations))
    at, scores, evidence = (np.concatenate(part) for part in zip(*found, strict=True))
    if not len(at):
        of_run.check_strong_enough(told_apart)
    return findings(
        image_id=new_embeddings.image_id.to_numpy()[at],
        score=scores,
        suggested_action=["review"] * len(at),
        evidence=evidence.tolist(),
    )


def _off_class(rows: Ints, chances: chance_in_run.Chances, false_share: float) -> of_run.Found:
    """Of new images that are measured by their class those that lie too far from it to be usual."""
    far = tail_chances.too_unlikely(chances.chance, false_share, least=of_run.ENOUGH)
    evidence = [
        f"{mean:.1f} times as far from its class in the run, and {members:.1f} times from the members most like it, as "
        f"the run's median image from its own: as far as {of_run.one_in(c)} usual images."
        for mean, members, c in zip(chances.from_mean[far], chances.from_members[far], chances.chance[far], strict=True)
    ]
    return rows[far], 1 - np.exp(-chances.times[far]), np.array(evidence, object)


def _off_neighbours(
    rows: Ints, run: npt.NDArray[np.float32], new: npt.NDArray[np.float32], neighbours: int, deviations: float
) -> of_run.Found:
    """Of new images those that lie far from the nearest of the run's."""
    ratio, deviation = distances(run, new, neighbours)
    far = np.log(ratio) > deviations * deviation
    evidence = [
        f"{r:.1f} times as far from its {neighbours} nearest images of the run as the run's median image."
        for r in ratio[far]
    ]
    return rows[far], 1 - np.exp(-ratio[far]), np.array(evidence, object)


def _usual(run: Embeddings, images: pd.DataFrame) -> tuple[Ints, pd.Series]:
    """Positions of the run's images that are usual, ordered by id, and their labels; of very many a random sample, with
    some of each class."""
    known = images.set_index("image_id").reindex(run.image_id)
    usual = known["decision"].ne("drop") & ~(known["outlier"].eq(True) & known["decision"].isna())
    rows = np.flatnonzero(usual.to_numpy())
    rows = rows[np.argsort(run.image_id.to_numpy()[rows], kind="stable")]
    labels = known["label"].iloc[rows]
    if len(rows) > MOST:
        draw = np.random.default_rng(0).permutation(len(rows))
        place = labels.iloc[draw].groupby(labels.iloc[draw].to_numpy(), dropna=False).cumcount().to_numpy()
        kept = np.sort(draw[np.argsort(place >= OF_CLASS, kind="stable")[:MOST]])
        rows, labels = rows[kept], labels.iloc[kept]
    return rows, labels


def _crowd(vectors: npt.NDArray[np.float32], codes: Ints) -> npt.NDArray[np.float64]:
    mean, turn = evened_axes(vectors)
    return of_run.in_a_crowd(lambda rows: (vectors[rows] - mean) @ turn, codes)


def summed_up(issues: pd.DataFrame) -> tuple[str, str]:
    """What was found and what follows, in words."""
    what = f"{number(len(issues), 'new image')} {'is' if len(issues) == 1 else 'are'} unlike all of the run's"
    return what, "they belong to no class, or are of a kind that the run lacks: look at them"
