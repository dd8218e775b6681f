"""All pairs of 64-bit hashes within a Hamming distance: exact, without comparing all with all.

Pigeonhole over chunks (multi-index hashing; Norouzi, Punjani & Fleet, 2012): cut the 64 bits into chunks and give
each a radius, so that the radii plus one add up to the search radius plus one. Two hashes within the search radius
are then within its radius in at least one chunk. Per chunk, the hashes are sorted by the chunk's value, a table says
where each value begins, and every value is looked up under all XOR masks of up to that many bits. What is found is
compared in full. A pair that an earlier chunk finds too is left to that one, so nothing has to be deduplicated.

How many chunks are best depends on the number of hashes and on how they are spread: `plan` estimates what each
choice costs from a sample of pairs. One chunk without bits compares all with all, and is best for small sets.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.intp]
Bytes = npt.NDArray[np.uint8]
#: Takes pairs as they are found (positions in left and right, distances), in any order; False ends the search.
Sink = Callable[[Ints, Ints, Bytes], bool]
Progress = Callable[[int, int], None]
#: `search`, or what does the same elsewhere: left, right, radius, sink, and ``progress`` by name.
Search = Callable[..., bool]

BITS = 64
#: Lookups and comparisons done by one array operation: enough to make up for the call, but few enough for the cache,
#: and for the allocator to use its memory again (four times as many are four times as slow: every page is new).
_TILE, _COMPARED = 1 << 15, 1 << 16
#: Widest table of chunk values: 2^24 numbers of 4 bytes.
_MAX_WIDTH = 24
#: Nanoseconds per lookup, per lookup that finds something, per comparison, per hash sorted and per entry of the
#: table, measured on one core. Only their ratios matter.
_LOOKUP, _HIT, _COMPARE, _SORT, _ENTRY = 4.0, 18.0, 2.4, 60.0, 8.0
#: Pairs that `plan` looks at: so many, and no more than one of so many, or planning would take longer than the search.
_SAMPLE, _ONE_OF = 1 << 18, 64
#: Numpy holds Python's lock between its operations: more threads than this bring nothing.
THREADS = 2


@dataclass(frozen=True)
class Chunk:
    """`width` bits from bit `shift` on, searched within `radius` bits."""

    shift: int
    width: int
    radius: int

    @property
    def masks(self) -> Ints:
        """All values of up to `radius` bits, ascending."""
        values = np.arange(1 << self.width, dtype=np.intp)
        return values[np.bitwise_count(values) <= self.radius]

    @property
    def n_masks(self) -> int:
        """How many masks there are."""
        return sum(comb(self.width, bits) for bits in range(self.radius + 1))

    def values(self, hashes: Hashes) -> Hashes:
        """The chunk's value in each hash, uint64."""
        return (hashes >> np.uint64(self.shift)) & np.uint64((1 << self.width) - 1)


@dataclass(frozen=True)
class Plan:
    """Chunks to search, and the estimated `seconds` on one core."""

    chunks: tuple[Chunk, ...]
    seconds: float


