"""Ray makes the tables that this machine makes, whatever is killed; and says what is wrong. One Ray for all tests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
import pytest
from PIL import Image

import imageclinic
from imageclinic import sample_data
from imageclinic.audit import bulk_distances, listed_neighbours
from imageclinic.audit.checks import outlier
from imageclinic.audit.copies import full_decode_match
from imageclinic.audit.copies.full_decode_match import Pair
from imageclinic.audit.listing import image_listing
from imageclinic.audit.scan import scan
from imageclinic.core import engines, tables
from imageclinic.core.engines import address_check, piece_map, ray_engine, worker_facts
from imageclinic.core.engines.engine import Engine
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.large import large_arrays
from imageclinic.core.run import Run, create
from imageclinic.training.predict.by_sample import fitting_sample, heads_in_pieces
from imageclinic.workflows.steps.auditing import predictions
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method
from imageclinic.workflows.steps.distributed import distributed_decodes
from tests.conftest import picture

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 240


class Trial:
    """A worker that does what its item says."""

    def __init__(self, sharing: int) -> None:
        self.sharing = sharing

    def do(self, item: str) -> int:
        if item == "full disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        if item == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.sharing

    def watch(self) -> int:
        return 0

    def end(self) -> None: ...


@pytest.fixture(scope="module")
def ray() -> Iterator[Engine]:
    with engines.opened("ray", None, 2) as engine:
        assert engine.cores() == 2
        yield engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "pets"
    for n in range(IMAGES):
        path = root / ("cat", "dog")[n % 2] / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(n).save(path)
    (root / "cat" / "4.jpg").write_bytes(b"no picture")
    (root / "dog" / "5.jpg").write_bytes((root / "dog" / "7.jpg").read_bytes()[:900])
    return root


@pytest.fixture(scope="module")
def local(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return scanned(tmp_path_factory.mktemp("local") / "run", folder, engines.LOCAL)


def scanned(run: Path, folder: Path, engine: Engine, progress: Callable[[int, int], None] | None = None) -> Run:
    listing = image_listing.load(folder)
    scan.scan(create(run), listing.images, listing.root, workers=2, engine=engine, progress=progress)
    assert not list((run / "shards").iterdir())
    return create(run)


def contents(run: Run) -> list[bytes]:
    paths = [run.table_path(tables.DATASET), run.table_path(tables.FEATURES), run.thumbnails]
    return [path.read_bytes() for path in paths]


def children(name: str) -> set[int]:
    """Process ids below us with a name in their command."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if name in " ".join(process.cmdline()):
                found.add(process.pid)
    return found


@pytest.mark.slow
def test_killed_workers_cost_no_row(
    ray: Engine, local: Run, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two workers are killed in the middle of the scan, and a process that decodes for one: the tables are those of
    this machine, byte by byte."""
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        assert total == IMAGES
        name, number = ("ray::_Actor", signal.SIGKILL) if len(killed) < 2 else ("audit.scan.worker", signal.SIGSEGV)
        if 0 < done < total and len(killed) < 3 and (found := children(name) - set(killed)):
            killed.append(found.pop())
            os.kill(killed[-1], number)

    run = scanned(tmp_path / "run", folder, ray, kill)
    assert len(killed) == 3
    assert ray.notes()[0].startswith("2 Ray workers were lost")
    assert contents(run) == contents(local)
    assert not capfd.readouterr().out, "--json prints there"


@pytest.mark.slow
def test_a_killed_driver_goes_on_with_what_is_missing(ray: Engine, local: Run, folder: Path, tmp_path: Path) -> None:
    """A process that has joined the same Ray as a cluster is killed with the first shards; its run is finished here."""
    import ray as library

    address = library.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "imageclinic", "audit", str(folder), "--out", str(tmp_path / "run")]
    command += ["--engine", "ray", "--address", address, "--checks", "dark", "--workers", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as driver:
        while not list((tmp_path / "run").glob("shards/*.arrow")):
            assert driver.poll() is None
            time.sleep(0.01)
        driver.kill()
    known: list[int] = []
    run = scanned(tmp_path / "run", folder, ray, lambda done, _: known.append(done))
    assert known[0] > 0
    assert contents(run) == contents(local)


@pytest.mark.slow
def test_full_decodes_survive_a_killed_worker(
    ray: Engine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and pairs in parts of ten; a worker is killed after the first part: the results are those of here."""
    monkeypatch.setattr(distributed_decodes, "LEAST", 0)
    monkeypatch.setattr(distributed_decodes, "PART", 10)
    files = sorted(folder.rglob("*.jpg"))
    pairs = [Pair(one, two, 0, True, (0.0, 1.0, 0.0, 1.0)) for one, two in itertools.pairwise(files)]
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if 0 < done < total and not killed:
            killed.append(children("ray::_Actor").pop())
            os.kill(killed[-1], signal.SIGKILL)

    decodes = distributed_decodes.decodes_on(ray, tmp_path)
    assert decodes.compare(pairs, progress=kill) == full_decode_match.compare(pairs)
    assert killed and decodes.pixel_digests(files) == full_decode_match.pixel_digests(files)


def predicted(run: Run, local: Run, engine: Engine, progress: Callable[[int, int], None]) -> bytes:
    """The predictions of the scanned images, from made-up embeddings, as a run in a folder of its own."""
    dataset = local.read_dataset()
    known = dataset[dataset["read_error"].isna()]
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(known), 16)) + 2 * (known["label"].to_numpy() == "cat")[:, None]
    vectors = vectors.astype(np.float32)
    tables.write_vectors(run.embeddings, {"image_id": known["image_id"]}, "embedding", vectors, {"key": "made up"})
    clusters = known[["image_id"]].assign(split_group=known["image_id"])
    embeddings, brought = run.read_embeddings(), Brought(None, None)
    run.write(tables.DATASET, dataset)
    predictions.predict(run, clusters, Method(), brought, embeddings, 0, engine, progress)
    assert not run.folds.exists()
    return run.predictions.read_bytes()


