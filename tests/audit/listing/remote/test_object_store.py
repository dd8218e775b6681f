"""Object stores, against moto's server: real requests over loopback, and their number."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import imageclinic
from imageclinic.audit.listing.packed import packed_listing, unpack
from imageclinic.audit.listing.packed.packed_source import Reading, recognise
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.stores.addresses import address_of, cleaned, shown
from imageclinic.workflows.steps import diagnosis_images
from tests.helpers.store_server import SECRET, bucket, endpoint, requests

__all__ = ["bucket", "endpoint", "requests"]  # fixtures


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tar(names: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def samples(start: int) -> bytes:
    return tar(
        {f"{n}.{kind}": png(n) if kind == "png" else b"cat" for n in (start, start + 1) for kind in ("png", "cls")}
    )


def images(address: str, to: Path, progress=lambda done, total: None) -> tuple[list, dict[str, str]]:
    """What each part held, and image_id → label."""
    source = recognise(address_of(address), Reading({}, None))
    parts = unpack.unpack(source, to, progress)
    listed = packed_listing.listing(source, parts, to / source.name, None).images
    return parts, dict(zip(listed["image_id"], listed["label"], strict=True))


def test_a_shard_is_one_request_and_a_finished_one_is_none(bucket, requests, tmp_path) -> None:
    for n in range(3):
        bucket.put_object(Key=f"pets/train-{n:04d}.tar", Body=samples(2 * n))
    address = f"s3://{bucket.name}/pets"
    _, found = images(address, tmp_path)
    assert found == {f"train-{n // 2:04d}/{n}.png": "cat" for n in range(6)}
    assert requests.taken() == (1, [f"/{bucket.name}/pets/train-{n:04d}.tar" for n in range(3)])
    assert images(address, tmp_path)[1] == found and requests.taken() == (1, [])
    assert not [p for p in tmp_path.rglob("*") if p.suffix == ".tar"]
    bucket.put_object(Key="pets/train-0001.tar", Body=samples(8))
    parts, found = images(address, tmp_path)
    assert requests.taken() == (1, [f"/{bucket.name}/pets/train-0001.tar"])
    assert [part.changed for part in parts] == [False, True, False] and "train-0001/9.png" in found
    assert {p.relative_to(tmp_path / "pets").as_posix() for p in (tmp_path / "pets").rglob("*.png")} == found.keys()


def test_a_shard_that_a_killed_audit_has_fetched_is_not_fetched_again(bucket, requests, tmp_path) -> None:
    bucket.put_object(Key="pets.tar", Body=samples(0))
    source = recognise(f"s3://{bucket.name}/pets.tar", Reading({}, None))
    scratch = tmp_path / "00000.fetched"
    events = source.parts[0].fetch(scratch, lambda size: None)
    next(events)  # … and killed
    assert len(requests.taken()[1]) == 1
    assert len(list(source.parts[0].fetch(scratch, lambda size: None))) == 4
    assert requests.taken() == (0, []) and not scratch.exists()


def test_class_folders_resume_and_notice_what_changed(bucket, requests, tmp_path) -> None:
    keys = [f"pets/{kind}/{n}.png" for kind in ("cat", "dog") for n in range(8)]
    for n, key in enumerate([*keys, "pets/../../evil.png", "pets/cat//x.png"]):
        bucket.put_object(Key=key, Body=png(n))
    bucket.put_object(Key="pets/cat/notes.md", Body=b"no image")
    address = f"s3://{bucket.name}/pets"
    run = tmp_path / "deep" / "run"

    class Killed(Exception):
        pass

    steps = iter(range(9))

    def kill(done: int, total: int) -> None:
        if next(steps, None) is None:
            raise Killed

    with pytest.raises(Killed):
        images(address, run, kill)
    written = len(list(run.rglob("*.png")))
    assert 0 < written < 18
    requests.taken()
    source = recognise(address, Reading({}, "any"))
    (part,) = unpack.unpack(source, run, lambda done, total: None)
    listings, read = requests.taken()
    assert listings == 1 and len(read) == len(set(read)) == 18 - written
    assert {path for path, *_ in part.images} >= {"cat/0.png", "dog/7.png", "%2E%2E/%2E%2E/evil.png"}
    assert part.others == ["cat/notes.md"] and len(part.images) == 18
    assert [p for p in tmp_path.rglob("*.png") if run / "pets" not in p.parents] == []

    old = (run / "pets" / "cat" / "3.png").read_bytes()
    new = old[:-20] + bytes(8) + old[-12:]  # of the same size
    bucket.put_object(Key="pets/cat/3.png", Body=new)
    (part,) = unpack.unpack(recognise(address, Reading({}, "any")), run, lambda done, total: None)
    assert requests.taken() == (1, [f"/{bucket.name}/pets/cat/3.png"]) and part.changed
    assert (run / "pets" / "cat" / "3.png").read_bytes() == new


def test_an_image_that_vanishes_is_a_finding(bucket, requests, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for n in range(8):
        bucket.put_object(Key=f"pets/{'cat' if n % 2 else 'dog'}/{n}.png", Body=png(n))
    address = f"s3://{bucket.name}/pets"

    @contextlib.contextmanager
    def stage(description: str):
        if description.startswith("Fetching"):  # the listing is done
            bucket.Object("pets/cat/3.png").delete()
        yield lambda done, total: None

    result = imageclinic.audit(address, checks=["unreadable_here"], workers=1, stage=stage)
    issues = result.run.read(tables.ISSUES)
    assert list(issues["image_id"]) == ["cat/3.png"] and "missing" in issues["evidence"][0]
    assert len(result.run.read_dataset()) == 8 and any("vanished" in note for note in result.notes)


def test_a_run_of_a_store_says_where_it_is_from_and_no_secret(bucket, requests, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for n in range(6):
        bucket.put_object(Key=f"pets/{'cat' if n % 2 else 'dog'}/{n}.png", Body=png(n))
        bucket.put_object(Key=f"other/pets/{'cat' if n % 2 else 'dog'}/{n}.png", Body=png(n + 9))
    address = f"s3://{bucket.name}/pets"
    first = imageclinic.audit(address, checks=["exact_duplicate"], workers=1)
    assert first.run.path == tmp_path / "imageclinic-runs" / "pets"
    assert first.run.info()["source"] == first.run.info()["arguments"]["data"] == address
    assert len(first.run.read_dataset()) == 6
    requests.taken()
    imageclinic.audit(Path(address), checks=["exact_duplicate"], workers=1)  # `Path` makes one slash of two
    assert requests.taken() == (1, [])
    text = b"".join(p.read_bytes() for p in first.run.path.rglob("*") if p.is_file())
    assert SECRET.encode() not in text and b"someone" not in text
    with pytest.raises(InputError, match=r"holds a run of s3://.*--out"):
        imageclinic.audit(f"s3://{bucket.name}/other/pets", checks=["exact_duplicate"])
    found = imageclinic.check(address, first.run.path, checks=["copy_of_run"], workers=1)
    assert set(found.issues["check"]) == {"copy_of_run"} and len(found.images) == 6
    material = diagnosis_images.find(address, None, 0)
    assert len(material.images) == 6 and material.folder == tmp_path / "imageclinic-runs" / "pets-diagnosis"


def test_one_object_of_each_format(bucket, requests, tmp_path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for n in range(4):
            file.writestr(f"{'cat' if n % 2 else 'dog'}/{n}.png", png(n))
    bucket.put_object(Key="a/pets.zip", Body=archive.getvalue())
    table = pa.table({"image": [{"bytes": png(n), "path": None} for n in range(4)], "label": ["cat", "dog"] * 2})
    rows = io.BytesIO()
    pq.write_table(table, rows)
    bucket.put_object(Key="b/test-00000-of-00001.parquet", Body=rows.getvalue())
    _, found = images(f"s3://{bucket.name}/a/pets.zip", tmp_path / "zip")
    assert found == {f"{'cat' if n % 2 else 'dog'}/{n}.png": "cat" if n % 2 else "dog" for n in range(4)}
    parts, found = images(f"s3://{bucket.name}/b", tmp_path / "parquet")
    assert list(found.values()) == ["cat", "dog"] * 2 and {image[3] for image in parts[0].images} == {"test"}
    assert len(requests.taken()[1]) == 2


def test_torn_shards(bucket, requests, tmp_path) -> None:
    whole = samples(0)
    bucket.put_object(Key="pets/0.tar", Body=whole)
    bucket.put_object(Key="pets/1.tar", Body=whole[:1000])
    bucket.put_object(Key="pets/2.tar", Body=b"no tar" * 200)
    parts, found = images(f"s3://{bucket.name}/pets", tmp_path)
    assert len(found) == 2 and [len(part.trouble) > 0 for part in parts] == [False, True, True]
    for suffix in ("tar", "zip", "parquet"):
        bucket.put_object(Key=f"torn.{suffix}", Body=b"torn" * 300)
        with pytest.raises(InputError, match=rf"s3://{bucket.name}/torn\.{suffix}") as error:
            images(f"s3://{bucket.name}/torn.{suffix}", tmp_path / suffix)
        assert str(tmp_path) not in str(error.value) and "\n" not in str(error.value)


def test_errors_name_the_address(bucket, monkeypatch, tmp_path) -> None:
    bucket.put_object(Key="texts/a.csv", Body=b"path,label")

    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        refusing = f"http://127.0.0.1:{server.server_port}"
        for address, endpoint, said in (
            ("s3://no-such-bucket/pets", None, "no such bucket"),
            (f"s3://{bucket.name}/nothing", None, "nothing is at"),
            (f"s3://{bucket.name}/texts", None, "none is an image"),
            ("s3://pets/x", refusing, r"no access to .* \(403\)"),
            ("s3://pets/x", "http://127.0.0.1:9", "does not answer"),
            ("unknown://pets/x", None, "unknown"),
        ):
            with monkeypatch.context() as patch:
                if endpoint is not None:
                    patch.setenv("AWS_ENDPOINT_URL", endpoint)
                with pytest.raises(InputError, match=said) as error:
                    recognise(address_of(address), Reading({}, None))
            assert address in str(error.value) and SECRET not in str(error.value) and "\n" not in str(error.value)
        server.shutdown()
        thread.join()


def test_other_stores_go_the_same_way(tmp_path) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for n in range(4):
        system.pipe_file(f"/a-store/pets/{'cat' if n % 2 else 'dog'}/{n}.png", png(n))
    system.pipe_file("/a-store/shards/0.tar", samples(0))
    assert list(images("memory://a-store/pets", tmp_path / "a")[1]) == [
        "cat/1.png",
        "cat/3.png",
        "dog/0.png",
        "dog/2.png",
    ]
    assert images("memory://a-store/shards/0.tar", tmp_path / "b")[1] == {"0.png": "cat", "1.png": "cat"}


def test_addresses(tmp_path) -> None:
    assert address_of(Path("s3://b/pets")) == address_of("s3://b/pets/") == "s3://b/pets"
    assert address_of("pets") is None and address_of("/data/pets") is None and address_of(tmp_path) is None
    assert address_of("abfs://box@account.net/pets") == shown("abfs://box@account.net/pets?sig=abc")
    for secret in ("s3://key:hunter2@b/pets", "https://hunter2@host/pets.tar", "abfs://a:hunter2@b/c"):
        with pytest.raises(InputError) as error:
            address_of(secret)
        assert "hunter2" not in str(error.value)
    signed = "https://host/pets.tar?X-Amz-Signature=hunter2#t"
    assert address_of(signed) == signed and shown(signed) == "https://host/pets.tar"
    line = f"cannot reach {signed} with token=hunter2&x and Secret_Key: hunter2\nhunter2"
    assert "hunter2" not in cleaned(line) and "https://host/pets.tar" in cleaned(line)
    assert json.dumps(cleaned("")) == '""'
