"""An address of an object store (s3://, gs://, az://, hf://, …): shards of the local formats, or class folders."""

from __future__ import annotations

from functools import partial
from typing import Any

import xxhash

from imageclinic.audit.listing.folder_names import split_of
from imageclinic.audit.listing.packed.formats import image_parquet, tar_shards, zip_archive
from imageclinic.audit.listing.packed.member_kind import may_be_image, passed_over
from imageclinic.audit.listing.packed.packed_source import Part, Reading, Source
from imageclinic.audit.listing.packed.shard_files import split_in_name, stem
from imageclinic.audit.listing.remote import fetching
from imageclinic.audit.listing.remote.dataset_name import dataset_name
from imageclinic.core.errors import InputError
from imageclinic.core.stores import store
from imageclinic.core.stores.store import RemoteFile, Store

PLACE = 5
_SHARDS = (
    (tar_shards.SUFFIXES, True, "samples"),
    (zip_archive.SUFFIXES, True, "samples"),
    (image_parquet.SUFFIXES, False, "table"),
)


def recognise(data: Any, reading: Reading) -> Source | None:
    """The source at an address, which is listed here and fetched later. Addresses are texts, local places are paths.

    Raises:
        InputError: see `core.stores.store.opened`; or there are neither shards nor images.
    """
    if not isinstance(data, str):
        return None
    found = store.opened(data)
    plain = [file for file in found.files if passed_over(file.key) is None]
    if any(may_be_image(file.key) for file in plain):
        return _images(found, data)
    for suffixes, folders, layout in _SHARDS:
        if shards := [file for file in plain if file.key.lower().endswith(suffixes)]:
            parts = [_part(found, file, suffixes, reading) for file in shards]
            name = dataset_name(data, suffixes)
            return Source(name, found.where, parts, folders, layout=layout)
    raise InputError(
        f"{found.where} has {len(found.files):,} objects, and none is an image or a shard of images",
        expected="tar, zip or Parquet files, or class folders",
        fix="fetch a manifest or an annotation tool's export and its images to this machine, and audit them here",
    )


def _part(found: Store, file: RemoteFile, suffixes: tuple[str, ...], reading: Reading) -> Part:
    suffix = max((each for each in suffixes if file.key.lower().endswith(each)), key=len)
    folder, _, last = file.key.rpartition("/")
    split = split_in_name(last, suffixes) or (split_of(folder.rpartition("/")[2]) if folder else None)
    fetch = partial(fetching.shard_events, found, file, suffix, reading)
    key = f"{file.mark} {reading.columns}"
    return Part(stem(file.key, suffixes), key, fetch=fetch, needed=file.size, split=split, units=file.size)


def _images(found: Store, address: str) -> Source:
    content = xxhash.xxh128()
    for file in found.files:
        content.update(f"{file.key}\0{file.mark}\0".encode("utf-8", "surrogateescape"))
    size = sum(file.size for file in found.files if may_be_image(file.key))
    fetch = partial(fetching.image_events, found, found.files)
    part = Part("images", content.hexdigest(), fetch=fetch, needed=size, units=size)
    return Source(dataset_name(address, ()), found.where, [part], True, layout="samples")
