"""The run's report beside the App: its pictures and numbers lead into the App, behind the same guard.

A process of its own writes it when it is asked for, so that it holds what was decided until then. What is served was
written for this server: a page that lay in the run folder may be anybody's, and would run on the App's own address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from imageclinic.core.processes import child_process
from imageclinic.core.run import Run

PATH = "/report"
_HEADERS = {
    "Cache-Control": "no-store",
    # The page has a policy of its own, which lets one script run and nothing be asked of the App.
    "Content-Security-Policy": "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LOOK_SECONDS = 0.1


class ReportPage:
    """Makes the page, one at a time."""

    def __init__(self, run: Run, command: Sequence[str]) -> None:
        """`command` writes the report to the path that is added to it; empty where there is none."""
        self._run, self._command = run, [*command]
        self._file = run.review / "report.html"
        self._one = asyncio.Lock()
        self._page, self._made = b"", 0

    async def answer(self) -> Response:
        """The page; 500 with a reason when it could not be made. Call it in the main thread."""
        async with self._one:
            if not self._current() and (problem := await self._make()):
                return PlainTextResponse(problem, 500, _HEADERS)
            return HTMLResponse(self._page, headers=_HEADERS)

    def _current(self) -> bool:
        """Whether nothing in the run is newer than the page."""
        files = (file for file in self._run.path.iterdir() if file.is_file())
        return bool(self._page) and all(file.stat().st_mtime_ns < self._made for file in files)

    async def _make(self) -> str:
        if not self._command:
            return "This review has no report.\n"
        log = self._run.review / "report.log"
        for old in (log, self._file):
            old.unlink(missing_ok=True)
        with child_process.running([*self._command, str(self._file)], log) as process:
            while process.poll() is None:
                await asyncio.sleep(_LOOK_SECONDS)
        if process.returncode:
            return f"The report could not be made: {child_process.last_line(log)}\n"
        self._page, self._made = self._file.read_bytes(), self._file.stat().st_mtime_ns
        return ""
