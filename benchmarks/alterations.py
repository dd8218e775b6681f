"""Ways in which people alter a picture before they store it again: what `benchmarks.copies` plants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

Random = np.random.Generator
Alter = Callable[[Image.Image, Random], Image.Image]

#: JPEG quality of copies whose alteration is another one.
QUALITY = 90


def resized(factor: float) -> Alter:
    """Scale width and height."""

    def alter(image: Image.Image, random: Random) -> Image.Image:
        return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))

    return alter


def cropped(part: float) -> Alter:
    """Cut this share of the width and of the height away, anywhere."""

    def alter(image: Image.Image, random: Random) -> Image.Image:
        width, height = round(image.width * (1 - part)), round(image.height * (1 - part))
        left, top = int(random.integers(image.width - width + 1)), int(random.integers(image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    return alter


def brighter(factor: float) -> Alter:
    """Multiply all values; what is too bright is cut off."""
    return lambda image, random: ImageEnhance.Brightness(image).enhance(factor)


def turned(how: Image.Transpose) -> Alter:
    """Mirror or turn."""
    return lambda image, random: image.transpose(how)


def tilted(degrees: float) -> Alter:
    """Turn by so many degrees, to either side; what comes into view is white."""

    def alter(image: Image.Image, random: Random) -> Image.Image:
        sign = 1 if random.random() < 0.5 else -1
        return image.rotate(sign * degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")

    return alter


def sheared(image: Image.Image, random: Random) -> Image.Image:
    """Shift each row by a fifth of its height in the picture; what comes into view is black."""
    return image.transform(
        image.size, Image.Transform.AFFINE, (1, 0.2, -0.1 * image.height, 0, 1, 0), Image.Resampling.BICUBIC
    )


def framed(image: Image.Image, random: Random) -> Image.Image:
    """A black frame of an eighth of the shorter side."""
    return ImageOps.expand(image, min(image.size) // 8, "black")


def wide_frame(image: Image.Image, random: Random) -> Image.Image:
    """A frame that makes the picture twice as wide and high, black or white."""
    ground = Image.new("RGB", (2 * image.width, 2 * image.height), "black" if random.random() < 0.5 else "white")
    ground.paste(image, (image.width // 2, image.height // 2))
    return ground


def collage(rows: int, columns: int) -> Alter:
    """The picture, at half its size, in a grid; the other tiles are parts of scikit-learn's photographs."""

    def alter(image: Image.Image, random: Random) -> Image.Image:
        from sklearn.datasets import load_sample_images  # here, for its import takes long

        width, height = max(1, image.width // 2), max(1, image.height // 2)
        grid = Image.new("RGB", (columns * width, rows * height))
        own = int(random.integers(rows * columns))
        others = [Image.fromarray(each) for each in load_sample_images().images]
        for at in range(rows * columns):
            if at == own:
                tile = image
            else:
                left, top = int(random.integers(440)), int(random.integers(290))
                tile = others[int(random.integers(2))].crop((left, top, left + 200, top + 137))
            grid.paste(tile.resize((width, height)), (at % columns * width, at // columns * height))
        return grid

    return alter


def screenshot(image: Image.Image, random: Random) -> Image.Image:
    """The picture in a viewer's window, with a bar above and a line below."""
    window = Image.new("RGB", (image.width * 3 // 2, image.height * 3 // 2), (240, 240, 240))
    draw = ImageDraw.Draw(window)
    draw.rectangle((0, 0, window.width, window.height // 12), fill=(40, 60, 120))
    draw.text((10, window.height - 14), "1 of 37   100 %", fill="black")
    window.paste(image, (window.width // 8, window.height // 7))
    return window


def grey(image: Image.Image, random: Random) -> Image.Image:
    """Take the colour away."""
    return image.convert("L")


def logo(image: Image.Image, random: Random) -> Image.Image:
    """Put a disc with a bar, of a seventh of the shorter side, in a corner."""
    marked = image.copy()
    side = max(3, min(image.size) // 7)
    margin = side // 3
    left = margin if random.random() < 0.5 else image.width - margin - side
    top = margin if random.random() < 0.5 else image.height - margin - side
    draw = ImageDraw.Draw(marked)
    draw.ellipse((left, top, left + side - 1, top + side - 1), fill=(230, 40, 40))
    draw.rectangle((left + side // 4, top + side // 3, left + 3 * side // 4, top + 2 * side // 3), fill=(255, 255, 255))
    return marked


def unaltered(image: Image.Image, random: Random) -> Image.Image:
    """Only re-encode."""
    return image


#: name → what is done to the picture, and the JPEG quality that it is written with.
ALTERATIONS: dict[str, tuple[Alter, int]] = {
    "re-encoded, q=90": (unaltered, 90),
    "re-encoded, q=60": (unaltered, 60),
    "re-encoded, q=30": (unaltered, 30),
    "resized × 0.5": (resized(0.5), QUALITY),
    "resized × 2": (resized(2), QUALITY),
    "cropped 5 %": (cropped(0.05), QUALITY),
    "cropped 10 %": (cropped(0.1), QUALITY),
    "brightness + 20 %": (brighter(1.2), QUALITY),
    "brightness − 20 %": (brighter(0.8), QUALITY),
    "grey": (grey, QUALITY),
    "small logo": (logo, QUALITY),
    "mirrored": (turned(Image.Transpose.FLIP_LEFT_RIGHT), QUALITY),
    "cropped 25 %": (cropped(0.25), QUALITY),
    "cropped 40 %": (cropped(0.4), QUALITY),
    "tilted by 5°": (tilted(5), QUALITY),
    "tilted by 15°": (tilted(15), QUALITY),
    "tilted by 30°": (tilted(30), QUALITY),
    "sheared": (sheared, QUALITY),
    "framed": (framed, QUALITY),
    "screenshot": (screenshot, QUALITY),
    "wide frame": (wide_frame, QUALITY),
    "in a 2 × 2 collage": (collage(2, 2), QUALITY),
    "in a 1 × 3 collage": (collage(1, 3), QUALITY),
    "turned by 90°": (turned(Image.Transpose.ROTATE_90), QUALITY),
    "turned by 180°": (turned(Image.Transpose.ROTATE_180), QUALITY),
    "turned by 270°": (turned(Image.Transpose.ROTATE_270), QUALITY),
}
