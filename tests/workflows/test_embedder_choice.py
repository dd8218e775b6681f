"""What a run remembers of the embedder that `auto` means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import imageclinic
from imageclinic.core.reading import caches
from imageclinic.core.run import open_run
from tests.conftest import picture

pytestmark = pytest.mark.slow


def test_a_remembered_embedder_is_used_and_a_foreign_or_torn_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(24):
        path = tmp_path / "pets" / ("cat" if n % 2 else "dog") / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(path)

    def model() -> str:
        imageclinic.audit(tmp_path / "pets", tmp_path / "run", checks=["outlier"], workers=1)
        return json.loads(choice.read_text())["model"]

    choice = tmp_path / "run" / "embedder_choice.json"
    assert model() == "efficientnet_lite2", "too few images to choose by"
    written = caches.read_facts(choice)
    assert written is not None
    run = open_run(tmp_path / "run")
    # A run of somebody else's names a function of a module that lies there; the hash is right.
    (tmp_path / "planted.py").write_text("open('called', 'w')\ndef vectors(images): return images.mean((1, 2))\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for hostile in ({**written, "model": "planted:vectors"}, {**written, "model": ["patches"]}, {}):
        caches.write_facts(choice, hostile)
        run.update_info({"key": None})  # so that the audit is made again
        assert model() == "efficientnet_lite2"
        assert not (tmp_path / "called").exists()
    for torn in (b"", b"{", b'{"key": 1}', b"\xff" * 9):
        choice.write_bytes(torn)
        run.update_info({"key": None})
        assert model() == "efficientnet_lite2"
