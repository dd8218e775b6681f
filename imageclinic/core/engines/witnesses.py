"""Files that tell whether a worker sees the run folder and the dataset. Else every image would pass for missing."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from imageclinic.core.engines.engine import Engine

#: Images of which one should be there.
_LOOKED_AT = 1000


@contextlib.contextmanager
def witnesses(engine: Engine, folder: Path, images: Iterable[Path]) -> Iterator[list[Path]]:
    """A new file in `folder`, for as long as the context lasts, and the first of `images` that is there; none of both
    where no worker is on another machine."""
    if not engine.distributed:
        yield []
        return
    witness = folder / f".witness-{secrets.token_hex(8)}"
    first = next((image for image in itertools.islice(images, _LOOKED_AT) if image.exists()), None)
    try:
        witness.touch()
        yield [witness] if first is None else [witness, first]
    finally:
        witness.unlink(missing_ok=True)
