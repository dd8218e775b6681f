"""A run folder as a dataset in the FiftyOne App: samples, saved views, sidebar, colours.

The run folder is the truth, and the dataset is made anew from it and from the decision log at every opening.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from audit import tables
from audit.run import Run
from cleaning import calibrate, decisions, findings, pictures
from cleaning.survivors import choose as choose_survivors

if TYPE_CHECKING:
    import fiftyone as fo

#: Above this many images only those with a finding or a decision, and the random sample, are loaded.
MOST_IMAGES = 100_000
PANEL = "imageclinic_review"

_LABELS = {
    "ground_truth": "the given label",
    "suggested": "the label that a check suggests, and how sure it is",
}
_FIELDS = {
    "image_id": "path relative to the dataset's root",
    "evidence": "what each check found, one line a finding",
    "cluster": "images with the same name here are copies of each other",
    "survivor": "of copies: the one that would stay says stays, the others copy",
    "split": "the split that the image was frozen into before any decision",
    "decision": "keep, relabel, drop or unsure",
    "decided_label": "the new label, for relabel",
    "decided_at": "when it was decided (UTC)",
    "reviewer": "who decided",
    "disputed": "reviewers disagree: it stays undecided",
    "queue": "position in the Inbox: 0 comes first",
    "in_inbox": "waits in the Inbox",
    "calibrate": "position in the random sample that tells how far the flags can be trusted",
    "display_path": "the picture that the App shows",
    "format": "of the file, by its content",
    "width": "in pixels, as stored",
    "height": "in pixels, as stored",
    "bytes": "size of the file",
}
_INTEGERS = ("queue", "calibrate", "width", "height", "bytes")
_BOOLEANS = ("disputed", "in_inbox")
_FILE = ("image_id", "split", "queue", "in_inbox", "calibrate", "format", "width", "height", "bytes", "display_path")
_BUILT_IN = ("filepath", "id", "metadata", "created_at", "last_modified_at")
_READ_ONLY = ("image_id", "evidence", "cluster", "survivor", "split", "queue", "calibrate", "display_path")
#: What a check said about an image: the Calibrate view is without.
_HINTS = ("suggested", "checks", "evidence", "cluster", "survivor", "queue", "in_inbox")
_IMPORTED = ("created_at", "last_modified_at", "_dataset_id")
_COLOURS = {
    "ground_truth": "#4c8dff",
    "suggested": "#ff8f3a",
    "checks": "#8a8f98",
    "decision": "#d9b92e",
    "decided_label": "#d9b92e",
    "cluster": "#b57bee",
    "survivor": "#b57bee",
}


def build_from(run: Run, *, progress: Callable[[int, int], None] | None = None) -> fo.Dataset:
    """Read decisions and survivors of `run` and `build` its dataset."""
    dataset = run.read(tables.DATASET)
    current = decisions.current(decisions.read(run.decisions), dataset)
    proposed = None
    if run.has(tables.CLUSTERS) and run.has(tables.SPLIT_TABLE) and run.has(tables.FEATURES):
        proposed = choose_survivors(
            dataset,
            run.read(tables.FEATURES),
            run.read(tables.CLUSTERS),
            run.read(tables.SPLIT_TABLE),
            current,
        )
    return build(run, current=current, survivors=proposed, progress=progress)


def build(
    run: Run,
    *,
    current: pd.DataFrame,
    survivors: pd.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> fo.Dataset:
    """Make (or make anew) the FiftyOne dataset of `run`, with saved views, sidebar and colours.

    Above `MOST_IMAGES` images only those with a finding or a decision, and the random sample, are loaded.

    Args:
        run: an audited run.
        current: columns ``image_id, decision, label, reviewer, decided_at`` and optionally ``disputed``.
        survivors: columns ``image_id, cluster, survivor`` (bool), or None when there are no copies.
        progress: called with (done, total) while pictures are converted.

    Returns:
        The persistent dataset, named after the run's path (see `dataset_name`).
    """
    import fiftyone as fo

    items, checks = _items(run, current, survivors, progress)
    name = dataset_name(run)
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = _load(name, items, checks)
    for field in ("queue", "in_inbox", "calibrate", "decision", "cluster", *checks):
        dataset.create_index(field)
    dataset.default_classes = sorted(run.read(tables.DATASET)["label"].dropna().unique())
    dataset.description = f"imageclinic review of {run.path}"
    dataset.info = {"imageclinic": {"run": str(run.path), "checks": checks}}
    _save_views(dataset, checks)
    _furnish(dataset, checks)
    dataset.save()
    return dataset


def dataset_name(run: Run) -> str:
    """The dataset's name in FiftyOne: the same for every opening of the run folder at this path."""
    digest = hashlib.sha256(str(run.path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    word = re.sub(r"[^A-Za-z0-9]+", "-", run.path.name).strip("-").lower() or "run"
    return f"imageclinic-{word}-{digest}"


def view_name(check: str) -> str:
    """The name of a check's saved view: ``near_duplicate`` → ``Near duplicate``."""
    return check.replace("_", " ").capitalize()


def _items(
    run: Run,
    current: pd.DataFrame,
    survivors: pd.DataFrame | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[pd.DataFrame, list[str]]:
    """One row per image to load, in the order of the Inbox and then of the dataset, and the checks."""
    dataset, issues = run.read(tables.DATASET), run.read(tables.ISSUES)
    found, scores = findings.per_image(issues), findings.scores(issues)
    items = dataset.merge(found, on="image_id", how="left").merge(scores, on="image_id", how="left")
    if run.has(tables.CLUSTERS):
        items = items.merge(run.read(tables.CLUSTERS)[["image_id", "cluster"]], on="image_id", how="left")
    if run.has(tables.SPLIT_TABLE):
        frozen = run.read(tables.SPLIT_TABLE)
        items = items.drop(columns="split").merge(frozen, on="image_id", how="left")
    if survivors is not None:
        # Where nobody was chosen (labels conflict), nobody is marked.
        resolved = survivors.groupby("cluster")["survivor"].transform("any")
        marks = survivors["survivor"].map({True: "stays", False: "copy"}).where(resolved)
        items = items.merge(survivors[["image_id"]].assign(survivor=marks), on="image_id", how="left")
    decided = current.rename(columns={"label": "decided_label"})
    kept = ["image_id", "decision", "decided_label", "reviewer", "decided_at", "disputed"]
    items = items.merge(decided[[c for c in kept if c in decided]], on="image_id", how="left")
    items = items.merge(_confidence(run, found), on="image_id", how="left")
    sample = calibrate.draw(issues, dataset)
    items["calibrate"] = items["image_id"].map(pd.Series(sample.index, index=sample["image_id"]))
    items = items.reindex(columns=list(dict.fromkeys([*items.columns, *_FIELDS])))
    if len(items) > MOST_IMAGES:
        items = items[items[["queue", "decision", "calibrate"]].notna().any(axis=1)]
    items = items.sort_values(["queue", "image_id"], kind="stable", na_position="last", ignore_index=True)
    items["in_inbox"] = items["queue"].notna() & items["decision"].isna()
    shown = pictures.shown(run, items[dataset.columns.intersection(items.columns)], progress)
    items["display_path"] = items["image_id"].map(shown)
    root = run.root
    originals = items["image_id"].map(lambda image_id: root / tables.to_path(image_id))
    # FiftyOne tells images by the file's name, and a database holds valid Unicode only.
    named = originals.map(pictures.says_image)
    items["filepath"] = originals.astype("object").where(named, items["display_path"]).map(str)
    return items, list(scores.columns)


def _confidence(run: Run, found: pd.DataFrame) -> pd.DataFrame:
    """The model's out-of-fold probability of each suggested label, where there are predictions."""
    suggested = found.dropna(subset=["suggested_label"]).set_index("image_id")["suggested_label"]
    if not run.predictions.is_file():
        return pd.DataFrame({"image_id": pd.Series(dtype="str"), "confidence": pd.Series(dtype="float64")})
    predictions = run.read_predictions()
    position = pd.Series(range(len(predictions.rows)), index=predictions.rows["image_id"])
    column = {name: n for n, name in enumerate(predictions.classes)}
    known = suggested[suggested.index.isin(position.index) & suggested.isin(column)]
    values = predictions.pred_probs[position[known.index].to_numpy(), known.map(column).to_numpy(dtype=int)]
    return pd.DataFrame({"image_id": known.index, "confidence": values.astype("float64")})


def _declare(dataset: fo.Dataset, checks: list[str]) -> None:
    import fiftyone as fo

    types = {"decided_at": fo.DateTimeField}
    types |= dict.fromkeys(_INTEGERS, fo.IntField) | dict.fromkeys(_BOOLEANS, fo.BooleanField)
    for name, meaning in _LABELS.items():
        embedded = {"embedded_doc_type": fo.Classification, "description": meaning}
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, **embedded)
    dataset.add_sample_field(
        "checks", fo.ListField, subfield=fo.StringField, description="the checks that found something"
    )
    for name, meaning in _FIELDS.items():
        dataset.add_sample_field(name, types.get(name, fo.StringField), description=meaning)
    for name in checks:
        dataset.add_sample_field(name, fo.FloatField, description=f"score of {name}: 1 is worst")


def _values(items: pd.DataFrame, checks: list[str]) -> Iterator[dict[str, Any]]:
    """Each item as plain Python values, None for null: what a sample needs, whichever way it is loaded."""
    plain = items.astype(object).where(items.notna(), None)
    for row in plain.to_dict("records"):
        values = {name: row[name] for name in (*_FIELDS, *checks)}
        values |= {name: None if row[name] is None else int(row[name]) for name in _INTEGERS}
        values["checks"] = row["checks"] or []
        values["decided_at"] = None if row["decided_at"] is None else pd.Timestamp(row["decided_at"])
        yield {
            "filepath": row["filepath"],
            "tags": list(values["checks"]),
            "ground_truth": row["label"],
            "suggested": row["suggested_label"],
            "confidence": row["confidence"],
            "fields": values,
        }


def _load(name: str, items: pd.DataFrame, checks: list[str]) -> fo.Dataset:
    """Load the items through FiftyOne's file format, which is ten times faster than sample by sample.

    One sample goes through the slow way and is exported, to learn the format of this version; when ours looks
    otherwise, or the number that arrives is wrong, all go the slow way.
    """
    import fiftyone as fo

    template = fo.Dataset()
    try:
        _declare(template, checks)
        if len(items):
            template.add_sample(_sample(next(_values(items.head(1), checks))))
        with tempfile.TemporaryDirectory(prefix="imageclinic-review-") as folder:
            folder = str(Path(folder) / "dataset")  # one that exists is warned about
            template.export(folder, dataset_type=fo.types.FiftyOneDataset, export_media=False)
            path = Path(folder) / "samples.json"
            learned = json.loads(path.read_text("utf-8"))["samples"]
            if learned and _shape(learned[0]) == _shape(_document(next(_values(items.head(1), checks)), learned[0])):
                # The import writes these itself; to parse them is a quarter of its time.
                ours = {name: value for name, value in learned[0].items() if name not in _IMPORTED}
                documents = (_document(values, ours) for values in _values(items, checks))
                with path.open("w", encoding="utf-8") as file:
                    file.write('{"samples": [')
                    for n, document in enumerate(documents):
                        file.write((", " if n else "") + json.dumps(document))
                    file.write("]}")
                dataset = fo.Dataset.from_dir(
                    folder, dataset_type=fo.types.FiftyOneDataset, name=name, persistent=True, progress=False
                )
                if len(dataset) == len(items):
                    return dataset
                dataset.delete()
    finally:
        template.delete()
    dataset = fo.Dataset(name, persistent=True)
    _declare(dataset, checks)
    dataset.add_samples((_sample(values) for values in _values(items, checks)), validate=False, progress=False)
    return dataset


def _sample(values: dict[str, Any]) -> fo.Sample:
    import fiftyone as fo

    suggested = values["suggested"]
    return fo.Sample(
        filepath=values["filepath"],
        tags=values["tags"],
        ground_truth=values["ground_truth"] and fo.Classification(label=values["ground_truth"]),
        suggested=suggested and fo.Classification(label=suggested, confidence=values["confidence"]),
        **values["fields"],
    )


def _document(values: dict[str, Any], learned: dict[str, Any]) -> dict[str, Any]:
    """A sample as FiftyOne's format has it, with what is not ours taken from the learned one."""
    from bson import ObjectId

    def classification(label: str | None, confidence: float | None = None) -> dict[str, Any] | None:
        if label is None:
            return None
        document: dict[str, Any] = {"_id": {"$oid": str(ObjectId())}, "_cls": "Classification", "tags": []}
        return document | {"label": label} | ({} if confidence is None else {"confidence": confidence})

    at = values["fields"]["decided_at"]
    return {
        **learned,
        "_id": {"$oid": str(ObjectId())},
        "_rand": random.random(),
        "filepath": values["filepath"],
        "tags": values["tags"],
        **values["fields"],
        "ground_truth": classification(values["ground_truth"]),
        "suggested": classification(values["suggested"], values["confidence"]),
        "decided_at": None if at is None else {"$date": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
    }


def _shape(document: Any) -> Any:
    """The names and types in a document, without what is null: FiftyOne leaves that out."""
    if isinstance(document, dict):
        return {name: _shape(value) for name, value in document.items() if value is not None}
    return type(document)


def _save_views(dataset: fo.Dataset, checks: list[str]) -> None:
    """The Inbox, one view a check (worst first, copies side by side), the undecided, the decided."""
    from fiftyone import ViewField as F

    flagged = dataset.match(F("queue") != None)  # noqa: E711 (a query expression)
    dataset.save_view(
        "Inbox",
        dataset.match(F("in_inbox") == True).sort_by("queue"),  # noqa: E712
        description="every image with an undecided finding, the most urgent first",
        color="#ff6d04",
    )
    # The reviewer judges the picture and its label, and nothing that a check said.
    blind = dataset.match(F("calibrate") != None).sort_by("calibrate")  # noqa: E711
    dataset.save_view(
        "Calibrate",
        blind.exclude_fields([*_HINTS, *checks]),
        description="a random sample, flagged and unflagged, to learn how far the flags can be trusted",
        color="#b57bee",
    )
    for check in checks:
        view = dataset.match(F(check) != None)  # noqa: E711
        copies = view.match(F("cluster") != None).count() * 2 > view.count()  # noqa: E711
        order: list[tuple[str, int]] = [("cluster", 1), (check, -1)] if copies else [(check, -1)]
        description = "copies side by side" if copies else "worst first"
        dataset.save_view(view_name(check), view.sort_by([*order, ("queue", 1)]), description=description)
    undecided = flagged.match(F("decision") == None).sort_by("queue")  # noqa: E711
    dataset.save_view("Undecided", undecided, description="findings without a decision", color="#8a8f98")
    disputed = dataset.match(F("disputed") == True).sort_by("queue")  # noqa: E712
    dataset.save_view("Disputed", disputed, description="reviewers disagree: it stays undecided", color="#ef5350")
    decided = dataset.match(F("decision") != None).sort_by("decided_at", reverse=True)  # noqa: E711
    dataset.save_view("Decided", decided, description="the latest first", color="#3fb86b")


def _furnish(dataset: fo.Dataset, checks: list[str]) -> None:
    """Sidebar, colours, what tiles show, the picture to draw, read-only fields, and the workspace."""
    import fiftyone as fo

    for name in (*_READ_ONLY, *checks):
        field = dataset.get_field(name)
        field.read_only = True
        field.save()
    group = fo.SidebarGroupDocument
    config = dataset.app_config
    config.sidebar_groups = [
        group(name="labels", paths=["ground_truth", "suggested"], expanded=True),
        group(name="findings", paths=["checks", "evidence", "cluster", "survivor"], expanded=True),
        group(name="decision", paths=["decision", "decided_label", "reviewer", "decided_at", "disputed"]),
        group(name="scores", paths=checks, expanded=False),
        group(name="tags", paths=["tags", "_label_tags"], expanded=False),
        group(
            name="metadata",  # the App would add an empty group of this name
            paths=[*_FILE, *_BUILT_IN],
            expanded=False,
        ),
    ]
    config.active_fields = fo.ActiveFields(paths=["ground_truth", "suggested", "checks", "survivor", "decision"])
    colours = [{"path": path, "fieldColor": colour} for path, colour in _COLOURS.items()]
    config.color_scheme = fo.ColorScheme(color_by="field", fields=colours)
    config.media_fields = ["filepath", "display_path"]
    config.grid_media_field = config.modal_media_field = "display_path"
    config.media_fallback = True
    samples, progress = fo.Panel(type="Samples", pinned=True), fo.Panel(type=PANEL)
    # Without an active child the App shows nothing in a space.
    left, right = (fo.Space(children=[panel], active_child=panel.component_id) for panel in (samples, progress))
    workspace = fo.Space(children=[left, right], orientation="horizontal", sizes=[0.75, 0.25])
    dataset.save_workspace("review", workspace, description="the images, and the progress of the review")
