"""Why is accuracy not improving? Composes the experiments, the audit's noise model and what a history shows."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from imageclinic.audit.labels import noise_model
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.progress import Progress, Stage, quiet
from imageclinic.core.reading.json_files import Number, read_json
from imageclinic.training.diagnose.diagnose_options import DiagnoseKeywords, DiagnoseOptions
from imageclinic.workflows.steps.argument_types import takes_fields_of
from imageclinic.workflows.steps.auditing import packed_data
from imageclinic.workflows.steps.auditing.packed_data import InMemory

if TYPE_CHECKING:
    from imageclinic.training.compare.known_embeddings import Embedded
    from imageclinic.training.diagnose.curves.read_history import Source
    from imageclinic.training.diagnose.setup import Data, Images, Recipe

#: Called with the diagnosis by the experiments that were done when Ctrl-C came.
Interrupted = Callable[[dict[str, Any]], None]
_ASKED = 50  # images, for their size
_SIDES = (32, 24, 16)  # in pixels, where the model doesn't say; fewer where the images are smaller
Shape: TypeAlias = tuple[int, int, int]
_FILE, _RUNS = "diagnosis.json", "diagnosis-runs"


class _Settings(TypedDict, total=False):
    """What ``imageclinic train`` was given, as far as a recipe has it."""

    model: str | None
    learning_rate: Number | None
    batch_size: int | None
    epochs: int | None
    optimizer: str | None
    weight_decay: Number | None
    dropout: Number | None
    augment: str | None
    mirror: bool | None


class _Metrics(TypedDict):
    settings: _Settings


@takes_fields_of(DiagnoseOptions)
def diagnose(
    data: str | Path | InMemory | None = None,
    *,
    history: Source | None = None,
    to: str | Path | None = None,
    stage: Stage = quiet,
    interrupted: Interrupted | None = None,
    **options: Unpack[DiagnoseKeywords],
) -> dict[str, Any]:
    """Find out by experiments why accuracy is not improving; and say what the curves of one training run show.

    Args:
        data: a run, an export or a dataset, see `workflows.steps.diagnosis_images.find`; None: the history
            alone.
        history: a ``.csv`` of Keras's CSVLogger, the ``metrics.json`` of ``imageclinic train``, a frame, or
            `History.history`.
        to: folder for diagnosis.json and finished runs; None: the run, or ``NAME-diagnosis`` beside the data.
        stage: progress.
        interrupted: called with what the experiments that are done show, when Ctrl-C comes; KeyboardInterrupt goes on.
        options: fields of `training.diagnose.diagnose_options.DiagnoseOptions`: model, budget, seeds, learning_rate, ….

    Returns:
        With data: the content of diagnosis.json, see `training.diagnose.ladder.climb`. With a history: `epochs, signs,
        unknown`, see `training.diagnose.curves.curves.judge`; no sign does not mean healthy.

    Raises:
        InputError: neither data nor history; see `training.diagnose.curves.read_history.read`,
            `workflows.steps.diagnosis_images.find` and `training.diagnose.ladder.climb`.
    """
    if data is None and history is None:
        raise InputError("nothing to diagnose", expected="DATA (a run, an export or a dataset), --history, or both")
    use = DiagnoseOptions(**options)
    curves = {} if history is None else _curves(history, use.classes, use.val_images)
    if data is None:
        return curves
    from imageclinic import training

    with stage("Loading TensorFlow"):
        training.load_tensorflow()
    from imageclinic.training.diagnose import ladder, plan, resume, user_model
    from imageclinic.workflows.steps import diagnosis_images

    given = packed_data.given(data)
    found = diagnosis_images.find(
        given, None if to is None else Path(to), use.seed, label_column=use.label_column, stage=stage
    )
    recipe, remarks = _recipe(given if isinstance(given, Path) else found.folder, use)
    names = tuple(sorted(found.images.loc[found.images["split"] == "train", "label"].unique()))
    unknown = sorted(set(found.images["label"]) - set(names))
    if len(names) < 2 or unknown:
        raise InputError(
            f"the training images have the classes {', '.join(names[:5])}"
            + (f", and validation also has {unknown[0]}" if unknown else ""),
            expected="2 classes at least, and training images of every class",
        )
    takes = (None, None, 3) if recipe.own is None else user_model.fits(recipe.own, str(use.model), len(names))
    parts = {name: found.images[found.images["split"] == name] for name in ("train", "val")}
    shapes = _shapes(takes, parts["train"]["path"])
    key = _key(recipe, found.images, shapes, use)
    runs = found.folder / _RUNS / key
    with stage("Timing an epoch"):
        fits = plan.make(
            recipe, shapes, len(names), len(parts["train"]), 60 * use.budget, ladder.runs(use.seeds), runs / "plan.json"
        )
    with stage("Reading images") as progress:
        drawn = {n: diagnosis_images.draw(part, getattr(fits, n), use.seed) for n, part in parts.items()}
        looked = _load(drawn, names, len(parts["train"]), fits.shape, found.embedded, progress)
    last = found.folder / _RUNS / "last.json"
    notes = [*found.notes, *remarks, *_left_out(parts, drawn, looked, fits.epochs, recipe)]

    def whole(result: Mapping[str, Any]) -> dict[str, Any]:
        return {**result, "notes": notes, "size": list(fits.shape), "budget_minutes": use.budget, **curves}

    def keep(result: Mapping[str, Any]) -> None:
        tables.write_json(found.folder / _FILE, whole(result))
        resume.write(last, key, ladder.unreached(result), list(result["experiments"]))

    try:
        with stage("Experiments") as progress:
            result = ladder.climb(
                looked,
                recipe.change(epochs=fits.epochs),
                budget=60 * use.budget,
                noise=lambda y, probs: noise_model.fit(y, probs).wrong,
                seeds=use.seeds,
                folder=runs,
                known=found.known,
                earlier=resume.read(last, key),
                report=keep,
                progress=progress,
            )
    except ladder.Interrupted as stop:
        keep(stop.result)
        if interrupted is not None:
            interrupted(whole(stop.result))
        raise
    keep(result)
    return whole(result)


def _curves(history: Source, classes: int | None, val_images: int | None) -> dict[str, Any]:
    from imageclinic.training.diagnose.curves import judge_curves
    from imageclinic.training.diagnose.curves import read_history as histories

    return judge_curves.judge(histories.read(history), classes=classes, val_images=val_images)


def _recipe(data: Path, options: DiagnoseOptions) -> tuple[Recipe, list[str]]:
    """What was asked for; else what ``imageclinic train`` did with this export; else its defaults. And notes."""
    from imageclinic.training.diagnose import user_model
    from imageclinic.training.diagnose.setup import Recipe, check
    from imageclinic.training.models.rungs import LADDER

    model, given = options.model, options.recipe
    use: dict[str, Any] = {}
    notes = []
    metrics = data.absolute().with_name(f"{data.absolute().name}-model") / "metrics.json"
    if model is not None and (model.endswith(".keras") or ":" in model):
        network, compiled = user_model.load(model)
        use, given["own"] = {"augment": "none", **compiled}, network
    elif metrics.is_file():
        made = read_json(metrics, _Metrics, fix=f"delete it, or run imageclinic train {data} again")["settings"]
        use = {name: made[name] for name in _Settings.__annotations__ if made.get(name) is not None}
        if model is None and use.get("model", Recipe.model) not in LADDER:
            notes.append(
                f"imageclinic train used {use.pop('model')}, which is too large for many experiments: they are made "
                f"with {Recipe.model}."
            )
            use.pop("learning_rate", None)
    recipe = Recipe(**{**use, **given})
    if recipe.own is None and recipe.model not in LADDER:
        raise InputError(
            f"unknown model {recipe.model!r}",
            expected=f"one of {', '.join(LADDER)}, a .keras file, or module:function",
        )
    check(recipe)
    return recipe, notes


def _shapes(takes: tuple[int | None, int | None, int], paths: pd.Series) -> list[Shape]:
    """The shapes in which images may be looked at: the model's; where it takes any, by some images' own."""
    height, width, channels = takes
    if height is not None and width is not None:
        return [(height, width, channels)]
    side = _side(paths)
    return [(height or s, width or s, channels) for s in [side, *(s for s in _SIDES if s < side)]]


def _side(paths: pd.Series) -> int:
    """Side in pixels of the images, by those of some that can be read."""
    from imageclinic.training.data import image_pipelines
    from imageclinic.training.fit import fit_model

    readable = []
    for path in paths.iloc[:: -(-len(paths) // _ASKED)]:
        with contextlib.suppress(InputError):
            image_pipelines.read_image(Path(path), (8, 8))
            readable.append(Path(path))
    if not readable:
        raise InputError(f"none of the training images can be read, such as {paths.iloc[0]}", expected="images")
    return fit_model.natural_size(readable, largest=_SIDES[0])


def _key(recipe: Recipe, images: pd.DataFrame, shapes: list[Shape], use: DiagnoseOptions) -> str:
    rows = images.sort_values("image_id")[["image_id", "label", "split"]].to_csv(index=False)
    content = f"{recipe.digest()} {shapes} {use.budget} {use.seeds} {use.seed}\n{rows}"
    return hashlib.blake2b(content.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _load(
    frames: Mapping[str, pd.DataFrame],
    classes: tuple[str, ...],
    whole: int,
    shape: Shape,
    embedded: Embedded | None,
    progress: Progress,
) -> Data:
    """Decode the images, drawn of `whole`; those that can't be read are left out."""
    from imageclinic.training.data import image_pipelines
    from imageclinic.training.diagnose.setup import Data

    number = {name: i for i, name in enumerate(classes)}

    def read(path: str) -> Any:
        try:
            return image_pipelines.read_image(Path(path), shape[:2], channels=shape[2])
        except InputError:
            return None

    parts: dict[str, Images] = {}
    for name, frame in frames.items():
        with ThreadPoolExecutor(image_pipelines.workers()) as pool:
            pictures = list(pool.map(read, frame["path"]))
        parts[name] = _images(frame, pictures, number, shape, embedded)
        progress(len(parts), len(frames))
    return Data(parts["train"], parts["val"], classes, whole)


