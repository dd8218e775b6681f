"""What a format of an export has to say for itself; where it says nothing, images are files, OUT/split/class/file."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from imageclinic.cleaning.export import place_file, safe_names
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof.outcome import Proof, proof
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.large import text_rows
from imageclinic.core.naming.class_order import of_manifest


@dataclass(frozen=True)
class ReadBack:
    """An export's images as files: `folder` holds them by the manifest's paths, and the files of the export that are
    tables (.csv, .json). Of images that are packed, `records` has a row each: shard (the file of the export that holds
    it), path, and what else the format's own proofs want."""

    folder: Path
    records: pd.DataFrame | None = None


@dataclass(frozen=True)
class ExportFile:
    """One file of an export that holds images, to be written anywhere.

    Attributes:
        path: in the export.
        rows: of the manifest: its images.
        size: bytes of its images.
        write: called with a new file in a folder that is there, and what is to be called after each image. Raises
            InputError when a source is gone or changed, OSError when the file can't be written.
    """

    path: str
    rows: pd.DataFrame
    size: int
    write: Callable[[Path, Callable[[], None]], None]


class ExportFormat(ABC):
    """One format: where it puts images, the files beside them, the lines that load it, and how it is read back."""

    #: A folder between those of the split and of the class.
    inner: str = ""
    #: Whether a file holds many images, and whether there are images at all.
    packed: bool = False
    holds_images: bool = True

    @property
    def name(self) -> str:
        """The name of the file that holds the format."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """Python that loads an export, run in its folder: a `tf.data.Dataset` for each split, or the training images as
        ``x``, float32 (n, height, width, 3) in [0, 255], and ``y``, class numbers (n,).

        Args:
            splits: those that have images, and how many.
            size: (height, width) in pixels to which images are brought.
        """

    def lines_beside_a_sample(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """Python that loads what a sample of the training images (balance.csv) leaves to load; none by default."""
        return ""

    def refusal(self, options: ExportOptions) -> InputError | None:
        """Why this format can't do what the options ask; None when it can, as it does by default."""
        return None

    def classes(self, manifest: pd.DataFrame) -> list[str]:
        """All classes in the order of their numbers, which the manifest's ``class_index`` are; without it (a manifest
        that is still to get its numbers, an export of an earlier version) in the order of `unnumbered`."""
        return of_manifest(manifest) or self.unnumbered(manifest)

    def unnumbered(self, manifest: pd.DataFrame) -> list[str]:
        """All classes, in the order in which the format's loader would number them."""
        return sorted(manifest["label"].unique())

    def folder_names(self, manifest: pd.DataFrame) -> dict[str, str]:
        """Class → the folder of its images in each split; empty where there are none."""
        return class_folders(manifest)

    def bytes_to_write(self, images: int, link: str) -> int:
        """What the export needs of the disk, about, when its images have so many bytes."""
        return images if link == "copy" else 0

    def paths(
        self, manifest: pd.DataFrame, image_format: pd.Series, sources: Sequence[Path], target: Path
    ) -> pd.Series | list[str]:
        """The path of each image in the export: safe names, unique within their class over all splits.

        Args:
            manifest: image_id, label, split.
            image_format: Pillow's name of each image's format, nullable, indexed like `manifest`.
            sources: the file of each row.
            target: the export's folder.
        """
        between = f"/{self.inner}/" if self.inner else "/"
        folders, placed = class_folders(manifest), []
        for label, rows in manifest[["image_id", "split"]].groupby(manifest["label"]):
            of = rows["image_id"].tolist()  # one class at a time: these are Python strings
            names = [
                safe_names.safe(safe_names.with_suffix(PurePosixPath(image_id).name, None if pd.isna(kind) else kind))
                for image_id, kind in zip(of, image_format[rows.index], strict=True)
            ]
            named = pd.Series(self.unique(names, of), rows.index, dtype="str")
            placed.append(rows["split"] + f"{between}{folders[str(label)]}/" + named)
        return pd.concat(placed).reindex(manifest.index)

    def unique(self, names: Sequence[str], of: Sequence[str]) -> list[str]:
        """File names that the format's loader tells apart; see `safe_names.unique`."""
        return safe_names.unique(names, of)

    def place(
        self,
        manifest: pd.DataFrame,
        sources: Sequence[Path],
        folder: Path,
        link: str,
        progress: Callable[[int, int], None],
    ) -> None:
        """Bring the images into the export, their content proven to be what was audited.

        Args:
            manifest: tables.MANIFEST.
            sources: the file of each row; only read.
            folder: the export, empty.
            link: see `place_file.LINKS`; images that were re-encoded are always copied.
            progress: called with (done, total) images.

        Raises:
            InputError: a source is gone or changed, or can't be linked.
            OSError: the folder can't be written.
        """
        make_folders(manifest, folder)
        rows = zip(sources, manifest["path"], manifest["sha256"], manifest["original_sha256"], strict=True)
        for done, (source, path, sha256, new) in enumerate(rows, 1):
            place_file.put(source, folder / path, sha256, link if pd.isna(new) else "copy")
            progress(done, len(manifest))

    def files(self, manifest: pd.DataFrame, sources: Sequence[Path]) -> Iterator[ExportFile]:
        """The files that hold images, where they are not placed but written one by one: in an object store.

        Args:
            manifest: tables.MANIFEST.
            sources: the file of each row; only read.

        Raises:
            InputError: a source is gone.
        """

        def file(at: int, source: Path, path: str, sha256: str) -> ExportFile:
            def write(to: Path, done: Callable[[], None]) -> None:
                place_file.put(source, to, sha256, "copy")
                done()

            return ExportFile(path, manifest.iloc[at : at + 1], place_file.size(source), write)

        each = zip(range(len(manifest)), sources, manifest["path"], manifest["sha256"], strict=True)
        yield from (file(*one) for one in each)

    def unlike(self, file: Path, rows: pd.DataFrame, classes: Sequence[str]) -> str | None:
        """The path of the first image that a file of `files`, read back, holds otherwise than the manifest's rows say;
        None: all are as they say. Raises InputError when it is damaged."""
        return None  # an image's own bytes, compared while they were written

    def indexes(self, manifest: pd.DataFrame) -> dict[str, str]:
        """Path in the export → content of the files by which the format's loader finds its images. They depend on the
        manifest only: the proof makes them again and compares."""
        return {}

    @contextlib.contextmanager
    def as_files(self, out: Path) -> Iterator[ReadBack]:
        """The export's images as files, for as long as the context.

        Raises:
            InputError: what holds the images is damaged.
        """
        yield ReadBack(out)

    def folders_proof(self, manifest: pd.DataFrame) -> Proof:
        """The folders say what the manifest says, and nothing lies outside of them."""
        outside = manifest["path"].str.startswith("../")
        rows = manifest[~outside]
        between = (self.inner,) if self.inner else ()
        odd: list[str] = []

        def folders() -> Iterator[str]:
            for path, split in zip(rows["path"], rows["split"], strict=True):
                where = PurePosixPath(path).parts
                fits = len(where) == 3 + len(between) and where[1:-2] == between
                if not fits or where[0] != split:
                    odd.append(path)
                yield where[-2] if fits else ""

        folder = text_rows.column(folders()).set_axis(rows.index)
        odd += manifest.loc[outside, "path"].tolist()
        for one, other in ((folder, rows["label"]), (rows["label"], folder)):
            counts = other.groupby(one).nunique()
            odd += [f"{name} stands for {n} classes" for name, n in counts.items() if n > 1]
        return proof("folders", odd, "folders are the splits and classes of the manifest", "do not fit the manifest")

    def own_proofs(self, manifest: pd.DataFrame, classes: Sequence[str], read: ReadBack) -> list[Proof]:
        """What only this format promises; nothing by default."""
        return []


