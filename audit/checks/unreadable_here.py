"""Files that may well be sound, and can't be read here."""

from __future__ import annotations

import pandas as pd

from imageclinic.audit.issue_rows import findings

URGENCY = 75
ABOUT = ("images",)

#: What a read error begins with → score, what to do. All other read errors are `corrupted`'s.
KINDS = {
    "file is missing": (0.7, "restore it, or take it off the manifest"),
    "can't be read": (0.6, "fix its permissions, its link or the disk, and audit again"),
    "unsupported": (0.5, "nothing says that it is damaged; convert it to PNG or JPEG, and audit again"),
    "too large": (0.5, "scale it down, or raise the limit with --max-pixels (audit(max_pixels=…)), and audit again"),
    "not judged": (0.4, "audit again when memory and time are not short: it is tried again"),
}
#: Suggested actions that a policy takes: none. What can't be read here may be sound.
ACCEPTED: tuple[str, ...] = ()


def find(dataset: pd.DataFrame) -> pd.DataFrame:
    """Files that can't be read here though nothing says that they are damaged: of a format or a variant that the
    decoders here don't know, larger than the limit, not there, or not to be opened.

    Why it matters: such an image can't be judged, and an export leaves it out; where a whole class is of one
    such format, an export has to be asked to go without it.

    What to do: convert, scale down or restore these files and audit again; don't drop them as damaged. No policy drops
    them, whether it accepts `corrupted` or this check.

    The evidence begins with the kind:

    - `unsupported`: a format, or a variant of one, that has no decoder here: JPEG XL, DICOM, Photoshop, camera raw,
      TIFF with 2 or 13 bands, or with floats of 64 bits.
    - `too large`: more pixels than the limit, which guards against decompression bombs (`--max-pixels`); or more memory
      than there is, also when it was tried again alone. It is tried again in the next audit.
    - `not judged`: what ended its process came from outside, such as the system when memory is short; or it was given
      no processor. Nothing is known about the file, which is tried again in the next audit.
    - `file is missing`: listed, and not there when it was opened: a broken link, a manifest's mistake.
    - `can't be read`: the system refused: permissions, a link to itself, a path too long, a failing disk.

    Read are JPEG, MPO, PNG, GIF, TIFF (BigTIFF too), WebP, AVIF, HEIF (HEIC), JPEG 2000, BMP, ICO, PPM (PFM in grey
    too) and TGA. Score: 0.7 missing, 0.6 can't be read, 0.5 for files that another program
    may well read, 0.4 not judged.
    """
    bad = dataset.loc[dataset["read_error"].notna(), ["image_id", "read_error"]]
    kind = bad["read_error"].map(of)
    bad = bad[kind.notna()]
    kinds = kind.dropna()
    return findings(
        image_id=bad["image_id"],
        score=[KINDS[name][0] for name in kinds],
        suggested_action=["review"] * len(bad),
        evidence=[
            f"{error[:1].upper()}{error[1:].rstrip('.')}; {KINDS[name][1]}."
            for error, name in zip(bad["read_error"], kinds, strict=True)
        ],
    )


def of(error: str) -> str | None:
    """Which of `KINDS` a read error is of; None: the file is damaged."""
    return next((name for name in KINDS if error.startswith(name)), None)
