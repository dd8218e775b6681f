"""A process that measures batches of images. It is expendable: a file may kill or stall it.

It may be started before anybody knows what there is to do. The first line of standard input says which file to map and
how many bytes it may take; then it reads jobs as lines of JSON and answers each with a line: {} when its shard is
written (with the numbers of files that were left out of it, "without_memory"), or {"error": …}. A few bytes of the
mapped file say which file it is at, so that whoever watches can tell which one it died of.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import struct
import sys
import traceback
from pathlib import Path
from typing import Any

from imageclinic.core.errors import CanNotWrite
from imageclinic.core.processes.child_process import end_with_parent

#: Layout of the position: number of the file in the job, and whether its bytes are read.
POSITION = struct.Struct("<q?")


def main(parent: int) -> None:
    """Work until standard input ends, or the process `parent`."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a decoder prints is no answer
    from PIL import Image

    from imageclinic.audit.scan.measure import measure

    Image.MAX_IMAGE_PIXELS = None  # the job's own limit holds
    first = sys.stdin.readline()
    if not first:  # there was nothing to do
        return
    settings = json.loads(first)
    _limit(settings["memory"])
    with Path(settings["beat"]).open("r+b") as file, mmap.mmap(file.fileno(), POSITION.size) as position:

        def tick(at: int, read: bool) -> None:
            POSITION.pack_into(position, 0, at, read)

        for line in sys.stdin:
            tick(0, False)
            job = json.loads(line)
            answer: dict[str, Any] = {}
            try:
                verdicts = {int(at): text for at, text in job["verdicts"].items()}
                paths = [os.path.join(job["root"], path) for path in job["paths"]]  # noqa: PTH118 - keeps odd bytes
                table = measure(paths, max_pixels=job["max_pixels"], verdicts=verdicts, tick=tick)
                answer = _write(Path(job["shard"]), job["ids"], table, job["tries"])
            except Exception as error:  # passed to the parent, which stops
                cause = error.__cause__ if isinstance(error, CanNotWrite) else error
                answer = {"error": traceback.format_exc(), "errno": getattr(cause, "errno", None)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _limit(memory: int) -> None:
    """Let allocations of more than `memory` bytes in all fail, where the system can do that."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _write(path: Path, ids: list[str], table: Any, tries: int) -> dict[str, Any]:
    """Write a shard. In a first try files that ran out of memory are left out; their numbers are in the answer."""
    import pyarrow as pa

    from imageclinic.audit.scan.arrow_columns import from_values
    from imageclinic.audit.scan.pictures.decoded_picture import NO_MEMORY
    from imageclinic.core.atomic import replacing

    errors = table["read_error"].to_pylist()
    short = [at for at, error in enumerate(errors) if error and error.endswith(NO_MEMORY)]
    rest = sorted(set(range(len(ids))) - set(short))
    table = table.add_column(0, pa.field("image_id", pa.string(), nullable=False), [from_values(ids, pa.string())])
    if tries:
        for at in short:
            errors[at] += f", in {tries + 1} of {tries + 1} tries"
        where = table.schema.get_field_index("read_error")
        table = table.set_column(where, table.schema.field(where), [from_values(errors, pa.string())])
    elif short:
        table = table.take(rest).combine_chunks()
    with (
        replacing(path, sync=False) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    return {} if tries or not short else {"without_memory": short}


if __name__ == "__main__":
    main(int(sys.argv[1]))
