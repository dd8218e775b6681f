"""train/CLASS/FILE and so on, for Keras's folder loader.

See https://keras.io/api/data_loading/image/#imagedatasetfromdirectory-function.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imageclinic.cleaning.export.export_format import ExportFormat, class_folders


class Format(ExportFormat):
    """Folders of classes in folders of splits."""

    def unnumbered(self, manifest: pd.DataFrame) -> list[str]:
        """Sorted by their folders, as Keras numbers them."""
        return sorted(manifest["label"].unique(), key=class_folders(manifest).__getitem__)

    def loading_lines(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """A `tf.data.Dataset` for each split. Without `class_names`, Keras numbers folders by their characters: "10"
        before "2"."""
        height, width = size
        head = (
            "import json, keras, pathlib\n\n"
            'numbers = json.loads(pathlib.Path("classes.json").read_text("utf-8"))\n'
            'folders = [c["folder"] for c in numbers]\n'
        )
        return head + "\n".join(
            f'{split} = keras.utils.image_dataset_from_directory("{split}", class_names=folders, '
            f"image_size=({height}, {width})" + (")" if split == "train" else ", shuffle=False)")
            for split in splits
        )

    def lines_beside_a_sample(self, splits: Mapping[str, int], size: tuple[int, int]) -> str:
        """The other splits, as without a sample."""
        return self.loading_lines({name: n for name, n in splits.items() if name != "train"}, size)
