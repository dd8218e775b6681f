"""What Keras's own loaders make of an image file: a picture that may be another than a person sees (`core.pixels`).

There are two: `tf.io.decode_image`, which `keras.utils.image_dataset_from_directory` decodes with, and
`keras.utils.load_img`, which is Pillow's ``convert("RGB")``. All of this was tried with Keras 3.15 and
TensorFlow 2.21, in colour, and tests hold it against them. Neither is needed here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from imageclinic.core.pixels import deep

#: Formats that `tf.io.decode_image` decodes, whatever the name. MPO: its first picture, as JPEG.
_DECODED = ("JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP")


def keras_refuses(kind: str, mode: str, *, moving: bool = False) -> str | None:
    """Why `tf.io.decode_image` raises an error at a file; None: it decodes it.

    Args:
        kind: the file's format, Pillow's name.
        mode: the mode in which Pillow opens it.
        moving: whether it has several frames.
    """
    if kind not in _DECODED:
        return f"TensorFlow does not decode {kind}"
    if kind == "WEBP" and moving:
        return "TensorFlow does not decode an animated WebP as RGB"
    if kind == "WEBP" and mode == "RGBA":
        return "TensorFlow does not decode a WebP with alpha as RGB"
    if kind == "BMP" and mode == "1":
        return "TensorFlow does not decode a BMP with 1 bit a pixel"
    return None


def keras_misreads(kind: str, mode: str, *, moving: bool = False, transparent: bool = False) -> str | None:
    """What Keras's loaders make of a file, where that may be another picture than a person sees.

    Args:
        kind, mode, moving: as `keras_refuses`.
        transparent: whether it has pixels that are not opaque.

    Returns:
        A phrase; None: the same picture, but for rounding and the decoders' differences.
    """
    if kind == "BMP" and mode == "P":
        return "TensorFlow takes the numbers of its palette for grey, or refuses it"
    if deep(mode):
        bits = "floats" if mode == "F" else "16 bits a pixel"
        shown = "" if kind not in _DECODED else "TensorFlow keeps the high byte and "
        return f"{bits}: {shown}keras.utils.load_img makes white of all values from 255"
    if transparent and kind == "GIF":
        return "transparent: TensorFlow makes it black there, keras.utils.load_img shows the colours stored under it"
    if transparent:
        return "transparent: Keras drops the alpha and shows the colours stored under it"
    if mode == "CMYK":
        return "CMYK with a colour profile: Keras turns it to RGB without the profile, viewers go by it"
    if kind == "GIF" and moving:
        return "animated: Keras takes the first frame, tf.io.decode_image gives all of them as a 4-D array"
    return None


def transparent(image: Image.Image) -> bool:
    """Whether a picture has pixels that are not opaque. Loads it."""
    if deep(image.mode):
        value = image.info.get("transparency")
        return isinstance(value, int) and bool((np.asarray(image) == value).any())
    if not image.has_transparency_data:
        return False
    alpha = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    return alpha.getchannel("A").getextrema() != (255, 255)


def views(image: Image.Image, kind: str, *, moving: bool = False) -> dict[str, Image.Image]:
    """The pictures (RGB) that Keras's loaders give for a loaded image, by the loader's name; without those that
    refuse it.

    Args:
        image: as Pillow decodes the file.
        kind, moving: as `keras_refuses`.
    """
    loaded = image.convert("RGB")
    found = {}
    if keras_refuses(kind, image.mode, moving=moving) is None:
        found["image_dataset_from_directory"] = _decoded(image, kind, loaded)
    found["load_img"] = loaded
    return found


def _decoded(image: Image.Image, kind: str, loaded: Image.Image) -> Image.Image:
    """What `tf.io.decode_image` gives."""
    if kind == "BMP" and image.mode == "P":
        return Image.fromarray(np.asarray(image)).convert("RGB")
    if deep(image.mode):
        return Image.fromarray(_high_byte(np.asarray(image))).convert("RGB")
    if kind == "GIF" and image.has_transparency_data:
        black = Image.new("RGB", image.size)
        black.paste(loaded, mask=image.convert("RGBA").getchannel("A"))
        return black
    return loaded


def _high_byte(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    return (np.clip(values.astype(np.int64), 0, 65535) >> 8).astype(np.uint8)
