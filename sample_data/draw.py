"""Pictures as from a pen, a sheet of paper and a camera: pure functions from numbers to pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from scipy import ndimage

Array = npt.NDArray[np.float64]
#: Old NumPy streams never change (NEP 19), new ones may: the same seed must give the same pictures for years.
Random = np.random.RandomState

SIDE = 64  # pixels, typical
MARGIN = 1.5  # cells of empty paper around the 8 × 8 cells of a digit


@dataclass(frozen=True)
class Style:
    """How one writer's sheet looks: size in pixels, colours (RGB, 0 to 255), light, and the hand."""

    width: int
    height: int
    paper: tuple[float, float, float]
    ink: tuple[float, float, float]
    light: float  # relative brightness lost from the lit side to the other
    light_angle: float  # radians
    angle: float  # radians that the writing leans
    zoom: float
    dx: float  # cells
    dy: float
    pen: float  # grey level of a cell, in [0, 1], at which ink begins


def style(random: Random, width: int = 0, height: int = 0) -> Style:
    """Draw a natural style; no value in it is odd enough to be a fault. Sides that are 0 are drawn too."""
    side = int(random.randint(SIDE - 4, SIDE + 5))
    shade = random.uniform(-6, 6)
    tone = random.uniform(-1, 1)
    return Style(
        width=width or side,
        height=height or int(np.clip(side + random.randint(-2, 3), SIDE - 4, SIDE + 4)),
        paper=(244 + shade, 236 + shade, 219 + shade + 5 * random.uniform(-1, 1)),
        ink=(32 + 10 * tone, 46 - 8 * tone, 124 + 16 * random.uniform(-1, 1)),
        light=random.uniform(0.08, 0.2),
        light_angle=random.uniform(0, 2 * math.pi),
        angle=math.radians(random.uniform(-5, 5)),
        zoom=random.uniform(0.94, 1.08),
        dx=random.uniform(-0.4, 0.4),
        dy=random.uniform(-0.4, 0.4),
        pen=random.uniform(0.2, 0.34),
    )


def sheet(alpha: Array, look: Style) -> Image.Image:
    """Lay ink of opacity `alpha` (height, width; 0 to 1) on unevenly lit paper: an RGB picture."""
    height, width = alpha.shape
    y, x = np.mgrid[-1 : 1 : complex(0, height), -1 : 1 : complex(0, width)]
    light = 1 - look.light * (1 + (x * math.cos(look.light_angle) + y * math.sin(look.light_angle)) / 1.42) / 2
    ink = alpha[:, :, None]
    picture = (np.array(look.paper) * (1 - ink) + np.array(look.ink) * ink) * light[:, :, None]
    return Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def digit(cells: Array, look: Style) -> Image.Image:
    """Write an 8 × 8 digit (`cells`: 0 to 16) with a pen: cubic upscaling, then crisp edges."""
    grey = np.pad(cells / 16, 2)
    scale = (8 + 2 * MARGIN) / min(look.width, look.height) / look.zoom
    y, x = np.mgrid[: look.height, : look.width].astype(float)
    y = (y - (look.height - 1) / 2) * scale
    x = (x - (look.width - 1) / 2) * scale
    cos, sin = math.cos(look.angle), math.sin(look.angle)
    centre = (grey.shape[0] - 1) / 2
    at = [x * sin + y * cos + centre + look.dy, x * cos - y * sin + centre + look.dx]
    ramp = np.clip((ndimage.map_coordinates(grey, at, order=3) - look.pen) / 0.3, 0, 1)
    return sheet(ramp * ramp * (3 - 2 * ramp), look)


def strokes(lines: list[list[tuple[float, float]]], look: Style) -> Image.Image:
    """Draw polylines (points in [0, 1] squared) with the same pen."""
    fine = Image.new("L", (look.width * 4, look.height * 4))
    pen = ImageDraw.Draw(fine)
    for line in lines:
        pen.line([(x * fine.width, y * fine.height) for x, y in line], fill=255, width=20, joint="curve")
    small = fine.resize((look.width, look.height), Image.Resampling.BOX)
    return sheet(np.asarray(small, dtype=float) / 255, look)


def blank(random: Random, look: Style) -> Image.Image:
    """A sheet with nothing on it, evenly lit; tone and one faint crease differ from sheet to sheet."""
    tone = np.array(look.paper) + random.uniform(-30, 4)
    picture = np.tile(tone, (look.height, look.width, 1))
    picture[int(random.randint(8, look.height - 8)) :] -= 2
    return Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def static(random: Random) -> Image.Image:
    """Coloured noise, as from a broken sensor."""
    coarse = random.randint(0, 256, (SIDE // 2, SIDE // 2, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def photo(scene: npt.NDArray[np.uint8], left: int, top: int, side: int) -> Image.Image:
    """A square piece of a photograph (height, width, 3)."""
    piece = Image.fromarray(scene[top : top + side, left : left + side])
    return piece.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def underexposed(picture: Image.Image, random: Random) -> Image.Image:
    """Far too little light, and a sensor's grain: no pixel lighter than a third of white."""
    levels = np.asarray(picture, dtype=float) / 255
    return _grainy(8 + levels * random.uniform(58, 68), random, 2.5)


def overexposed(picture: Image.Image, random: Random) -> Image.Image:
    """Far too much light: the paper burns out, and ink fades to a tint (RGB) of it."""
    levels = np.asarray(picture, dtype=float).mean(axis=2, keepdims=True)
    low, high = np.percentile(levels, (25, 100))  # the lights of the paper, stretched over what is left of white
    levels = np.clip((levels - low) / (high - low), 0, 1)
    return _grainy(np.array([248.5, 246.0, 228.5]) + levels * random.uniform(12, 14), random, 2)


def _grainy(levels: Array, random: Random, sigma: float) -> Image.Image:
    grain = random.normal(0, sigma, levels.shape[:2])[:, :, None]
    return Image.fromarray(np.clip(np.rint(levels + grain), 0, 255).astype(np.uint8))


def blurred(picture: Image.Image, radius: float) -> Image.Image:
    """Out of focus: Gaussian blur with a radius in pixels."""
    return picture.filter(ImageFilter.GaussianBlur(radius))


def resized(picture: Image.Image, factor: float) -> Image.Image:
    """The same picture with both sides times `factor`."""
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def brightened(picture: Image.Image, factor: float) -> Image.Image:
    """The same picture, brighter."""
    return ImageEnhance.Brightness(picture).enhance(factor)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """The same picture with `share` of its width and height cut off, half on each side."""
    x, y = round(picture.width * share / 2), round(picture.height * share / 2)
    return picture.crop((x, y, picture.width - x, picture.height - y))
