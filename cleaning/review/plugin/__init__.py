"""The FiftyOne plugin ``@imageclinic/review``: operators that decide, for the scripts in ``app/``.

FiftyOne loads this file in its server, because ``FIFTYONE_PLUGINS_DIR`` points to it (`cleaning.review.session`). Every
decision goes to the run's decision log first and into the App's dataset second, so the log is never behind.
"""

from __future__ import annotations

from typing import Any

from imageclinic.cleaning.review.plugin import confusion_views, desk, next_batch, operators, panel, separate_browsers


def register(plugin: Any) -> None:
    """Called by FiftyOne."""
    separate_browsers.separate()
    for operator in (*operators.ALL, *desk.ALL, *panel.ALL, *confusion_views.ALL, *next_batch.ALL):
        plugin.register(operator)
