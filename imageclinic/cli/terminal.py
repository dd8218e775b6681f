"""What the command line shows: progress, tables, notes. Progress is quiet when the output is no terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from imageclinic.cli.safe_text import safe, safe_json
from imageclinic.core.errors import Failed
from imageclinic.core.progress import Progress as Callback

_BULLET = re.compile(r"(?:\d+\. |- )?")
STYLES = {"found": "bold yellow", "clean": "green", "not_applicable": "dim", "skipped": "dim", "failed": "bold red"}


class Terminal:
    """Human text goes to standard output; with `--json`, to standard error, and one JSON object to standard output."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False, soft_wrap=True)

    def say(self, line: str, *, lines: bool = False) -> None:
        """One line of text, or with `lines` several. It may hold file names and labels: neither markup nor anything
        that a terminal would act on is read in it (`cli.safe_text`).

        Wrapped at words, on a terminal and where ``COLUMNS`` says how wide it is; a pipe gets whole lines, and a link
        stays in one piece: the terminal itself wraps it.
        """
        if line.startswith("\n"):
            self.console.print()
        text = safe(line.removeprefix("\n"), lines=lines)
        self.console.print(escape("\n".join(self._wrapped(part) for part in text.split("\n"))))

    def command(self, line: str) -> None:
        """A command to copy: never wrapped."""
        self.console.print(f"[cyan]{escape(safe(line))}[/cyan]")

    def _wrapped(self, line: str) -> str:
        narrow = self.console.is_terminal or "COLUMNS" in os.environ
        if not narrow or len(line) <= self.console.width or "://" in line:
            return line
        indent = line[: len(line) - len(line.lstrip())]
        hanging = indent + " " * len(_BULLET.match(line[len(indent) :])[0])  # type: ignore[index]
        return "\n".join(
            textwrap.wrap(
                line,
                self.console.width,
                subsequent_indent=hanging,
                break_long_words=False,
                break_on_hyphens=False,
                replace_whitespace=False,
            )
        )

    def title(self, line: str) -> None:
        """A heading, wrapped as `say` does."""
        self.console.print(f"\n[bold]{escape(self._wrapped(safe(line)))}[/bold]")

    def proof(self, name: str, detail: str, *, ok: bool) -> None:
        """Whether something is proven."""
        mark = "[green]proven[/green]" if ok else "[bold red]NOT SO[/bold red]"
        self.console.print(f"{mark}  {escape(safe(f'{name}: {detail}'))}")

    @contextlib.contextmanager
    def stage(self, description: str) -> Iterator[Callback]:
        """Progress with rate and time left, on a terminal; elsewhere nothing until it is done."""
        if not self.console.is_terminal:
            yield lambda done, total: None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as bars:
            task = bars.add_task(escape(safe(description)), total=None, rate="")

            def update(done: int, total: int) -> None:
                elapsed = bars.tasks[task].elapsed or 0
                rate = _rate(done, elapsed) if elapsed > 0.5 and done else ""
                bars.update(task, completed=done, total=total, rate=rate)

            yield update
            state = bars.tasks[task]
            bars.update(task, completed=state.total or 1, total=state.total or 1)

    def table(self, frame: pd.DataFrame, *, title: str = "", right: tuple[str, ...] = ()) -> None:
        """A frame as a table; the column `outcome` is coloured."""
        table = Table(
            title=escape(safe(title)) or None, title_justify="left", header_style="bold", box=None, pad_edge=False
        )
        for column in frame.columns:
            name = safe(str(column))
            table.add_column(name.replace("_", " "), justify="right" if name in right else "left", overflow="fold")
        # A count that met a missing value on its way has become a float.
        whole = {
            c
            for c in frame.select_dtypes("float").columns
            if str(c) in right and frame[c].max() > 1 and frame[c].dropna().mod(1).eq(0).all()
        }
        for row in frame.itertuples(index=False):
            cells = []
            for column, value in zip(frame.columns, row, strict=True):
                text = escape(safe(cell(int(value) if column in whole and value == value else value)))
                style = STYLES.get(str(value)) if column == "outcome" else None
                cells.append(f"[{style}]{text.replace('_', ' ')}[/{style}]" if style else text)
            table.add_row(*cells)
        self.console.print(table, soft_wrap=False)

    def result(self, value: Any) -> None:
        """With `--json`: the one object on standard output."""
        if self.as_json:
            if getattr(sys.stdout, "name", None) == os.devnull:  # what `cli.app` puts in the place of a closed one
                raise Failed("the work is done, but standard output is closed, where --json prints")
            plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
            sys.stdout.write(safe_json(value, plain=plain, indent=2, default=_plain) + "\n")


def cell(value: Any) -> str:
    """A value as people read it."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _rate(done: int, seconds: float) -> str:
    """How fast it goes; of what takes longer than a second, how long each takes."""
    return f"{done / seconds:,.0f}/s" if done >= seconds else f"{seconds / done:,.0f} s each"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame as JSON-ready records, nulls as None."""
    return [
        {str(k): None if not isinstance(v, (list, dict)) and pd.isna(v) else v for k, v in row.items()}
        for row in frame.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
