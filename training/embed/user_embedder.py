"""A user's own embedder: a ``.keras`` file, or a function."""

from __future__ import annotations

import inspect
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from imageclinic.core.errors import InputError
from imageclinic.core.reading.hashing import file_version
from imageclinic.training.embed.embedder import Embedder, Ready, checked
from imageclinic.training.models import saved_model_size, user_function

#: (height, width) of images for a model that does not say which it wants.
DEFAULT_SIZE = (224, 224)
WAY_OUT = "load it in a function of your own and give --model module:function"


def from_file(path: Path, layer: str | None) -> Embedder:
    """An embedder from a model that Keras saved, loaded in Keras's safe mode: no code from the file is run.

    Args:
        path: a ``.keras`` file; its model has one input, images of 1 or 3 channels in [0, 255].
        layer: the layer whose output is the vector (maps are averaged). None for what goes into the last layer
            when that is a dense one, a classifier's, else for the model's output.

    Raises:
        InputError: when the file is missing, can't be loaded, wants to run code, has other inputs, or lacks
            the layer (lists them).
    """
    model = load(path, WAY_OUT)
    shape = input_shape(model, path)
    vectors, name = _to_vectors(model, layer, path)
    size = (shape[0] or DEFAULT_SIZE[0], shape[1] or DEFAULT_SIZE[1])

    def prepare(*_: Any) -> Ready:
        return Ready(vectors.predict_on_batch, vectors.output_shape[-1], size, shape[2])

    version = file_version(path)
    return Embedder(path.name, version, f"your model {path}, the output of its layer {name}", prepare)


def from_function(spec: str) -> Embedder:
    """An embedder from ``module:function``: float32 RGB images in [0, 255], (n, height, width, 3), to (n, d).

    The function's attribute ``image_size``, (height, width), says which size it wants, else `DEFAULT_SIZE`.

    Raises:
        InputError: when there is no such function, or it gives something else.
    """
    function = user_function.find(spec, "module:function")
    if not callable(function):
        raise InputError(f"{spec} can't be called", expected="a function from images to vectors")
    size = getattr(function, "image_size", DEFAULT_SIZE)
    if np.shape(size) != (2,):
        raise InputError(f"{spec}.image_size is {size!r}", expected="(height, width)")
    height, width = int(size[0]), int(size[1])

    def prepare(*_: Any) -> Ready:
        tried = checked(function(np.zeros((1, height, width, 3), np.float32)), 1, spec)
        return Ready(function, tried.shape[1], (height, width), 3)

    file = inspect.getsourcefile(inspect.unwrap(function)) if inspect.isroutine(function) else None
    version = file_version(Path(file)) if file else ""
    return Embedder(spec, version, f"your function {spec}", prepare)


def load(path: Path, way_out: str) -> keras.Model:
    """A model that Keras saved, in safe mode: no code from the file is run.

    Args:
        path: a ``.keras`` file.
        way_out: what may be done about a file with code or layers of its own; ends the error.

    Raises:
        InputError: when the file is missing, can't be loaded, or wants to run code.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}", expected="a model that Keras saved")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is no .keras file: its content is no zip archive",
            expected="a model that Keras saved as .keras",
            fix="save it again with model.save('NAME.keras'); the copy may be cut short",
        )
    try:
        saved_model_size.check(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except InputError:
        raise
    except Exception as error:  # Keras raises many kinds, depending on what is wrong with the file
        if "arbitrary code" in str(error):
            raise InputError(
                f"{path} holds code that it wants to run (a Lambda layer); it was not run",
                expected="a model of Keras's own layers",
                fix=f"save it without Lambda layers; or, if you trust it, {way_out}",
            ) from error
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{path} can't be loaded: {reason}",
            expected="a .keras file of Keras's own layers",
            fix=f"if it has layers of your own, {way_out}",
        ) from error


def input_shape(model: Any, path: Path) -> tuple[int | None, int | None, int]:
    """Height and width (None: any) and channels of the images that a model takes.

    Raises:
        InputError: when it takes anything but one batch of images.
    """
    inputs = getattr(model, "inputs", None) or []
    shapes = [tuple(each.shape) for each in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] not in (1, 3):
        raise InputError(
            f"the inputs of {path} have the shapes {shapes}",
            expected="one input, images: (None, height, width, 1 or 3)",
        )
    _, height, width, channels = shapes[0]
    return height, width, channels


def _to_vectors(model: Any, layer: str | None, path: Path) -> tuple[keras.Model, str]:
    """The part of the model from images to vectors, and the name of the layer that ends it."""
    names = [each.name for each in model.layers]
    if layer is None:
        last = model.layers[-1]
        output = last.input if isinstance(last, keras.layers.Dense) else model.outputs[0]
        layer = output._keras_history.operation.name
    elif layer in names:
        output = model.get_layer(layer).output
    else:
        raise InputError(f"{path} has no layer {layer!r}", expected=f"one of {', '.join(names)}")
    averages = {3: keras.layers.GlobalAveragePooling1D, 4: keras.layers.GlobalAveragePooling2D}
    if len(output.shape) in averages:
        output = averages[len(output.shape)]()(output)
    return keras.Model(model.inputs, output), layer
