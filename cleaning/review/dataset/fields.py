"""The fields of the App's dataset: names, types, meaning, and what is hidden or can't be edited."""

from __future__ import annotations

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
