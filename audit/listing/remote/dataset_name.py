"""What a dataset at an address is called."""

from __future__ import annotations

from imageclinic.audit.listing.packed.shard_files import stem
from imageclinic.core.stores.addresses import shown
from imageclinic.core.tables import to_image_id


def dataset_name(address: str, suffixes: tuple[str, ...]) -> str:
    """The name of the dataset at an address, fit for a folder's name: the last part of its path."""
    last = shown(address).rstrip("/").rpartition("/")[2]
    name = to_image_id(stem(last, suffixes)).replace("\\", "_").replace("\0", "_")
    return name if name not in ("", ".", "..") else "dataset"
