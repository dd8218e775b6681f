"""Tables of the same images hold their ids once."""

import numpy as np
import pandas as pd
import pyarrow as pa

from imageclinic.core import tables
from imageclinic.core.rows.shared_ids import shared


def ids(*names: str) -> pd.Series:
    return pd.Series(names, dtype="str")


def where(column: pd.Series) -> int:
    """The address of a column's text."""
    return int(pa.table({"ids": pa.array(column)})["ids"].chunk(0).buffers()[2].address)


def test_ids_are_held_once() -> None:
    vectors = np.zeros((2, 3), np.float32)
    inputs = {
        "dataset": pd.DataFrame({"image_id": ids("a", "b", "c")}),
        "features": pd.DataFrame({"image_id": ids("a", "b"), "sharpness": [1.0, 2.0]}),
        "embeddings": tables.Embeddings(ids("a", "b"), vectors, (1, 2)),
        "predictions": tables.Predictions(pd.DataFrame({"image_id": ids("a", "b"), "fold": [0, 1]}), vectors, ("x",)),
        "neighbors": pd.DataFrame({"image_id": ids("a", "b")}),
    }
    made = shared(inputs)
    assert made["embeddings"].image_id is not inputs["embeddings"].image_id
    columns = (made["features"]["image_id"], made["embeddings"].image_id, made["predictions"].rows["image_id"])
    assert len({where(column) for column in columns}) == 1
    assert made["dataset"]["image_id"].tolist() == ["a", "b", "c"]
    assert made["embeddings"].shallow == (1, 2)
    pd.testing.assert_frame_equal(made["features"], inputs["features"])
    pd.testing.assert_frame_equal(made["predictions"].rows, inputs["predictions"].rows)
    assert made["neighbors"] is inputs["neighbors"]
