"""Where we keep what can be made again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Our cache folder: ``IMAGECLINIC_CACHE``, else the user's cache folder of the platform."""
    override = os.environ.get("IMAGECLINIC_CACHE")
    return Path(override).absolute() if override else platformdirs.user_cache_path("imageclinic")
