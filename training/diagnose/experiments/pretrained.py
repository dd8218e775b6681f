"""Would a network that has learnt from other photographs be better?"""

from __future__ import annotations

import numpy as np

from imageclinic.training.diagnose.lab import Lab, Trial, effect
from imageclinic.training.diagnose.results import NothingToTry, Result
from imageclinic.training.diagnose.setup import Images

QUESTION = "Would pretrained weights help?"
RUNS = (0, 0)
PLACE = 85
ALWAYS = True

_HELD = 0.15


def run(lab: Lab) -> tuple[Result, Lab]:
    """A linear head on the embeddings that the audit made, in place of the network: what `train --model pretrained`
    does. Each seed holds other training groups out, on which the head's L2 strength is chosen."""
    from imageclinic.training.predict import linear_probe

    train, val = lab.data.train, lab.data.val
    if train.features is None or val.features is None:
        raise NothingToTry("there are no embeddings of a pretrained network: audit, and diagnose the run")
    held = np.stack([_held_out(train, seed) for seed in lab.seeds])
    heads = linear_probe.fit_each(train.features, train.y, held, lab.classes)
    outputs = np.stack([head.logits(val.features) for head in heads])
    own = tuple(float((head.logits(train.features).argmax(axis=1) == train.y).mean()) for head in heads)
    trial, base = Trial(outputs, val.y, own, ((),) * len(heads)), lab.base()
    gained = lab.gain(trial)
    evidence = (
        f"A linear classifier on the embeddings of a pretrained network is right on {trial.accuracy:.1%} of the "
        f"validation images, the network on {base.accuracy:.1%} ({len(lab.seeds)} seeds)."
    )
    remedy = "imageclinic train OUT --model pretrained: it needs few images of each class"
    found = effect("no_pretrained_weights", gained, evidence, remedy)
    return Result(f"{trial.accuracy:.1%} with them, {base.accuracy:.1%} without.", (found,)), lab


def _held_out(images: Images, seed: int) -> np.ndarray:
    """Some groups, of each class the same share, but never all of a class: bool (n,)."""
    rng = np.random.default_rng(seed)
    _, group = np.unique(images.group, return_inverse=True)
    order = rng.permutation(group.max() + 1)[group]
    held = np.zeros(len(images), bool)
    for number in np.unique(images.y):
        rows = np.flatnonzero(images.y == number)
        places = np.unique(order[rows])
        count = min(len(places) - 1, max(1, round(_HELD * len(places))))
        held[rows[np.isin(order[rows], places[:count])]] = True
    return held
