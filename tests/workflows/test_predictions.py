"""An audit's predictions on awkward data (`workflows.steps.auditing.predictions`): all of it is reported in the run."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import imageclinic
from imageclinic.audit.labels import user_arrays
from imageclinic.audit.listing.listing import Listing
from imageclinic.core.errors import InputError
from imageclinic.workflows.steps.auditing import copies_and_splits, label_noise
from tests.conftest import picture

pytestmark = pytest.mark.slow


def audited(folder: Path, out: Path, labels: dict[str, str | None], **options: Any) -> Any:
    """Audit some pictures of the folder under other labels, with embeddings that tell cats from dogs."""
    frame = pd.DataFrame({"path": list(labels), "label": list(labels.values())})
    dog = np.array([path.startswith("dog") for path in labels], float)
    vectors = np.random.default_rng(0).normal(0, 0.1, (len(labels), 4)) + dog[:, None]
    given = pd.DataFrame({"image_id": list(labels), "embedding": list(vectors)})
    checks = ["mislabeled", "overlapping_classes"]
    return imageclinic.audit(frame, out, root=folder, checks=checks, embeddings=given, workers=1, **options)


def pets(**changes: str | None) -> dict[str, str | None]:
    """Path → label: eight cats and eight dogs, some under another label (``cat_3="fox"``)."""
    labels: dict[str, str | None] = {f"{kind}/{n}.png": kind for kind in ("cat", "dog") for n in range(8)}
    return labels | {name.replace("_", "/") + ".png": label for name, label in changes.items()}


def test_labels_of_one_image_and_classes_smaller_than_the_folds(folder: Path, tmp_path: Path) -> None:
    result = audited(folder, tmp_path / "run", pets(cat_0="fox", dog_0="wolf", dog_1="wolf", dog_2="wolf"))
    info = result.run.info()
    note = "classes too small for reliable cross-validation in 5 folds: cat (7), dog (5), wolf (3), fox (1)"
    assert note in info["notes"]
    assert note in info["predictions"]["notes"]
    predictions = result.run.read_predictions()
    assert predictions.classes == ("cat", "dog", "fox", "wolf")
    assert len(predictions.rows) == 16
    np.testing.assert_allclose(predictions.pred_probs.sum(axis=1), 1, atol=1e-5)
    only_fox = predictions.rows["image_id"].eq("cat/0.png").to_numpy()
    assert predictions.pred_probs[only_fox, 2] < 0.1, "no head that judges it has seen a fox"


def test_unlabelled_images_are_embedded_and_not_predicted(folder: Path, tmp_path: Path) -> None:
    result = audited(folder, tmp_path / "run", pets(cat_0=None, cat_1=None))
    predicted = result.run.read_predictions().rows["image_id"]
    assert len(predicted) == 14
    assert not predicted.isin(["cat/0.png", "cat/1.png"]).any()
    assert len(result.run.read_embeddings().image_id) == 16


@pytest.mark.parametrize("label", ["pet", None])
def test_fewer_than_two_classes_are_a_reason_and_no_error(folder: Path, tmp_path: Path, label: str | None) -> None:
    result = audited(folder, tmp_path / "run", dict.fromkeys(pets(), label))
    outcomes = result.outcomes.set_index("check")
    for check in ("mislabeled", "overlapping_classes"):
        assert outcomes.loc[check, "outcome"] == "not_applicable"
        assert f"{0 if label is None else 1} class(es)" in outcomes.loc[check, "reason"]
    assert result.run.info()["label_noise"] is None


def test_the_share_of_wrong_labels_is_reported_with_what_it_means(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    result = audited(folder, tmp_path / "run", pets(cat_3="dog"), say=lines.append)
    noise = result.run.info()["label_noise"]
    assert result.issues["image_id"].tolist()[0] == "cat/3.png"
    quality = result.run.read_predictions().rows.set_index("image_id")["label_quality"]
    assert noise["share"] == pytest.approx(1 - quality.mean(), abs=1e-4)
    assert noise["by_class"]["dog"] > noise["by_class"]["cat"]
    assert noise["ceiling"] is None, "the dataset came without test labels"
    assert noise["classes"] == ["cat", "dog"]
    np.testing.assert_allclose(np.sum(noise["matrix"], axis=1), 1, atol=1e-3)
    assert noise["calibrated"] is False
    assert lines[-1] == label_noise.in_words(noise)
    assert lines[-1] == "Too few images to say how many labels are wrong.", "sixteen"
    assert imageclinic.status(result.run.path)["label_noise"] == noise


def test_an_own_model_that_wants_to_run_code_stops_the_audit(folder: Path, tmp_path: Path) -> None:
    import keras

    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x)]).save(tmp_path / "own.keras")
    with pytest.raises(InputError, match="it was not run"):
        imageclinic.audit(folder, tmp_path / "run", model=str(tmp_path / "own.keras"), workers=1)


def test_a_network_whose_weights_cannot_be_had_stops_the_audit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", offline)
    lines: list[str] = []
    with pytest.raises(InputError, match=r"MobileNetV2 can't be downloaded: Name or service.*--model patches"):
        imageclinic.audit(folder, tmp_path / "run", model="mobilenetv2", workers=1, say=lines.append)
    assert any("downloads about 9 MB" in line for line in lines)


def test_one_image_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "one" / "cat").mkdir(parents=True)
    picture(1).save(tmp_path / "one" / "cat" / "a.png")
    run = imageclinic.audit(tmp_path / "one", tmp_path / "run").run
    reasons = {o["check"]: o["reason"] for o in run.info()["outcomes"] if o["outcome"] == "not_applicable"}
    assert "one image" in reasons["outlier"]
    assert not run.embeddings.exists()


def test_what_was_brought_or_listed_is_not_held_to_the_end(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of millions of images it is gigabytes. What is held is asked when copies are looked for."""
    held: list[list[str]] = []
    search = copies_and_splits.copies

    def alive() -> list[Any]:
        # By type alone: isinstance asks each object for its class, and a proxy of what is gone raises.
        return [one for one in gc.get_objects() if type(one) in (Listing, user_arrays.Given)]

    before = alive()  # of other tests

    def copies(*given: Any) -> Any:
        gc.collect()
        held.append([type(one).__name__ for one in alive() if not any(one is other for other in before)])
        return search(*given)

    monkeypatch.setattr(copies_and_splits, "copies", copies)
    result = audited(folder, tmp_path / "run", pets())
    assert held == [[]]
    assert len(result.run.read_embeddings().vectors) == 16
