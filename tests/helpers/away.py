"""An engine whose workers count as being on other machines, in threads of this process: for what stages do with one."""

from __future__ import annotations

from imageclinic.core.engines.local_engine import LocalEngine


class Away(LocalEngine):
    """See `core.engines.engine.Engine`."""

    distributed = True
