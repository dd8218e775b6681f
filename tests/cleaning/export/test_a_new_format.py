"""To add a format, one file is written into the folder of formats; nothing else knows it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import imageclinic
from imageclinic.cleaning.export import formats
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.core.errors import InputError
from tests.conftest import LEARNING, picture

#: Images beside a list of them, in folders called "pictures"; it refuses balancing.
FILE = '''
"""A list beside folders."""

from imageclinic.cleaning.export.export_format import ExportFormat, by_split
from imageclinic.core.errors import InputError


class Format(ExportFormat):
    inner = "pictures"

    def loading_lines(self, splits, size):
        return f"# {sorted(splits)} of {size}"

    def indexes(self, manifest):
        return {f"{name}/list.txt": "\\n".join(rows["path"]) for name, rows in by_split(manifest).items()}

    def refusal(self, options):
        return None if options.balance == "none" else InputError("a list is not balanced")
'''


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The format ``listed``, in a folder that the package also looks into."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "listed.py").write_text(FILE)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "more")])
    yield
    sys.modules.pop(f"{formats.__name__}.listed", None)


def test_one_new_file_is_a_format(listed: None, tmp_path: Path) -> None:
    for n in range(24):
        folder = tmp_path / "pets" / ("cat" if n % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        picture(n).save(folder / f"{n:02}.png")
    run = imageclinic.audit(tmp_path / "pets", tmp_path / "run", skip=LEARNING).run.path
    out = tmp_path / "out"
    summary = imageclinic.export(run, out, format="listed", split=(0.5, 0.25, 0.25))
    assert all(proof["ok"] for proof in summary["proofs"])
    paths = (out / "train" / "list.txt").read_text().splitlines()
    assert paths and all(re.fullmatch(r"train/pictures/(cat|dog)/\d\d\.png", path) for path in paths)
    assert "# ['test', 'train', 'val'] of" in (out / "DATASET.md").read_text("utf-8")
    assert imageclinic.verify(out)["ok"].all()
    (out / "train" / "list.txt").write_text("nothing")
    proofs = imageclinic.verify(out)
    assert proofs.loc[~proofs["ok"], "name"].tolist() == ["indexes"]


def test_help_and_messages_list_it(listed: None) -> None:
    assert "listed: A list beside folders" in formats.help_text()
    with pytest.raises(InputError, match="imagefolder, listed, manifest"):
        ExportOptions(format="zip")
    with pytest.raises(InputError, match="a list is not balanced"):
        ExportOptions(format="listed", balance="weights")


def test_no_other_module_asks_which_format_it_is() -> None:
    folder = Path(formats.__file__).parents[1]
    asks = re.compile(r"\bformat(\.name)? *(==|!=|in \()|[\"'](fiftyone|imagefolder|tfrecord)[\"']")
    assert not [path for path in folder.glob("*.py") if asks.search(path.read_text("utf-8"))]
    assert not [path for path in folder.glob("proof/*.py") if asks.search(path.read_text("utf-8"))]
