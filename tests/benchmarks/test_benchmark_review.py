"""The benchmark of a review's statistics: its simulated reviewers, and a run on a few pictures."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import review, reviewers
from imageclinic.cleaning.trust import stopping
from imageclinic.training.embed import patch_dictionary

pytestmark = pytest.mark.slow


def test_a_review_in_turns_looks_at_nothing_twice():
    at, drawn = reviewers.in_turns(np.array([3, 1, 2, 0]), np.arange(4), [(1, 2), (1, 0)])
    assert at.tolist() == [3, 0, 1, 2] and drawn.tolist() == [True, False, False, True]


def test_what_is_known_of_a_list():
    right = np.array([True, True, False, True])
    about = reviewers.reviews(right, np.array([2, 0]), np.array([True, False]), 0.5)
    assert about.unseen.tolist() == [False, True, False, True]
    assert about.right.tolist() == [True, False, False, False]  # nobody knows of the others
    assert about.weight.tolist() == [0, 0, 2, 0] and about.made().tolist() == [2, 0]


def test_a_reviewer_stops_where_errors_end_and_never_where_they_do_not():
    rng = np.random.default_rng(0)
    ends = np.arange(800) < 200
    stopped, premature, earliest = reviewers.stop(ends, "by rank", 20, rng)
    assert not premature and 181 == earliest < stopped < 400
    assert reviewers.stop(np.ones(400, dtype=bool), "in turns", 20, rng)[0] is None


def test_a_name_that_comes_too_soon_is_found_out(monkeypatch):
    right = np.random.default_rng(1).permutation(400) < 80
    assert not reviewers.named_wrongly(right, 10, np.random.default_rng(0))
    monkeypatch.setattr(reviewers.bounds, "lowest", lambda bounds, limit: 0)
    assert reviewers.named_wrongly(right, 10, np.random.default_rng(0))


def test_a_rule_that_stops_at_once_is_found_out(monkeypatch):
    monkeypatch.setattr(stopping.bounds, "following", lambda *_: 0.01)
    monkeypatch.setattr(stopping, "ahead", lambda _: (100, 1.0))
    assert reviewers.stop(np.ones(400, dtype=bool), "by rank", 20, np.random.default_rng(0))[:2] == (0, True)


def test_it_runs_and_prints_every_part(tmp_path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patch_dictionary, "_SCALES", ((1, 60, 3),))
    for name, value in {"SIZES": (10,), "BY_RANK": 10, "FLAT": 300}.items():
        monkeypatch.setattr(review, name, value)
    pixels, labels = load_digits(return_X_y=True)
    rng, lines = np.random.default_rng(0), ["path,truth,given"]
    for i in np.flatnonzero(np.isin(labels, (0, 1, 8)))[:150]:
        image = (255 - 15 * pixels[i].reshape(8, 8)).astype(np.uint8)
        Image.fromarray(np.kron(image, np.ones((4, 4), np.uint8))).save(tmp_path / f"{i}.png")
        given = rng.choice((0, 1, 8)) if rng.random() < 0.3 else labels[i]
        lines.append(f"{i}.png,{labels[i]},{given}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    arguments = [str(tmp_path / "labels.csv"), "--truth", "truth", "--labels", "given", "--runs", "2", "--batch", "60"]
    review.main([*arguments, "--run", str(tmp_path / "run")])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    intervals = [row for row in rows if row[1:2] in (["precision"], ["missed"])]
    assert [row[3] for row in intervals[:4]] == ["random only", "then by rank", "after rank", "in turns, better order"]
    assert len(intervals) == 5 and all(0 < float(row[6]) <= 1 for row in intervals)
    needed = {row[2]: int(row[3].replace(",", "")) for row in rows if len(row) == 4 and row[0] == "given"}
    assert set(needed) == {"ours", "ours, scored again every 60", "cleanlab", "by chance"}
    assert needed["ours"] < needed["by chance"]
