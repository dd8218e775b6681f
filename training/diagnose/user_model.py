"""A user's own model: its compilation gives the recipe; it is trained again from fresh weights."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from imageclinic.core.errors import InputError
from imageclinic.training.diagnose.setup import LOSSES
from imageclinic.training.embed import user_embedder
from imageclinic.training.models import user_function
from imageclinic.training.models.optimizers import OPTIMIZERS


def load(spec: str) -> tuple[keras.Model, dict[str, Any]]:
    """Read a model from a ``.keras`` file, in Keras's safe mode, or from ``module:function``, which returns it.

    Returns:
        The model, and the fields of a recipe that its compilation gives: `learning_rate, optimizer, weight_decay, loss,
        from_logits`.

    Raises:
        InputError: no such file or function, code in the file, a model that can't be cloned, or a loss that is no
            cross-entropy over classes.
    """
    path = Path(spec)
    if path.suffix == ".keras":
        model = user_embedder.load(path, user_embedder.WAY_OUT)
        with zipfile.ZipFile(path) as archive:
            compiled = json.loads(archive.read("config.json")).get("compile_config") or {}
    else:
        model = _call(spec)
        compiled = (model.get_compile_config() or {}) if getattr(model, "compiled", False) else {}
    try:
        keras.models.clone_model(model)
    except (ValueError, TypeError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{spec} can't be trained from fresh weights: {reason}",
            expected="a Sequential or functional model",
        ) from error
    return model, recipe_of(compiled, spec)


def fits(model: keras.Model, spec: str, classes: int) -> tuple[int | None, int | None, int]:
    """Height and width (None: any) and channels of the images that a model takes.

    Raises:
        InputError: when its input is no batch of images, or its output not one number a class.
    """
    shape = user_embedder.input_shape(model, Path(spec))
    if len(model.outputs) != 1 or model.output_shape[1:] != (classes,):
        raise InputError(
            f"the outputs of {spec} have the shapes {[tuple(o.shape) for o in model.outputs]}",
            expected=f"one output, a number for each of the {classes} classes: (None, {classes})",
            fix=f"end the model in keras.layers.Dense({classes}, activation='softmax')",
        )
    return shape


def recipe_of(compiled: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """Fields of a recipe from a serialised compilation; empty for a model that was not compiled."""
    found: dict[str, Any] = {}
    optimizer = compiled.get("optimizer")
    if isinstance(optimizer, str):
        optimizer = {"class_name": optimizer, "config": {}}
    if isinstance(optimizer, Mapping):
        name, config = str(optimizer["class_name"]).lower(), optimizer["config"]
        if name not in OPTIMIZERS:
            raise InputError(f"{spec} was compiled with {name}", expected=f"one of {', '.join(OPTIMIZERS)}")
        rate = config.get("learning_rate", OPTIMIZERS[name].usual_rate)
        if isinstance(rate, Mapping):  # a schedule begins with it
            rate = rate["config"].get("initial_learning_rate", 1e-3)
        found = {
            "optimizer": name,
            "learning_rate": float(rate),
            "weight_decay": float(config.get("weight_decay") or 0),
        }
    loss = compiled.get("loss")
    if loss is None:
        return found
    config = loss.get("config", {}) if isinstance(loss, Mapping) else {}
    name = _snake(str(loss["class_name"] if isinstance(loss, Mapping) else loss))
    if isinstance(config, str):  # a function by its name
        name, config = config, {}
    if name not in LOSSES:
        raise InputError(f"{spec} was compiled with the loss {name}", expected=f"one of {', '.join(LOSSES)}")
    return {**found, "loss": name, "from_logits": bool(config.get("from_logits", False))}


def _call(spec: str) -> keras.Model:
    function = user_function.find(spec, "a rung of the ladder, FILE.keras or module:function")
    model = function()
    if not isinstance(model, keras.Model):
        raise InputError(f"{spec} returns {type(model).__name__}", expected="a keras.Model")
    return model


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
