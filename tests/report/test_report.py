"""The report: one file that fetches nothing, shows what is in the run, and keeps hostile text as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from imageclinic.core import run as runs
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from imageclinic.report import charts, diagnosis_section, review_section, search_section, sections, thumbnails
from imageclinic.report.build import headline, render, write
from imageclinic.report.planted_truth import score

HOSTILE = "<img src=x onerror=alert(1)>"


def outcome(check: str, outcome: str, n_issues: int = 0, reason: str = "", seconds: float = 0, **options: int) -> dict:
    return {
        "check": check,
        "outcome": outcome,
        "n_issues": n_issues,
        "reason": reason,
        "seconds": seconds,
        "options": options,
    }


OUTCOMES = [
    outcome("corrupted", "found", 1, seconds=0.1),
    outcome("dark", "failed", reason="Traceback\nKeyError: 7"),
    outcome("mislabeled", "found", 2, seconds=9, k=3),
    outcome("near_duplicate", "found", 2, seconds=1),
    outcome("outlier", "skipped", reason="left out"),
    outcome("split_leakage", "not_applicable", reason="no splits"),
    outcome("too_few_images", "found", 1),
    outcome("wrong_extension", "clean"),
]
ISSUES = tables.frame(
    tables.ISSUES,
    check=["corrupted", "mislabeled", "mislabeled", "near_duplicate", "near_duplicate", "too_few_images"],
    image_id=["cat/bad.jpg", "cat/1.png", f"cat/{HOSTILE}.png", "cat/1.png", "dog/2.png", None],
    label=[None, None, None, None, None, "dog"],
    score=[1.0, 0.5, 0.9, 0.8, 0.8, 0.99],
    cluster=[None, None, None, "c1", "c1", None],
    suggested_action=["drop", "relabel", "relabel", "review", "review", "review"],
    suggested_label=[None, "dog", HOSTILE, None, None, None],
    evidence=["Truncated.", "Probability 0.50.", HOSTILE, "Copy of dog/2.png.", "Copy of cat/1.png.", "1 image."],
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    root = tmp_path / HOSTILE.replace("/", "")
    ids = ["cat/1.png", f"cat/{HOSTILE}.png", "cat/bad.jpg", "dog/2.png"]
    for i, image_id in enumerate(ids):
        (root / image_id).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (60 * i, 90, 200)).save(root / image_id)
    (root / "cat/bad.jpg").write_bytes((root / "cat/bad.jpg").read_bytes()[:200])
    run = runs.create(tmp_path / "run")
    dataset = tables.frame(
        tables.DATASET,
        image_id=ids,
        label=["cat", HOSTILE, "cat", "dog"],
        split=["train", "train", "train", "test"],
        bytes=[1000] * 4,
        mtime_ns=[0] * 4,
        format=["PNG", "PNG", "JPEG", "PNG"],
        read_error=[None, None, "truncated", None],
    )
    run.write(tables.DATASET, dataset)
    run.write(tables.ISSUES, ISSUES)
    run.update_info(
        {
            "root": str(root),
            "versions": {"imageclinic": "0.1.0", "numpy": "2.4.6"},
            "arguments": {"data": HOSTILE, "seed": 7},
            "seed": 7,
            "fingerprint": "ab12cd",
            "ignored": {".txt": 3},
            "outcomes": OUTCOMES,
        }
    )
    return run


class Page(HTMLParser):
    """Elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.elements or self.elements[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def having(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.elements if attribute in attrs]


def test_it_is_written_into_the_run_and_is_the_same_twice(run: Run) -> None:
    path = write(run)
    assert path == run.report
    assert path.read_text("utf-8") == render(run)


def test_nothing_is_fetched_and_nothing_runs(run: Run) -> None:
    html = render(run)
    page = Page(html)
    assert all(source.startswith("data:image/") for source in page.having("src"))
    assert all(link.startswith("#") for link in page.having("href"))
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


def test_the_map_brings_one_script_and_the_policy_admits_no_other(run: Run) -> None:
    points = pd.DataFrame({"image_id": run.read(tables.DATASET)["image_id"], "x": 0.25, "y": [0.0, 0.5, 0.75, 1.0]})
    html = render(run, embedding_map=points, decisions={"dog/2.png": "drop"})
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)
    assert [attributes.split() for attributes, _ in scripts] == [['type="application/json"', 'id="map-data"'], []]
    assert len(json.loads(scripts[0][1])["id"]) == 4
    digest = base64.b64encode(hashlib.sha256(scripts[1][1].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in html or f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html and HOSTILE not in html
    page = Page(html)
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert all(source.startswith("data:image/") for source in page.having("src"))


def test_links_lead_somewhere(run: Run) -> None:
    page = Page(render(run))
    links = page.having("href")
    assert links
    assert {link[1:] for link in links} <= set(page.having("id"))


def test_beside_the_app_pictures_and_numbers_lead_there_and_nothing_else_does(run: Run) -> None:
    names = run.read(tables.DATASET)["image_id"].tolist()
    rows = {"image_id": names, "fold": [0] * 4, "label_quality": [0.1, 0.2, 0.3, 0.9]}
    probabilities = np.array([[0.1, 0.9, 0], [0.8, 0.2, 0], [0.3, 0.7, 0], [0, 1, 0]], np.float32)
    tables.write_vectors(
        run.predictions, rows, "pred_probs", probabilities, {"classes": json.dumps(["cat", "dog", HOSTILE])}
    )
    html = render(run, app="/datasets/a-run")
    assert HOSTILE not in html
    links = [attrs for tag, attrs in Page(html).elements if tag == "a" and not (attrs["href"] or "").startswith("#")]
    assert {attrs["target"] for attrs in links} == {"imageclinic-app"}
    asked = [urlsplit(attrs["href"] or "") for attrs in links]
    assert {address.path for address in asked} == {"/datasets/a-run"} and not any(address.netloc for address in asked)
    queries = [parse_qs(address.query) for address in asked]
    assert all(query["workspace"] == ["review"] for query in queries)
    pairs = {(query["given"][0], query["predicted"][0]) for query in queries if "given" in query}
    assert pairs == {("cat", "dog"), (HOSTILE, "cat")}
    views = {query["image"][0]: query["view"][0] for query in queries if "image" in query}
    assert set(views) == {*names} and views["cat/bad.jpg"] == "corrupted" and views["dog/2.png"] == "near-duplicate"
    of_file = Page(render(run))
    assert all(link.startswith("#") for link in of_file.having("href")), "a file does not know where the App is"
    assert {link[1:] for link in of_file.having("href")} <= set(of_file.having("id"))


def test_hostile_names_stay_text(run: Run) -> None:
    hostile = {"mislabeled": f"{HOSTILE}\n\n{HOSTILE} `{HOSTILE}`"}
    html = render(run, help=hostile, status=[{"check": HOSTILE, "flagged": 1, "precision": None, "note": HOSTILE}])
    assert HOSTILE not in html
    assert Page(html).text.count(HOSTILE) >= 8


def test_every_check_is_shown_once_with_its_outcome(run: Run) -> None:
    html = render(run, help={"wrong_extension": "Looks at `names`.\n\nMore."})
    table = html[html.index('id="outcomes"') : html.index('id="classes"')]
    rows = [Page(row).text for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]]
    assert rows == [
        "Dark ✕ failed KeyError: 7",
        "Corrupted ● found 1 0.1",
        "Mislabeled ● found 2 9.0",
        "Near duplicate ● found 2 1.0",
        "Too few images ● found 1",
        "Wrong extension ✓ clean Looks at names .",
        "Split leakage – not applicable no splits",
        "Outlier ○ skipped left out",
    ]


def test_checks_come_in_the_order_of_the_verdict(run: Run) -> None:
    verdict = [{"checks": ["near_duplicate"]}, {"checks": ["split_leakage", "mislabeled"]}]
    names = [o["check"] for o in sections.by_severity(OUTCOMES, verdict)]
    assert names[:5] == ["dark", "near_duplicate", "mislabeled", "corrupted", "too_few_images"]


def test_a_summary_gives_the_values_of_its_options(run: Run) -> None:
    html = render(run, help={"mislabeled": "The `k` nearest of `names`.\n\nMore of `k`."})
    assert "The 3 nearest of <code>names</code>." in html


def test_the_review_shows_what_policies_decided_and_one_reason_for_all() -> None:
    check = {"flagged": 9, "confirmed": 2, "rejected": 1, "by_policy": 4, "precision": None, "note": "too few"}
    made = review_section.progress([{"check": "dark", **check}, {"check": "blurry", **check}], ["blurry", "dark"])
    assert [(row.check, row.confirmed, row.rejected, row.by_policy) for row in made.rows] == [
        ("blurry", 2, 1, 4),
        ("dark", 2, 1, 4),
    ]
    assert made.note == "too few"
    known = {"check": "dark", **check, "precision": 0.5, "low": 0.25, "high": 0.75}
    shown = review_section.progress([known, {"check": "blurry", **check}], [])
    assert not shown.note
    assert re.findall(r"\d+", shown.rows[0].right) == ["50", "25", "75"]
    assert shown.rows[1].right == "too few"


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_the_contrast_that_wcag_asks_for(scheme: int) -> None:
    style = (Path(thumbnails.__file__).parent / "style.css").read_text("utf-8")
    colours = dict(re.findall(r"--(\w+): #([0-9a-f]{3,6})", re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]))

    def luminance(colour: str) -> float:
        parts = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
        rgb = [int(parts[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for text in ("ink", "soft", "faint", "accent", "found", "clean", "failed"):
        for ground in ("paper", "card"):
            light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_findings_are_worst_first_with_given_and_suggested_label(run: Run) -> None:
    html = render(run)
    section = Page(html[html.index('id="check-mislabeled"') : html.index('id="check-near_duplicate"')]).text
    assert section.index("0.90") < section.index("0.50")
    assert "cat → dog" in section
    assert "Options: k 3" in section


def test_unreadable_images_get_a_placeholder_with_the_reason(run: Run) -> None:
    (run.root / "dog/2.png").unlink()
    html = render(run)
    corrupted = html[html.index('id="check-corrupted"') : html.index('id="check-mislabeled"')]
    assert "<img" not in corrupted
    assert re.search(r'<span class="broken">.*truncated.*</span>', corrupted, re.IGNORECASE)
    assert "the file is gone" in html


def test_copies_stand_side_by_side(run: Run) -> None:
    html = render(run)
    section = html[html.index('id="check-near_duplicate"') : html.index('id="check-too_few_images"')]
    assert section.count('class="cluster"') == 1
    assert section.count("<figure>") == 2


def test_a_failed_check_shows_its_traceback(run: Run) -> None:
    html = render(run)
    assert "<pre>Traceback\nKeyError: 7</pre>" in html
    assert "1 check failed." in html


def test_sections_without_content_are_absent(run: Run) -> None:
    html = render(run)
    assert all(f'id="{name}"' not in html for name in ("comparison", "search", "review", "truth"))


def test_decisions_are_counted_and_a_broken_log_is_reported(run: Run) -> None:
    log = tables.frame(
        tables.DECISION_LOG,
        decision_id=["1", "2", "3"],
        batch=["a", "b", "c"],
        image_id=["cat/1.png", "dog/2.png", "dog/2.png"],
        decision=["relabel", "drop", "undo"],
        label=["dog", None, None],
        sample="ranked",
        reviewer="ann",
        decided_at="2025-01-01T00:00:00Z",
    )
    tables.write_csv(run.decisions, log, tables.DECISION_LOG)
    assert "reviewer keep drop relabel unsure undo ann 0 1 1 0 1" in Page(render(run)).text
    run.decisions.write_text("decision_id,batch\n1,2\n", "utf-8")
    assert "lacks the columns" in Page(render(run)).text


def comparison() -> dict[str, object]:
    scores = {"accuracy": [0.5, 0.7], "macro_f1": [0.4, 0.6]}
    return {
        "verdict": "Accuracy +2.0 points: no gain shown.",
        "seeds": [0, 1],
        "n_test": 1200,
        "power_hint": "Five points could have been detected.",
        "notes": ["Two were left out."],
        "arms": {
            "original": {"n_train": 10, "original": scores},
            "cleaned": {"n_train": 8, "original": {"accuracy": [0.6, 0.64], "macro_f1": [0.5, 0.5]}},
        },
        "delta": {"cleaned": {"original": {"estimate": 0.02, "low": -0.03, "high": 0.07}}},
    }


def test_the_comparison_is_shown_with_its_interval(run: Run) -> None:
    tables.write_json(run.comparison, comparison())
    text = Page(render(run)).text
    assert "no gain shown" in text
    assert "cleaned 8 62.0 % 50.0 % +2.0 (−3.0 to +7.0)" in text
    assert "1,200 test images, the same for all; 2 seeds. Five points" in text
    assert "Two were left out." in text


@pytest.mark.parametrize("content", ["{", "[]", '{"verdict": "x"}', '{"verdict": "x", "arms": [], "delta": 3}'])
def test_a_broken_comparison_is_reported(run: Run, content: str) -> None:
    run.comparison.write_text(content, "utf-8")
    assert "comparison.json can't be shown" in Page(render(run)).text


def tuning() -> dict[str, object]:
    rows = [(0, "finished", 0.5, 0.1, "sgd"), (1, "pruned", 0.2, 0.001, "sgd"), (2, "finished", 0.8, 0.01, HOSTILE)]
    trials = [
        {"trial": n, "state": state, "val_accuracy": value, "options": {"rate": rate, "by": by}, "reason": ""}
        for n, state, value, rate, by in rows
    ]
    failed = {"trial": 3, "state": "failed", "val_accuracy": None, "options": {"rate": 9.0, "by": "sgd"}}
    share = {"name": "rate", "share": 0.6, "low": 0.3, "high": 0.9, "chance": 0.2, "beyond_chance": True}
    return {
        "trials": [*trials, failed | {"reason": HOSTILE}],
        "counts": {"finished": 2, "pruned": 1, "failed": 1, "running": 0},
        "space": {"rate": {"low": 0.001, "high": 9, "log": True}, "by": {"values": ["sgd", HOSTILE]}},
        "importance": {"shares": [share]},
        "words": ["It is the greatest of many."],
        "command": f"imageclinic train '{HOSTILE}'",
    }


def test_the_search_is_shown_with_its_charts(run: Run) -> None:
    tables.write_json(run.tuning, tuning())
    html = render(run)
    page = Page(html)
    assert "It is the greatest of many." in page.text
    assert "rate 60 % (30 to 90)" in page.text
    assert "2 finished, 1 pruned, 1 failed" in page.text
    trials = [a for tag, a in page.elements if tag == "i" and "trial" in (a.get("class") or "") and a.get("style")]
    assert len(trials) == 3 * 3
    assert HOSTILE not in html
    run.tuning.write_text('{"trials": [1]}', "utf-8")
    assert "tuning.json can't be shown" in Page(render(run)).text


def test_trials_lie_where_their_numbers_are() -> None:
    found = search_section.search(tuning())
    assert [point.x for point in found.history.points] == pytest.approx([6, 50, 94])
    assert [point.y for point in found.history.points] == pytest.approx([50, 94, 6])
    assert found.history.line == "6.00,50.00 94.00,50.00 94.00,6.00 94.00,6.00"  # a pruned trial is never the best
    rate, by = found.slices
    assert [point.x for point in rate.points] == pytest.approx([94, 6, 50])  # on a logarithmic scale
    assert [point.x for point in by.points] == [25, 25, 75]


def test_the_interval_lies_where_its_numbers_are() -> None:
    (chart,) = charts.comparisons(comparison())
    baseline, cleaned = chart.arms
    assert baseline.at is None
    assert (cleaned.at, cleaned.low, cleaned.high) == pytest.approx((62.987, 30.519, 95.455), abs=0.001)
    assert chart.ends == ("−7.7", "+7.7")


def test_an_arm_without_interval_has_a_dot_only() -> None:
    content = json.loads(json.dumps(comparison()))
    content["delta"]["cleaned"]["original"].update(low=None, high=None)
    arm = charts.comparisons(content)[0].arms[1]
    assert arm.low is None
    assert arm.at is not None
    assert arm.delta == "+2.0"


def test_precision_and_recall_per_image_or_class() -> None:
    truth = pd.DataFrame(
        {
            "check": ["mislabeled", "mislabeled", "dark", "too_few_images"],
            "image_id": ["cat/1.png", "dog/2.png", f"cat/{HOSTILE}.png", None],
            "label": ["cat", "dog", "cat", "dog"],
        },
        dtype="str",
    )
    found = score(ISSUES, truth).set_index("check")
    assert found.loc["mislabeled", ["planted", "found", "flagged", "elsewhere"]].tolist() == [2, 1, 2, 1]
    assert found.loc["mislabeled", ["precision", "recall"]].tolist() == [0.5, 0.5]
    assert found.loc["too_few_images", ["precision", "recall"]].tolist() == [1, 1]
    assert found.loc["dark", "recall"] == 0
    assert pd.isna(found.loc["dark", "precision"])
    assert pd.isna(found.loc["near_duplicate", "recall"])


def test_the_truth_is_a_section(run: Run) -> None:
    truth = pd.DataFrame({"check": ["mislabeled"], "image_id": ["cat/1.png"], "label": ["cat"]}, dtype="str")
    assert "Mislabeled 1 1 100 % 2 50 %" in Page(render(run, truth=truth)).text


def test_distribution_counts_labels_per_split_and_keeps_both_ends() -> None:
    few = tables.frame(
        tables.DATASET, image_id=["a", "b", "c"], label=["x", "x", None], bytes=[1] * 3, mtime_ns=[1] * 3
    )
    shown = charts.distribution(few, pd.DataFrame({"image_id": ["a", "b"], "split": ["test", "train"]}))
    assert shown.splits == ["train", "test", "no split"]
    assert [(bar.label, bar.counts) for bar in shown.bars] == [("x", [1, 1, 0]), ("(no label)", [0, 0, 1])]
    assert shown.bars[0].shares == [0.5, 0.5, 0]
    ids = [f"{label}/{i}" for label in range(100) for i in range(label + 1)]
    many = tables.frame(
        tables.DATASET,
        image_id=ids,
        label=[i.split("/")[0] for i in ids],
        bytes=[1] * len(ids),
        mtime_ns=[1] * len(ids),
    )
    shown = charts.distribution(many, tables.empty(tables.SPLIT_TABLE))
    assert shown.left_out == 60
    assert (shown.bars[0].label, shown.bars[-1].label) == ("99", "0")


def test_confusion_counts_given_against_suggested() -> None:
    findings = pd.DataFrame({"given": ["a", "a", "b", None], "suggested_label": ["b", "b", "a", "a"]}, dtype="str")
    found = charts.confusion(findings)
    assert found is not None
    assert (found.rows, found.columns, found.counts) == (["a", "b"], ["a", "b"], [[0, 2], [1, 0]])
    assert (found.largest, found.left_out) == (2, 0)
    assert charts.confusion(findings.iloc[:0]) is None


def test_thumbnails_are_small_and_keep_strange_modes(tmp_path: Path) -> None:
    for mode, suffix in [
        ("RGB", "jpg"),
        ("CMYK", "jpg"),
        ("P", "gif"),
        ("I;16", "png"),
        ("RGBA", "webp"),
        ("1", "png"),
    ]:
        path = tmp_path / f"{mode.replace(';', '')}.{suffix}"
        Image.new(mode, (900, 30)).save(path)
        found = thumbnails.thumbnail(path)
        assert found.uri.startswith("data:image/"), found.reason
        assert len(found.uri) < 10_000


def test_thumbnails_say_why_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture", "utf-8")
    assert thumbnails.thumbnail(tmp_path / "empty.png").reason == "empty file"
    assert thumbnails.thumbnail(tmp_path / "text.png").reason == "no image"
    assert thumbnails.thumbnail(tmp_path / "absent.png").reason == "the file is gone"


def test_the_report_stays_small(tmp_path: Path) -> None:
    Image.effect_noise((300, 300), 90).save(tmp_path / "noise.png")
    small = thumbnails.Tiles(budget=100_000)
    shown = [small.picture(tmp_path / "noise.png") for _ in range(50)]
    assert 0 < sum(len(p.uri) for p in shown) <= 100_000
    assert "large enough" in shown[-1].reason


def test_nothing_found_is_stated() -> None:
    dataset = tables.frame(tables.DATASET, image_id=["a"], bytes=[1], mtime_ns=[1])
    assert headline(dataset, tables.empty(tables.ISSUES), OUTCOMES[-1:]) == (
        "The checks that ran found nothing in 1 images."
    )


def test_a_run_without_an_audit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no finished audit"):
        write(runs.create(tmp_path / "new"))


def diagnosis() -> dict[str, object]:
    def effect(cause: str, gain: float | None, low: float | None, high: float | None) -> dict[str, object]:
        return {"cause": cause, "gain": gain, "low": low, "high": high, "evidence": f"{cause} <i>", "remedy": "--x"}

    first = {"cause": "learning_rate", "estimated_gain": 12.0, "low": 8.0, "high": 16.0}
    return {
        "verdict": "Likeliest cause: learning rate.",
        "causes": [{**first, "evidence": "With 0.01 <b>", "remedy": "--learning-rate 0.01", "fault": False}],
        "healthy": False,
        "experiments": {
            "learning_rate": {
                "question": "Is another better?",
                "answer": "0.01 is.",
                "effects": [effect("learning_rate", 0.12, 0.08, 0.16), effect("optimizer", -0.01, -0.9, 0.02)],
            }
        },
        "not_tested": {"data_size": "the budget"},
        "images": {"train": 1000, "val": 200},
        "seeds": [0, 1, 2, 1000],
    }


def test_the_diagnosis_is_shown_with_its_bars(run: Run) -> None:
    tables.write_json(run.diagnosis, diagnosis())
    text = Page(render(run)).text
    for part in (
        "Likeliest cause: learning rate.",
        "+12.0 (+8.0 to +16.0)",
        "With 0.01 <b>",
        "not looked at: the budget",
    ):
        assert part in text
    earlier = diagnosis()
    earlier["not_looked_at"] = earlier.pop("not_tested")  # as format 1 called it
    tables.write_json(run.diagnosis, earlier)
    assert Page(render(run)).text == text
    cause, other = diagnosis_section.bars(diagnosis())
    assert cause.rank == 1 and other.rank is None and other.name == "Optimizer"
    assert 0 <= other.low < other.at < cause.zero < cause.low < cause.at < cause.high <= 100


@pytest.mark.parametrize("content", ["{", "[]", '{"causes": [], "healthy": true}'])
def test_a_broken_diagnosis_is_reported(run: Run, content: str) -> None:
    run.diagnosis.write_text(content, "utf-8")
    assert "diagnosis.json can't be shown" in Page(render(run)).text
