"""Archives: WebDataset's samples, class folders, and archives that are damaged, changed or hostile."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from imageclinic.audit.listing.listing import Listing
from imageclinic.audit.listing.packed import packed_listing, tar_stream, unpack
from imageclinic.audit.listing.packed.formats import zip_archive
from imageclinic.audit.listing.packed.member_paths import MemberPaths, decode, encode
from imageclinic.audit.listing.packed.packed_source import Reading, recognise
from imageclinic.core.errors import CanNotWrite, InputError
from imageclinic.core.ids import is_below, to_path


def png(n: int) -> bytes:
    """Begins as a PNG file does, and is another for each number."""
    return b"\x89PNG\r\n\x1a\n" + bytes([n % 256, n // 256]) * 600


def write_tar(file: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(file, mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def listed(data: Path, out: Path, layout: str | None = None) -> Listing:
    source = recognise(data, Reading({}, layout))
    assert source is not None
    out.mkdir(exist_ok=True)
    parts = unpack.unpack(source, out / "images", lambda done, total: None)
    return packed_listing.listing(source, parts, out / "images" / source.name, layout)


def labels(listing: Listing) -> dict[str, str | None]:
    return dict(zip(listing.images["image_id"], listing.images["label"].astype(object), strict=True))


def content(listing: Listing, image_id: str) -> bytes:
    return (listing.root / to_path(image_id)).read_bytes()


def test_webdataset_shards(tmp_path) -> None:
    shards = tmp_path / "wds"
    shards.mkdir()
    kinds = [("cls", b"3"), ("json", b'{"label": "dog", "width": 4}'), ("txt", b"dog\n")]
    for at, (kind, label) in enumerate(kinds):
        split = "test" if at == 2 else "train"
        members = [(f"{n:03}.{suffix}", data) for n in range(3) for suffix, data in (("png", png(n)), (kind, label))]
        write_tar(shards / f"signs-{split}-{at:06}.tar", members if at != 1 else members[::-1])
    (shards / "README.md").write_text("about")
    first = listed(shards, tmp_path / "run")
    images = first.images.set_index("image_id")
    assert len(images) == 9
    assert images.loc["signs-train-000000/001.png", ["label", "split"]].tolist() == ["3", "train"]
    assert images["split"].value_counts().to_dict() == {"train": 6, "test": 3}
    # One kind of file says the labels: numbers of .cls are believed before the others.
    assert images["label"].notna().sum() == 3 and any("6 images have no .cls" in note for note in first.notes)
    assert content(first, "signs-test-000002/002.png") == png(2)


@pytest.mark.parametrize(("kind", "label"), [("json", b'{"class_name": "dog"}'), ("txt", b"dog")])
def test_labels_beside_images(tmp_path, kind: str, label: bytes) -> None:
    file = write_tar(tmp_path / "pets.tar", [("./a/1.png", png(1)), (f"./a/1.{kind}", label)])
    assert labels(listed(file, tmp_path / "run")) == {"a/1.png": "dog"}


def test_captions_are_no_labels(tmp_path) -> None:
    members = [(f"cat/{n}{end}", data) for n in range(12) for end, data in ((".png", png(n)), (".txt", b"seen %d" % n))]
    found = listed(write_tar(tmp_path / "pets.tar", members), tmp_path / "run")
    assert set(found.images["label"]) == {"cat"}
    assert found.other_files == {".txt": 12}


@pytest.mark.parametrize("said", [b'{"label": ["cat", "dog"]}', b'{"bbox": [[1, 2, 3, 4]]}'])
def test_another_task_is_one_sentence(tmp_path, said: bytes) -> None:
    file = write_tar(tmp_path / "pets.tar", [("1.png", png(1)), ("1.json", said)])
    with pytest.raises(InputError, match=r"1\.json has .*one class for each image"):
        listed(file, tmp_path / "run")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.xz", "zip"])
def test_class_folders(tmp_path, suffix: str) -> None:
    members = [
        (f"pets/{split}/{label}/{n}.png", png(n))
        for split in ("train", "test")
        for label in ("cat", "dog")
        for n in range(2)
    ]
    members += [("pets/__MACOSX/._0.png", b"x"), ("pets/train/cat/._0.png", b"x"), ("pets/notes.doc", b"x")]
    file = tmp_path / f"pets.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in members:
                archive.writestr(name, data)
    else:
        write_tar(file, members, {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[suffix])
    found = listed(file, tmp_path / "run")
    assert found.layout == "any/split/class"
    assert len(found.images) == 8 and found.hidden == {"pets/__MACOSX": 1}
    row = found.images.set_index("image_id").loc["pets/test/dog/1.png"]
    assert (row["label"], row["split"]) == ("dog", "test")


HOSTILE = [
    "../../escaped.png",
    "/etc/absolute.png",
    "cat/../../up.png",
    "cat/nul\0inside.png",
    "cat/100%41.png",
    "cat/%2E%2E.png",
    "cat/ends%/1.png",
    "cat/" + "long" * 100 + ".png",
    "cat/A.png",
    "cat/a.png",
    "cat/back\\slash.png",
    "cat/bytes\udcff.png",
    "cat/.1.png.abcdefgh.tmp",
    "cat/" + "%\0" * 150,
]


def test_any_name_gets_a_path_below_the_folder(tmp_path) -> None:
    names = MemberPaths()
    paths = [names.add(name) for name in HOSTILE]
    assert len({str(path).casefold() for path in paths}) == len(HOSTILE)
    for name, path in zip(HOSTILE, paths, strict=True):
        assert path is not None and not path.startswith("/") and not {"..", "", "."} & set(path.split("/"))
        assert max(len(os.fsencode(part)) for part in path.split("/")) <= 200 and "\0" not in path
        assert decode(path) == name
    assert encode("train/cat/1 (2) é.png") == "train/cat/1 (2) é.png", "an ordinary name is its own path"
    assert names.add("cat/" + "x" * 4000) is None


def test_a_hostile_tar(tmp_path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    file = write_tar(
        inner / "evil.tar",
        [(name, png(n)) for n, name in enumerate(HOSTILE) if "\0" not in name]
        + [("cat/A.png", png(99)), ("cat/file", png(50)), ("cat/file/1.png", png(51)), ("cat/" + "y" * 3000, png(1))],
    )
    with tarfile.open(file, "a") as tar:
        for name, kind in (("cat/link.png", tarfile.SYMTYPE), ("cat/pipe.png", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    before = {path for path in tmp_path.rglob("*") if tmp_path / "run" not in path.parents}
    found = listed(file, tmp_path / "run", "any")
    after = {path for path in tmp_path.rglob("*") if tmp_path / "run" not in path.parents}
    assert after - before == {tmp_path / "run"}, "nothing is written elsewhere"
    assert not any(path.is_symlink() or stat.S_ISFIFO(path.lstat().st_mode) for path in tmp_path.rglob("*"))
    ids = list(found.images["image_id"])
    assert len(ids) == len(HOSTILE) - 2 + 3 and all(is_below(image_id) for image_id in ids)
    assert content(found, "%2E%2E/%2E%2E/escaped.png") == png(0)
    assert {content(found, f"cat/{name}.png") for name in ("A", "a%~2", "A%~3")} == {png(8), png(9), png(99)}
    assert content(found, "cat%2Ffile%2F1.png") == png(51)
    text = "\n".join(found.notes)
    for code in ("3 pieces", "cat/link.png: a link", "cat/pipe.png: a pipe", "its name is too long", "2 images have"):
        assert code in text


def test_a_hostile_zip(tmp_path, monkeypatch) -> None:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../up.png", png(1))
        archive.writestr(link, "/etc/passwd")
        archive.writestr("cat/bomb.png", bytes(1 << 20))
        archive.writestr("cat/torn.png", png(7) * 9, zipfile.ZIP_STORED)
    data = bytearray((tmp_path / "evil.zip").read_bytes())
    data[data.index(png(7)) + 20] ^= 1  # its checksum does not fit now
    (tmp_path / "evil.zip").write_bytes(data)
    monkeypatch.setattr(zip_archive, "LARGEST", 1 << 19)
    found = listed(tmp_path / "evil.zip", tmp_path / "run", "any")
    assert list(found.images["image_id"]) == ["%2E%2E/%2E%2E/up.png"]
    text = "\n".join(found.notes)
    for code in (
        "3 pieces",
        "cat/link.png: a link",
        "cat/bomb.png: too large: 1,048,576 bytes",
        "cat/torn.png: damaged",
    ):
        assert code in text


def test_torn_shards_cost_only_what_is_lost(tmp_path) -> None:
    shards = tmp_path / "wds"
    shards.mkdir()
    members = [(f"{label}/{n}.png", png(n)) for n in range(5) for label in ("cat", "dog")]
    whole = write_tar(shards / "0.tar", members).read_bytes()
    at = next(n for n in range(0, len(whole), 512) if whole[n : n + 9] == b"cat/2.png")
    (shards / "1.tar").write_bytes(whole[:at] + b"?" * 512 + whole[at + 512 :])  # a header in the middle
    (shards / "2.tar").write_bytes(whole[: at + 512 + 100])  # cut off in an image
    (shards / "3.tar").write_bytes(whole[:at])  # cut off between two
    (shards / "4.tar").write_bytes(b"no tar at all" * 99)
    found = listed(shards, tmp_path / "run")
    counts = found.images["image_id"].str.split("/").str[0].value_counts().to_dict()
    assert counts == {"0": 10, "1": 9, "2": 4, "3": 4}
    text = "\n".join(found.notes)
    for code in ("1: damaged: 2,048 bytes before 'dog/2.png' are lost", "3: cut off", "4: damaged", "2/cat/2.png: dam"):
        assert code in text, (code, text)


def test_a_killed_unpacking_goes_on_and_a_changed_source_is_unpacked_again(tmp_path, monkeypatch) -> None:
    members = [(f"{label}/{n}.png", png(n)) for n in range(4) for label in ("cat", "dog")]
    file = write_tar(tmp_path / "pets.tar", members)
    written: list[str] = []
    real = unpack.replacing

    def counting(path: Path, **how: bool):
        if path.suffix == ".png":
            if len(written) == 5:
                raise KeyboardInterrupt
            written.append(path.name)
        return real(path, **how)

    monkeypatch.setattr(unpack, "replacing", counting)
    with pytest.raises(KeyboardInterrupt):
        listed(file, tmp_path / "run")
    monkeypatch.setattr(unpack, "replacing", real)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.png")}
    assert len(kept) == 5
    first = listed(file, tmp_path / "run")
    assert len(first.images) == 8
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items()), "these were not written again"

    with monkeypatch.context() as patched:
        patched.setattr(tar_stream, "members", None)
        assert labels(listed(file, tmp_path / "run")) == labels(first), "an unchanged archive is not read again"

    (first.root / "cat/0.png").write_bytes(png(0)[::-1])
    source = recognise(file, Reading({}, None))
    assert source is not None
    unpack.unpack(source, tmp_path / "run" / "images", lambda done, total: None, again=True)
    assert content(first, "cat/0.png") == png(0), "when asked, every image is compared"

    write_tar(file, [*members[2:], ("cat/9.png", png(9))])
    again = listed(file, tmp_path / "run")
    assert any(note.startswith("changed since the last audit") for note in again.notes)
    assert len(list((tmp_path / "run").rglob("*.png"))) == len(again.images) == 7, (
        "what left the archive leaves the run"
    )
    (again.root / "cat/9.png").unlink()
    assert content(listed(file, tmp_path / "run"), "cat/9.png") == png(9), "a lost file is unpacked again"


def test_an_archive_that_changed_within_its_size_is_compared_until_that_is_finished(tmp_path, monkeypatch) -> None:
    def packed(value: int) -> Path:
        with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
            for n in range(4):
                archive.writestr(f"cat/{n}.png", png(n + value))
        return tmp_path / "pets.zip"

    sizes = {len(png(n)) for n in range(9)}
    assert len(sizes) == 1, "no member's size tells that it changed"
    listed(packed(0), tmp_path / "run")
    real, written = unpack.replacing, []

    def stopped(path: Path, **how: bool):
        if path.suffix == ".png":
            if written:
                raise KeyboardInterrupt
            written.append(path)
        return real(path, **how)

    changed = packed(5)
    with monkeypatch.context() as patched:
        patched.setattr(unpack, "replacing", stopped)
        with pytest.raises(KeyboardInterrupt):
            listed(changed, tmp_path / "run")
    assert len(written) == 1
    found = listed(changed, tmp_path / "run")
    assert [content(found, f"cat/{n}.png") for n in range(4)] == [png(n + 5) for n in range(4)]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_change_in_the_middle_is_noticed_whatever_the_times_say(tmp_path, monkeypatch, kind: str) -> None:
    members = [(f"cat/{n:03d}.png", png(n) + bytes(3000)) for n in range(100)]
    changed = [*members[:50], ("cat/050.png", png(7) + bytes(3000)), *members[51:]]
    file = tmp_path / f"pets.{kind}"

    def pack(images: list[tuple[str, bytes]]) -> None:
        if kind == "tar":
            write_tar(file, images)
        else:
            with zipfile.ZipFile(file, "w") as archive:
                for name, data in images:
                    archive.writestr(zipfile.ZipInfo(name), data)
                archive.comment = bytes((1 << 16) - 1)  # longer than what is read of its end
        os.utime(file, ns=(10**18, 10**18))

    pack(members)
    before, first = file.read_bytes(), listed(file, tmp_path / "run")
    file.chmod(0o640)
    assert not any("changed" in note for note in listed(file, tmp_path / "run").notes), "nothing of it has changed"
    with monkeypatch.context() as patched:
        patched.setattr(unpack, "_unpack_part", None)
        listed(file, tmp_path / "run")
    pack(changed)
    after, end = file.read_bytes(), 1 << 16
    assert (len(after), after[:end], after[-end:]) == (len(before), before[:end], before[-end:]) and after != before
    found = listed(file, tmp_path / "run")
    assert content(first, "cat/050.png") == png(7) + bytes(3000)
    assert any(note.startswith("changed since the last audit") for note in found.notes)


def test_a_shard_that_can_not_be_read_costs_itself(tmp_path, monkeypatch) -> None:
    shards = tmp_path / "wds"
    shards.mkdir()
    for name in ("a", "b"):
        write_tar(shards / f"{name}.tar", [("cat/1.png", png(1)), ("dog/1.png", png(2))])
    real = Path.open

    def refusing(path: Path, *how: str, **more: str):
        if path.name == "b.tar":
            raise PermissionError(13, "Permission denied")
        return real(path, *how, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refusing)
        found = listed(shards, tmp_path / "run")
    assert list(found.images["image_id"]) == ["a/cat/1.png", "a/dog/1.png"]
    assert any("b: can't be read" in note for note in found.notes)
    assert len(listed(shards, tmp_path / "run").images) == 4, "it is read as soon as it can be"


def test_too_little_disk(tmp_path, monkeypatch) -> None:
    file = write_tar(tmp_path / "pets.tar", [("cat/1.png", png(1)), ("dog/1.png", png(2))])
    packed = write_tar(tmp_path / "packed.tar.gz", [("cat/1.png", png(1))], "w:gz")
    usage = type("Usage", (), {"free": 10_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"need 0\.27 GB unpacked, .* has 0\.01 GB free.*--out"):
        listed(file, tmp_path / "run")
    with pytest.raises(CanNotWrite, match=r"0\.01 GB left while packed is unpacked"):
        listed(packed, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [("a.tar", b"x" * 2000, "no readable tar"), ("a.zip", b"PK\x03\x04", "no readable zip")],
)
def test_files_that_are_refused(tmp_path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=words):
        listed(tmp_path / name, tmp_path / "run")


def test_a_folder_of_images_is_none_of_shards(tmp_path) -> None:
    write_tar(tmp_path / "a.tar", [("cat/1.png", png(1))])
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(png(1))
    assert recognise(tmp_path, Reading({}, None)) is None
