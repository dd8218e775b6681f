"""A batch of files: what is decoded waits to be shrunk with others, and each file gets its own row all the same."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from imageclinic.audit.scan import measure
from tests.conftest import picture


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_files_have_the_same_rows_together_and_alone(tmp_path: Path) -> None:
    contents = [_encoded(picture(seed, (480, 360)), "JPEG") for seed in range(45)]
    small = [_encoded(picture(seed, side), "PNG") for seed, side in enumerate([(32, 32), (20, 9), (33, 31), (1, 1)])]
    deep = _encoded(Image.fromarray(np.arange(9600, dtype=np.uint16).reshape(80, 120)), "PNG")
    cmyk = _encoded(picture(3, (90, 70)).convert("CMYK"), "JPEG")
    clear = picture(4, (90, 70)).convert("RGBA")
    clear.putalpha(100)
    odd = [*small, deep, cmyk, _encoded(clear, "PNG"), contents[0][: len(contents[0]) // 2], b"", b"no image at all"]
    contents[3:3], contents[20:20], contents[40:40] = odd[:4], odd[4:7], odd[7:]
    paths = []
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(content)
        paths.append(str(path))
    paths.insert(11, str(tmp_path / "missing.jpg"))
    together = measure.measure(paths)
    alone = pa.concat_tables([measure.measure([path]) for path in paths])
    assert sum(value is not None for value in together["read_error"].to_pylist()) == 4
    assert sum(value is not None for value in together["keras_difference"].to_pylist()) >= 2
    assert len(set(together["pixel_hash"].to_pylist())) == len(paths) - 4 + 1
    assert together.equals(alone.combine_chunks())
    assert measure._WAITING < 45 * 120 * 90 * 3, "so that pictures are shrunk in several groups"
