"""What a trained model names for each test image, as a page of its own: the folder of ``imageclinic train`` → HTML."""

from __future__ import annotations

from pathlib import Path
from typing import NotRequired

import pandas as pd
from typing_extensions import TypedDict

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.ids import is_below
from imageclinic.core.predicted import tested_images
from imageclinic.core.predicted.tested_images import TEST_PREDICTIONS
from imageclinic.core.reading.json_files import Share, read_json
from imageclinic.core.tables import MANIFEST
from imageclinic.report import templates
from imageclinic.report.predicted import tested_images_section
from imageclinic.report.thumbnails import SMALL, Picture, Tiles

METRICS, MODEL = "metrics.json", "model.keras"
_AGAIN = "train again: imageclinic train OUT"


class _Accuracy(TypedDict):
    accuracy: Share


class _Metrics(TypedDict):
    """What is shown of metrics.json; `export` is where the export lies, seen from the folder."""

    model: str
    export: NotRequired[str]
    test: _Accuracy | None


def is_model(folder: Path) -> bool:
    """Whether a folder is what ``imageclinic train`` wrote."""
    return (folder / METRICS).is_file() and (folder / MODEL).is_file()


def render(folder: Path) -> str:
    """The page as HTML.

    Args:
        folder: for which `is_model` is true. Pictures come from the export that its metrics name; of an export that is
            gone, or holds records, names and numbers are shown.

    Raises:
        InputError: there were no test images, or a file is damaged.
    """
    metrics: _Metrics = read_json(folder / METRICS, _Metrics, fix=_AGAIN)
    file = folder / TEST_PREDICTIONS.file
    if metrics["test"] is None or not file.is_file():
        raise InputError(
            f"{folder} has no predictions of test images", expected="a model of an export with a test split", fix=_AGAIN
        )
    rows = tables.read(file, TEST_PREDICTIONS)
    files, tiles = _files(folder, metrics), Tiles()

    def picture(image_id: str) -> Picture:
        found = files.get(image_id)
        return tiles.picture(found, SMALL) if found else Picture(reason="the export is gone")

    results = tested_images_section.results(rows, picture)
    if results is None:
        raise InputError(f"{file} has no predictions", fix=_AGAIN)
    n, wrong = len(tested_images.per_image(rows)), sum(sheet.n for sheet in results.sheets)
    share = 100 * metrics["test"]["accuracy"]
    headline = f"{metrics['model']}: {share:.1f} % of {n:,} test images right, {wrong:,} wrong."
    return templates.render("model_page.html", name=folder.absolute().name, headline=headline, tested=results)


def _files(folder: Path, metrics: _Metrics) -> dict[str, Path]:
    """image_id → file in the export."""
    export = folder / metrics.get("export", "")
    manifest = export / MANIFEST.file
    if "export" not in metrics or not manifest.is_file():
        return {}
    rows: pd.DataFrame = tables.read_csv(manifest, MANIFEST)
    paths = zip(rows["image_id"], rows["path"], strict=True)
    return {name: export / path for name, path in paths if is_below(path)}
