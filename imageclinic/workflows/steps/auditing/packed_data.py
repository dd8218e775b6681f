"""Packed data (archives, tables with images, arrays) → files in the run folder, and their listing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from imageclinic.audit.listing import image_listing
from imageclinic.audit.listing.packed import packed_listing, unpack
from imageclinic.audit.listing.packed.packed_source import InMemory, Reading, Source, recognise
from imageclinic.audit.listing.remote.dataset_name import dataset_name
from imageclinic.core.errors import InputError
from imageclinic.core.progress import Say, Stage
from imageclinic.core.run import Run, create
from imageclinic.core.stores.addresses import address_of, shown

__all__ = ["TAKEN", "InMemory", "Reading", "Source", "given", "listed", "name_of", "plain_path", "recognise"]

#: What an audit takes.
TAKEN = (
    "the path of a folder, an archive, a manifest or a table of images; an address such as s3://bucket/pets; "
    "a frame with the columns path and label; "
    "arrays (x, y) or (x, y, class_names); a Hugging Face Dataset; or a batched tf.data.Dataset"
)


def given(data: str | os.PathLike[str] | InMemory) -> Any:
    """What a user gave as the formats take it: a path; the address of an object store as text; data in memory."""
    address = address_of(data)
    if address is not None:
        return address
    return Path(data) if isinstance(data, str | os.PathLike) else data


def name_of(address: str) -> str:
    """The name of the dataset at an address."""
    return dataset_name(address, (".tar", ".tar.gz", ".tgz", ".zip", ".parquet", ".pq"))


def plain_path(data: str | os.PathLike[str]) -> Path:
    """A path as it was given; an address without what may be a credential, for messages."""
    address = address_of(data)
    return Path(data if address is None else shown(address))


def listed(
    source: Source, path: Path, layout: str | None, rehash: bool, stage: Stage, say: Say
) -> image_listing.Listing:
    """Unpack what has not been unpacked (`rehash`: everything again, and compare) into the run folder `path`, which is
    made, and list it.

    Raises:
        InputError: the run folder lies in the data or holds a run of something else; too little room; no images.
    """
    if source.place is not None and path.resolve().is_relative_to(source.place):
        raise InputError(
            f"the run folder {path} lies inside the dataset {source.place}",
            expected="a folder outside of it: imageclinic never writes to your data",
            fix="give another one with --out, or start from another folder",
        )
    run = create(path)
    with run.lock():
        _check_same(run, source)
        if (n := len(source.parts)) > 1:
            say(f"Unpacking {n:,} parts of {source.where} into {run.images}.")
        away = any(part.fetch is not None for part in source.parts)
        with stage(f"{'Fetching' if away else 'Unpacking'} images (MB)") as progress:
            parts = unpack.unpack(source, run.images, progress, again=rehash)
        listing = packed_listing.listing(source, parts, run.images / source.name, layout)
        packed_listing.write_manifest(listing, parts, run.images / "manifest.parquet")
    return listing


def _check_same(run: Run, source: Source) -> None:
    """Raises InputError when the run is of other data: unpacking would replace its images."""
    info: dict[str, Any] = run.info()
    elsewhere = "://" in source.where and info.get("source") != source.where
    if info and (info.get("packed") != source.name or elsewhere):
        raise InputError(
            f"{run.path} holds a run of {info.get('source') if info.get('packed') else info.get('root')}",
            expected=f"a run of {source.where}",
            fix="give another folder with --out",
        )
