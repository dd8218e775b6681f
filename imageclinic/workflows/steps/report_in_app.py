"""The report as a page beside the App, whose pictures and numbers lead there: a process of its own in a review.

``python -P -m imageclinic.workflows.steps.report_in_app RUN PAGE FILE``
"""

from __future__ import annotations

import sys

from imageclinic.core.errors import InputError
from imageclinic.workflows.report import report

if __name__ == "__main__":
    run, page, file = sys.argv[1:]
    try:
        report(run, to=file, app=page)
    except InputError as error:
        sys.exit(str(error))