def plan(left: Hashes, right: Hashes | None, radius: int) -> Plan:
    """The cheapest choice of chunks for `search` with the same arguments."""
    other = left if right is None else right
    n, m = len(left), len(other)
    if not n or not m:
        return Plan((), 0.0)
    pairs = n * (n - 1) / 2 if right is None else float(n * m)
    lookups = n / 2 if right is None else float(n)
    rng = np.random.default_rng(0)
    size = min(_SAMPLE, max(1, int(pairs) // _ONE_OF))
    differing = left[rng.integers(0, n, size)] ^ other[rng.integers(0, m, size)]
    plans = []
    for chunks in _choices(radius):
        cost = 0.0
        for chunk in chunks:
            near = float((np.bitwise_count(chunk.values(differing)) <= chunk.radius).mean())
            # What the sample did not show happens at least as often as among random hashes.
            near = max(near, chunk.n_masks / 2.0**chunk.width)
            asked, compared = lookups * chunk.n_masks, pairs * near
            hits = asked * -np.expm1(-compared / asked)
            cost += asked * _LOOKUP + hits * _HIT + compared * _COMPARE + (n + m) * _SORT + 2**chunk.width * _ENTRY
        plans.append(Plan(chunks, cost * 1e-9))
    return min(plans, key=lambda p: p.seconds)


def _choices(radius: int) -> Iterator[tuple[Chunk, ...]]:
    yield (Chunk(0, 0, 0),)
    for k in range(1, min(radius + 1, BITS // 2) + 1):
        shared, spare = divmod(radius + 1 - k, k)
        widths = [BITS // k + (at < BITS % k) for at in range(k)]
        shifts = itertools.accumulate([0, *widths[:-1]])
        chunks = tuple(
            Chunk(shift, min(width, _MAX_WIDTH), shared + (at < spare))
            for at, (shift, width) in enumerate(zip(shifts, widths, strict=True))
        )
        if all(c.radius < c.width and c.n_masks < 1 << 16 for c in chunks):
            yield chunks


def search(
    left: Hashes,
    right: Hashes | None,
    radius: int,
    sink: Sink,
    *,
    chosen: Plan | None = None,
    progress: Progress | None = None,
) -> bool:
    """Find all pairs within `radius` bits.

    Args:
        left: uint64 (n,).
        right: uint64 (m,), or None for pairs within `left`, each once, in either order.
        radius: bits, 0 to 64.
        sink: called with positions p in left, q in right and the distance, for every pair once; never by two
            threads at once. The order of the pairs is not defined.
        chosen: what `plan` says, if it has been asked.
        progress: called with (hundredths done, 100).

    Returns:
        Whether the search was completed: False when `sink` ended it.
    """
    chunks = (chosen or plan(left, right, radius)).chunks
    total = sum(c.n_masks for c in chunks)
    lock, ended = threading.Lock(), threading.Event()

    def deliver(p: Ints, q: Ints, distance: Bytes) -> None:
        with lock:
            if not ended.is_set() and not sink(p, q, distance):
                ended.set()

    done = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for at, chunk in enumerate(chunks):
            table = _Table(left if right is None else right, chunk)
            query = table if right is None else _Table(left, chunk, starts=False)
            job = _Job(query, table, radius, chunks[:at], right is None, deliver, ended)
            for rows, masks in _groups(query, chunk, right is None):
                tasks = list(_tasks(rows, masks))
                for part, _ in enumerate(pool.map(lambda task: job.run(*task), tasks), start=1):  # noqa: B023
                    if progress:
                        progress(int(100 * (done + len(masks) * part / len(tasks)) / total), 100)
                done += len(masks)
            if ended.is_set():
                return False
    return True


class _Table:
    """Hashes in the order of a chunk's values, where they were, and where each value begins."""

    def __init__(self, hashes: Hashes, chunk: Chunk, *, starts: bool = True) -> None:
        values = chunk.values(hashes).astype(np.uint32)
        order = np.argsort(values)
        self.values, self.hashes = values[order], hashes[order]
        self.order = order.astype(np.int32 if len(order) < 1 << 31 else np.intp)  # half the memory
        if starts:
            count = np.bincount(self.values, minlength=1 << chunk.width)
            self.starts = (np.cumsum(count) - count).astype(np.int32)
            # Most lookups find nothing: the fewer bytes they touch, the better.
            self.counts = count.astype(np.min_scalar_type(count.max(initial=0)))


def _groups(query: _Table, chunk: Chunk, within: bool) -> Iterator[tuple[Ints, Ints]]:
    """Rows of `query`, and the masks to look them up with.

    Within one set, each pair has to be seen from one side only: from the value that lacks the mask's highest bit.
    """
    masks = chunk.masks
    if not within:
        yield np.arange(len(query.values)), masks
        return
    yield np.arange(len(query.values)), masks[:1]
    for bit in range(chunk.width):
        group = masks[(masks >> bit) == 1]
        if len(group):
            yield np.flatnonzero((query.values >> bit) & 1 == 0), group


def _tasks(rows: Ints, masks: Ints) -> Iterator[tuple[Ints, Ints]]:
    """As many lookups as make a task worth its while."""
    for start in range(0, len(rows), _TILE):
        block = rows[start : start + _TILE]
        step = max(1, 32 * _TILE // len(block))
        for first in range(0, len(masks), step):
            yield block, masks[first : first + step]


@dataclass(frozen=True)
class _Job:
    query: _Table
    table: _Table
    radius: int
    earlier: tuple[Chunk, ...]
    within: bool
    deliver: Callable[[Ints, Ints, Bytes], None]
    ended: threading.Event

    def run(self, rows: Ints, masks: Ints) -> None:
        """Look up the values at `rows` under all `masks`, and compare what is found."""
        values = self.query.values.take(rows).astype(np.intp)
        step = max(1, _TILE // len(rows))
        for at in range(0, len(masks), step):
            if self.ended.is_set():
                return
            some = masks[at : at + step]
            keys = (values ^ some[:, None]).ravel()
            count = self.table.counts.take(keys)
            hit = np.flatnonzero(count)
            own = rows.take(hit % len(rows) if len(some) > 1 else hit)
            first = self.table.starts.take(keys.take(hit)).astype(np.intp)
            last = first + count.take(hit)
            if self.within and not some[0]:  # the row's own bucket: only what comes after the row
                first = own + 1
            self.compare(own, first, last - first)

    def compare(self, rows: Ints, first: Ints, count: Ints) -> None:
        """Compare each of `rows` with the `count` hashes of the table from `first` on."""
        ends = np.cumsum(count)
        if not len(ends) or not ends[-1]:
            return
        if ends[-1] > _COMPARED and len(rows) > 1:
            cut = max(1, int(np.searchsorted(ends, ends[-1] // 2)))
            self.compare(rows[:cut], first[:cut], count[:cut])
            self.compare(rows[cut:], first[cut:], count[cut:])
            return
        found = np.repeat(first - (ends - count), count)
        found += np.arange(ends[-1])
        differing = np.repeat(self.query.hashes.take(rows), count)
        differing ^= self.table.hashes.take(found)
        distance = np.bitwise_count(differing)
        close = np.flatnonzero(distance <= self.radius)
        for chunk in self.earlier:
            if not len(close):
                return
            close = close[np.bitwise_count(chunk.values(differing[close])) > chunk.radius]
        if len(close):
            p = rows.take(np.searchsorted(ends, close, side="right"))
            left, right = self.query.order.take(p), self.table.order.take(found.take(close))
            self.deliver(left.astype(np.intp), right.astype(np.intp), distance.take(close))
