"""Bytes of one file → its pixels, or what is wrong with it.

JPEG goes through libjpeg-turbo (simplejpeg) in strict mode, scaled down while decoding: the fastest decoder at hand
and the one that notices most damage. Everything else, CMYK JPEGs too, goes through Pillow and is brought to 8-bit RGB
by the rule that training shares (`core.pixels`): what is judged is what a model sees.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from imageclinic.audit.scan.containers import jpeg_segments
from imageclinic.audit.scan.containers.container_damage import damage
from imageclinic.audit.scan.containers.early_end import early_end, missing_scans
from imageclinic.audit.scan.containers.unsupported_formats import boxes_end_early, foreign, tiff_layout
from imageclinic.audit.scan.pictures.decoded_picture import LARGE, NO_MEMORY, SMALL, Decoded, shrink
from imageclinic.audit.scan.scan_options import MAX_PIXELS
from imageclinic.core import pixels
from imageclinic.core.formats import FORMATS, is_tga, sniff
from imageclinic.core.pictures import keras_pictures

#: What a `read_error` begins with.
KINDS = (
    "empty file",
    "not an image",
    "header only",
    "truncated",
    "damaged stream",
    "unsupported",
    "too large",
    "not judged",
    "crashes the decoder",
    "hangs the decoder",
    "file is missing",
    "can't be read",
)
_EXIF_ORIENTATION, _EXIF_MAKE, _EXIF_MODEL = 0x0112, 0x010F, 0x0110
# Pillow's decoders for a format: no other is asked, such as the one for EPS, which starts Ghostscript.
_PLUGINS = {name: (name,) for name in FORMATS} | {"JPEG": ("JPEG", "MPO")}


class Undecodable(Exception):
    """The message says what is wrong with the file; it begins with one of `KINDS`."""


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode one image file.

    Args:
        data: the file's bytes.
        max_pixels: larger pictures are reported as too large and not decoded.

    Returns:
        What is known. Nothing is raised for a bad file: `error` says what is wrong.
    """
    found = decode_only(data, max_pixels=max_pixels)
    shrink(found)
    return found