@pytest.mark.slow
def test_predictions_by_a_sample_survive_a_killed_worker(
    ray: Engine, local: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads of 150 of 238 images are fitted in pieces of five, and predict all in parts of ten; a worker is killed at
    the heads; the driver is stopped after the first parts, and begins again there; a worker is killed. The table is
    that of this machine, byte by byte."""
    monkeypatch.setattr(piece_map, "LEAST", 0)
    monkeypatch.setattr(fitting_sample, "MOST", 150)
    monkeypatch.setattr(heads_in_pieces, "TOGETHER", 5 * 150)
    monkeypatch.setattr(large_arrays, "PIECE", 10 * 16 * 4)
    expected = predicted(create(tmp_path / "local"), local, engines.LOCAL, lambda done, total: None)
    made = predictions.describe(create(tmp_path / "local"))
    assert made["notes"] == ["heads were fitted to 150 of 238 images, and predict all of them"]
    assert made["accuracy"] > 0.9
    run = create(tmp_path / "ray")

    class Stopped(Exception):
        pass

    fitting = list[int]()

    def stop(done: int, total: int) -> None:
        if total == 238 and done > 40:
            raise Stopped
        if total != 238 and not fitting:
            assert 0 < done < total
            fitting.append(children("ray::_Actor").pop())
            os.kill(fitting[-1], signal.SIGKILL)

    with pytest.raises(Stopped):
        predicted(run, local, ray, stop)
    assert fitting
    (model,) = run.folds.glob("*/model.npz")
    fitted = model.stat().st_mtime_ns
    begun, killed = list[int](), list[int]()

    def kill(done: int, total: int) -> None:
        assert total == 238, "no head is fitted again"
        begun.append(done)
        assert model.stat().st_mtime_ns == fitted
        if done < total and not killed:
            killed.append(children("ray::_Actor").pop())
            os.kill(killed[-1], signal.SIGKILL)

    assert predicted(run, local, ray, kill) == expected
    assert killed and begun[0] > 40


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [True, False])
def test_outliers_survive_a_killed_worker(
    ray: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: bool
) -> None:
    """By classes and by neighbours, in pieces; the driver is stopped after the first piece, and does not do it again; a
    worker is killed. The findings are those of this machine, to the last bit."""
    monkeypatch.setattr(piece_map, "LEAST", 0)
    monkeypatch.setattr(bulk_distances, "_BLOCK", 64)
    monkeypatch.setattr(bulk_distances, "_PIECE", 256)
    monkeypatch.setattr(listed_neighbours, "_ASKED", 64)
    monkeypatch.setattr(outlier, "_COMPARED", 1000)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 24)).astype(np.float32)
    vectors[:1500, 0] += 9
    vectors[:4] = 0
    vectors[[0, 1, 2, 3], [10, 12, 14, 16]] = 40
    given = tables.Embeddings(pd.Series([f"{i:04}" for i in range(3000)]), vectors)
    label = (["cat"] * 1500 + ["dog"] * 1500) if labelled else [None] * 3000
    dataset = pd.DataFrame({"image_id": given.image_id, "label": label})
    expected = outlier.find(dataset, given)
    assert {"0000", "0001", "0002", "0003"} <= set(expected["image_id"])
    where = piece_map.piece_map_on(ray, tmp_path)
    begun, killed = list[int](), list[int]()

    def watched(*work: Any, images: int) -> list[npt.NDArray[Any]]:
        def watch(done: int, total: int) -> None:
            begun.append(done)
            if done < total and len(begun) > 1 and not killed:
                killed.append(children("ray::_Actor").pop())
                os.kill(killed[-1], signal.SIGKILL)
            if len(begun) == 1:
                raise KeyboardInterrupt

        return where(*work, images=images, progress=watch)

    with pytest.raises(KeyboardInterrupt):
        outlier.find(dataset, given, watched)
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("piece-*")}
    assert kept and begun == [1]
    pd.testing.assert_frame_equal(outlier.find(dataset, given, watched), expected, check_exact=True)
    assert killed and begun[1] > len(kept)
    assert all(file.stat().st_mtime_ns == kept[file] for file in kept)


@pytest.mark.slow
def test_the_sample_data_has_the_same_tables(ray: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole audit of the demo's digits by pixels as vectors, which are enough for every stage to have pieces."""
    monkeypatch.setattr(piece_map, "LEAST", 0)
    monkeypatch.setattr(fitting_sample, "MOST", 600)
    monkeypatch.setattr(heads_in_pieces, "TOGETHER", 5 * 600)
    files = sorted(path for path in sample_data.IMAGES.rglob("*") if path.is_file())
    ids, pixels = list[str](), list[npt.NDArray[np.float32]]()
    for file in files:
        with contextlib.suppress(OSError), Image.open(file) as image:
            pixels.append(np.asarray(image.convert("L").resize((12, 12)), np.float32).ravel())
            ids.append(file.relative_to(sample_data.IMAGES).as_posix())
    frame = pd.DataFrame({"image_id": ids, "embedding": pixels})
    inner, workers, hashes = ray.map, list[str](), []

    def watched(start: Any, items: Any, **how: Any) -> Iterator[Any]:
        worker = getattr(start, "func", start)
        workers.append(start.args[0].__name__ if worker is piece_map.PieceWorker else worker.__name__)
        return inner(start, items, **how)

    monkeypatch.setattr(ray, "map", watched)
    for engine in (engines.LOCAL, ray):
        monkeypatch.setattr(engines, "opened", lambda *_, engine=engine: contextlib.nullcontext(engine))
        run = imageclinic.audit(sample_data.IMAGES, tmp_path / str(engine.distributed), embeddings=frame).run
        names = ("dataset", "features", "neighbors", "clusters", "splits", "predictions", "issues")
        hashes.append({name: hashlib.sha256((run.path / f"{name}.parquet").read_bytes()).hexdigest() for name in names})
        assert not list(run.path.glob("**/piece-*")), "they go when the audit is done"
    assert hashes[0] == hashes[1]
    # Heads of all strengths, of which the best are not fitted again; distances to the bulk, and within each class.
    assert workers.count("_fitted") == 1 and workers.count("_reach") == 2 and "PredictionWorker" in workers


@pytest.mark.slow
def test_what_a_worker_raises_ends_the_stage(ray: Engine) -> None:
    results: list[int] = []
    with pytest.raises(OSError, match="No space") as full:
        results.extend(ray.map(Trial, ["", "", "full disk"], workers=1))
    assert full.value.errno == errno.ENOSPC
    assert results == [1, 1]


@pytest.mark.slow
def test_an_item_at_which_workers_are_lost_is_given_up(ray: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_TRIES", 2)
    with pytest.raises(Failed, match="2 times"):
        list(ray.map(Trial, ["killed"], workers=1))


@pytest.mark.slow
def test_a_worker_must_see_the_files(ray: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not see") as unseen:
        list(ray.map(Trial, [""], workers=1, visible=[tmp_path / "elsewhere"]))
    assert str(tmp_path / "elsewhere") in str(unseen.value)


def test_a_worker_must_have_the_same_versions() -> None:
    facts = worker_facts.facts([])
    worker_facts.check(facts)
    facts["versions"]["pillow"] = "9.0"
    with pytest.raises(InputError, match=r"pillow 9\.0 for 1"):
        worker_facts.check(facts)


def test_arguments_are_checked_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(address_check, "ANSWER", 0.1)
        with pytest.raises(InputError, match="does not answer: timed out"):
            engines.opened("ray", f"127.0.0.1:{port}")
    for name, address, expected in (
        ("spark", None, "one of local, ray"),
        ("local", "auto", "without --engine ray"),
        ("ray", "10.0.0.1", "HOST:PORT"),
        ("ray", "ray://10.0.0.1:80", "HOST:PORT"),
        ("ray", f"127.0.0.1:{port}", "does not answer"),
    ):
        with pytest.raises(InputError, match=expected):
            engines.opened(name, address)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"imageclinic\[ray\]"):
        engines.opened("ray")
