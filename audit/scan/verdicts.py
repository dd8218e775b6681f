"""What lost tries at a file say: that it crashes or hangs its decoder, or that it could not be judged here.

A process that decodes may end for reasons that have nothing to do with the file: the kernel ends it when memory is
short, someone kills it, it is stopped. So a file is blamed only when several tries, the later ones alone, fail in a way
that is the decoder's own; and none of these verdicts is kept: the next audit tries the file again.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: Tries at a file before it gets a verdict: one among others, then alone.
TRIES = 3
#: A decoder's time is what it computes, since a busy machine may give it little. After so many times the time by the
#: clock it is ended all the same.
PATIENCE = 4
#: What a read error begins with that may not be the file's fault, or not tomorrow: never reused from an earlier audit.
TRIED_AGAIN = (
    "not judged",
    "crashes the decoder",
    "hangs the decoder",
    "can't be read",
    "too large",
    "file is missing",
)
# Signals that a process brings on itself. All others, SIGKILL and SIGTERM first, are sent from outside.
_OWN = {"SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"}


@dataclass(frozen=True)
class Loss:
    """How a try at a file ended: `kind` is what the read error would begin with, `how` what was seen."""

    kind: str
    how: str


def loss(status: int, *, read: bool, timeout: float | None = None, computed: float | None = None) -> Loss:
    """What the end of a process that was at a file says.

    Args:
        status: of the process, as `subprocess.Popen.returncode`.
        read: whether the file's bytes had been read.
        timeout: seconds that it had; None when it ended by itself.
        computed: seconds for which it had a processor since; None when that is not known.
    """
    if timeout is not None:
        if not read:
            return Loss("can't be read", f"no answer in {PATIENCE * timeout:g} seconds")
        if computed is not None and computed < timeout:
            how = f"no answer in {PATIENCE * timeout:g} seconds, of which it had a processor for {computed:.1f}"
            return Loss("not judged", how)
        return Loss("hangs the decoder", f"no answer in {timeout:g} seconds of computing")
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    if status < 0 and how not in _OWN:
        return Loss("not judged" if read else "can't be read", f"its process was killed from outside ({how})")
    return Loss("crashes the decoder" if read else "can't be read", how)


def verdict(losses: Sequence[Loss]) -> str:
    """The read error for a file at which every try was lost. Begins with one of `audit.scan.decode.KINDS`."""
    kinds = {loss.kind for loss in losses}
    # A file that is not read in one of the tries is not read by the one that records this either.
    kind = next((k for k in ("can't be read", "not judged") if k in kinds), losses[-1].kind)
    return f"{kind}: {seen(losses)}"


def seen(losses: Sequence[Loss], tries: int = 0) -> str:
    """What was seen, and in how many tries."""
    counts = Counter(loss.how for loss in losses)
    return ", ".join(f"{how}, in {n} of {tries or len(losses)} tries" for how, n in counts.items())