def decode_only(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """As `decode`, but `colour` and `grey` are left to `shrink`: done for some pictures one after the other it finds
    its code and tables in the processor's cache, which a decoder takes up."""
    found = Decoded()
    try:
        found.picture = _decode(data, found, max_pixels)
    except Undecodable as error:
        found.error = str(error)
    except MemoryError:
        found.error = f"too large: {found.width}×{found.height} pixels need {NO_MEMORY}"
    return found


def _decode(data: bytes, found: Decoded, max_pixels: int) -> npt.NDArray[np.uint8]:
    if not data:
        raise Undecodable("empty file")
    if not any(data[:64]) and not any(data):
        raise Undecodable("not an image: zeros only")
    found.format = sniff(data) or ("TGA" if is_tga(data) else None)
    if found.format is None:
        other = foreign(data)
        raise Undecodable(f"unsupported: {other}" if other else f"not an image: begins with {data[:8]!r}")
    if found.format == "JPEG":
        rgb = _decode_jpeg(data, found, max_pixels)
        if rgb is not None:
            return rgb
    return _decode_pillow(data, found, max_pixels)


def _decode_jpeg(data: bytes, found: Decoded, max_pixels: int) -> npt.NDArray[np.uint8] | None:
    """RGB (height, width, 3), scaled down but not below LARGE; None where it takes Pillow to decode or convert."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:  # KeyError: sampling or colours that it does not know
        kind = _jpeg_kind(data, str(error))
        if kind == "damaged stream" and (isinstance(error, KeyError) or "subsampling" in str(error)):
            return None
        reason = "its header is cut off or damaged" if isinstance(error, KeyError) else error
        raise Undecodable(f"{kind}: {reason}") from error
    found.width, found.height, found.frames = width, height, 1
    found.mode = {"Gray": "L", "CMYK": "CMYK", "YCCK": "CMYK"}.get(space, "RGB")
    _check_size(width, height, max_pixels)
    found.jpeg_quality = jpeg_segments.quality(data)
    exif = jpeg_segments.exif(data)
    if exif is not None:
        _read_exif(found, Image.Exif(), exif)
    cmyk = found.mode == "CMYK"
    side = min(LARGE, width, height)
    try:
        rgb = simplejpeg.decode_jpeg(
            data, "CMYK" if cmyk else "RGB", min_height=side, min_width=side, min_factor=1, strict=True
        )
    except ValueError as error:
        raise Undecodable(f"{_jpeg_kind(data, str(error))}: {error}") from error
    if problem := missing_scans(data):
        raise Undecodable(problem)
    # libjpeg-turbo does not convert CMYK to RGB; Pillow does, but notices less damage.
    return None if cmyk else np.asarray(rgb)


def _jpeg_kind(data: bytes, message: str) -> str:
    if "nsupported" in message:
        return "unsupported"
    if b"\xff\xda" not in data:  # no start of scan: nothing of the picture is there
        return "header only"
    return "truncated" if "premature end of jpeg file" in message.lower() else "damaged stream"


def _decode_pillow(data: bytes, found: Decoded, max_pixels: int) -> npt.NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is not what is judged here
        try:
            with Image.open(io.BytesIO(data), formats=_PLUGINS[found.format or ""]) as image:
                found.width, found.height, found.mode, found.format = *image.size, image.mode, image.format
                _check_size(image.width, image.height, max_pixels)
                found.frames = _frames(image)
                image.load()
                found.width, found.height = image.size  # Pillow turns TIFFs as their EXIF data says, and only these
                if "exif" in image.info or image.format in ("TIFF", "MPO"):
                    _read_exif(found, image)
                if problem := damage(image.format or "", data) or early_end(image, data):
                    raise Undecodable(problem)
                plain = pixels.plain(image)
                _look_as_keras(image, plain, found)
                return np.asarray(_to_rgb(plain))
        except (Undecodable, MemoryError):
            raise
        except UnidentifiedImageError:
            if found.format == "TIFF" and (layout := tiff_layout(data)):
                raise Undecodable(f"unsupported: TIFF of {layout}") from None
            if found.format == "HEIF" and len(data) >= 64 and not boxes_end_early(data):
                # Of what libheif can't open, damage can't be distinguished from a variant that it does not know.
                raise Undecodable("unsupported: HEIF that libheif does not open") from None
            raise Undecodable(_pillow_kind(data, "its header is cut off or damaged")) from None
        except Image.DecompressionBombError as error:
            raise Undecodable(f"too large: {error}") from error
        except Exception as error:  # decoders raise anything on damaged data, and one file must not stop a run
            raise Undecodable(_pillow_kind(data, str(error) or type(error).__name__)) from error


def _pillow_kind(data: bytes, message: str) -> str:
    if len(data) < 64 or (data.startswith(b"\x89PNG") and b"IDAT" not in data):
        return f"header only: {message}"
    if "Decompressed data too large" in message or "MAX_TEXT" in message:
        return f"too large: {message}"
    if "Support for this compression format has not been built in" in message:  # libheif's words
        return f"unsupported: HEIF of another compression ({message})"
    if sniff(data) in ("HEIF", "AVIF") and boxes_end_early(data):
        return "truncated: it ends within a box"
    cut = any(word in message.lower() for word in ("truncated", "not enough", "eof", "end of file", "unexpected end"))
    return f"{'truncated' if cut else 'damaged stream'}: {message}"


def _frames(image: Image.Image) -> int | None:
    if not FORMATS[image.format or ""].sequence:
        return 1
    try:
        return max(1, int(getattr(image, "n_frames", 1)))
    except Exception:  # damage behind the first frame, which is the one that counts here
        return None
    finally:
        image.seek(0)


def _read_exif(found: Decoded, source: Any, data: bytes | None = None) -> None:
    """Fill in orientation and camera. Broken EXIF data counts as none: it does not hurt the picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if data is None:
                exif = source.getexif()
            else:
                exif = source
                exif.load(data)
            orientation = exif.get(_EXIF_ORIENTATION)
            parts = [exif.get(tag) for tag in (_EXIF_MAKE, _EXIF_MODEL)]
        except Exception:  # Pillow's parser raises anything on hostile data
            return
    if isinstance(orientation, int) and 1 <= orientation <= 8:
        found.exif_orientation = orientation
    words = [p.split("\0")[0].strip() for p in parts if isinstance(p, str)]
    name = " ".join(w for w in words if w)[:100]
    found.camera = name.encode("utf-8", "replace").decode() or None


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise Undecodable(f"too large: {width}×{height} pixels; the limit is {max_pixels:,}")


def _look_as_keras(image: Image.Image, plain: Image.Image, found: Decoded) -> None:
    """Fill in what has to do with Keras's loaders: `plain` is the picture by the rule that all share here."""
    found.transparent = keras_pictures.transparent(image)
    if pixels.deep(image.mode):
        found.value_low, found.value_high = pixels.extremes(np.asarray(image))
    kind, moving = image.format or "", (found.frames or 1) > 1
    same = keras_pictures.keras_misreads(kind, image.mode, moving=moving, transparent=found.transparent) is None
    if same or (image.mode == "CMYK" and not image.info.get("icc_profile")):
        return
    seen = pixels.by_profile(image)
    person = _sample(plain if seen is image else seen, LARGE).convert("RGB")
    with contextlib.suppress(OSError, ValueError):  # a mode that Pillow can't turn to RGB: nothing is known then
        views = list(keras_pictures.views(_sample(image, LARGE), kind, moving=moving).values())
        one, others = np.asarray(person, np.int16), [np.asarray(view, np.int16) for view in views]
        found.keras_difference = max(float(np.abs(one - other).mean()) / 255 for other in others)
        found.keras = np.asarray(_sample(views[0], SMALL))


def _sample(image: Image.Image, side: int) -> Image.Image:
    """Pixels of a picture of any mode, unchanged, in a square of this side."""
    if not image.mode.startswith("I;16"):
        return image.resize((side, side), Image.Resampling.NEAREST)
    rows, columns = ((np.arange(side) * n + n // 2) // side for n in (image.height, image.width))
    return Image.fromarray(np.asarray(image)[np.ix_(rows, columns)])


def _to_rgb(plain: Image.Image) -> Image.Image:
    """The picture in RGB, scaled down about as a JPEG is."""
    factor = next(f for f in (8, 4, 2, 1) if f == 1 or min(plain.size) >= f * LARGE)
    return plain.reduce(factor).convert("RGB")
