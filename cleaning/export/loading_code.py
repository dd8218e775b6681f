"""The lines of Keras that load an export, run in its folder. `tests/cleaning/export/test_formats.py` runs them."""

from __future__ import annotations

from collections.abc import Mapping

_TF = "tf.io.FixedLenFeature([], tf."


def lines(format: str, balanced: str, splits: Mapping[str, int], size: tuple[int, int]) -> str:
    """Imports and the lines that load an export.

    Args:
        format: see `cleaning.export.layouts.FORMATS`.
        balanced: see `cleaning.export.balance.BALANCES`.
        splits: those that have images, and how many.
        size: (height, width) in pixels to which images are brought.

    Returns:
        Python. ``folders`` and ``tfrecord`` give a `tf.data.Dataset` for each split, the others the training images
        as ``x``, float32 (n, height, width, 3) in [0, 255], and ``y``, class numbers (n,). With weights,
        ``class_weight`` for `fit`; with a sample, the images of balance.csv as ``x`` and ``y`` (and in ``folders`` the
        other splits as before).
    """
    text = _load(format, splits, size)
    if balanced == "weights":
        return (
            f'{text}\n\nimport json\nclass_weight = dict(enumerate(json.load(open("class_weights.json"))["weights"]))'
        )
    if balanced == "none":
        return text
    height, width = size
    sample = (
        "import keras, numpy, pandas\n\n"
        'rows = pandas.read_csv("balance.csv").pipe(lambda rows: rows.loc[rows.index.repeat(rows["times"])])\n'
        f'x = numpy.stack([{_read(height, width)} for p in rows["path"]])\n'
        'y = pandas.factorize(rows["label"], sort=True)[0]'
    )
    return (
        f"{sample}\n\n{_load(format, {n: k for n, k in splits.items() if n != 'train'}, size)}"
        if (format == "folders")
        else sample
    )


def _read(height: int, width: int) -> str:
    return f"keras.utils.img_to_array(keras.utils.load_img(p, target_size=({height}, {width})))"


def _load(format: str, splits: Mapping[str, int], size: tuple[int, int]) -> str:
    height, width = size
    read = _read(height, width)
    if format == "folders":
        return "import keras\n\n" + "\n".join(
            f'{split} = keras.utils.image_dataset_from_directory("{split}", image_size=({height}, {width})'
            + (")" if split == "train" else ", shuffle=False)")
            for split in splits
        )
    if format == "tfrecord":
        named = ", ".join(splits)
        # Without its length, Keras warns after every epoch that a dataset ran out of data.
        counted = ", ".join(f'("{split}", {n})' for split, n in splits.items())
        return (
            "import tensorflow as tf\n\n"
            f'parts = {{"image": {_TF}string), "label": {_TF}int64)}}\n'
            "load = lambda e: (tf.image.resize(tf.io.decode_image(e['image'], 3, expand_animations=False), "
            f"({height}, {width})), e['label'])\n"
            f'[{named}] = [tf.data.TFRecordDataset(tf.io.gfile.glob(f"{{name}}-*.tfrecord"))'
            ".map(lambda r: load(tf.io.parse_single_example(r, parts)))"
            ".apply(tf.data.experimental.assert_cardinality(n)).batch(32) "
            f"for name, n in [{counted}]]"
        )
    if format == "imagefolder":
        return (
            "import datasets, keras, numpy\n\n"
            'data = datasets.load_dataset("imagefolder", data_dir=".")["train"]\n'
            f'x = numpy.stack([keras.utils.img_to_array(i.convert("RGB").resize(({width}, {height}))) '
            'for i in data["image"]])\n'
            'y = numpy.array(data["label"])'
        )
    if format == "fiftyone":
        return (
            "import fiftyone, keras, numpy\n\n"
            'data = fiftyone.Dataset.from_dir("train", fiftyone.types.FiftyOneImageClassificationDataset)\n'
            f'x = numpy.stack([{read} for p in data.values("filepath")])\n'
            'y = numpy.array([data.default_classes.index(c) for c in data.values("ground_truth.label")])'
        )
    return (
        "import keras, numpy, pandas\n\n"
        'rows = pandas.read_csv("manifest.csv").query("split == \'train\'")\n'
        f'x = numpy.stack([{read} for p in rows["path"]])\n'
        'y = pandas.factorize(rows["label"], sort=True)[0]'
    )
