"""Which rows heads are fitted to where there are more than they need: drawn once, with a seed, the rare classes whole.

A class keeps up to `LEAST` rows whatever its share, or else its rows would be predicted by heads that have hardly seen
one. So the sample has other shares of the classes than all rows have. That moves the intercepts of a model of
P(class | row) and nothing else (Prentice and Pyke 1979), and `shift` moves them back.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Rows that heads are fitted to, at most.
MOST = 1_000_000
#: Rows of a class that are in the sample whatever its share; fewer where there are very many classes.
LEAST = 100

Ints = npt.NDArray[np.integer]


def quotas(sizes: Ints, most: int) -> npt.NDArray[np.int64]:
    """How many rows of each class are in the sample: at most `most` in all, proportional to what a class has beyond
    `LEAST`.

    Args:
        sizes: (classes,) rows of each class.
        most: rows of the sample; at least as many as there are classes.

    Raises:
        ValueError: `most` is less than the number of classes.
    """
    if most < len(sizes):
        raise ValueError(f"a sample of {most} rows for {len(sizes)} classes")
    kept = np.minimum(sizes, min(LEAST, most // max(len(sizes), 1))).astype(np.int64)
    beyond = sizes - kept
    room = max(0, min(most - int(kept.sum()), int(beyond.sum())))
    return np.asarray(kept + room * beyond // max(int(beyond.sum()), 1), np.int64)


def draw(labels: Ints, order: Ints, most: int, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) the rows of the sample, at most `most`.

    Args:
        labels: (n,) class numbers.
        order: (n,) row numbers in an order that does not depend on names, such as by content: what is drawn is drawn
            of this order.
        most: see `quotas`.
        seed: of the draw.
    """
    labels = np.asarray(labels)
    place = np.empty(len(labels), np.int64)
    place[order] = np.random.default_rng(seed).permutation(len(labels))
    sizes = np.bincount(labels)
    by_class = np.lexsort((place, labels))
    of_class = labels[by_class]
    within = np.arange(len(labels)) - (np.cumsum(sizes) - sizes)[of_class]
    drawn = np.zeros(len(labels), bool)
    drawn[by_class[within < quotas(sizes, most)[of_class]]] = True
    return drawn


def evenly(labels: Ints, most: int) -> npt.NDArray[np.bool_]:
    """(n,) rows to look at instead of all: of each class as many as `quotas` says, evenly spread over its rows.

    Args:
        labels: (n,) class numbers, each of them there.
        most: see `quotas`.
    """
    labels = np.asarray(labels)
    sizes = np.bincount(labels)
    wanted = quotas(sizes, most)
    by_class = np.argsort(labels, kind="stable")
    of_class = labels[by_class]
    within = np.arange(len(labels)) - (np.cumsum(sizes) - sizes)[of_class]
    # A class's row i is taken where ⌊i · wanted / size⌋ steps up.
    steps = (within + 1) * wanted[of_class] // sizes[of_class] - within * wanted[of_class] // sizes[of_class]
    taken = np.zeros(len(labels), bool)
    taken[by_class[steps > 0]] = True
    return taken


def shift(labels: Ints, drawn: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """(classes,) what is added to the log probabilities of a model that was fitted to the rows that are `drawn`, so
    that they are of all rows. Zeros where the shares are the same."""
    labels = np.asarray(labels)
    classes = int(labels.max()) + 1
    every = np.bincount(labels, minlength=classes) / len(labels)
    some = np.bincount(labels[drawn], minlength=classes) / max(int(drawn.sum()), 1)
    return np.asarray(np.log(np.maximum(every, 1e-12) / np.maximum(some, 1e-12)), np.float32)
