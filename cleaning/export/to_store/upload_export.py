"""An export in an object store: each file is made on this machine, proven, uploaded and removed, some at once.

A store can't rename. So the first object is a mark that the export is not finished, export.json and manifest.csv are
the last, and the mark goes when they are there. The same command goes on with an unfinished export of the same plan.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imageclinic.cleaning.export import export_facts, formats
from imageclinic.cleaning.export.export_format import ExportFile, ExportFormat
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.packed import packed_format
from imageclinic.cleaning.export.proof.copies_in_export import pairs_among
from imageclinic.cleaning.export.proof.outcome import Proof
from imageclinic.cleaning.export.proof.prove_export import Contents, promises
from imageclinic.cleaning.export.to_store import upload_journal
from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.large import text_rows
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.reading.hashing import text_digest
from imageclinic.core.run import Run
from imageclinic.core.stores.addresses import address_of, shown
from imageclinic.core.stores.store import RemoteFile, Store, connected

#: Is there as long as an export is not finished.
UNFINISHED = "imageclinic-unfinished.json"
#: Files that are made and uploaded at once: shards are large.
_AT_ONCE, _SHARDS_AT_ONCE = 16, 2
#: The last ones.
_LAST = (export_facts.FILE, tables.MANIFEST.file)


@dataclass(frozen=True)
class Upload:
    """What is written: images as the format has them, and the files of `folder`, the tables and texts of an export."""

    format: ExportFormat
    manifest: pd.DataFrame
    sources: Sequence[Path]
    about: Mapping[str, Any]
    folder: Path


def check(address: str, run: Run, options: ExportOptions) -> str:
    """The address, fit to be shown.

    Raises:
        InputError: it overlaps with the dataset; links, or paths to images on this machine.
    """
    where = shown(address).rstrip("/")
    source = address_of(str(run.info().get("source", "")))
    if source is not None:
        data = shown(source).rstrip("/")
        if f"{where}/".startswith(f"{data}/") or f"{data}/".startswith(f"{where}/"):
            raise InputError(
                f"the export {where} and the dataset {data} overlap",
                expected="an address outside the dataset",
                fix="give another OUT; nothing was written",
            )
    if options.link != "copy":
        raise InputError(f"--link {options.link} with {where}", expected="copy: a store has no links")
    if not formats.load(options.format).holds_images:
        raise InputError(
            f"--format {options.format} with {where}: its paths lead to images on this machine",
            expected="a format that holds images, such as webdataset, parquet or folders",
        )
    return where


def look(address: str, run: Run, options: ExportOptions) -> None:
    """Raises InputError, before any work, for what `check` and `write` would refuse as far as a listing shows it."""
    check(address, run, options)
    _unfinished(connected(address).listed())


def write(store: Store, run: Run, upload: Upload, progress: Callable[[int, int], None]) -> list[Proof]:
    """Write an export, or what is missing of it.

    Returns:
        Its proofs: contents were compared before each upload, names and sizes by a listing after all of them, and
        copies were searched among the sources, whose contents are those of the export.

    Raises:
        InputError: another export or anything else is there; no such bucket, no access, no answer; a source is gone or
            changed.
        Failed: what was written does not hold what it promises; the mark of the unfinished export stays.
    """
    files = upload.format.files(upload.manifest, upload.sources)
    plan = upload_journal.plan_of(upload.folder, packed_format.SHARD)
    store = store.listed()
    with temporary_folder("imageclinic-upload-") as scratch:
        _begin(store, plan, scratch)
        with upload_journal.opened(run, plan, store.where) as (before, log):
            sizes = _upload(store, files, before, log, upload, scratch, progress)
            for path in sorted(upload.folder.rglob("*")):
                name = path.relative_to(upload.folder).as_posix()
                if path.is_file() and name not in _LAST:
                    store.put(path, name)
            proofs = _proofs(store.listed(), sizes, upload, progress)
            if broken := [f"{proof.name}: {proof.detail}" for proof in proofs if not proof.ok]:
                raise Failed(
                    f"what was written does not hold what it promises ({'; '.join(broken)}). {store.where} is not "
                    f"finished: {UNFINISHED} is there, and {tables.MANIFEST.file} is not. Delete it, and export again"
                )
            for name in _LAST:
                store.put(upload.folder / name, name)
            store.remove(UNFINISHED)
    return proofs


def _unfinished(store: Store) -> RemoteFile | None:
    """The mark of an unfinished export. Raises InputError where there is none, and anything else is."""
    mark = next((file for file in store.files if file.key == UNFINISHED), None)
    if mark is None and store.files:
        raise InputError(
            f"the export {store.where} is there already: {len(store.files):,} objects",
            expected="an address at which nothing is",
            fix="give another OUT, or delete what is there",
        )
    return mark


def _begin(store: Store, plan: str, scratch: Path) -> None:
    """Leave the mark; or find that of a killed export of the same plan."""
    mark = _unfinished(store)
    if mark is not None:
        try:
            found = json.loads(store.read(mark))["plan"]
        except (ValueError, KeyError, TypeError):
            found = None
        if found != plan:
            raise InputError(
                f"an export to {store.where} was begun that is another one: other images, splits or options",
                fix="give another OUT, or delete what is there",
            )
        return
    local = scratch / UNFINISHED
    local.write_text(
        json.dumps({"plan": plan, "about": "imageclinic export was begun here. The same command goes on with it."}),
        "utf-8",
    )
    store.put(local, UNFINISHED)


def _upload(
    store: Store,
    files: Iterator[ExportFile],
    before: Mapping[str, int],
    log: Callable[[str, int], None],
    upload: Upload,
    scratch: Path,
    progress: Callable[[int, int], None],
) -> dict[str, tuple[int, pd.Index]]:
    """Upload what is missing. Path → bytes, and the manifest's rows that are in it, of all files that hold images."""
    there = {file.key: file.size for file in store.files}
    sizes: dict[str, tuple[int, pd.Index]] = {}
    done = 0
    at_once = _SHARDS_AT_ONCE if upload.format.packed else _AT_ONCE
    under_way: deque[tuple[ExportFile, Future[int] | int]] = deque()

    def finish() -> None:
        nonlocal done
        file, size = under_way.popleft()
        if isinstance(size, Future):
            size = size.result()
            log(file.path, size)
        sizes[file.path] = size, file.rows.index
        done += len(file.rows)
        progress(done, len(upload.manifest))

    pool = ThreadPoolExecutor(at_once, "upload")
    try:
        for file in files:
            size = before.get(file.path)
            if size is not None and there.get(file.path) == size:
                under_way.append((file, size))
            else:
                under_way.append((file, pool.submit(_one, store, file, upload, scratch)))
            while len(under_way) >= 2 * at_once:
                finish()
        while under_way:
            finish()
    finally:
        pool.shutdown(cancel_futures=True)
    return sizes


