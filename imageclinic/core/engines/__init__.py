"""Where the large stages of an audit run: on this machine, or on Ray."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from imageclinic.core.engines.engine import Engine
from imageclinic.core.engines.local_engine import LOCAL
from imageclinic.core.errors import InputError

NAMES = ("local", "ray")


def opened(name: str, address: str | None = None, workers: int | None = None) -> AbstractContextManager[Engine]:
    """The engine of a name, for as long as the context lasts. What is wrong with the arguments is raised here.

    Args:
        name: ``local`` or ``ray``.
        address: of a Ray cluster, ``HOST:PORT`` or ``auto``; None: Ray is started on this machine.
        workers: cores that a Ray that is started here may use; None: all.

    Raises:
        InputError: another name; an address that does not belong to it, or where nothing answers; no Ray.
    """
    if name not in NAMES:
        raise InputError(f"--engine {name}", expected=f"one of {', '.join(NAMES)}")
    if name == "local":
        if address is not None:
            raise InputError(f"--address {address} without --engine ray", fix="add --engine ray, or leave it out")
        return contextlib.nullcontext(LOCAL)
    from imageclinic.core.engines import ray_engine

    ray_engine.check(address)
    return ray_engine.opened(address, workers)
