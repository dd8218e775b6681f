"""One class for each image, or the sentence that says which other task an export is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imageclinic.audit.listing.packed.sample_labels import another_task
from imageclinic.core.naming.wording import few, shown


def one_of(where: str, labels: Mapping[str, Sequence[str]], shapes: int, what: str = "boxes or shapes") -> list[str]:
    """Check that images have one label at most; notes about what is left out.

    Args:
        where: what messages call the export.
        labels: image → the labels that one person gave the whole image.
        shapes: how many labels of parts of images there are.
        what: what these are.

    Raises:
        InputError: several labels for one image, or labels of parts of images alone.
    """
    several = {name: found for name, found in labels.items() if len(set(found)) > 1}
    if several:
        many = f"{len(several):,} of {len(labels):,} images"
        examples = few([f"{shown(name)}: {', '.join(map(shown, found[:5]))}" for name, found in several.items()], 2)
        raise another_task(where, f"several labels for one image ({many}; {examples})")
    if shapes and not any(labels.values()):
        raise another_task(where, f"{shapes:,} {what}, and no label of a whole image")
    return [f"{shapes:,} {what} are left out: the labels of whole images are audited"] if shapes else []
