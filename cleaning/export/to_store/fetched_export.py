"""An export in an object store, fetched to this machine for as long as somebody reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from imageclinic.cleaning.export import output_folder
from imageclinic.cleaning.export.to_store.upload_export import UNFINISHED
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.ids import is_below
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.stores.store import RemoteFile, opened

_AT_ONCE = 16


@contextlib.contextmanager
def fetched(address: str, progress: Callable[[int, int], None] | None = None) -> Iterator[Path]:
    """A temporary folder with all objects at an address.

    Args:
        address: of an export.
        progress: called with (done, total) files.

    Raises:
        InputError: nothing is there; the export is not finished; too little room; no access, no answer.
    """
    store = opened(address)
    keys = {file.key for file in store.files}
    if UNFINISHED in keys and tables.MANIFEST.file not in keys:
        raise InputError(
            f"the export {store.where} is not finished: {UNFINISHED} is there, and {tables.MANIFEST.file} is not",
            fix="run the same imageclinic export again, which goes on with it",
        )
    if tables.MANIFEST.file not in keys:
        raise InputError(f"{store.where} is no export: it has no {tables.MANIFEST.file}")
    if wrong := next((key for key in keys if not is_below(key)), None):
        raise InputError(f"{store.where} names the path {wrong!r}", expected="a path inside of the export")
    with temporary_folder("imageclinic-fetched-") as folder:
        output_folder.check_space(sum(file.size for file in store.files), folder)

        def fetch(file: RemoteFile) -> None:
            to = folder / tables.to_path(file.key)
            to.parent.mkdir(parents=True, exist_ok=True)
            store.fetch(file, to, lambda size: None)

        with ThreadPoolExecutor(_AT_ONCE, "fetch") as pool:
            coming = [pool.submit(fetch, file) for file in store.files]
            try:
                for done, each in enumerate(as_completed(coming), 1):
                    each.result()
                    if progress:
                        progress(done, len(coming))
            finally:
                pool.shutdown(cancel_futures=True)
        yield folder
