"""The files of the sample dataset in the making, and what was planted in them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from PIL import Image

from imageclinic.sample_data.draw import Random

CLASSES = tuple(map(str, range(10)))
#: The class of which few images are left.
STARVED = "6"


@dataclass
class File:
    """One file; `true_label` is the digit that it shows, if any, and `row` its place in `load_digits()`."""

    data: bytes
    suffix: str
    split: str
    label: str
    true_label: str | None
    row: int = -1
    image_id: str = ""

    def picture(self) -> Image.Image:
        """Its pixels."""
        return Image.open(io.BytesIO(self.data)).convert("RGB")


@dataclass
class Plan:
    """The files of the dataset, and what was planted in them: (file or class, check, kind, source)."""

    random: Random
    files: list[File]
    planted: list[tuple[File | str, str, str, File | None]] = field(default_factory=list)
    healthy: list[File] = field(init=False)

    def __post_init__(self) -> None:
        shuffled = [self.files[i] for i in self.random.permutation(len(self.files))]
        self.healthy = [file for file in shuffled if file.label != STARVED]

    def take(self, *, split: str = "train", label: str | None = None, suffix: str | None = None) -> File:
        """A file not given out before, so that faults don't overlap; never one of the starved class."""
        for i, file in enumerate(self.healthy):
            if file.split == split and label in (None, file.label) and suffix in (None, file.suffix):
                return self.healthy.pop(i)
        raise ValueError(f"no {split} image left of class {label} with suffix {suffix}")

    def add(self, file: File) -> File:
        """Put one more file into the dataset."""
        self.files.append(file)
        return file

    def plant(self, what: File | str, check: str, kind: str, source: File | None = None) -> None:
        """Note a fault of a file, or of a class."""
        self.planted.append((what, check, kind, source))

    def plant_pair(self, source: File, copy: File, kind: str, *checks: str) -> None:
        """Note a fault of both: a check that finds copies finds all of them."""
        for check in checks:
            self.plant(source, check, kind, copy)
            self.plant(copy, check, kind, source)

    def wrong_label(self, file: File) -> str:
        """Draw a label that the file does not have."""
        return str(self.random.choice([c for c in CLASSES if c not in (file.true_label, STARVED)]))
