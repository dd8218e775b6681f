"""The rows that a CSV file begins with in which nothing is quoted or escaped, read at once: a policy's, mostly.

Python's `csv`, which reads the others one by one, takes 10 µs a row: seconds of an opening where a policy decided
about hundreds of thousands of images. What it would say of these rows in another way is left to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.csv

#: Behind the first of these the rows are left to `csv`: quotes, escapes, other ends of lines, lines without a row, byte
#: order marks, which Arrow drops.
_OTHERS = (b'"', b"'", b"\r", b"\0", b"\n\n", b"\xef\xbb\xbf")
#: Bytes from which on it pays.
_MANY = 1 << 16
#: `csv` refuses longer cells; Arrow refuses rows that are longer than a block.
_LONGEST = 1 << 17


def read(data: bytes, header: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Read the plain rows that some lines of a CSV file begin with.

    Args:
        data: lines of a file, with its header as the first one, or those behind a header.
        header: that header; empty: it is in `data`.

    Returns:
        The rows, all cells as text (empty: null), and how many bytes they take, the header with them; no rows, columns
        and bytes where there are not many, or one of them does not fit.
    """
    ends = [at for at in (data.find(other) for other in _OTHERS) if at >= 0]
    end = data.rfind(b"\n", 0, min(ends, default=len(data))) + 1
    start = 0 if header else data.find(b"\n") + 1
    if end - start < _MANY or data.startswith(b"\n"):
        return pd.DataFrame(), 0
    try:
        names = list(header) or data[: start - 1].decode().split(",")
        if len(names) < 2 or len(set(names)) < len(names):
            return pd.DataFrame(), 0
        table = pyarrow.csv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(start, end - start)),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=_LONGEST, column_names=names),
            pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return pd.DataFrame(), 0
    return table.combine_chunks().to_pandas().astype("str"), end
