"""Files that no decoder can read whole."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings

URGENCY = 70
ABOUT = ("images",)
#: A policy drops these findings only: where a person should look first, the cause may be the machine or a setting.
ACCEPTED = ("drop",)

#: What a read error begins with → how sure it is that nobody can use the file, and what to do.
_KINDS = {
    "empty file": (1.0, "drop", "fetch it again, or drop it"),
    "not an image": (1.0, "drop", "fetch it again, or drop it"),
    "header only": (1.0, "drop", "fetch it again, or drop it"),
    "truncated": (0.95, "drop", "fetch it again, or drop it"),
    "damaged stream": (0.9, "drop", "fetch it again, or drop it"),
    "crashes the decoder": (0.85, "drop", "keep it away from other decoders"),
    "hangs the decoder": (0.85, "drop", "keep it away from other decoders"),
    "not judged": (0.5, "review", "audit again when memory and time are not short: it is tried again"),
    "file is missing": (0.7, "review", "restore it, or take it off the manifest"),
    "can't be read": (0.6, "review", "mend its permissions, its link or the disk, and audit again"),
    "unsupported": (0.5, "review", "convert it to PNG or JPEG"),
    "too large": (0.5, "review", "scale it down, or raise the limit"),
}
_OTHER = (0.9, "drop", "fetch it again, or drop it")


def find(dataset: pd.DataFrame) -> pd.DataFrame:
    """Images that can't be decoded, by kind: from an empty file to a stream that crashes the decoder.

    Why it matters: one such file stops a training run in the middle of an epoch, or is filled up with grey and
    learnt. Most single changed bits decode without complaint: no decoder sees those, and neither does this check.

    What to do: fetch the file again from its source, or drop it. Unreadable images are never exported.

    The evidence begins with the kind:

    - `empty file`: no bytes.
    - `not an image`: no image format's signature: zeros, a web page, text.
    - `header only`: an image's first bytes and nothing of the picture.
    - `truncated`: the end is missing, a failed download or copy. Many decoders fill up with grey.
    - `damaged stream`: the bytes in the middle make no sense.
    - `crashes the decoder`, `hangs the decoder`: its process died, or computed and gave no answer, in three tries, two
      of them alone.
    - `not judged`: what ended its process came from outside, such as the system when memory is short; or it was given
      no processor. Nothing is known about the file, which is tried again in the next audit.
    - `file is missing`: listed, and not there when it was opened: a broken link, a manifest's mistake.
    - `can't be read`: the system refused: permissions, a link to itself, a path too long, a failing disk.
    - `unsupported`: a format, or a variant of one, that the decoders here don't know.
    - `too large`: more pixels than the limit, which guards against decompression bombs; or more memory than there is,
      also when it was tried again alone.

    Source: libjpeg-turbo in strict mode for JPEG, Pillow for the rest. Score: 1 when nothing of the picture is there,
    0.95 truncated, 0.9 damaged, 0.85 crashes or hangs, 0.7 missing, 0.6 can't be read, 0.5 for files that another
    program, or another audit, may well read. Where it suggests review, from 0.7 down, a person should look at the cause
    first, and a policy that accepts this check drops nothing. What is not the file's own damage (from `crashes the
    decoder` on, and `too large`) is tried again in the next audit.
    """
    bad = dataset.loc[dataset["read_error"].notna(), ["image_id", "read_error"]]
    judged = [_judge(error) for error in bad["read_error"]]
    return findings(
        image_id=bad["image_id"],
        score=[score for score, _, _ in judged],
        suggested_action=[action for _, action, _ in judged],
        evidence=[evidence for _, _, evidence in judged],
    )


def _judge(error: str) -> tuple[float, str, str]:
    score, action, remedy = next((known for kind, known in _KINDS.items() if error.startswith(kind)), _OTHER)
    said = error[:1].upper() + error[1:].rstrip(".")
    return score, action, f"{said}; {remedy}."
