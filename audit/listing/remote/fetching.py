"""Objects of a store as events: a shard is fetched whole, and read as the local file that it then is; images are
fetched side by side, a bounded number ahead of what is written."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import xxhash

from imageclinic.audit.listing.packed import packed_source
from imageclinic.audit.listing.packed.member_kind import may_be_image, passed_over
from imageclinic.audit.listing.packed.packed_source import (
    LARGEST,
    Damaged,
    Event,
    Gone,
    Other,
    Picture,
    Reading,
    Trouble,
)
from imageclinic.core.atomic import replacing
from imageclinic.core.errors import InputError
from imageclinic.core.stores.store import RemoteFile, Store
from imageclinic.core.stores.store_errors import Missing, NoAccess

#: Images that are fetched at once, and the most that wait to be written.
AT_ONCE = 16
_AHEAD, _AHEAD_BYTES = 64, 1 << 28
_JOURNAL = "fetched.jsonl"


def shard_events(
    store: Store, file: RemoteFile, suffix: str, reading: Reading, scratch: Path, got: Callable[[int], None]
) -> Iterator[Event]:
    """Fetch a shard into `scratch`, where it lies until it was read, and yield what is in it.

    Raises:
        InputError: the store does not answer; it is of another task; it is the only one, and can't be read.
    """
    local = (
        scratch / f"{xxhash.xxh128_hexdigest(f'{file.path} {file.mark}'.encode('utf-8', 'surrogateescape'))}{suffix}"
    )
    where = store.where if store.single else f"{store.where.rstrip('/')}/{file.key}"
    if local.is_file() and local.stat().st_size == file.size:
        got(file.size)
    else:
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            with replacing(local, sync=False) as temporary, _one_object():
                store.fetch(file, temporary, got)
        except Damaged as error:
            if store.single:
                raise InputError(f"{where}: {error}", fix="look at it, and audit again") from error
            yield Trouble("", f"can't be read: {error}")
            return
        if (size := local.stat().st_size) != file.size:
            local.unlink()
            yield Trouble("", f"can't be read: {size:,} of {file.size:,} bytes came; it may have changed meanwhile")
            return
    source = None
    try:
        source = packed_source.recognise(local, reading)
    except InputError as error:
        if store.single or "readable" not in error.problem:
            raise _named(error, local, where) from error
        yield Trouble("", "damaged or cut off: it can't be opened")
    if source is not None:
        try:
            yield from source.parts[0].events()
        except InputError as error:
            raise _named(error, local, where) from error
    elif suffix in (".parquet", ".pq"):
        yield Trouble("", "damaged, or without a column of images")
    shutil.rmtree(scratch)


def _named(error: InputError, local: Path, where: str) -> InputError:
    """The error about a file, about the object that it came from."""
    places = (str(local.resolve()), str(local), local.name)

    def about(text: str) -> str:
        for place in places:
            text = text.replace(place, where)
        return text

    return InputError(about(error.problem), expected=about(error.expected), fix=about(error.fix))


@contextlib.contextmanager
def _one_object() -> Iterator[None]:
    """What concerns one object only, as the reason that users see; what concerns all stays as it is."""
    try:
        yield
    except Missing as error:
        raise Gone("it vanished between listing and fetching") from error
    except NoAccess as error:
        raise Damaged(f"can't be read: {error.problem}") from error


@dataclass
class _Fetched:
    """An image that is on its way. `done`: its bytes were given, and are what was listed."""

    file: RemoteFile
    store: Store
    coming: Future[bytes] | None = None
    done: bool = False

    def read(self) -> bytes:
        with _one_object():
            data = self.store.read(self.file) if self.coming is None else self.coming.result()
        self.done = len(data) == self.file.size
        return data


def image_events(
    store: Store, files: Sequence[RemoteFile], scratch: Path, got: Callable[[int], None]
) -> Iterator[Event]:
    """Yield a picture for each image; those of an earlier audit that have not changed are not fetched.

    What was fetched is in a journal in `scratch`: key and mark, written when the image is.

    Raises:
        InputError: the store does not answer.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    journal = scratch / _JOURNAL
    before = _read_journal(journal)
    pool = ThreadPoolExecutor(AT_ONCE, "fetch")
    try:
        with journal.open("a", buffering=1, encoding="ascii") as log:
            ahead: deque[tuple[Event, _Fetched | None]] = deque()
            waiting = 0
            for file in files:
                event, fetched = _event(store, file, before.get(file.key), pool)
                ahead.append((event, fetched))
                waiting += file.size if fetched is not None and fetched.coming is not None else 0
                while len(ahead) > _AHEAD or waiting > _AHEAD_BYTES:
                    waiting -= _waits(ahead[0][1])
                    yield from _written(*ahead.popleft(), log.write, got)
            while ahead:
                yield from _written(*ahead.popleft(), log.write, got)
    finally:
        pool.shutdown(cancel_futures=True)


def _waits(fetched: _Fetched | None) -> int:
    return fetched.file.size if fetched is not None and fetched.coming is not None else 0


def _event(store: Store, file: RemoteFile, mark: str | None, pool: ThreadPoolExecutor) -> tuple[Event, _Fetched | None]:
    hidden = passed_over(file.key)
    if hidden is not None:
        return hidden, None
    if not may_be_image(file.key):
        return Other(file.key), None
    if file.size > LARGEST:
        return Trouble(file.key, f"too large: {file.size:,} bytes, the limit is {LARGEST:,}"), None
    same = mark == file.mark
    fetched = _Fetched(file, store)
    if not same:
        fetched.coming = pool.submit(store.read, file)
    return Picture(file.key, fetched.read, file.size, same=same), fetched


def _written(
    event: Event, fetched: _Fetched | None, log: Callable[[str], object], got: Callable[[int], None]
) -> Iterator[Event]:
    yield event
    if fetched is None:
        return
    if fetched.done:
        log(json.dumps([fetched.file.key, fetched.file.mark]) + "\n")
    got(fetched.file.size)
    fetched.coming = None


def _read_journal(journal: Path) -> dict[str, str]:
    """Key → mark of what was fetched; a line that a killed process cut off counts for nothing."""
    found = {}
    if journal.is_file():
        for line in journal.read_text("ascii", "replace").splitlines():
            try:
                key, mark = json.loads(line)
            except ValueError:
                continue
            found[key] = mark
    return found
