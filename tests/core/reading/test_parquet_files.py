"""What goes wrong with a Parquet file is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imageclinic.core.reading import parquet_files

#: Reads a file of 240 MB where 60 more are to be had.
READ = """
import resource, sys
from pathlib import Path
from imageclinic.core.errors import InputError
from imageclinic.core.reading import parquet_files
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, used + 60_000_000))
try:
    with parquet_files.opened(Path(sys.argv[1])) as parquet:
        parquet.read(use_threads=False)
except InputError as error:
    print(error)
"""


def test_a_sound_file_that_does_not_fit_into_memory_is_not_called_damaged(tmp_path: Path) -> None:
    file = tmp_path / "large.parquet"
    pq.write_table(pa.table({"x": np.zeros(30_000_000)}), file)
    said = subprocess.run([sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True).stdout
    assert "there is not enough memory to read" in said and str(file) in said
    assert "no readable Parquet file" not in said


def test_arrow_reads_by_itself_and_not_through_python(tmp_path: Path) -> None:
    """Else its threads hold memory of Python's, and abort the process when they free it while Python ends."""
    parquet_files.write_arrow(tmp_path / "x.parquet", pa.table({"a": [1, 2], "b": ["c", None]}), None)
    with parquet_files._reading(tmp_path / "x.parquet") as file:
        assert isinstance(file, pa.NativeFile) and not isinstance(file, pa.PythonFile)
        assert pq.read_table(file).to_pydict() == {"a": [1, 2], "b": ["c", None]}