def class_folders(manifest: pd.DataFrame) -> dict[str, str]:
    """Class → a safe name for its folder."""
    every = sorted(manifest["label"].unique())
    return dict(zip(every, safe_names.unique([safe_names.safe(c) for c in every], every), strict=True))


def make_folders(manifest: pd.DataFrame, out: Path) -> None:
    """Every class in every split that has images, also where it is empty: Keras numbers classes by folders."""
    inner = {PurePosixPath(*PurePosixPath(path).parts[1:-1]) for path in manifest["path"]}
    for split in manifest["split"].unique():
        for name in inner:
            (out / split / name).mkdir(parents=True)


def by_split(manifest: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each split that has images."""
    return {name: rows for name in tables.SPLITS if len(rows := manifest[manifest["split"] == name])}


def reading_line(size: tuple[int, int]) -> str:
    """Python that reads the image at the path ``p``."""
    height, width = size
    return f"keras.utils.img_to_array(keras.utils.load_img(p, target_size=({height}, {width})))"


def label_set_lines(classes: Sequence[str], separator: str, size: tuple[int, int]) -> str:
    """Python that loads a manifest whose images may have several classes: the training images as ``x``, float32 (n,
    height, width, 3) in [0, 255], and ``y``, float32 (n, classes), 1 for each class that an image has.

    Args:
        classes: in the order of the columns of ``y``.
        separator: of the classes in the manifest's column label.
        size: (height, width) in pixels to which images are brought.
    """
    return (
        "import keras, numpy, pandas\n\n"
        f"classes = {list(classes)!r}\n"
        'rows = pandas.read_csv("manifest.csv", dtype={"label": str}).query("split == \'train\'")\n'
        f'x = numpy.stack([{reading_line(size)} for p in rows["path"]])\n'
        f'sets = [label.split({separator!r}) for label in rows["label"]]\n'
        'y = numpy.array([[c in names for c in classes] for names in sets], "float32")'
    )
