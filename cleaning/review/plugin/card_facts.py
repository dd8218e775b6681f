"""What the desk shows beside an image: labels, likely classes, evidence, decisions, copies, and what looks like it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from fiftyone import ViewField as F

from imageclinic.cleaning.review.plugin.selection import run_of
from imageclinic.core import tables
from imageclinic.core.run import Run, open_run

#: Number keys for the likeliest classes, and pictures shown beside the image.
LIKELY, NEAR, COPIES = 5, 6, 12
_FIELDS = ("id", "display_path", "ground_truth.label", "decision", "decided_label", "reviewer", "disputed")
_REVEALING = (
    "image_id",
    "suggested.label",
    "evidence",
    "cluster",
    "survivor",
    "who_decided_what",
    "settled",
    "test_words",
)
#: What undoes a turn, where that is another one: a mirror image turned is undone by itself.
_BACK = {"rot90": "rot270", "rot270": "rot90"}
_SIZE = ("width", "height", "bytes", "split")


def cards(ctx: Any, ids: Sequence[str], me: str, unseen: bool) -> list[dict[str, Any]]:
    """One card a sample, in the order of `ids`; samples that are gone are left out.

    What another reviewer decided about an image is shown only after one's own decision, or where reviewers disagree.

    Args:
        ctx: the operator's context.
        ids: of samples.
        me: the reviewer who looks.
        unseen: without what the checks found.
    """
    fields = [*_FIELDS, *_SIZE, *([] if unseen else _REVEALING)]
    values = ctx.dataset.select(list(ids), ordered=True).values(fields)
    rows = pd.DataFrame(dict(zip(fields, values, strict=True))).astype(object)
    rows = rows.where(rows.notna(), None)
    result = [_card(row, me) for row in rows.to_dict("records")]
    if not unseen and result:
        run = run_of(ctx)
        _add_likely(run, result)
        _add_annotators(run, result)
        _add_copies(ctx, run, result)
        _add_nearest(ctx, run, result)
    return result


def _card(row: dict[Any, Any], me: str) -> dict[str, Any]:
    deciders = (row["reviewer"] or "").split(";") if row["reviewer"] else []
    others = bool(row["decision"]) and me not in deciders
    return {
        "id": row["id"],
        "image_id": row.get("image_id"),
        "picture": row["display_path"],
        "given": row["ground_truth.label"],
        "suggested": row.get("suggested.label"),
        "decision": row["decision"],
        "label": row["decided_label"],
        "reviewer": row["reviewer"],
        "others": others,
        "disputed": bool(row["disputed"]),
        "who": row.get("who_decided_what"),
        "settled": bool(row.get("settled")),
        "evidence": [*(row.get("evidence") or "").splitlines(), *filter(None, [row.get("test_words")])],
        "cluster": row.get("cluster"),
        "survivor": row.get("survivor"),
        "size": [row["width"], row["height"], row["bytes"]],
        "split": row["split"],
        "likely": [],
        "said": [],
        "copies": [],
        "near": [],
    }


def _add_likely(run: Run, result: list[dict[str, Any]]) -> None:
    """The likeliest classes by the out-of-fold predictions, with their probability; else the labels in question."""
    if run.predictions.is_file():
        position, probabilities, classes = _predictions(run.path, run.predictions.stat().st_mtime_ns)
        for card in result:
            at = position.get(card["image_id"])
            if at is not None:
                best = np.argsort(-probabilities[at], kind="stable")[:LIKELY]
                card["likely"] = [[classes[n], round(float(probabilities[at, n]), 4)] for n in best]
    for card in result:
        if not card["likely"]:
            card["likely"] = [[name, None] for name in (card["suggested"], card["given"]) if name]


def _add_annotators(run: Run, result: list[dict[str, Any]]) -> None:
    """Who gave which label, and how often their labels are right, the best first; nothing where nobody is named."""
    file = run.table_path(tables.ANNOTATIONS)
    if not file.is_file():
        return
    quality = {a["annotator"]: a["quality"] for a in run.info().get("annotators", [])}
    said = _annotations(run.path, file.stat().st_mtime_ns)
    for card in result:
        rows = [[who, label, quality.get(who)] for who, label in said.get(card["image_id"], [])]
        card["said"] = sorted(rows, key=lambda row: (-(row[2] or 0), row[0]))


def _add_copies(ctx: Any, run: Run, result: list[dict[str, Any]]) -> None:
    """The other members of each image's cluster, then its copies outside of the cluster; with sharpness, and what turns
    each into the image (``turn``)."""
    files = (run.table_path(tables.FEATURES), run.table_path(tables.NEIGHBORS))
    sharpness, turns = _copy_facts(run.path, *(file.stat().st_mtime_ns if file.is_file() else 0 for file in files))
    paired = {name for card in result for name in turns.get(card["image_id"], ())}
    clusters = list({card["cluster"] for card in result if card["cluster"]})
    if not clusters and not paired:
        return
    fields = ["id", "image_id", "display_path", "ground_truth.label", "decision", "survivor", *_SIZE, "cluster"]
    found = ctx.dataset.match(F("cluster").is_in(clusters) | F("image_id").is_in(sorted(paired)))
    members = [
        {
            "id": facts["id"],
            "image_id": facts["image_id"],
            "picture": facts["display_path"],
            "given": facts["ground_truth.label"],
            "decision": facts["decision"],
            "survivor": facts["survivor"],
            "cluster": facts["cluster"],
            "size": [facts["width"], facts["height"], facts["bytes"]],
            "split": facts["split"],
            "sharpness": sharpness.get(facts["image_id"]),
        }
        for row in zip(*found.values(fields), strict=True)
        for facts in [dict(zip(fields, row, strict=True))]
    ]
    by_cluster: dict[str | None, list[dict[str, Any]]] = {}
    for member in members:
        by_cluster.setdefault(member["cluster"], []).append(member)
    by_name = {member["image_id"]: member for member in members}
    for card in result:
        turn = turns.get(card["image_id"], {})
        card["sharpness"] = sharpness.get(card["image_id"])
        same = by_cluster.get(card["cluster"], []) if card["cluster"] else []
        beyond = [by_name[n] for n in turn if n in by_name and (not card["cluster"] or by_name[n] not in same)]
        others = [one for one in [*same, *beyond] if one["id"] != card["id"]][:COPIES]
        card["copies"] = [{**one, "turn": turn.get(one["image_id"])} for one in others]


def _add_nearest(ctx: Any, run: Run, result: list[dict[str, Any]]) -> None:
    """The images that look most like each one, with their given labels; copies are shown as such."""
    if not run.embeddings.is_file():
        return
    names, position, vectors = _embeddings(run.path, run.embeddings.stat().st_mtime_ns)
    there = [card for card in result if card["image_id"] in position]
    if not there:
        return
    mine = vectors[[position[card["image_id"]] for card in there]]
    likeness = mine @ vectors.T
    wanted = min(NEAR + COPIES + 1, likeness.shape[1])
    nearest = np.argpartition(-likeness, wanted - 1, axis=1)[:, :wanted]
    found = ctx.dataset.match(F("image_id").is_in(sorted({str(names[n]) for n in nearest.ravel()})))
    fields = ["image_id", "id", "display_path", "ground_truth.label"]
    known = {row[0]: row for row in zip(*found.values(fields), strict=True)}
    for card, row, scores in zip(there, nearest, likeness, strict=True):
        left_out = {card["image_id"], *(copy["image_id"] for copy in card["copies"])}
        order = [str(names[n]) for n in row[np.argsort(-scores[row], kind="stable")]]
        shown = [known[name] for name in order if name in known and name not in left_out][:NEAR]
        card["near"] = [{"id": i, "picture": path, "given": label} for _, i, path, label in shown]


@functools.lru_cache(maxsize=1)
def _annotations(path: Path, changed: int) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for image_id, who, label in open_run(path).read(tables.ANNOTATIONS).itertuples(index=False):
        found.setdefault(image_id, []).append((who, label))
    return found


def _copy_facts(path: Path, features: int, neighbors: int) -> tuple[dict[str, float], dict[str, dict[str, str]]]:
    """Sharpness by image; and for each image its copies, with what turns them into it (`core.schema.TRANSFORMS`)."""
    run = open_run(path)
    known = run.read(tables.FEATURES)[["image_id", "sharpness"]] if features else None
    sharpness = {} if known is None else dict(zip(known["image_id"], known["sharpness"].astype(float), strict=True))
    turns: dict[str, dict[str, str]] = {}
    if neighbors:
        pairs = run.read(tables.NEIGHBORS)
        for one, other, turn in zip(pairs["image_id"], pairs["other_id"], pairs["transform"], strict=True):
            turns.setdefault(one, {})[other] = turn
            turns.setdefault(other, {})[one] = _BACK.get(turn, turn)
    return sharpness, turns


@functools.lru_cache(maxsize=1)
def _predictions(path: Path, changed: int) -> tuple[dict[str, int], npt.NDArray[np.float32], tuple[str, ...]]:
    found = open_run(path).read_predictions()
    return {name: n for n, name in enumerate(found.rows["image_id"])}, found.pred_probs, found.classes


@functools.lru_cache(maxsize=1)
def _embeddings(path: Path, changed: int) -> tuple[npt.NDArray[np.object_], dict[str, int], npt.NDArray[np.float32]]:
    """Image ids, their rows, and vectors of length 1."""
    found = open_run(path).read_embeddings()
    vectors = found.alike
    norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    names = np.asarray(found.image_id, dtype=object)
    return names, {name: n for n, name in enumerate(names)}, vectors / norms
