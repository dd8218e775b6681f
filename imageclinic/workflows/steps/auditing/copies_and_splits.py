"""Copies and frozen splits of an audit: made once from what they depend on, and kept."""

from __future__ import annotations

import dataclasses
import shutil

import pandas as pd

from imageclinic.audit.copies import find_copies
from imageclinic.core import tables
from imageclinic.core.engines.engine import Engine
from imageclinic.core.large.vector_file import thumbnails_of
from imageclinic.core.progress import Progress
from imageclinic.core.reading import added_table
from imageclinic.core.rows import lookup
from imageclinic.core.run import Run
from imageclinic.workflows.steps.auditing import added_images
from imageclinic.workflows.steps.copies_key import copies_key
from imageclinic.workflows.steps.distributed import distributed_decodes, distributed_search

#: Shares of train, val and test that are drawn when the dataset came without splits.
SHARES = (0.7, 0.1, 0.2)


def copies(
    run: Run,
    embeddings: tables.Embeddings | None,
    engine: Engine,
    notes: list[str],
    progress: Progress,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables neighbors and clusters; notes on the search are added to `notes`."""
    dataset = run.read(tables.DATASET, find_copies.COLUMNS[tables.DATASET])
    current = copies_key(run, dataset, embedded=embeddings is not None)
    paths = [run.table_path(t) for t in (tables.NEIGHBORS, tables.CLUSTERS)]
    if all(tables.is_current(p, current) for p in paths):
        return run.read(tables.NEIGHBORS), run.read(tables.CLUSTERS)
    parts = run.embedding_parts / "pairs"
    neighbors, clusters, found = find_copies.find(
        dataset,
        run.read(tables.FEATURES, find_copies.COLUMNS[tables.FEATURES]),
        thumbnails_of(run),
        run.files,
        embeddings=embeddings,
        steps=dataclasses.replace(
            distributed_decodes.decodes_on(engine, parts), search=distributed_search.search_on(engine, parts)
        ),
        progress=progress,
    )
    shutil.rmtree(parts, ignore_errors=True)
    run.write(tables.NEIGHBORS, neighbors, current)
    run.write(tables.CLUSTERS, clusters, current)
    notes += found
    return neighbors, clusters


def freeze_splits(
    run: Run,
    clusters: pd.DataFrame,
    seed: int,
    notes: list[str],
    label_separator: str | None = None,
) -> None:
    """The dataset's own split where it has one; else drawn once, and kept by every later audit of the run."""
    from imageclinic.cleaning.split import stratified_split

    dataset = run.read(tables.DATASET, ("image_id", "label", "split"))
    labelled = dataset[dataset["label"].notna()]
    groups = lookup.values(labelled["image_id"], clusters, "split_group")
    grouped = labelled[["image_id", "label"]].assign(split_group=groups)
    fixed: pd.DataFrame | None
    if labelled["split"].nunique() > 1:
        fixed = labelled.loc[labelled["split"].notna(), ["image_id", "split"]]
        if len(fixed) == len(labelled):
            run.write(tables.SPLIT_TABLE, fixed)
            return
    else:
        fixed = run.read(tables.SPLIT_TABLE) if run.has(tables.SPLIT_TABLE) else None
        added = added_images.frozen(added_table.read(run))
        if fixed is not None and len(added):
            fixed = pd.concat([fixed, added[~added["image_id"].isin(fixed["image_id"])]], ignore_index=True)
    drawn, found = stratified_split.assign(grouped, SHARES, seed=seed, fixed=fixed, label_separator=label_separator)
    run.write(tables.SPLIT_TABLE, drawn)
    notes += found
