"""FiftyOne in the tests' own process, as the App's server has it: on our database, with our plugin, quiet."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from imageclinic.cleaning.review import session
from imageclinic.core.run import Run


def prepare(uri: str, plugins: Path, run: Run, reviewer: str) -> None:
    """`session.prepare`, and import FiftyOne, or point to another database what another test has imported."""
    session.prepare(uri, plugins, run, reviewer)
    with warnings.catch_warnings():  # of its own dependencies
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        import fiftyone as fo
    # It says at every start that mongod 6.0 is the oldest version that it accepts.
    logging.getLogger("fiftyone.core.odm.database").setLevel(logging.ERROR)
    fo.config.database_uri, fo.config.plugins_dir = uri, str(plugins)
