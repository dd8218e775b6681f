"""What a notebook shows of an audit: pictures, counts, and hostile text as text."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from imageclinic.core.errors import InputError
from imageclinic.core.run import Run
from imageclinic.report import notebook
from imageclinic.workflows.steps.auditing.audit_results import Audit
from tests.report.test_report import HOSTILE, ISSUES, OUTCOMES, Page, run  # noqa: F401 (a fixture)


def audit(run: Run) -> Audit:  # noqa: F811
    return Audit(run, ISSUES, pd.DataFrame(OUTCOMES), (f"a note on {HOSTILE}",))


def safe(html: str) -> Page:
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "style", "link", "iframe", "object", "form"}
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.having("src"))
    return page


def test_an_audit_shows_every_check_and_the_worst_pictures(run: Run) -> None:  # noqa: F811
    page = safe(audit(run)._repr_html_())
    assert "Audit of 4 images" in page.text
    assert all(o["check"] in page.text for o in OUTCOMES)
    assert "KeyError: 7" in page.text and "Traceback" not in page.text
    assert "cat/bad.jpg" in page.having("title")
    assert f"cat/{HOSTILE}.png" in page.having("title"), "the worst label"
    assert f"a note on {HOSTILE}" in page.text
    assert repr(audit(run)) == "<Audit run: 6 findings>", "no path of this machine, no tables"
    assert len(page.having("src")) == 4, "two labels and two copies; the damaged file has a reason in its place"


def test_a_contact_sheet_has_labels_and_pictures(run: Run) -> None:  # noqa: F811
    page = safe(str(audit(run).show("mislabeled")))
    assert len(page.having("src")) == 2
    assert page.text.index(HOSTILE) < page.text.index("cat/1.png"), "the worst first"
    copies = audit(run).show("near_duplicate")
    assert safe(copies._repr_html_()).having("alt") == ["cat/1.png", "dog/2.png"]
    assert repr(copies).startswith("<") and len(repr(copies)) < 80
    assert "dog : 1 image." in safe(str(audit(run).show("too_few_images"))).text
    assert "clean" in safe(str(audit(run).show("wrong_extension"))).text


def test_an_unknown_check_names_the_others(run: Run) -> None:  # noqa: F811
    with pytest.raises(InputError, match="near_duplicate"):
        audit(run).show("mislabelled")


def test_images_that_are_gone_have_a_reason(run: Run) -> None:  # noqa: F811
    shutil.rmtree(run.root)
    page = safe(str(audit(run).show("mislabeled")))
    assert not page.having("src") and "gone" in page.text


def test_a_check_of_new_images_has_no_pictures() -> None:
    verdict = [{"severity": 1.0, "sentence": HOSTILE, "consequence": "leave it", "checks": ["dark"], "command": ""}]
    page = safe(notebook.summary("Check", verdict, pd.DataFrame(OUTCOMES), ()))
    assert HOSTILE in page.text and not page.having("src")
