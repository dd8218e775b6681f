"""What is diagnosed: images in memory, and the recipe by which a network is trained on them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from imageclinic.training.diagnose.diagnose_options import SCALE
from imageclinic.training.fit import settings
from imageclinic.training.models import augmentation, optimizers
from imageclinic.training.models import capacity_ladder as ladder

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.bool_]

#: Losses that can be trained here, by the names that Keras gives them; the value: whether labels are one-hot.
LOSSES = {"sparse_categorical_crossentropy": False, "categorical_crossentropy": True}


@dataclass(frozen=True)
class Images:
    """Images in memory: `x` (n, height, width, channels) as they are fed to the network, `y` class numbers (n,),
    `group` (n,): copies and images of one person share one; `features` (n, d): embeddings by a pretrained network."""

    x: npt.NDArray[Any]
    y: Ints
    group: npt.NDArray[Any]
    features: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def at(self, rows: npt.NDArray[Any]) -> Images:
        """Some of the images, by positions or a mask."""
        features = None if self.features is None else self.features[rows]
        return Images(self.x[rows], self.y[rows], self.group[rows], features)

    @property
    def digest(self) -> str:
        """Equal for equal images and labels."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.x).tobytes(), digest_size=8)
        digest.update(np.ascontiguousarray(self.y).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Data:
    """What is learnt from and what is judged on; class names in the order of their numbers. `whole`: how many training
    images there are, of which `train` were drawn; 0: as many as `train`."""

    train: Images
    val: Images
    classes: tuple[str, ...]
    whole: int = 0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. `own` is a user's model, to be trained from fresh weights; without it `model` is a rung
    of `training.models.rungs.LADDER`, with `dropout`. `scale`: what pixels, 0 to 255, are multiplied by on
    their way to the network. `unfrozen` makes all layers of `own` trainable."""

    model: str = "small_cnn"
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 15
    optimizer: str = "adamw"
    weight_decay: float = 1e-3
    dropout: float = 0.2
    augment: str = "light"
    mirror: bool = False
    loss: str = "sparse_categorical_crossentropy"
    from_logits: bool = False
    unfrozen: bool = False
    scale: float = 1.0
    own: keras.Model | None = field(default=None, compare=False)

    def change(self, **values: Any) -> Recipe:
        """The recipe with some values changed."""
        return replace(self, **values)

    def rung(self, name: str) -> Recipe:
        """The same training of a rung of the ladder."""
        return replace(self, model=name, own=None, loss="sparse_categorical_crossentropy", from_logits=False, scale=1.0)

    @property
    def described(self) -> dict[str, Any]:
        """JSON-ready: every value but the model itself."""
        return {k: v for k, v in asdict(replace(self, own=None)).items() if k != "own"}

    def digest(self, *but: str) -> str:
        """Equal for equal recipes, whatever the fields `but` are."""
        content: list[Any] = [{k: v for k, v in self.described.items() if k not in but}]
        content.append(dict(optimizers.OPTIMIZERS[self.optimizer].arguments))
        if self.own is not None:
            content.append(self.own.to_json())
        return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


def check(recipe: Recipe) -> None:
    """Raises InputError for a number out of its range, or an unknown optimizer or augmentation."""
    names = ("learning_rate", "batch_size", "epochs", "weight_decay", "dropout", "augment")
    settings.check(settings.Settings(**{name: getattr(recipe, name) for name in names}))
    optimizers.check(recipe.optimizer)
    SCALE.check("scale", recipe.scale)


def network(recipe: Recipe, shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    """The recipe's network with fresh weights; sets the global seeds. Of a user's model, layers that are frozen keep
    the weights that they came with: they may be pretrained.

    Args:
        recipe: which network.
        shape: (height, width, channels) of the images.
        classes: number of classes.
        seed: of the weights.

    Raises:
        InputError: for an unknown rung, or a shape that the network can't take.
    """
    if recipe.own is None:
        return ladder.build(
            recipe.model,
            shape,
            classes,
            dropout=recipe.dropout,
            augment=recipe.augment,
            mirror=recipe.mirror,
            seed=seed,
        )
    keras.utils.set_random_seed(seed)
    fresh = keras.models.clone_model(recipe.own)
    for new, old in zip(fresh.layers, recipe.own.layers, strict=True):
        if old.weights and not old.trainable:
            new.set_weights(old.get_weights())
    if recipe.unfrozen:
        for layer in fresh._flatten_layers(include_self=False):
            layer.trainable = True
    layers = augmentation.layers(recipe.augment, mirror=recipe.mirror)
    if not layers:
        return fresh
    inputs = outputs = keras.Input(shape)
    for layer in [*layers, fresh]:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)
