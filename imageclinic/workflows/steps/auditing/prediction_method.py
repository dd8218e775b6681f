"""How an audit embeds images and predicts their labels, and what the user brings for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from imageclinic.audit.labels import user_arrays
from imageclinic.core.errors import InputError

#: What may be trained to predict labels.
TRAIN = ("heads", "full")


@dataclass(frozen=True)
class Method:
    """How images are embedded and their labels predicted."""

    model: str = "auto"
    """What embeds the images, see `training.embed.embed_images`."""
    layer: str | None = None
    """For a .keras file: the layer whose output is the vector."""
    embeddings: user_arrays.Source | None = None
    """Embeddings to use instead, see `audit.labels.user_arrays`."""
    pred_probs: user_arrays.Source | None = None
    """Out-of-fold probabilities to use instead, see `audit.labels.user_arrays`."""
    train: str = "heads"
    """What predicts labels: linear ``heads`` on the embeddings, or ``full`` networks, one a fold."""

    def __post_init__(self) -> None:
        if self.train not in TRAIN:
            raise InputError(f"--train {self.train}", expected=f"one of {', '.join(TRAIN)}")
        for file, other, instead in (
            ("--embeddings", f"--model {self.model}", self.embeddings is not None and self.model != "auto"),
            ("--embeddings", f"--layer {self.layer}", self.embeddings is not None and self.layer is not None),
            ("--pred-probs", f"--train {self.train}", self.pred_probs is not None and self.train != "heads"),
        ):
            if instead:
                raise InputError(f"{file} and {other} exclude each other", fix="give one of the two")
        if self.layer is not None and not self.model.endswith(".keras"):
            raise InputError(f"--layer {self.layer} with --model {self.model}", expected="--model FILE.keras with it")

    @property
    def needs_embeddings(self) -> bool:
        """Whether labels are predicted from embeddings."""
        return self.pred_probs is None and self.train == "heads"

    @property
    def arguments(self) -> dict[str, Any]:
        """For run.json."""
        named = {"embeddings": self.embeddings, "pred_probs": self.pred_probs}
        files = {k: "frame" if isinstance(v, pd.DataFrame) else v and str(v) for k, v in named.items()}
        return {"model": self.model, "layer": self.layer, **files, "train": self.train}

    def read(self, images: pd.DataFrame) -> Brought:
        """Read and check what the user brings, before any work is done. `images` has image_id and label."""
        return Brought(
            None if self.embeddings is None else user_arrays.embeddings(self.embeddings, images),
            None if self.pred_probs is None else user_arrays.pred_probs(self.pred_probs, images),
        )


@dataclass
class Brought:
    """What the user brought. An audit lets go of the vectors once they are in the run: of millions of images these
    are gigabytes."""

    embeddings: user_arrays.Given | None
    pred_probs: user_arrays.Given | None
