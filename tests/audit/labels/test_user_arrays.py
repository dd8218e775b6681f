"""What a user may bring, and what is refused (`audit.labels.user_arrays`); an audit that uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import imageclinic
from imageclinic.audit.labels import user_arrays
from imageclinic.core.errors import InputError
from imageclinic.core.run import open_run
from imageclinic.training.predict.by_sample import fitting_sample

IDS = [f"{'ab'[i % 2]}/{i}.png" for i in range(6)]
IMAGES = pd.DataFrame({"image_id": pd.Series(IDS, dtype="str"), "label": pd.Series(list("ababab"), dtype="str")})
VECTORS = np.arange(24, dtype=np.float32).reshape(6, 4)
PROBS = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])


def probs_frame(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame({"image_id": IDS, "a": PROBS[:, 0], "b": PROBS[:, 1], **changes})


def vectors_frame(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame({"image_id": IDS, "embedding": list(VECTORS), **changes})


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    "parquet": lambda f: (probs_frame().sample(frac=1, random_state=0).to_parquet(f / "p.parquet"), f / "p.parquet")[1],
    "csv": lambda f: (probs_frame()[["b", "image_id", "a"]].to_csv(f / "p.csv", index=False), f / "p.csv")[1],
    "npz": lambda f: npz(f / "p.npz", image_id=np.array(IDS[::-1]), pred_probs=PROBS[::-1, ::-1], classes=["b", "a"]),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_probabilities_are_read_by_name_whatever_their_order(kind: str, tmp_path: Path) -> None:
    found = user_arrays.pred_probs(WRITERS[kind](tmp_path), IMAGES)
    assert found.classes == ("a", "b")
    np.testing.assert_allclose(found.rows(IMAGES["image_id"]), PROBS, atol=1e-12)
    np.testing.assert_allclose(found.rows(pd.Series(IDS[3:1:-1])), PROBS[3:1:-1], atol=1e-12)


def test_embeddings_of_all_formats_agree(tmp_path: Path) -> None:
    vectors_frame().to_parquet(tmp_path / "e.parquet")
    packed = npz(tmp_path / "e.npz", image_id=np.array(IDS), embedding=VECTORS.astype(np.float16))
    for source in (vectors_frame(), tmp_path / "e.parquet", packed):
        found = user_arrays.embeddings(source, IMAGES)
        assert found.values.dtype == np.float32
        np.testing.assert_array_equal(found.rows(IMAGES["image_id"]), VECTORS)


def test_the_digest_follows_the_content() -> None:
    first = user_arrays.embeddings(vectors_frame(), IMAGES).digest
    assert user_arrays.embeddings(vectors_frame(), IMAGES).digest == first
    assert user_arrays.embeddings(vectors_frame(embedding=list(VECTORS + 1)), IMAGES).digest != first


def test_missing_images_are_named_when_they_are_needed() -> None:
    found = user_arrays.embeddings(vectors_frame().iloc[:2], IMAGES)
    with pytest.raises(InputError, match=re.escape("lacks a/2.png, b/3.png, a/4.png, b/5.png")):
        found.rows(IMAGES["image_id"])
    np.testing.assert_array_equal(found.rows(IMAGES["image_id"].iloc[:2]), VECTORS[:2])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (probs_frame(image_id=[*IDS[:5], "c/9.png"]), "1 images that the dataset does not have: c/9.png"),
        (probs_frame(image_id=[f"x/{i}" for i in range(6)]), r"another dataset: it has x/0, x/1, x/2 and 3 more"),
        (probs_frame(image_id=[*IDS[:5], IDS[0]]), "two rows for a/0.png"),
        (probs_frame(image_id=range(6)), "image_id 0"),
        (probs_frame(a=[np.nan, *PROBS[1:, 0]]), "those of a/0.png hold NaN"),
        (probs_frame(a=PROBS[:, 0] * 0.9), r"those of a/0.png sum to 0\.9100"),
        (probs_frame(a=PROBS[:, 0] - 1, b=PROBS[:, 1] + 1), r"those of a/0.png hold -0\.1"),
        (probs_frame(a=PROBS[:, 0].astype(np.float16), b=PROBS[:, 1].astype(np.float16)), "float16, whose steps tie"),
        (probs_frame(a=["high"] * 6), "column 'a': 'high' is no number"),
        (probs_frame().drop(columns="b"), "lacks columns for the classes: b"),
        (probs_frame(c=0.0), "classes that no image has: c"),
        (probs_frame().drop(columns="image_id"), "has no image_id; it has a, b"),
        (probs_frame().iloc[:0], "another dataset: it has no images"),
    ],
)
def test_probabilities_that_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        user_arrays.pred_probs(frame, IMAGES)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (vectors_frame(embedding=[[1.0], *list(VECTORS[1:])]), r"embeddings of 2 lengths: \[1, 4\]"),
        (vectors_frame(embedding=[None, *list(VECTORS[1:])]), "or numbers in them, that are missing"),
        (vectors_frame(embedding=1.0), "embedding holds double. Expected lists of numbers"),
        (vectors_frame(embedding=[["x"]] * 6), "Expected lists of numbers"),
        (vectors_frame(embedding=list(VECTORS.astype(np.float64) * 1e300)), "NaN or infinity for a/0.png, b/1.png"),
        (vectors_frame().rename(columns={"embedding": "vector"}), "has no embedding; it has image_id, vector"),
    ],
)
def test_embeddings_that_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        user_arrays.embeddings(frame, IMAGES)


def test_files_that_are_refused(tmp_path: Path) -> None:
    for name, text in (("e.parquet", "no parquet"), ("e.npz", "no zip"), ("e.pkl", ""), ("none.npz", None)):
        if text is not None:
            (tmp_path / name).write_text(text)
        for read in (user_arrays.embeddings, user_arrays.pred_probs):
            with pytest.raises(InputError, match=re.escape(name)):
                read(tmp_path / name, IMAGES)
    bad_shape = npz(tmp_path / "s.npz", image_id=np.array(IDS), pred_probs=PROBS, classes=["a", "b", "c"])
    with pytest.raises(InputError, match=re.escape("expected floats, (6, 3)").replace("expected", "Expected")):
        user_arrays.pred_probs(bad_shape, IMAGES)
    half = npz(tmp_path / "h.npz", image_id=np.array(IDS), pred_probs=PROBS.astype(np.float16), classes=["a", "b"])
    with pytest.raises(InputError, match="float16"):
        user_arrays.pred_probs(half, IMAGES)
    hole = npz(tmp_path / "n.npz", image_id=np.array(IDS), embedding=np.where(VECTORS == 5, np.nan, VECTORS))
    with pytest.raises(InputError, match=r"NaN or infinity for b/1\.png"):
        user_arrays.embeddings(hole, IMAGES)
    twice = npz(tmp_path / "t.npz", image_id=np.array(IDS), pred_probs=PROBS, classes=["a", "a"])
    with pytest.raises(InputError, match="the class 'a' twice"):
        user_arrays.pred_probs(twice, IMAGES)
    (tmp_path / "cell.csv").write_text("image_id,a,b\na/0.png,,1\n")
    with pytest.raises(InputError, match="column 'a': '' is no number"):
        user_arrays.pred_probs(tmp_path / "cell.csv", IMAGES)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "boom").touch, ())

    path = npz(tmp_path / "bomb.npz", image_id=np.array([Bomb()] * 6, dtype=object), embedding=VECTORS)
    with pytest.raises(InputError, match="Python objects, which are not loaded"):
        user_arrays.embeddings(path, IMAGES)
    assert not (tmp_path / "boom").exists()


@pytest.fixture
def brought(folder: Path) -> dict[str, pd.DataFrame]:
    """Embeddings and probabilities for the pets: one cat is surely a dog."""
    ids = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    dog = np.array([i.startswith("dog") for i in ids], float)
    dog[3] = 1
    vectors = np.random.default_rng(0).normal(0, 0.1, (len(ids), 5)) + dog[:, None]
    return {
        "pred_probs": pd.DataFrame({"dog": 0.96 * dog + 0.02, "image_id": ids, "cat": 0.98 - 0.96 * dog}),
        "embeddings": pd.DataFrame({"image_id": ids, "embedding": list(vectors)}),
    }


def test_an_audit_judges_by_what_the_user_brought(folder: Path, tmp_path: Path, brought: dict[str, Any]) -> None:
    brought["pred_probs"].to_csv(tmp_path / "mine.csv", index=False)
    result = imageclinic.audit(
        folder,
        tmp_path / "run",
        checks=["mislabeled", "outlier"],
        options=["outlier.neighbours=5"],
        embeddings=brought["embeddings"],
        pred_probs=tmp_path / "mine.csv",
    )
    assert result.issues.loc[result.issues["check"] == "mislabeled", "image_id"].tolist() == ["cat/3.png"]
    info = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert info["arguments"]["pred_probs"] == str(tmp_path / "mine.csv")
    assert info["arguments"]["embeddings"] == "frame"
    assert info["predictions"] == {"made": "given", "source": str(tmp_path / "mine.csv"), "notes": []}
    run = open_run(tmp_path / "run")
    assert run.read_embeddings().vectors.shape == (16, 5)
    assert (run.read_predictions().rows["fold"] == -1).all()
    assert len(imageclinic.rerank(run.path)[1]) == 16, "heads on the embeddings score the labels again"


def test_probabilities_alone_need_no_embedding(folder: Path, tmp_path: Path, brought: dict[str, Any]) -> None:
    run = imageclinic.audit(folder, tmp_path / "run", checks=["mislabeled"], pred_probs=brought["pred_probs"]).run
    assert not run.embeddings.exists()
    written = run.predictions.stat().st_mtime_ns
    imageclinic.audit(folder, tmp_path / "run", checks=["mislabeled"], pred_probs=brought["pred_probs"])
    assert run.predictions.stat().st_mtime_ns == written, "the same content is not written again"
    changed = brought["pred_probs"].assign(dog=0.5, cat=0.5)
    imageclinic.audit(folder, tmp_path / "run", checks=["mislabeled"], pred_probs=changed)
    assert run.predictions.stat().st_mtime_ns != written
    with pytest.raises(InputError, match="has no embeddings"):
        imageclinic.rerank(run.path)


def test_heads_are_trained_on_given_embeddings(
    folder: Path, tmp_path: Path, brought: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file that can't be read needs no embedding.
    (folder / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = imageclinic.audit(folder, tmp_path / "run", checks=["mislabeled"], embeddings=brought["embeddings"])
    assert result.issues["image_id"].tolist() == ["cat/3.png"]
    assert result.run.info()["predictions"]["made"] == "heads"
    scores = imageclinic.rerank(result.run.path)[1]
    monkeypatch.setattr(fitting_sample, "MOST", 12)
    sampled = imageclinic.rerank(result.run.path)[1]
    assert scores["image_id"][0] == sampled["image_id"][0] == "cat/3.png"
    assert sorted(scores["image_id"]) == sorted(sampled["image_id"])
    assert not list(result.run.path.glob(".rerank-*"))


def test_what_does_not_fit_stops_the_audit_before_it_writes(
    folder: Path, tmp_path: Path, brought: dict[str, Any]
) -> None:
    foreign = brought["embeddings"].assign(image_id=[f"birds/{i}.png" for i in range(16)])
    with pytest.raises(InputError, match="of another dataset"):
        imageclinic.audit(folder, tmp_path / "run", embeddings=foreign)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"lacks cat/0\.png"):
        imageclinic.audit(folder, tmp_path / "run", embeddings=brought["embeddings"].iloc[1:])
    with pytest.raises(InputError, match=r"lacks cat/0\.png"):
        imageclinic.audit(folder, tmp_path / "run", pred_probs=brought["pred_probs"].iloc[1:])
