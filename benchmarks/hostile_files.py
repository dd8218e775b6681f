"""Hostile files that are not about the format of a picture, and what is right to say about each: other things under the
names of images, odd sizes and names, what is no plain file, bombs."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import crafted
from benchmarks.crafted import SIDE, encoded, flat_jpeg, flat_png, picture

Size = tuple[int, int] | None


@dataclass(frozen=True)
class Hostile:
    """One file.

    `data` is its bytes, or a function that makes something else than a plain file at a path. `errors` are the kinds
    of read_error that are right, any of them; if it has a `size`, it is right to read it, and to find that size.
    """

    name: str
    what: str
    data: bytes | Callable[[Path], object]
    errors: tuple[str, ...] = ()
    size: Size = None

    def write(self, folder: Path) -> Path:
        """Make the file in `folder`."""
        path = folder / self.name
        if isinstance(self.data, bytes):
            path.write_bytes(self.data)
        else:
            self.data(path)
        return path


def bad(name: str, what: str, data: bytes | Callable[[Path], object], *errors: str) -> Hostile:
    """A file that can't be read."""
    return Hostile(name, what, data, errors)


def good(name: str, what: str, data: bytes, size: Size = SIDE) -> Hostile:
    """A file that looks odd, and can be read."""
    return Hostile(name, what, data, (), size)


def not_about_a_format() -> list[Hostile]:
    """Those of this module that need neither long nor much memory."""
    return [*no_images(), *sizes(), *names(), *no_files()]


def no_images() -> list[Hostile]:
    """Other things under the names of images."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "text")
    return [
        bad("empty.jpg", "no bytes", b"", "empty file"),
        bad("zeros.png", "zeros only", bytes(5000), "not an image"),
        bad("text.jpg", "text", b"just text, and not short at that\n" * 9, "not an image"),
        bad("page.jpg", "an HTML page", b"<!DOCTYPE html><title>404</title>" * 9, "not an image"),
        bad("vector.png", "SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>' * 2, "not an image"),
        bad("paper.jpg", "PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"1 0 obj\n" * 20, "not an image"),
        bad("archive.png", "a zip file", archive.getvalue(), "not an image"),
        bad("noise.jpg", "random bytes", np.random.default_rng(0).bytes(4000), "not an image"),
        bad("byte.gif", "one byte", b"G", "not an image"),
    ]


def sizes() -> list[Hostile]:
    """Odd sizes."""
    return [
        good("1x1.png", "PNG of 1 × 1", encoded(picture("RGB", (1, 1)), "PNG"), (1, 1)),
        good("1x1.jpg", "JPEG of 1 × 1", encoded(picture("RGB", (1, 1)), "JPEG"), (1, 1)),
        good("1x30000.png", "PNG of 1 × 30,000", encoded(Image.new("RGB", (1, 30000), "red"), "PNG"), (1, 30000)),
        good("30000x1.png", "PNG of 30,000 × 1", encoded(Image.new("RGB", (30000, 1), "red"), "PNG"), (30000, 1)),
        good("1x30000.jpg", "JPEG of 1 × 30,000", flat_jpeg(1, 30000), (1, 30000)),
        good("30000x1.jpg", "JPEG of 30,000 × 1", flat_jpeg(30000, 1), (30000, 1)),
        good("31x33.jpg", "JPEG of 31 × 33", encoded(picture("RGB", (31, 33)), "JPEG"), (31, 33)),
    ]


def names() -> list[Hostile]:
    """Odd names of good files."""
    data = encoded(picture("RGB", (40, 30)), "PNG")
    size = (40, 30)
    return [
        good("new\nline.png", "a name with a newline", data, size),
        good(os.fsdecode(b"latin-\xe9\xff.png"), "a name that is not UTF-8", data, size),
        good("=HYPERLINK(1).png", "a name that is a formula", data, size),
        good('<img src=x onerror="alert(1)">.png', "a name that is HTML", data, size),
        good("-rf.png", "a name that looks like an option", data, size),
        good("back\\slash,\"comma'.png", "a name with a backslash, a comma and quotes", data, size),
        good("‮gnp.\u200b.png", "a name that changes the direction of reading", data, size),
        good("é" * 120 + ".png", "a name of 244 bytes", data, size),
        good(" .png", "a name of one space", data, size),
    ]


def no_files() -> list[Hostile]:
    """What is in a folder, and no plain file."""
    unreadable = () if os.geteuid() == 0 else ("can't be read",)
    return [
        bad("pipe.jpg", "a pipe", os.mkfifo, "can't be read"),
        bad("folder.jpg", "a folder", Path.mkdir, "can't be read"),
        bad("dangling.jpg", "a link to nothing", lambda path: path.symlink_to("nothing"), "file is missing"),
        bad("self.jpg", "a link to itself", lambda path: path.symlink_to(path.name), "can't be read"),
        bad("endless.jpg", "a link to /dev/zero", lambda path: path.symlink_to("/dev/zero"), "can't be read"),
        Hostile("locked.png", "a file without permissions (root may read it)", _locked, unreadable, SIDE),
    ]


def bombs() -> list[Hostile]:
    """Files that take long or much memory: valid, and just below the limit of pixels."""
    side = 13_376
    limits = ("too large", "hangs the decoder", "crashes the decoder")
    progressive = encoded(picture(), "JPEG", progressive=True, subsampling=0)
    frames = crafted.gif_of_frames(300_000)
    return [
        good("bits.png", "PNG of 1 bit, 179 million pixels", flat_png(side, side), (side, side)),
        good("grey.png", "PNG of 8 bits, 179 million pixels", flat_png(side, side, 8), (side, side)),
        good("deep.png", "grey PNG of 16 bits, 179 million pixels", flat_png(side, side, 16), (side, side)),
        good("rgb.png", "RGB PNG, 179 million pixels", flat_png(side, side, 8, 2), (side, side)),
        Hostile(
            "rgba.png", "RGBA PNG of 16 bits, 179 million pixels", flat_png(side, side, 16, 6), limits, (side, side)
        ),
        good("baseline.jpg", "JPEG, 179 million pixels", flat_jpeg(side, side, ((1, 1),) * 3), (side, side)),
        bad(
            "coefficients.jpg",
            "progressive JPEG of 5 kB that claims 179 million pixels",
            crafted.resized_header(progressive, side, side),
            "truncated",
            *limits,
        ),
        Hostile(
            "scans.jpg",
            "progressive JPEG, 883 scans of 179 million pixels",
            crafted.slow_jpeg(side, side),
            limits,
            (side, side),
        ),
        Hostile("frames.gif", "GIF of 300,000 frames", frames, (), (4, 4)),
        bad(
            "float.tif",
            "float TIFF, 179 million pixels, none stored",
            crafted.float_tiff(side, side),
            "truncated",
            "too large",
        ),
    ]


def _locked(path: Path) -> None:
    path.write_bytes(encoded(picture(), "PNG"))
    path.chmod(0)
