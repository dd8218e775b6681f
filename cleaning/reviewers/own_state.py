"""What one reviewer sees of the decisions: not what others decided about an image that waits for this one. Pure."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from imageclinic.cleaning.reviewers import double_review


def seen(state: pd.DataFrame, mine: Collection[str], two_reviewers: Collection[str]) -> pd.DataFrame:
    """Decisions as one reviewer sees them.

    An image for two persons looks undecided to who has not decided about it, until two others have. Who decided what
    about a disputed image is seen after one's own decision.

    Args:
        state: image_id, decision, reviewer, disputed, note and more, see `person_decision.STATE`; null where undecided.
        mine: images about which this reviewer has decided, "unsure" too.
        two_reviewers: the images for two persons.

    Returns:
        The same rows and columns.
    """
    state = state.copy()
    other = ~state["image_id"].isin(mine)
    persons = double_review.answering_persons(state[state["reviewer"].notna()])
    few = state["image_id"].map(persons).fillna(0) < double_review.PERSONS
    hidden = other & few & state["image_id"].isin(two_reviewers)
    state.loc[other & state["disputed"].eq(True), "note"] = None
    return _undecided(state, hidden)


def with_gold(state: pd.DataFrame, judged: pd.DataFrame, placed: Collection[str]) -> pd.DataFrame:
    """Decisions as a reviewer sees them in whose queue images with a known answer are.

    These look undecided until this reviewer answers, whatever is decided about them, and then as answered. Those of
    earlier queues look as answered as long as nobody has decided about them.

    Args:
        state: see `seen`.
        judged: this reviewer's answers about images with a known answer, see `decision_log.current`.
        placed: the images that are in the queue for it.
    """
    state, names = state.copy(), [name for name in state.columns if name in judged and name != "image_id"]
    inside = state["image_id"].isin(placed)
    answer = judged.set_index("image_id").reindex(state["image_id"])
    answered = answer["reviewer"].notna().to_numpy() & (inside | state["reviewer"].isna()).to_numpy()
    state = _undecided(state, inside & ~answered)
    for name in names:
        state[name] = state[name].astype(object).mask(answered, answer[name].astype(object).set_axis(state.index))
    return state


def _undecided(state: pd.DataFrame, hidden: pd.Series) -> pd.DataFrame:
    state.loc[hidden, [name for name in state.columns if name not in ("image_id", "disputed")]] = None
    state["disputed"] = state["disputed"].mask(hidden, False)
    return state
