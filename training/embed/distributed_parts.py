"""Embedding on an engine with other machines: each worker holds the network and writes parts of the vectors.

It loads no network itself: a worker does that when it starts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.witnesses import witnesses
from imageclinic.core.errors import InputError
from imageclinic.core.reading import caches

#: A file to write vectors to, and the images whose vectors it gets.
Part = tuple[Path, list[Path]]


class PartWorker:
    """See `core.engines.engine.Worker`; its items are parts, its results the numbers of their images."""

    def __init__(self, model: str, layer: str | None, looked_at: list[Path], version: str, sharing: int) -> None:
        """`looked_at`: images by which the network's input size is chosen. `version`: of the embedder that is wanted;
        InputError for another one. `sharing` is 1: a worker has its machine for itself.
        """
        from imageclinic.training.embed import embed_images, stream_images

        embedder = embed_images.choose(model, layer=layer)
        if embedder.version != version:
            raise InputError(
                f"a worker embeds with {embedder.name} ({embedder.version})",
                expected=f"as here, {version}",
                fix="audit on a machine like the workers, with the same packages and the same kind of device",
            )
        ready = embedder.prepare(looked_at, 0, lambda done, total: None)
        self._vectors = stream_images.in_batches(ready, embedder.name)
        self._done = 0

    def do(self, part: Part) -> int:
        """Write the vectors of a part's images.

        Raises:
            InputError: an image can't be decoded.
            CanNotWrite: the file can't be written.
        """
        file, paths = part
        caches.write_array(file, self._vectors(paths, self._report))
        return len(paths)

    def watch(self) -> int:
        """How many images of the part are done."""
        return self._done

    def end(self) -> None:
        """A network can't be stopped; it ends with its process."""

    def _report(self, done: int) -> None:
        self._done = done


def embed_parts(
    engine: Engine,
    parts: Sequence[Part],
    *,
    model: str,
    layer: str | None,
    looked_at: list[Path],
    version: str,
    report: Callable[[int], None],
) -> None:
    """Have the vectors of parts written by the workers of an engine, one on each machine or GPU.

    Args:
        engine: where they are.
        parts: what to embed.
        model, layer: see `training.embed.embed_images`; not one that learns from the images.
        looked_at: images by which the network's input size is chosen.
        version: of the embedder that the workers must have.
        report: called with the number of images done.

    Raises:
        InputError: an image can't be decoded; a worker has another embedder.
        Failed: workers are lost over and over.
    """
    if not parts:
        return
    start = functools.partial(PartWorker, model, layer, looked_at, version)
    done = 0
    folder = parts[0][0].parent
    folder.mkdir(parents=True, exist_ok=True)
    with witnesses(engine, folder, parts[0][1][:1]) as visible:
        for count in engine.map(start, parts, workers=None, whole_machine=True, visible=visible):
            done += count
            report(done)
