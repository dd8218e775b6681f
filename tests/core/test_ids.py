"""Paths of images, made when they are asked for; paths that can be written down, and those that the locale hides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from imageclinic.core import ids
from imageclinic.core.errors import InputError
from imageclinic.core.ids import ImagePaths, to_path

_ASKED = """
import sys
from pathlib import Path
from imageclinic.core import ids
from imageclinic.core.errors import InputError
try:
    ids.require_unicode(Path(sys.argv[1]), "the dataset")
except InputError as error:
    print(error.problem, error.fix)
"""

IDS = ["a/1.png", "b/2.png", "b/\\xff.png", "c/3.png"]


def test_paths_are_made_when_asked_for_and_are_those_of_a_list() -> None:
    paths = ImagePaths(Path("/data"), pd.Series(IDS, dtype="str").array)
    whole = [Path("/data") / to_path(image_id) for image_id in IDS]
    assert list(paths) == whole
    assert list(paths[1::2]) == whole[1::2]
    assert paths[-1] == whole[-1]
    assert whole[2] in paths
    assert len(paths) == 4
    assert paths[0] is not paths[0], "none is kept"
    assert not ImagePaths(Path("/data"), [])


def test_a_locale_without_utf8_is_named_and_not_the_path() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", _ASKED, "/data/Äpfel".encode()]
    said = subprocess.run(command, env=environment, capture_output=True, check=True).stdout.decode("ascii")
    assert "PYTHONUTF8=1" in said and "ascii" in said and r"\xc4pfel" in said
    assert "is not UTF-8" not in said


def test_a_path_of_other_bytes_is_refused() -> None:
    ids.require_unicode(Path("/data/Äpfel"), "the dataset")
    with pytest.raises(InputError, match=r"xc4pfel, is not UTF-8"):
        ids.require_unicode(Path(os.fsdecode(b"/data/\xc4pfel")), "the dataset")
