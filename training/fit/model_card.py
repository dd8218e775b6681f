"""The model card: what a trained model is, what it was trained on, how good it is, and what it is not for.

After Mitchell et al., "Model Cards for Model Reporting" (2019).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any


def text(result: Mapping[str, Any]) -> str:
    """The card as Markdown, from what `training.fit.train_export.train` returns. Class names can't break out of it."""
    images, settings, history = result["images"], result["settings"], result["history"]
    scored = "test" if result["test"] else "validation"
    scores = result[scored]
    caution = (
        "The test images took no part in training and were scored once."
        if result["test"]
        else "There were no test images: these numbers are of the validation images, which chose the epoch, "
        "and so they flatter the model."
    )
    rows = [
        f"| {_cell(name)} | {one['n']} | {_percent(one['recall'])} | {_percent(one['precision'])} |"
        for name, one in scores["per_class"].items()
    ]
    return "\n".join(
        [
            "# Model card",
            "",
            f"An image classifier for {len(result['classes'])} classes, made by `imageclinic train`.",
            "",
            f"- **Model**: `{result['model']}`, {result['parameters']:,} parameters, "
            f"{result['multiply_adds']:,} multiply-adds an image. File: `model.keras`, opened with "
            "`keras.models.load_model`.",
            f"- **Input**: RGB images resized to {result['size']}×{result['size']} pixels (stretched), "
            "values 0 to 255; rescaling is part of the model.",
            "- **Output**: a probability for each class, in the order of the table below.",
            f"- **Data**: {images['train']:,} training, {images['val']:,} validation and {images['test']:,} "
            "test images of the export in this folder; see `DATASET.md` and `manifest.csv`.",
            f"- **Training**: seed {settings['seed']}, batches of {settings['batch_size']}, augmentation "
            f"`{settings['augment']}`{' with mirroring' if settings['mirror'] else ''}; best epoch "
            f"{history['best_epoch']} of {history['epochs']} run, at most {settings['epochs']}.",
            "",
            f"## Results on {scores['n']:,} {scored} images",
            "",
            f"Accuracy {_percent(scores['accuracy'])}, macro-F1 {_percent(scores['macro_f1'])}, expected "
            f"calibration error {_percent(scores['calibration_error'])}. {caution}",
            "",
            "| class | images | recall | precision |",
            "|---|---:|---:|---:|",
            *rows,
            "",
            "## Limits",
            "",
            "One training run: another seed gives another accuracy (`imageclinic compare` says how far "
            "apart). The numbers hold for images like these; a wrong label left in the test images counts as "
            "a mistake of the model. Not evaluated: other sources of images, attacks, differences between "
            "groups of people.",
            "",
        ]
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _cell(name: str) -> str:
    """A class name as plain text in a Markdown table."""
    plain = html.escape(" ".join(name.split()), quote=False)
    return "".join(f"\\{c}" if c in r"\`*_[]|~#!" else c for c in plain)