def _images(
    frame: pd.DataFrame, pictures: list[Any], number: Mapping[str, int], shape: Shape, embedded: Embedded | None
) -> Images:
    from imageclinic.training.diagnose.setup import Images

    readable = np.array([picture is not None for picture in pictures], bool)
    whole = [picture for picture in pictures if picture is not None]
    x = np.stack(whole) if whole else np.empty((0, *shape), np.uint8)
    known = frame[readable]
    y = np.array([number[label] for label in known["label"]], np.int64)
    features = None
    if embedded is not None and known["path"].isin(embedded.paths).all():
        features = embedded.vectors[embedded.paths.get_indexer(pd.Index(known["path"]))]
    return Images(x, y, known["split_group"].to_numpy(object).astype(str), features)


def _left_out(
    parts: Mapping[str, pd.DataFrame], drawn: Mapping[str, pd.DataFrame], looked: Data, epochs: int, recipe: Recipe
) -> list[str]:
    notes = []
    for name, word in (("train", "training"), ("val", "validation")):
        unread = len(drawn[name]) - len(getattr(looked, name))
        if unread:
            notes.append(f"{unread:,} {word} images can't be read and were left out: imageclinic audit lists them.")
        if len(drawn[name]) < len(parts[name]):
            notes.append(
                f"{len(drawn[name]):,} of {len(parts[name]):,} {word} images were drawn, to fit the budget: gains are "
                "those with so many."
            )
    if epochs < recipe.epochs:
        notes.append(f"{epochs} epochs instead of {recipe.epochs}, to fit the budget.")
    return notes
