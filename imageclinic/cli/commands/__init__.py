"""The commands: one file each, found by walking this folder. The file `name.py` holds the function `name`.

A file imports what its command needs when the command runs, so that `--help` answers at once. `PLACE` in a file says
where the command is in the help: the chain from a folder to a diagnosis first.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from imageclinic.cli.option_signature import with_options


def load() -> dict[str, Callable[..., None]]:
    """All commands by name, in the order of their `PLACE`."""
    modules = {m.name: importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)}
    names = sorted(modules, key=lambda name: modules[name].PLACE)
    return {name: with_options(getattr(modules[name], name)) for name in names}
