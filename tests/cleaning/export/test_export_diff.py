"""A comparison of two exports says of each image what a look at both its rows says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageclinic.cleaning.export import export_diff
from imageclinic.core import tables
from imageclinic.core.errors import InputError

_NAMES = [f"{folder}/{at}.png" for folder in ("a", "=b", 'it\'s, "so"', "ü😀") for at in range(4)]
_Row = tuple[str, str, str, str | None]
_ROWS = st.tuples(
    st.sampled_from(["cat", "+dog"]),
    st.sampled_from(tables.SPLITS),
    st.sampled_from(["0" * 64, "f" * 64]),
    st.sampled_from([None, "keep", "relabel"]),
)
_EXPORTS = st.dictionaries(st.sampled_from(_NAMES), _ROWS)


def _written(folder: Path, images: dict[str, _Row]) -> Path:
    """A manifest with these images, in this order."""
    columns = list(zip(*images.values(), strict=True)) or [[], [], [], []]
    label, split, sha256, decision = map(list, columns)
    names = list(images)
    folder.mkdir(exist_ok=True)
    data = tables.frame(
        tables.MANIFEST,
        image_id=names,
        path=names,
        label=label,
        split=split,
        split_group=names,
        sha256=sha256,
        decision=decision,
    )
    tables.write_csv(folder / tables.MANIFEST.file, data, tables.MANIFEST)
    return folder


def _expected(one: dict[str, _Row], two: dict[str, _Row]) -> set[tuple[str, str, str | None, str | None]]:
    rows: set[tuple[str, str, str | None, str | None]] = set()
    for name in {*one, *two}:
        if name not in two:
            rows.add((name, "removed", f"{one[name][1]}/{one[name][0]}", None))
        elif name not in one:
            rows.add((name, "added", None, f"{two[name][1]}/{two[name][0]}"))
        else:
            aspects = ("label", "split", "content", "decision")
            changed = zip(aspects, one[name], two[name], strict=True)
            rows |= {(name, aspect, old, new) for aspect, old, new in changed if old != new}
    return rows


@settings(max_examples=60, deadline=None)
@given(_EXPORTS, _EXPORTS, st.integers(1, 5))
def test_each_change_is_said_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, _Row], two: dict[str, _Row], piece: int
) -> None:
    folder = tmp_path_factory.mktemp("exports")
    first, second = _written(folder / "one", one), _written(folder / "two", two)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_diff, "_PIECE", piece)
        found = export_diff.diff(first, second)
    assert list(found) == ["image_id", "change", "before", "after"]
    rows = [tuple(value if isinstance(value, str) else None for value in row) for row in found.itertuples(index=False)]
    assert set(rows) == _expected(one, two) and len(set(rows)) == len(rows)
    assert [row[:2] for row in rows] == sorted(row[:2] for row in rows)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.png,a.png,cat,,train,a.png,00,,,,too many\n", "no readable CSV"),
        ("a.png,a.png,cat,,here,a.png,00,,,\n", "holds 'here'"),
        ("a.png,a.png,,,train,a.png,00,,,\n", "label has 1 empty"),
        ("a.png,a.png,cat,,train,a.png,00,,,\n" * 2, "two rows for 'a.png'"),
        ("../a.png,a.png,cat,,train,a.png,00,,,\n", "holds '../a.png'"),
    ],
)
def test_a_manifest_that_is_damaged_is_no_manifest(tmp_path: Path, text: str, says: str) -> None:
    good = _written(tmp_path / "good", {})
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / tables.MANIFEST.file).write_text(",".join(tables.MANIFEST.names) + "\n" + text)
    with pytest.raises(InputError, match=says):
        export_diff.diff(good, bad)


def test_a_manifest_without_a_column_says_which(tmp_path: Path) -> None:
    good = _written(tmp_path / "good", {})
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / tables.MANIFEST.file).write_text("image_id,label,split,decision\na.png,cat,train,\n")
    with pytest.raises(InputError, match="lacks the columns sha256"):
        export_diff.diff(good, bad)
