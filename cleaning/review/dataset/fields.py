"""The fields of the App's dataset: names, types, meaning, and what is hidden or can't be edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fiftyone as fo

LABELS = {
    "ground_truth": "the given label",
    "suggested": "the label that a check suggests, and how sure it is",
}
FIELDS = {
    "image_id": "path relative to the dataset's root",
    "proposal": "the suggested label, as tiles show it beside the given one",
    "evidence": "what each check found, one line a finding",
    "cluster": "images with the same name here are copies of each other",
    "survivor": "of copies: its group, and whether it would stay",
    "split": "the split that the image was frozen into before any decision",
    "decision": "keep, relabel, drop or unsure",
    "decided_label": "the new label, for relabel",
    "decided_at": "when it was decided (UTC)",
    "reviewer": "who decided",
    "disputed": "reviewers disagree: it stays undecided",
    "who_decided_what": "what each reviewer decided, where they disagree; else the decision's note",
    "settled": "its copies are all dropped and nothing else was found: nothing is left to decide",
    "doubt": "of a flagged label, 1 is worst: by the newest scores, with the decisions so far",
    "cleaning_effect": "of a test image: whether cleaning fixed it or broke it, by the trainings of compare",
    "test_gain": "of a test image: share of trainings that are right after cleaning, minus that before",
    "test_wrong": "of a test image: share of trainings after cleaning that are wrong",
    "test_predicted": "of a test image that is wrong: the class that most trainings after cleaning name",
    "test_words": "what the trainings of compare say of a test image",
    "queue": "position in the Inbox: 0 comes first",
    "in_inbox": "waits in the Inbox",
    "calibrate": "position in the random sample that shows how far the flags can be trusted",
    "display_path": "the picture that the App shows",
    "format": "of the file, by its content",
    "width": "in pixels, as stored",
    "height": "in pixels, as stored",
    "bytes": "size of the file",
}
INTEGERS = ("queue", "calibrate", "width", "height", "bytes")
FLOATS = ("doubt", "test_gain", "test_wrong")
BOOLEANS = ("disputed", "settled", "in_inbox")
TESTED = ("cleaning_effect", "test_gain", "test_wrong", "test_predicted", "test_words")
READ_ONLY = (
    "image_id",
    "proposal",
    "evidence",
    "cluster",
    "survivor",
    "split",
    "queue",
    "calibrate",
    "display_path",
    *TESTED,
)
#: What a check found about an image, and its name: the Calibrate view is without.
HINTS = (
    *("suggested", "proposal", "checks", "evidence", "cluster", "survivor", "doubt", "queue", "in_inbox", "image_id"),
    *("settled", "who_decided_what"),
    *TESTED,
)


def declare(dataset: fo.Dataset, checks: Sequence[str]) -> None:
    """Give an empty dataset its fields, and one for the scores of each check."""
    import fiftyone as fo

    types = {"decided_at": fo.DateTimeField}
    types |= dict.fromkeys(INTEGERS, fo.IntField) | dict.fromkeys(BOOLEANS, fo.BooleanField)
    types |= dict.fromkeys(FLOATS, fo.FloatField)
    for name, meaning in LABELS.items():
        embedded = {"embedded_doc_type": fo.Classification, "description": meaning}
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, **embedded)
    dataset.add_sample_field(
        "checks", fo.ListField, subfield=fo.StringField, description="the checks that found something"
    )
    for name, meaning in FIELDS.items():
        fixed = name in READ_ONLY  # now, for to save each of them later takes a second in all
        dataset.add_sample_field(name, types.get(name, fo.StringField), description=meaning, read_only=fixed)
    for name in checks:
        dataset.add_sample_field(name, fo.FloatField, description=f"score of {name}: 1 is worst", read_only=True)
