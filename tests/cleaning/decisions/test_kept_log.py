"""What is kept of the decision log says the same as a reading of all of it, whatever happened in between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageclinic.cleaning.decisions import batches, decision_log, log_file
from imageclinic.cleaning.decisions.log_reading import kept_log
from imageclinic.core.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
_NOTES = st.sampled_from([None, "", "keep", "=1,2", 'said "x"\nand went', "two\r\nlines", "ü😀"])
_ROWS = st.lists(
    st.tuples(st.sampled_from(["a.png", "=b.png", "c,d.png"]), st.sampled_from(["keep", "drop", "unsure"]), _NOTES),
    min_size=1,
    max_size=4,
)


def _events(rows: list[tuple[str, str, str | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["image_id", "decision", "note"], dtype="object")
    return frame.assign(reviewer="ann", sha256="0" * 64)


def _said(read, path: Path) -> pd.DataFrame | str:  # type: ignore[no-untyped-def]
    try:
        return read(path)
    except InputError as error:
        return str(error)


def _both_say_the_same(path: Path) -> None:
    kept, whole = _said(kept_log.read, path), _said(decision_log.read, path)
    if isinstance(whole, str):
        assert kept == whole
    else:
        assert isinstance(kept, pd.DataFrame)
        pd.testing.assert_frame_equal(kept, whole)
        kept["note"] = "changed by who read it"
        if len(kept):
            kept.loc[0, "decision"] = "changed"


def _append(path: Path, draw: st.DataObject) -> None:
    decision_log.append(path, _events(draw.draw(_ROWS)))


def _undo(path: Path, draw: st.DataObject) -> None:
    decision_log.undo_batch(path, "ann", every=draw.draw(st.booleans()))


def _killed_in_a_batch(path: Path, draw: st.DataObject) -> None:
    """Its file waits, and none, some or all of its rows are in the log."""
    rows = decision_log.filled(_events(draw.draw(_ROWS)), "test")
    batches.pending_file(path).write_text(log_file.as_text(rows, header=True), "utf-8", newline="")
    text = log_file.as_text(rows, header=not path.exists() or not path.stat().st_size).encode()
    with path.open("ab") as log:
        log.write(text[: draw.draw(st.integers(0, len(text)))])


def _torn(path: Path, draw: st.DataObject) -> None:
    """The end is cut off, or half a row is appended."""
    data = path.read_bytes() if path.exists() else b""
    whole = data + log_file.as_text(decision_log.filled(_events(draw.draw(_ROWS)), "test")).encode()
    path.write_bytes(whole[: draw.draw(st.integers(0, len(whole)))])


def _edited(path: Path, draw: st.DataObject) -> None:
    """Somebody changes any row in place, to one that is as long, or to one that does not fit; and maybe adds a row."""
    data = path.read_bytes() if path.exists() else b""
    old, new = draw.draw(st.sampled_from([(b",keep,", b",drop,"), (b",drop,", b",keep,"), (b"keep", b"kept")]))
    lines = data.split(b"\n")
    at = draw.draw(st.integers(0, len(lines) - 1))
    lines[at] = lines[at].replace(old, new)
    if draw.draw(st.booleans()):
        lines.insert(at, b"")
    path.write_bytes(b"\n".join(lines))
    if draw.draw(st.booleans()):
        with path.open("ab") as log:
            log.write(log_file.as_text(decision_log.filled(_events(draw.draw(_ROWS)), "test")).encode())


def _twice(path: Path, draw: st.DataObject) -> None:
    """The last row is there once more: two with one decision_id."""
    data = path.read_bytes() if path.exists() else b""
    path.write_bytes(data + b"".join(data.splitlines(keepends=True)[-1:]))


def _from_a_spreadsheet(path: Path, draw: st.DataObject) -> None:
    """Written again under another name, with a byte order mark, other ends of lines, or other columns."""
    if not path.exists():
        return
    rows = log_file.read_rows(path)[0]
    how = draw.draw(st.sampled_from(["bom", "crlf", "order", "more", "fewer"]))
    rows = rows[rows.columns[::-1]] if how == "order" else rows.assign(mine="x") if how == "more" else rows
    rows = rows.drop(columns="note", errors="ignore") if how == "fewer" else rows
    new = path.with_name("new.csv")
    end = "\r\n" if how == "crlf" else "\n"
    rows.to_csv(new, index=False, lineterminator=end, encoding="utf-8-sig" if how == "bom" else "utf-8")
    new.replace(path)


def _gone(path: Path, draw: st.DataObject) -> None:
    path.unlink(missing_ok=True)


_STEPS = [_append, _append, _append, _undo, _killed_in_a_batch, _torn, _edited, _twice, _from_a_spreadsheet, _gone]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(_STEPS), min_size=1, max_size=8), st.sampled_from([0, 300, 1 << 18]), st.data())
def test_after_whatever_happens_it_says_what_a_whole_reading_says(  # type: ignore[no-untyped-def]
    tmp_path_factory: pytest.TempPathFactory, steps, new: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "decisions.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_log, "_NEW", new)
        for step in steps:
            try:
                step(path, data)
            except InputError:  # the log is damaged: nothing is appended to it
                assert isinstance(_said(decision_log.read, path), str)
            _both_say_the_same(path)
            _both_say_the_same(path)


def test_only_what_was_appended_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decisions.csv"
    decision_log.append(path, _events([("a.png", "keep", None)] * 50))
    assert len(kept_log.read(path)) == 50
    parsed = []
    whole = log_file.parse_rows

    def counted(data: bytes, *arguments, **options):  # type: ignore[no-untyped-def]
        parsed.append(len(data))
        return whole(data, *arguments, **options)

    monkeypatch.setattr(log_file, "parse_rows", counted)
    before = path.stat().st_size
    decision_log.append(path, _events([("b.png", "drop", None)]))
    assert kept_log.read(path)["decision"].tolist() == ["keep"] * 50 + ["drop"]
    assert parsed == [path.stat().st_size - before]
    kept_log.read(tmp_path / "none.csv")
    assert decision_log.undo_batch(path, "ann") == ["b.png"]
    assert kept_log.read(path)["decision"].tolist()[-2:] == ["drop", "undo"]
    assert max(parsed) < before, "no reading of the whole log since"


WRITER = """
import sys
from pathlib import Path
import pandas as pd
from imageclinic.cleaning.decisions import decision_log
for at in range(int(sys.argv[2])):
    rows = 1 if at % 2 else 40
    events = pd.DataFrame({"image_id": [f"{at}/{k}.png" for k in range(rows)], "decision": "keep", "reviewer": "bob"})
    decision_log.append(Path(sys.argv[1]), events.assign(batch=f"{rows} {at}", note="of\\ntwo lines"))
"""


def test_two_processes_a_batch_of_the_other_is_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    decision_log.append(path, _events([("a.png", "keep", None)] * 20))
    seen: list[str] = []
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path), "60"], cwd=ROOT) as other:
        while other.poll() is None:
            log = kept_log.read(path)
            ids = log["decision_id"].tolist()
            assert ids[: len(seen)] == seen, "what was seen is still there"
            seen = ids
            theirs = log[log["reviewer"].eq("bob")].groupby("batch").size()
            assert theirs.eq(theirs.index.str.split().str[0].astype(int)).all()
            if len(seen) % 7 == 0:
                decision_log.append(path, _events([("mine.png", "drop", None)]))
    assert other.returncode == 0
    whole = decision_log.read(path)
    pd.testing.assert_frame_equal(kept_log.read(path), whole)
    assert whole["reviewer"].eq("bob").sum() == 30 * 41
