"""Keys: a hash of what a result was made from, so that it is made again only when that changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import xxhash

_COLUMNS = ("image_id", "sha256", "label", "group", "split", "split_group", "given_labels", "annotator")
#: Rows that are hashed together.
_PIECE = 1 << 18


def key(*parts: Any) -> str:
    """Hash of frames (images, their content, labels, groups and splits) and of values that JSON can hold."""
    digest = xxhash.xxh3_128()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            columns = [c for c in _COLUMNS if c in part.columns]
            digest.update(",".join(columns).encode())
            # Which images could be read: the same file may be readable now. Where all can be, keys stay as they were.
            if "read_error" in part.columns and part["read_error"].notna().any():
                columns.append("read_error")
            for start in range(0, len(part), _PIECE):  # for a hash makes a Python string of every text
                rows = part[columns].iloc[start : start + _PIECE]
                digest.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def code() -> list[tuple[str, int, int]]:
    """Our own source files, with size and modification time: results of other code are not reused."""
    home = Path(__file__).parents[2]
    files = sorted(p for room in home.iterdir() if room.is_dir() for p in home.glob(f"{room.name}/**/*.py"))
    return [(str(p.relative_to(home)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]


def weights() -> list[tuple[str, int]]:
    """Files in Keras's cache, which the choice of an embedder depends on."""
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
    return sorted((p.name, p.stat().st_size) for p in folder.glob("*")) if folder.is_dir() else []
