"""Columns of text that is longer, all together, than the 2 GiB that one Arrow array of strings holds: 33.5 million
hashes of 64 digits are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

#: Bytes of text in one array.
MOST = 1 << 30


def narrow(values: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Text with 32-bit offsets, in pieces of at most `MOST` bytes or one value, from text with 64-bit ones
    (large_string); other text stays as it is."""
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    pieces = [piece for chunk in chunks for piece in _pieces(chunk)]
    return pa.chunked_array(pieces, pa.string())


def _pieces(values: pa.Array) -> list[pa.Array]:
    if not pa.types.is_large_string(values.type) or not len(values):
        return [values.cast(pa.string())]  # pandas gives what it holds
    ends = np.frombuffer(values.buffers()[1], np.int64, len(values) + 1, 8 * values.offset)
    if ends[-1] <= MOST:
        return [values.cast(pa.string())]
    pieces, start = [], 0
    while start < len(values):
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + MOST, side="right")) - 1)
        # A copy, for the offsets of a slice are those of the whole.
        pieces.append(values.take(pa.array(np.arange(start, stop))).cast(pa.string()))
        start = stop
    return pieces
