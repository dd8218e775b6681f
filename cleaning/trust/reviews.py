"""What persons decided about the flags of a check, and about the images that it did not flag, as arrays. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.cleaning.decisions import decision_log
from imageclinic.cleaning.trust import bounds
from imageclinic.core.rows import lookup, ordering
from imageclinic.core.schema import POLICY

Mask = npt.NDArray[np.bool_]
#: Flags are cut by score into this many bands of equal size, when there are `_LEAST` for each.
_BANDS, _LEAST = 4, 50


@dataclass(frozen=True)
class Reviews:
    """Flags of one check, the highest score first, or images that it did not flag; and what persons decided about each.

    What a person looked at without an answer (unsure, disputed, dropped as a copy) is left out, and so is what was
    accepted without a look at each: neither says whether a flag is right.
    """

    score: npt.NDArray[np.float64]
    """(n,), of the flag; 0 for an image that was not flagged."""
    stratum: npt.NDArray[np.int64]
    """(n,), from 0: the band of a flag by its score, 0 the highest; for an image that was not flagged 1 where another
    check flagged it."""
    turn: npt.NDArray[np.int64]
    """(n,), when it was reviewed: its place in the log; -1: no person has reviewed it."""
    right: Mask
    """(n,), an error, a person says. False where nobody reviewed it."""
    weight: npt.NDArray[np.float64]
    """(n,), one over the probability with which it was drawn; 0 where it was chosen, or not reviewed."""
    policy: Mask
    """(n,), a policy alone decided about the image."""

    @property
    def unseen(self) -> Mask:
        """(n,), no person has reviewed it."""
        return self.turn < 0

    def only(self, mask: Mask) -> Reviews:
        """Some of them."""
        return Reviews(*(getattr(self, field.name)[mask] for field in fields(self)))

    def made(self) -> npt.NDArray[np.intp]:
        """Positions of those that were reviewed, in the order of the log."""
        at = np.flatnonzero(~self.unseen)
        return at[np.argsort(self.turn[at], kind="stable")]

    def rest(self) -> tuple[float, float, float]:
        """Share of errors among those that no person reviewed, with its 95 % interval, see `bounds.rest`."""
        at = self.made()
        size = np.bincount(self.stratum, minlength=1)
        return bounds.rest(self.right[at], self.weight[at], self.stratum[at], size)


class Log:
    """What persons decided, from a decision log. A policy takes the flags at their word, so it is no witness."""

    def __init__(self, log: pd.DataFrame, dataset: pd.DataFrame) -> None:
        """Read tables.DECISION_LOG and tables.DATASET."""
        by_person = ~log["reviewer"].str.startswith(POLICY)
        persons = log[by_person]
        standing = decision_log.current(persons, dataset).set_index("image_id")
        answered = ~standing["disputed"] & standing["decision"].ne("unsure")
        self.answers = standing[answered]
        #: The images that a person has looked at and answered about: not those whose label was accepted in a batch.
        self.looked_at = self.answers.index[self.answers["note"].ne(decision_log.AT_ONCE).fillna(True)]
        self._open = standing.index[~answered]
        policies = decision_log.current(log[~by_person], dataset)
        self._policy = policies.loc[~policies["image_id"].isin(standing.index), "image_id"]
        # What counts is how an image was first come upon: one that was known is not drawn a second time.
        first = persons[persons["decision"].ne("undo")].reset_index(drop=True).drop_duplicates("image_id")
        self._turn = pd.Series(first.index.to_numpy(), first["image_id"].to_numpy())
        random = first[first["sample"].eq("random") & first["inclusion_prob"].gt(0)].set_index("image_id")
        self._weight = 1 / random["inclusion_prob"]

    def about_flags(self, flags: pd.DataFrame, check: str) -> Reviews:
        """Reviews of a check's flags (image_id and score, one row an image): right where a person confirmed it."""
        flags = ordering.in_order(flags, {"score": "descending", "image_id": "ascending"})
        at = lookup.places(flags["image_id"], self.answers.index)
        confirmed, rejected = (_named(self.answers[column], check, at) for column in ("confirmed", "rejected"))
        unclear = (at >= 0) & (confirmed == rejected)
        score = flags["score"].to_numpy(np.float64)
        return self._reviews(flags["image_id"], score, bands(len(flags)), confirmed, unclear)

    def about_suggestions(self, flags: pd.DataFrame) -> tuple[pd.Series, Reviews]:
        """The images of flags (image_id, score, suggested_label; one row an image) in order, and their reviews: right
        where a person gave the image just that label. What was accepted without a look at each is left out."""
        spoken = self.answers["confirmed"].notna() | self.answers["rejected"].notna()
        silent = self.answers.index[self.answers["decision"].eq("relabel") & ~spoken]
        flags = flags[~lookup.among(flags["image_id"], [*self._open, *silent])]
        flags = ordering.in_order(flags, {"score": "descending", "image_id": "ascending"})
        chosen = flags["image_id"].map(self.answers["label"])
        right = chosen.eq(flags["suggested_label"]).fillna(False).to_numpy(bool)
        score, none = flags["score"].to_numpy(np.float64), np.zeros(len(flags), dtype=bool)
        return flags["image_id"], self._reviews(flags["image_id"], score, bands(len(flags)), right, none)

    def about_others(
        self, images: pd.Series, wrong: Collection[str], elsewhere: Collection[str] = frozenset()
    ) -> Reviews:
        """Reviews of images that a check did not flag.

        Args:
            images: their ids.
            wrong: the decisions that call an image an error.
            elsewhere: the images that another check flagged, which are drawn with a chance of their own.
        """
        answers = self.answers["decision"]
        found = lookup.among(images, answers.index[answers.isin(wrong)])
        stratum = lookup.among(images, elsewhere).astype(np.int64)
        return self._reviews(images, np.zeros(len(images)), stratum, found, np.zeros(len(images), dtype=bool))

    def _reviews(
        self,
        images: pd.Series,
        score: npt.NDArray[np.float64],
        stratum: npt.NDArray[np.int64],
        right: Mask,
        unclear: Mask,
    ) -> Reviews:
        reviewed = np.flatnonzero(lookup.among(images, self.answers.index))
        turn, weight = np.full(len(images), -1), np.zeros(len(images))
        turn[reviewed] = images.iloc[reviewed].map(self._turn).fillna(0).to_numpy(np.int64)
        weight[reviewed] = images.iloc[reviewed].map(self._weight).fillna(0).to_numpy(np.float64)
        policy = lookup.among(images, self._policy)
        closed = ~unclear & ~lookup.among(images, self._open)
        return Reviews(score, stratum, turn, right, weight, policy).only(closed)


def bands(n: int) -> npt.NDArray[np.int64]:
    """(n,), the band of each of `n` sorted flags: of equal size, and never different after a review."""
    return np.arange(n) * max(1, min(_BANDS, n // _LEAST)) // max(n, 1)


def _named(checks: pd.Series, check: str, at: npt.NDArray[np.intp]) -> Mask:
    """Whether `check` is among the names at these positions; not at -1."""
    there = [isinstance(names, str) and check in names.split(";") for names in checks]
    return np.array([*there, False], dtype=bool)[at]
