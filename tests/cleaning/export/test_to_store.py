"""Exports in object stores: the same files as in a folder, the manifest last, resumed where they were killed."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pandas as pd
import pytest

import imageclinic
from imageclinic.cleaning.export import write_export
from imageclinic.cleaning.export.export_options import ExportOptions
from imageclinic.cleaning.export.packed import packed_format
from imageclinic.cleaning.export.proof.prove_export import verify
from imageclinic.cleaning.export.to_store import upload_export
from imageclinic.cleaning.export.to_store.fetched_export import fetched
from imageclinic.core import tables
from imageclinic.core.errors import Failed, InputError
from imageclinic.core.run import Run
from imageclinic.core.stores.store import Store
from tests.cleaning.export.conftest import equal_files
from tests.cleaning.export.test_write_export import audited, content, picture
from tests.helpers.store_server import SECRET, bucket, endpoint, requests

__all__ = ["bucket", "endpoint", "requests"]  # fixtures
pytestmark = pytest.mark.usefixtures("only_equal_files_are_copies")

N = 24
FORMATS = ("folders", "imagefolder", "fiftyone", "webdataset", "parquet")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """24 pictures of two classes, as an audit leaves them; names hostile to shards."""
    root = tmp_path_factory.mktemp("to-store") / "data"
    for n in range(N):
        folder = root / ("ev.en" if n % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        picture(folder / f"{n // 4}.{'a' if n % 4 < 2 else 'b'}.x.png", n)
    opened: Run = audited(root)
    return opened


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_format, "SHARD", 1000)
    no_pairs = pd.DataFrame(columns=["image_id", "other_id", "kind"], dtype="str")
    monkeypatch.setattr(upload_export, "pairs_among", lambda files, progress=None: no_pairs)


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")  # one for the whole process
    system.store.clear()
    yield system
    system.store.clear()


def export(run: Run, out: Path | str, format: str = "folders", seen=None, **options) -> dict:
    dataset = run.read(tables.DATASET)
    split = [("train", "train", "val", "test")[n % 4] for n in range(len(dataset))]
    splits = tables.frame(tables.SPLIT_TABLE, image_id=dataset["image_id"], split=split)
    none = pd.DataFrame(columns=["image_id", "change", "from_label", "to_label", "why", "reviewer"], dtype="str")
    content = write_export.CleanedDataset(dataset, splits, tables.empty(tables.CLUSTERS), none)
    return write_export.export(content, run, out, ExportOptions(format=format, **options), seen)


def there(memory) -> dict[str, bytes]:
    """What is in the store, by its path in the export."""
    found = memory.find("/a-store/pets") if memory.exists("/a-store/pets") else []
    return {path.removeprefix("/a-store/pets/"): memory.cat_file(path) for path in found}


@pytest.mark.parametrize("format", FORMATS)
def test_a_store_gets_the_files_that_a_folder_gets(format: str, run: Run, memory, tmp_path: Path) -> None:
    local = export(run, tmp_path / "out", format)
    assert all(proof.ok for proof in local["proofs"])
    summary = export(run, "memory://a-store/pets", format)
    assert summary["out"] == "memory://a-store/pets" and all(proof.ok for proof in summary["proofs"])
    assert there(memory) == content(tmp_path / "out")
    assert [p.name for p in summary["proofs"]] == [p.name for p in local["proofs"]]
    assert not (run.path / "uploads").exists()
    if format in ("webdataset", "parquet"):
        assert sum(path.startswith("train-") for path in there(memory)) > 2
    with fetched("memory://a-store/pets") as folder:
        assert content(folder) == there(memory)


def test_shards_are_read_back_by_an_audit(run: Run, tmp_path: Path) -> None:
    for format in ("webdataset", "parquet"):
        out = tmp_path / format
        export(run, out, format)
        shards = tmp_path / f"{format}-shards"
        shards.mkdir()
        for path in (*out.glob("*.tar"), *out.glob("*.parquet")):
            path.rename(shards / path.name)
        listed = imageclinic.audit(shards, tmp_path / f"{format}-run", checks=["unreadable_here"], workers=1)
        found = listed.run.read(tables.DATASET)
        assert found["label"].value_counts().to_dict() == {"ev.en": 12, "odd": 12}
        assert found["split"].value_counts().to_dict() == {"train": 12, "val": 6, "test": 6}
        assert set(found["sha256"]) == set(run.read(tables.DATASET)["sha256"])


@pytest.mark.parametrize("format", ["webdataset", "parquet"])
def test_a_wrong_record_fails_its_proof(format: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(run, out, format)
    shards = sorted(out.glob("train-*"))
    shards[0].write_bytes(shards[1].read_bytes())
    assert {"files", "records"} <= {proof.name for proof in verify(out) if not proof.ok}
    shards[0].write_bytes(shards[1].read_bytes()[:900])
    (broken,) = verify(out)
    assert broken.name == "records" and shards[0].name in broken.detail


class Killed(BaseException):
    pass


@pytest.mark.parametrize("format", ["folders", "webdataset"])
def test_a_killed_export_goes_on(format: str, run: Run, memory, tmp_path: Path, monkeypatch) -> None:
    put = Store.put
    written: list[str] = []

    def counted(self: Store, file: Path, key: str) -> None:
        put(self, file, key)
        written.append(key)

    monkeypatch.setattr(Store, "put", counted)
    monkeypatch.setattr(upload_export, "_AT_ONCE", 2)

    def kill(done: int, total: int) -> None:
        if done >= N // 2:
            raise Killed

    with pytest.raises(Killed):
        export(run, "memory://a-store/pets", format, kill)
    first = set(there(memory))
    assert written[0] == upload_export.UNFINISHED and not {"manifest.csv", "export.json"} & first
    with pytest.raises(InputError, match="not finished"), fetched("memory://a-store/pets"):
        pass
    with pytest.raises(InputError, match="another one"):
        export(run, "memory://a-store/pets", "imagefolder")
    journal = next((run.path / "uploads").iterdir())
    known = [json.loads(line)[0] for line in journal.read_text().splitlines()]
    assert known
    journal.write_text(journal.read_text() + '["train/')  # cut off by the kill
    gone = known.pop()
    memory.rm_file(f"/a-store/pets/{gone}")
    written.clear()
    assert all(proof.ok for proof in export(run, "memory://a-store/pets", format)["proofs"])
    assert not set(known) & set(written) and gone in written
    assert written[-2:] == ["export.json", "manifest.csv"]
    export(run, tmp_path / "out", format)
    assert there(memory) == content(tmp_path / "out")
    with pytest.raises(InputError, match="there already"):
        export(run, "memory://a-store/pets", format)


def test_what_does_not_belong_there_is_no_proof(run: Run, memory) -> None:
    def intrude(done: int, total: int) -> None:
        memory.pipe_file("/a-store/pets/evil.txt", b"x")

    with pytest.raises(Failed, match=r"evil\.txt"):
        export(run, "memory://a-store/pets", "folders", intrude)
    assert "manifest.csv" not in there(memory)
    memory.rm_file("/a-store/pets/evil.txt")
    assert all(proof.ok for proof in export(run, "memory://a-store/pets")["proofs"])


def test_options_that_a_store_can_not_have(run: Run, memory) -> None:
    for options in ({"format": "manifest"}, {"link": "symlink"}):
        with pytest.raises(InputError):
            export(run, "memory://a-store/pets", **options)
    assert not there(memory)
    run.update_info({"source": "memory://a-store/pets"})
    for place in ("memory://a-store/pets/clean", "memory://a-store"):
        with pytest.raises(InputError, match="overlap"):
            export(run, place)
    run.update_info({"source": ""})


def test_s3(run: Run, bucket, tmp_path: Path, monkeypatch) -> None:
    address = f"s3://{bucket.name}/pets"
    summary = export(run, address, "webdataset")
    assert all(proof.ok for proof in summary["proofs"])
    objects = {each.key.removeprefix("pets/"): each.get()["Body"].read() for each in bucket.objects.all()}
    export(run, tmp_path / "out", "webdataset")
    assert objects == content(tmp_path / "out")
    text = json.dumps({**summary, "proofs": []}).encode() + b"".join(objects.values())
    assert SECRET.encode() not in text and b"someone" not in text
    monkeypatch.setattr("imageclinic.cleaning.export.proof.prove_export.find_pairs", equal_files)
    assert imageclinic.verify(address)["ok"].all()
    bucket.Object("pets/train-00000-of-00003.tar").delete()
    assert not imageclinic.verify(address)["ok"].all()
    with pytest.raises(InputError, match="no such bucket: s3://no-such-bucket/pets") as error:
        export(run, "s3://no-such-bucket/pets", "webdataset")
    assert SECRET not in str(error.value)