def _one(store: Store, file: ExportFile, upload: Upload, scratch: Path) -> int:
    """Make, prove and upload a file; its bytes."""
    local = scratch / text_digest(file.path)
    try:
        file.write(local, lambda: None)
        if wrong := upload.format.unlike(local, file.rows, upload.about["classes"]):
            raise Failed(f"the record of {wrong} in {file.path} does not hold what it promises. Export again")
        store.put(local, file.path)
        return local.stat().st_size
    finally:
        local.unlink(missing_ok=True)


def _proofs(
    store: Store,
    sizes: Mapping[str, tuple[int, pd.Index]],
    upload: Upload,
    progress: Callable[[int, int], None],
) -> list[Proof]:
    there = {file.key: file.size for file in store.files if file.key != UNFINISHED}
    manifest = upload.manifest
    hashes = pd.Series(None, manifest.index, dtype="str")
    if there_whole := [rows for path, (size, rows) in sizes.items() if there.get(path) == size]:
        rows = np.concatenate(there_whole)
        hashes[rows] = manifest.loc[rows, "sha256"]
    files = dict(zip(manifest["path"], upload.sources, strict=True))

    def text(name: str) -> str | None:
        local = upload.folder / name
        content = local.read_bytes() if local.is_file() else b""
        return content.decode("utf-8") if there.get(name) == len(content) else None

    holders = list(sizes) if upload.format.packed else None
    found = Contents(text_rows.column(there), holders, hashes, text, pairs_among(files, progress))
    proofs = promises(manifest, upload.about, upload.format, found)
    if upload.format.packed:
        proofs.append(Proof("records", True, f"{len(manifest)} records fit the manifest"))
    return proofs
