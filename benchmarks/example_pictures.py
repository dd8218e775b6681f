"""Pictures of what each check finds and misses, for the documentation.

    python -m benchmarks.example_pictures RUN docs

RUN is an audit of the sample data, or of some of its classes. Writes ``examples.md`` and ``examples/CHECK.jpg``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError

from imageclinic import sample_data
from imageclinic.audit import runner
from imageclinic.core import tables
from imageclinic.core.run import Run, open_run
from imageclinic.report.sections import summary_with_values

SIDE, GAP, FOUND, MISSED = 72, 6, 8, 4
TITLE = "# Found and missed"
#: What follows this line of the page is written by hand and kept.
BY_HAND = "<!-- Written by hand from here. -->"


def main(run: Run, docs: Path) -> None:
    """Write the page and its pictures."""
    (docs / "examples").mkdir(exist_ok=True)
    dataset = run.read_dataset()
    issues = run.read(tables.ISSUES)
    planted = pd.read_csv(sample_data.PLANTED, dtype="str")
    planted = planted[planted["image_id"].isin(dataset["image_id"])]
    # Of some classes only: what can't be found there is no fault there.
    planted = planted[planted["source_id"].isna() | planted["source_id"].isin(dataset["image_id"])]
    planted = planted[planted["true_label"].isna() | planted["true_label"].isin(dataset["label"])]
    options = {o["check"]: o.get("options") or {} for o in run.info()["outcomes"]}
    parts = [
        TITLE,
        "<!-- Written by `python -m benchmarks.example_pictures`. -->",
        f"What each check found and missed of the faults that were planted in the sample data: {len(dataset):,} images "
        f"of the classes {', '.join(sorted(dataset['label'].unique()))}. Each is explained under "
        "[Checks](checks.md).",
    ]
    for check in runner.load().values():
        own = planted[planted["check"] == check.name].drop_duplicates("image_id")
        if own.empty:
            continue
        hits = own["image_id"].isin(issues.loc[issues["check"] == check.name, "image_id"])
        summary = summary_with_values(check.help.split("\n\n")[0].replace("\n", " "), options.get(check.name, {}))
        parts += [f"## {check.name}", summary]
        for state, ids, limit in (
            ("Found", _spread(own[hits]), FOUND),
            ("Missed", list(own[~hits]["image_id"]), MISSED),
        ):
            parts.append(f"{state}: {len(ids)} of {len(own)}.")
            tiles = {image_id: tile for image_id in ids if (tile := _tile(run.image_path(image_id)))}
            if pictures := list(tiles.values())[:limit]:
                file = f"examples/{check.name}-{state.lower()}.jpg"
                _row(pictures).save(docs / file, quality=80, optimize=True)
                parts.append(f"![{state} by {check.name}]({file})")
                if own["true_label"].notna().all():
                    given = own.set_index("image_id")["label"]
                    labels = ", ".join(given[image_id] for image_id in list(tiles)[:limit])
                    parts.append(f"Their labels, from left: {labels}.")
            elif ids:
                parts.append("No decoder draws these files.")
    page = docs / "examples.md"
    _, line, kept = page.read_text("utf-8").partition(BY_HAND) if page.exists() else ("", "", "")
    page.write_text("\n\n".join(parts) + "\n" + (f"\n{line}{kept}" if line else ""), "utf-8")


def _spread(planted: pd.DataFrame) -> list[str]:
    """Images of each kind of fault by turns."""
    turn = planted.groupby("kind").cumcount()
    return list(planted.assign(turn=turn).sort_values(["turn", "kind"], kind="stable")["image_id"])


def _tile(path: Path) -> Image.Image | None:
    try:
        with Image.open(path) as image:
            return ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color=(225, 225, 225))
    except (OSError, UnidentifiedImageError):
        return None


def _row(tiles: list[Image.Image]) -> Image.Image:
    row = Image.new("RGB", (len(tiles) * (SIDE + GAP) - GAP, SIDE), "white")
    for place, tile in enumerate(tiles):
        row.paste(tile, (place * (SIDE + GAP), 0))
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("docs", type=Path)
    arguments = parser.parse_args()
    main(open_run(arguments.run), arguments.docs)
