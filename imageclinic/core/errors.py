"""The errors that a user can fix: each says what is wrong, where, what was expected and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class InputError(Exception):
    """Bad input. The message names the file and the value, what was expected and what to do.

    The command line prints it as one line, without a traceback, and exits with status 2.
    """

    def __init__(self, problem: str, *, expected: str = "", fix: str = "") -> None:
        self.problem, self.expected, self.fix = problem, expected, fix
        parts = [problem.rstrip(".")]
        if expected:
            parts.append(f"Expected {expected.rstrip('.')}")
        if fix:
            # A command stays as it is typed.
            command = fix.startswith(("imageclinic ", "pip "))
            parts.append((fix[:1] if command else fix[:1].upper()) + fix[1:].rstrip("."))
        super().__init__(". ".join(parts) + ".")


class CanNotWrite(InputError):
    """A file can't be written: the disk is full, the folder is not ours, or what else the system says."""


@contextlib.contextmanager
def remedied(fix: str) -> Iterator[None]:
    """Adds what to do to the InputErrors inside that don't say it."""
    try:
        yield
    except InputError as error:
        if error.fix:
            raise
        raise InputError(error.problem, expected=error.expected, fix=fix) from error


class NotApplicable(Exception):
    """Raised by a check that has nothing to judge here; the message is the reason that users read."""


class Failed(Exception):
    """Something that should have worked did not (a proof, a stage). Exit status 1."""
