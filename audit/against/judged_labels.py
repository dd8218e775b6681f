"""What a run's noise model says of the labels of new images. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from imageclinic.audit.labels import confident_learning, noise_model
from imageclinic.audit.labels.noise_channel import Channel

Floats = npt.NDArray[np.float64]

#: What is more likely wrong than right is doubted whatever the run's limit is.
_EVEN = 0.5


def limit(run_quality: Floats) -> float:
    """The least probability of a wrong label that is doubted: that of the run's labels which its audit flags, or one
    half, the smaller. Of a delivery alone it could not be told: that may be one image.

    Args:
        run_quality: (n,), in [0, 1]: probability that each label of the run is right.
    """
    wrong = 1 - run_quality
    return min(_EVEN, float(wrong[noise_model.flags(wrong)].min(initial=_EVEN)))


def judge(
    label: pd.Series,
    pred_probs: npt.NDArray[np.floating],
    classes: Sequence[str],
    channel: Channel,
    power: float,
    least: float,
) -> pd.DataFrame:
    """Judge labels by what models of the run predict.

    Args:
        label: (m,) given labels; null: none.
        pred_probs: (m, classes), rows sum to 1.
        classes: at least two names.
        channel, power: of the run's `noise_model.Noise`.
        least: see `limit`.

    Returns:
        One row for each: label; predicted_label and predicted_probability; own_probability (of the label); other_label
        and other_probability (the likeliest other class); wrong (probability that the label is wrong); named (that the
        other one is right, if it is); doubted. From own_probability on null, and not doubted, where the label is none
        of the classes.
    """
    names, code = np.array(classes, dtype=object), pd.Index(classes).get_indexer(pd.Index(label)).astype(np.int64)
    given = code >= 0
    codes, probs = code[given], pred_probs[given]
    best, other = confident_learning.likeliest_others(codes, probs)
    wrong = noise_model.judge(codes, probs, channel, power)

    def spread(values: npt.NDArray[np.floating]) -> Floats:
        found = np.full(len(code), np.nan)
        found[given] = values
        return found

    doubted, suggested = np.zeros(len(code), bool), np.full(len(code), None, object)
    doubted[given], suggested[given] = wrong >= least, names[best]
    return pd.DataFrame(
        {
            "label": label.to_numpy(),
            "predicted_label": names[pred_probs.argmax(axis=1)],
            "predicted_probability": np.clip(pred_probs.max(axis=1), 0, 1).astype(np.float64),
            "own_probability": spread(probs[np.arange(len(codes)), codes]),
            "other_label": suggested,
            "other_probability": spread(other),
            "wrong": spread(wrong),
            "named": spread(noise_model.named(codes, probs, channel, power, best)),
            "doubted": doubted,
        }
    )
