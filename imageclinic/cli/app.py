"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
import traceback
from typing import TextIO

import typer
from typer import TyperException

from imageclinic.cli.commands import load
from imageclinic.cli.safe_text import safe
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.processes.signals import unwinding
from imageclinic.core.processes.temporary_folders import sweep

_SIGPIPE = getattr(signal, "SIGPIPE", 13)  # Windows has the error without the signal

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


def main() -> None:
    """Entry point: user errors are one line and status 2, failures status 1, Ctrl-C status 130, SIGTERM 143."""
    _prepare_streams()
    # Pydantic looks through all installed packages for plugins, which no command of ours uses.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with unwinding() as last_signal:
        try:
            sweep()
            status = app(standalone_mode=False)
            if status == 130:  # what typer makes of Ctrl-C, without a word
                raise KeyboardInterrupt
            sys.stdout.flush()
            sys.exit(status or 0)
        except TyperException as error:
            _stop(_usage(error), error.exit_code, lines=not sys.argv[1:])
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
            _silence(sys.stdout)
            sys.exit(128 + _SIGPIPE)
        except OSError as error:
            # A full disk, a folder that vanished or that may not be written: no error of ours; a line says it all.
            try:
                sys.stdout.flush()
            except OSError:
                _silence(sys.stdout)
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            why = f"{where}{error.strerror or error}"
            _stop(f"imageclinic: {why}. What is done is kept: fix that and run it again.", 1)
        except UnicodeError as error:
            _stop(f"imageclinic: a name can't be written as text: {error}. Rename it, in letters of UTF-8.", 2)
        except Exception:  # a fault of ours: the traceback may hold names of files too
            _stop(traceback.format_exc().rstrip(), 1, lines=True)


def _prepare_streams() -> None:
    """Standard streams that take every text. Where one is closed, nothing is written there; and no file that is opened
    later gets its number, so that what is meant for the terminal is not written into it."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (for as long as we run)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _silence(stream: TextIO) -> None:
    """What is still to be written there goes nowhere: else Python tries again at its end, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _usage(error: TyperException) -> str:
    """A wrong command line, in one line; the help where no command was given."""
    if not sys.argv[1:]:
        return error.format_message()
    context = getattr(error, "ctx", None)
    command = "imageclinic" if context is None else context.command_path
    message = error.format_message()
    return f"imageclinic: {message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help."


def _stop(message: str, status: int, *, lines: bool = False) -> None:
    if not lines:  # what other libraries say of a file may have several
        message = re.sub(r"\s*\n\s*", " ", message)
    with contextlib.suppress(OSError):  # the terminal may be gone
        sys.stderr.write(safe(message, lines=lines) + "\n")
        sys.stderr.flush()
    sys.exit(status)


if __name__ == "__main__":
    main()
