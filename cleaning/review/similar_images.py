"""Images like one image: the same mistake first, then what looks like it. Pure."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit import runner

#: How many images `like` returns at most, the image itself included.
MOST = 60


def like(
    image_id: str,
    issues: pd.DataFrame,
    dataset: pd.DataFrame,
    likeness: pd.Series,
    decided: Collection[str] = (),
) -> tuple[list[str], int]:
    """The image, the undecided ones with the same mistake, the most alike first, and then the most alike of the rest.

    The same mistake is: the same given and the same suggested label; without a suggestion, the same most urgent check.

    Args:
        image_id: an image of `dataset`.
        issues: tables.ISSUES.
        dataset: tables.DATASET.
        likeness: image_id → how like the image it is, higher is more (see `by_embedding` and `by_copies`).
        decided: images that somebody has decided about.

    Returns:
        At most `MOST` image ids, and how many of them make the same mistake (without the image itself).
    """
    same = _same_mistake(image_id, issues, dataset)
    same = same[~same.isin([image_id, *decided])]
    ranked = pd.DataFrame({"image_id": same, "likeness": same.map(likeness).fillna(-np.inf)})
    mistakes = ranked.sort_values(["likeness", "image_id"], ascending=[False, True])["image_id"].tolist()[: MOST - 1]
    rest = likeness.drop([image_id, *mistakes], errors="ignore").sort_values(ascending=False, kind="stable")
    return [image_id, *mistakes, *rest.index[: MOST - 1 - len(mistakes)]], len(mistakes)


def by_embedding(image_id: str, image_ids: pd.Series, vectors: npt.NDArray[np.float32]) -> pd.Series:
    """Cosine similarity of every image to one; empty when that one has no embedding.

    Args:
        image_id: the one.
        image_ids: of the rows of `vectors`.
        vectors: float32 (images, dimensions).
    """
    at = np.flatnonzero(image_ids.eq(image_id))
    if not len(at):
        return pd.Series(dtype="float64")
    norms = np.linalg.norm(vectors, axis=1)
    cosine = vectors @ vectors[at[0]] / np.maximum(norms * norms[at[0]], np.finfo(np.float32).tiny)
    return pd.Series(cosine, index=pd.Index(image_ids, name="image_id"))


def by_copies(image_id: str, neighbors: pd.DataFrame) -> pd.Series:
    """The copies of an image, by their distance: what there is without embeddings.

    Args:
        image_id: the image.
        neighbors: tables.NEIGHBORS.
    """
    there = neighbors.rename(columns={"image_id": "other_id", "other_id": "image_id"})
    pairs = pd.concat([neighbors, there])[["image_id", "other_id", "distance"]]
    mine = pairs[pairs["image_id"].eq(image_id)].sort_values("distance").drop_duplicates("other_id")
    return -mine.set_index("other_id")["distance"].astype("float64").rename_axis("image_id")


def _same_mistake(image_id: str, issues: pd.DataFrame, dataset: pd.DataFrame) -> pd.Series:
    found = issues[issues["image_id"].notna()]
    mine = found[found["image_id"].eq(image_id)]
    if mine.empty:
        return pd.Series(dtype="str")
    suggested = mine["suggested_label"].dropna()
    if suggested.empty:
        urgent = runner.ordered(mine["check"])[0]
        return found.loc[found["check"].eq(urgent), "image_id"].drop_duplicates()
    given = dataset.loc[dataset["label"].eq(dataset.set_index("image_id")["label"][image_id]), "image_id"]
    alike = found["suggested_label"].eq(suggested.iloc[0]) & found["image_id"].isin(given)
    return found.loc[alike, "image_id"].drop_duplicates()
