"""Files that are damaged."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.checks import unreadable_here
from imageclinic.audit.issue_rows import findings

URGENCY = 70
ABOUT = ("images",)

#: What a read error begins with → how sure it is that nobody can use the file, and what to do. What may be sound is
#: `unreadable_here`'s.
_KINDS = {
    "empty file": (1.0, "fetch it again, or drop it"),
    "not an image": (1.0, "fetch it again, or drop it"),
    "header only": (1.0, "fetch it again, or drop it"),
    "truncated": (0.95, "fetch it again, or drop it"),
    "damaged stream": (0.9, "fetch it again, or drop it"),
    "crashes the decoder": (0.85, "keep it away from other decoders"),
    "hangs the decoder": (0.85, "keep it away from other decoders"),
}
_OTHER = (0.9, "fetch it again, or drop it")


def find(dataset: pd.DataFrame) -> pd.DataFrame:
    """Images that can't be decoded because they are damaged: from an empty file to a stream that crashes the decoder.

    Why it matters: one such file stops a training run in the middle of an epoch, or is filled up with grey and
    learnt. Most single changed bits decode without complaint: no decoder sees those, and neither does this check.

    What to do: fetch the file again from its source, or drop it. Unreadable images are never exported. Files that can't
    be read here and may be sound are `unreadable_here`.

    The evidence begins with the kind:

    - `empty file`: no bytes.
    - `not an image`: no image format's signature: zeros, a web page, text.
    - `header only`: an image's first bytes and nothing of the picture.
    - `truncated`: the end is missing, a failed download or copy. Many decoders fill up with grey.
    - `damaged stream`: the bytes in the middle make no sense.
    - `crashes the decoder`, `hangs the decoder`: its process died, or computed and gave no answer, in three tries, two
      of them alone. Such a file is tried again in the next audit.

    Source: libjpeg-turbo in strict mode for JPEG, libheif for HEIF, Pillow for the rest. Score: 1 when nothing of the
    picture is there, 0.95 truncated, 0.9 damaged, 0.85 crashes or hangs.
    """
    bad = dataset.loc[dataset["read_error"].notna(), ["image_id", "read_error"]]
    bad = bad[bad["read_error"].map(unreadable_here.of).isna()]
    judged = [_judge(error) for error in bad["read_error"]]
    return findings(
        image_id=bad["image_id"],
        score=[score for score, _ in judged],
        suggested_action=["drop"] * len(bad),
        evidence=[evidence for _, evidence in judged],
    )


def _judge(error: str) -> tuple[float, str]:
    score, remedy = next((known for kind, known in _KINDS.items() if error.startswith(kind)), _OTHER)
    sentence = error[:1].upper() + error[1:].rstrip(".")
    return score, f"{sentence}; {remedy}."
