"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import traceback
from typing import Any

import typer

from imageclinic.cli.commands import load
from imageclinic.cli.safe_text import safe
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.processes.signals import unwinding
from imageclinic.core.processes.temporary_folders import sweep

app = typer.Typer(
    name="imageclinic",
    help="Audit, clean and retrain: find out why an image classifier's accuracy stopped improving.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, function in load().items():
    app.command(name)(function)

#: What the parser of the command line raises on wrong usage.
_UsageError: Any = typer.BadParameter.__bases__[0]


def main() -> None:
    """Entry point: user errors are one line and status 2, failures status 1, Ctrl-C status 130, SIGTERM 143."""
    with unwinding() as last_signal:
        try:
            sweep()
            status = app(standalone_mode=False)
            if status == 130:  # what typer makes of Ctrl-C, without a word
                raise KeyboardInterrupt
            sys.exit(status or 0)
        except InputError as error:
            _stop(f"imageclinic: {error}", 2)
        except Failed as error:
            _stop(f"imageclinic: {error}", 1)
        except KeyboardInterrupt:
            number = last_signal()
            what = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
            kept = "What is done is kept: run the same command again to go on."
            _stop(f"imageclinic: {what}. {kept}", 128 + number)
        except BrokenPipeError:
            # The reader of our output (head, less) went away: that is no error of ours.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        except _UsageError as error:
            shown = io.StringIO()
            error.show(file=shown)
            _stop(shown.getvalue().rstrip(), 2, lines=True)
        except Exception:  # a fault of ours: the traceback may hold names of files too
            _stop(traceback.format_exc().rstrip(), 1, lines=True)


def _stop(message: str, status: int, *, lines: bool = False) -> None:
    if not lines:  # what other libraries say of a file may have several
        message = re.sub(r"\s*\n\s*", " ", message)
    with contextlib.suppress(OSError):  # the terminal may be gone
        sys.stderr.write(safe(message, lines=lines) + "\n")
        sys.stderr.flush()
    sys.exit(status)


if __name__ == "__main__":
    main()
