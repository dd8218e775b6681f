"""Full decodes in parts find what those of this machine do, and a finished part is not decoded again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imageclinic.audit.copies import find_copies, full_decode_match
from imageclinic.audit.copies.full_decode_match import Pair
from imageclinic.audit.copies.heavy_steps import HERE
from imageclinic.audit.copies.laid_over import embedding_pairs
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.core import tables
from imageclinic.core.engines import LOCAL
from imageclinic.core.run import create
from imageclinic.workflows.steps.distributed import distributed_decodes
from tests.conftest import picture
from tests.helpers.away import Away

WHOLE = (0.0, 1.0, 0.0, 1.0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Eight pictures, each with an altered copy behind it; one is no picture."""
    found = []
    for n in range(8):
        large = picture(n).resize((160, 120), Image.Resampling.BICUBIC)
        for name, altered in ((f"{n}.png", large), (f"{n}-copy.jpg", large.rotate(4 * (n % 2), expand=False))):
            altered.save(tmp_path / name)
            found.append(tmp_path / name)
    found[3].write_bytes(b"no picture")
    return found


def test_results_are_those_of_this_machine(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [Pair(one, two, 0, True, WHOLE) for one in files[::2] for two in files[1::2]]
    rows = np.array([(i, j) for i in range(16) for j in range(i + 1, 16)][::3], np.intp)[::-1]
    compared, digests = full_decode_match.compare(pairs), full_decode_match.pixel_digests(files)
    laid = embedding_pairs.confirm(rows, files.__getitem__)
    assert any(v.copy for v in compared) and any(v.error for v in compared) and len(laid.gone) == 1
    monkeypatch.setattr(distributed_decodes, "LEAST", 0)
    monkeypatch.setattr(distributed_decodes, "PART", 10)
    engine = Away()
    seen: list[tuple[int, int]] = []
    for _ in range(2):
        decodes = distributed_decodes.decodes_on(engine, tmp_path / "parts")
        assert decodes.compare(pairs, progress=lambda *at: seen.append(at)) == compared
        assert decodes.pixel_digests(files) == digests
        found = decodes.confirm(rows, files.__getitem__)
        for name, values in vars(laid).items():
            assert np.array_equal(getattr(found, name), values), name
            assert getattr(found, name).dtype == values.dtype
        monkeypatch.setattr(engine, "map", lambda *_, **__: pytest.fail("nothing is left to do"))
    assert max(seen) == (64, 64)
    picture(99).save(files[2])  # another image now: its parts are made again
    with pytest.raises(pytest.fail.Exception, match="nothing is left"):
        decodes.pixel_digests(files)


def test_tables_are_those_of_this_machine(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files[3].unlink()
    listing = image_listing.load(tmp_path, layout="any")
    run = create(tmp_path / "run")
    dataset, features = scan.scan(run, listing.images, listing.root, workers=1)
    given = (dataset, features, run.read_thumbnails(), lambda i: tmp_path / i)
    embeddings = tables.Embeddings(dataset["image_id"], np.random.default_rng(0).normal(size=(len(dataset), 8)))
    neighbors, clusters, notes = find_copies.find(*given, embeddings=embeddings)
    assert len(neighbors) > 2
    monkeypatch.setattr(distributed_decodes, "LEAST", 0)
    monkeypatch.setattr(distributed_decodes, "PART", 2)
    steps = distributed_decodes.decodes_on(Away(), tmp_path / "parts")
    found = find_copies.find(*given, embeddings=embeddings, steps=steps)
    pd.testing.assert_frame_equal(found[0], neighbors)
    pd.testing.assert_frame_equal(found[1], clusters)
    assert found[2] == notes and len(list((tmp_path / "parts" / "decodes").iterdir())) > 2


def test_few_are_decoded_here(files: list[Path], tmp_path: Path) -> None:
    assert distributed_decodes.decodes_on(LOCAL, tmp_path) is HERE
    decodes = distributed_decodes.decodes_on(Away(), tmp_path / "parts")
    assert decodes.pixel_digests(files[:2]) == full_decode_match.pixel_digests(files[:2])
    assert not (tmp_path / "parts").exists()
