"""The options of an export, in one place: their defaults, and what they may be. Imports nothing heavy, for `--help`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imageclinic.cleaning.export import formats
from imageclinic.cleaning.export.place_file import LINKS
from imageclinic.core.errors import InputError
from imageclinic.core.option_fields import SEED

#: Whether near copies may lie in different splits.
NEAR_COPIES = ("together", "apart")


@dataclass(frozen=True)
class ExportOptions:
    """How to export. Checked when made.

    Attributes:
        split: shares of train, val and test, which sum to 1 (or 100); or so many images of each, and None in one place
            for the rest: what counts leave out is not exported.
        format: a file of `cleaning.export.formats`.
        link: ``copy``; ``hardlink`` or ``symlink`` save space, but whoever edits such a file edits the source;
            ``reflink`` saves it without that, where the file system can.
        keep_split: the manifest.csv of an earlier export or its folder: puts the images that it lists where they were,
            and only divides the new ones.
        balance: ``weights`` (a file of class weights), ``oversample`` or ``undersample`` (a manifest that says how
            often to show each training image), or ``none``; validation and test are never changed.
        reencode: ``png`` or ``jpeg``, for the images that Keras's folder loader can't read, those that its loaders show
            otherwise than a person sees them, and the damaged ones that were decided to be kept; or ``none``.
        near_copies: ``together``: never in two splits; ``apart``: only equal pictures stay together.
        allow_incomplete: export also where val or test is empty, or a class is missing from one of them.
        allow_lost_classes: export also where no image is left of a class that the dataset has.
        seed: of the split and the balance, not negative.

    Raises:
        InputError: for a value that an option can't have, and for options that the format refuses.
    """

    split: Sequence[float | None] = (0.8, 0.1, 0.1)
    format: str = "folders"
    link: str = "copy"
    keep_split: str | Path | None = None
    balance: str = "none"
    reencode: str = "none"
    near_copies: str = "together"
    allow_incomplete: bool = False
    seed: int = 0
    allow_lost_classes: bool = False

    def __post_init__(self) -> None:
        from imageclinic.cleaning.export.balance import BALANCES
        from imageclinic.cleaning.export.encode_images import CHOICES
        from imageclinic.cleaning.split.demanded_split import demanded

        demanded(self.split)
        format = formats.load(self.format)
        _one_of("link", self.link, LINKS)
        _one_of("balance", self.balance, BALANCES)
        _one_of("reencode", self.reencode, CHOICES)
        _one_of("near-copies", self.near_copies, NEAR_COPIES)
        SEED.check("seed", self.seed)
        if refusal := format.refusal(self):
            raise refusal

    def check_label_sets(self) -> None:
        """Raises InputError for options that only know one class for each image."""
        for option, value, valid in (("format", self.format, "manifest"), ("balance", self.balance, "none")):
            if value != valid:
                raise InputError(
                    f"--{option} {value} with images that may have several classes (multi-label)",
                    expected=f"--{option} {valid}"
                    + (": its column label has all classes; a class folder holds one" if option == "format" else ""),
                )

    def flags(self) -> dict[str, str]:
        """The options as the command line takes them, by name, for DATASET.md and export.json; "" is a switch."""
        return {
            "split": ",".join("rest" if part is None else f"{part:.12g}" for part in self.split),
            **({} if self.keep_split is None else {"keep-split": str(self.keep_split)}),
            "reencode": self.reencode,
            "balance": self.balance,
            **({} if self.near_copies == "together" else {"near-copies": self.near_copies}),
            **({"allow-incomplete": ""} if self.allow_incomplete else {}),
            "seed": str(self.seed),
            "format": self.format,
            "link": self.link,
            **({"allow-lost-classes": ""} if self.allow_lost_classes else {}),
        }


def _one_of(option: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise InputError(f"unknown {option} {value!r}", expected=f"one of {', '.join(valid)}")
