"""Classes that are most likely one class under two spellings."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings
from imageclinic.audit.labels import look_alike_names
from imageclinic.audit.labels.look_alike_names import quoted
from imageclinic.core.errors import NotApplicable

URGENCY = 15
ABOUT = ("labels",)


def find(dataset: pd.DataFrame) -> pd.DataFrame:
    """Images of a class whose name is another's in all but case, spaces, hyphens, encoding or the form of a number.

    Why it matters: `Cat` and `cat`, `1` and `1.0`, or two encodings of `café` are two classes to every loader. A
    network is asked to tell them apart, and both have too few images.

    What to do: accept the suggestion to merge the smaller class into the larger one:
    `imageclinic decide RUN --accept look_alike_classes`. Where the names mean two things, keep the images. A class
    called `NaN` or `None` is most likely a missing label; give its images one, or drop them.

    Names of one letter that differ in case are not flagged: where letters are recognised they are two classes.
    Score: 1 for names that look the same, 0.9 for numbers, 0.8 for case, 0.7 for spaces and hyphens, 0.5 for what says
    that a value is missing.
    """
    labelled = dataset[dataset["label"].notna()]
    if labelled.empty:
        raise NotApplicable("no image has a label")
    sizes = {str(name): int(n) for name, n in labelled["label"].value_counts().items()}
    alike = {each.name: each for each in look_alike_names.find(sizes)}
    flagged = labelled[labelled["label"].isin(alike)]
    found = [alike[str(name)] for name in flagged["label"]]
    return findings(
        image_id=flagged["image_id"],
        score=[each.score for each in found],
        suggested_action=["review" if each.other is None else "relabel" for each in found],
        suggested_label=[each.other for each in found],
        evidence=[
            f"Its class {quoted(each.name)} looks like a missing value."
            if each.other is None
            else f"Its class {quoted(each.name)} ({sizes[each.name]:,} images) differs from {quoted(each.other)} "
            f"({sizes[each.other]:,}) in {each.difference}."
            for each in found
        ],
    )
