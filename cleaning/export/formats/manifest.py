"""Only manifest.csv, whose paths lead to the source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from imageclinic.cleaning.export import place_file
from imageclinic.cleaning.export.export_format import ExportFormat, reading_line
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.proof.outcome import Proof, proof
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.large import text_rows


class Format(ExportFormat):
    """No images: they stay where they are."""

    holds_images = False

    def refusal(self, options: ExportOptions) -> InputError | None:
        """Images that are re-encoded have no source to point to."""
        if options.reencode == "none":
            return None
        return InputError(
            "images that are re-encoded with --format manifest",
            expected="a format that holds images, such as folders",
        )

    def bytes_to_write(self, images: int, link: str) -> int:
        """None for images."""
        return 0

    def paths(
        self, manifest: pd.DataFrame, image_format: pd.Series, sources: Sequence[Path], target: Path
    ) -> pd.Series:
        """The way from the export to each source, bytes that are not UTF-8 escaped."""
        ways = (Path(os.path.relpath(source.resolve(), target)).as_posix() for source in sources)
        return text_rows.column(map(tables.to_image_id, ways))

    def place(
        self,
        manifest: pd.DataFrame,
        sources: Sequence[Path],
        folder: Path,
        link: str,
        progress: Callable[[int, int], None],
    ) -> None:
        """Only checks that the sources are what was audited."""
        for done, (source, sha256) in enumerate(zip(sources, manifest["sha256"], strict=True), 1):
            place_file.put(source, None, sha256, link)
            progress(done, len(manifest))

    def folder_names(self, manifest: pd.DataFrame) -> dict[str, str]:
        """None: there are no folders of classes."""
        return {}

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """The training images as ``x`` and ``y``."""
        return (
            "import keras, numpy, pandas\n\n"
            'rows = pandas.read_csv("manifest.csv").query("split == \'train\'")\n'
            f'x = numpy.stack([{reading_line(size)} for p in rows["path"]])\n'
            'y = rows["class_index"].to_numpy()'
        )

    def folders_proof(self, manifest: pd.DataFrame) -> Proof:
        """All paths lead out of the export."""
        inside = manifest.loc[~manifest["path"].str.startswith("../"), "path"].tolist()
        return proof("folders", inside, "none: the manifest points to the source", "do not point to the source")
