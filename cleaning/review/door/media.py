"""The files that the App may show: the run's images and the pictures that were made of them, and no others.

What is sent must begin as a picture that browsers draw. So a link that somebody planted in the dataset's folder leads
to nothing else of the reviewer's, and what is sent can hold no script.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from imageclinic.cleaning.decisions import known_images
from imageclinic.core.formats import FORMATS, sniff
from imageclinic.core.reading.regular_files import open_flags
from imageclinic.core.run import Run

_TYPES = {name: f"image/{name.lower()}" for name, kind in FORMATS.items() if kind.browser} | {"MPO": "image/jpeg"}


@dataclass(frozen=True)
class Picture:
    """A file that may be sent: its path without links, and its media type by its content."""

    path: str
    media_type: str


class Media:
    """Knows the files of one run."""

    def __init__(self, run: Run) -> None:
        """Read which images the run has; of a large one those that the App may show, once they are chosen.

        Raises:
            InputError: when the run has none.
        """
        root = os.path.abspath(run.root)  # noqa: PTH100 (Path.absolute keeps "..")
        files = run.files
        paths = (os.path.abspath(files(name)) for name in known_images.rows_of(run).dataset["image_id"])  # noqa: PTH100
        inside = (root.rstrip("/") + "/", f"{run.added}/")
        self._images = frozenset(path for path in paths if path.startswith(inside))
        self._made = os.path.realpath(run.review)

    def find(self, filepath: str) -> Picture | None:
        """The picture at a path that the App asks for; None when it may not be sent, or is none.

        Args:
            filepath: an absolute path, from the request.
        """
        if not filepath or "\0" in filepath:
            return None
        asked = os.path.abspath(filepath)  # noqa: PTH100
        real = os.path.realpath(asked)
        if asked not in self._images and (os.path.dirname(real) != self._made or not real.endswith(".png")):  # noqa: PTH120
            return None
        try:
            # O_NONBLOCK: a pipe in an image's place must not hold us.
            handle = os.open(real, open_flags("O_NONBLOCK", "O_NOFOLLOW"))
        except OSError:
            return None
        try:
            kind = sniff(os.read(handle, 16)) if stat.S_ISREG(os.fstat(handle).st_mode) else None
        except OSError:
            return None
        finally:
            os.close(handle)
        return Picture(real, _TYPES[kind]) if kind in _TYPES else None
