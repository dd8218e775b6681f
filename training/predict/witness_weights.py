"""What linear discriminants count for beside the heads: held-out labels tell.

A discriminant takes all classes to be spread alike. Where they aren't, it is far too sure of the images of some classes
and far too unsure of others', and one temperature can't mend both. Of 20,000 blended pictures, half of hands, half of
photographs: where it gave hands .26 in the mean 65 % were right, where it gave photographs .75 67 % were. The noise
model makes all predictions surer, to fit the former, and then takes the latter's mistakes for wrong labels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from imageclinic.training.predict.calibration import calibrate, forgiving_log_loss
from imageclinic.training.predict.neighbor_votes import spread

#: What discriminants count for, of 1, where they don't harm; the heads have the rest.
SHARE = 0.5
#: By what share of the loss heads alone must be better to be alone. On 100 label sets of photographs and scans, with
#: wrong labels and without, they were better by .2 % at most and worse by up to 16 %; on the blends better by 5 %.
LEAST_GAIN = 0.025

Floats = npt.NDArray[np.float32]


def of_discriminants(heads: Floats, discriminants: Floats, labels: npt.NDArray[np.integer]) -> float:
    """`SHARE`, or 0 where heads alone foretell held-out labels better by `LEAST_GAIN`, each calibrated by a
    temperature, if one label in ten is wrong. Judged on 20,000 images at most.

    Args:
        heads, discriminants: (n, classes) out-of-fold probabilities, rows sum to 1, at least 2 classes.
        labels: (n,) class numbers.
    """
    some = spread(np.arange(len(labels)))

    def loss(share: float) -> float:
        logits = np.log(join(heads[some], discriminants[some], share))
        return forgiving_log_loss(calibrate(logits[None], labels[some], forgiving_log_loss)[0], labels[some])

    return 0.0 if loss(0.0) <= (1 - LEAST_GAIN) * loss(SHARE) else SHARE


def join(heads: Floats, discriminants: Floats, share: float) -> Floats:
    """The geometric mean of two arrays of probabilities (n, classes), of which the second has this share in [0, 1];
    rows sum to 1, none is 0."""
    logs = [np.log(np.maximum(each, 1e-12)) for each in (heads, discriminants)]
    return np.asarray(softmax((1 - share) * logs[0] + share * logs[1], axis=1), np.float32)
