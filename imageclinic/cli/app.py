"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import os
import signal
import sys

import typer
from typer import TyperException

from imageclinic.cli.commands import load
from imageclinic.core.errors import Failed, InputError

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

_INTERRUPTED = "imageclinic: interrupted. What is done is kept: run the same command again to go on."


def main() -> None:
    """Entry point: user errors are one line and status 2, failures status 1, Ctrl-C status 130."""
    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        _stop(_usage(error), error.exit_code)
    except InputError as error:
        _stop(f"imageclinic: {error}", 2)
    except Failed as error:
        _stop(f"imageclinic: {error}", 1)
    except KeyboardInterrupt:
        _stop(_INTERRUPTED, 130)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C, without a word
            _stop(_INTERRUPTED, 130)
        raise
    except BrokenPipeError:
        # The reader of our output (head, less) went away: that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _usage(error: TyperException) -> str:
    """A wrong command line, in one line; the help where no command was given."""
    if not sys.argv[1:]:
        return error.format_message()
    context = getattr(error, "ctx", None)
    command = "imageclinic" if context is None else context.command_path
    message = error.format_message()
    return f"imageclinic: {message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help."


def _stop(message: str, status: int) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
