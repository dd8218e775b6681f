"""Seconds and peak memory of everything that happens behind the scan, on a dataset that is made up.

    python -m benchmarks.memory N [--labels 100] [--seed 0] [--keep FOLDER] [--steps NAME ...] [--most GB]

Makes the dataset, features and thumbnails tables of N images that do not exist (`benchmarks.made_up_tables`). Then each
step runs in a process of its own, from the tables on disk, as an audit does it: writing and reading tables, copies and
clusters, frozen splits, the checks that need no embeddings and the verdict, all of them in one process; and then what
comes after an audit: status, decisions by a policy, the report, what the App loads, an export but for its images, and a
comparison with an earlier export. Where the search for copies takes too long, ``--steps "without thumbnails"
"made-up copies" checks …`` makes up what it would find. The full decodes that prove copies all read one small file,
because there are no images; those of an export find none. Memory is the peak of the process, with what it has mapped
of files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.made_up_tables import make, make_copies
from benchmarks.neighbor_peers import peak
from benchmarks.show import table
from imageclinic.audit import runner
from imageclinic.audit.copies import candidate_pairs, find_copies
from imageclinic.core import tables
from imageclinic.core.large.vector_file import thumbnails_of
from imageclinic.core.run import Run, create
from imageclinic.workflows.steps.auditing import audit_verdict
from imageclinic.workflows.steps.auditing.copies_and_splits import SHARES
from imageclinic.workflows.steps.copies_key import copies_key


def read(run: Run) -> None:
    """Read and validate the scan's tables."""
    held = run.read(tables.DATASET), run.read(tables.FEATURES), thumbnails_of(run)
    print(f"  {len(held[0]):,} images")


def write(run: Run) -> None:
    """Read the dataset and features tables and write them again."""
    run.write(tables.DATASET, run.read(tables.DATASET))
    run.write(tables.FEATURES, run.read(tables.FEATURES))


def search(run: Run) -> None:
    """Pairs of near hashes alone."""
    columns = [f"phash_{o}" for o in tables.ORIENTATIONS]
    hashes = run.read(tables.FEATURES, columns).to_numpy(np.uint64)
    upright, turned = find_copies.radii(len(hashes))
    limit = find_copies.CANDIDATES + find_copies.CANDIDATES_EACH * len(hashes)
    print(f"  {len(candidate_pairs.hamming_pairs(hashes, upright, turned=turned, limit=limit)):,} candidates")


def find(run: Run) -> None:
    """Copies and clusters, and a key of what they were made from."""
    dataset, features = (run.read(table, columns) for table, columns in find_copies.COLUMNS.items())
    picture = run.path / "picture.png"
    neighbors, clusters, notes = find_copies.find(dataset, features, thumbnails_of(run), lambda _: picture)
    made = copies_key(run, dataset)
    run.write(tables.NEIGHBORS, neighbors, made)
    run.write(tables.CLUSTERS, clusters, made)
    print(f"  {len(neighbors):,} pairs, {clusters['cluster'].nunique():,} clusters; {notes}")


def freeze(run: Run) -> None:
    """Frozen splits."""
    from imageclinic.cleaning.split import stratified_split

    dataset, clusters = run.read(tables.DATASET, ("image_id", "label")), run.read(tables.CLUSTERS)
    grouped = dataset.assign(split_group=stratified_split.split_groups(dataset["image_id"], clusters))
    drawn, notes = stratified_split.assign(grouped, SHARES, seed=0)
    run.write(tables.SPLIT_TABLE, drawn)
    print(f"  {drawn['split'].value_counts().to_dict()}; {len(notes)} notes")


def check(run: Run) -> None:
    """The checks that the scan and the copies can feed."""
    inputs = {t.name: run.read(t) for t in (tables.DATASET, tables.FEATURES, tables.NEIGHBORS, tables.CLUSTERS)}
    inputs["features"] = inputs["features"].drop(columns=list(runner.OF_COPIES))
    chosen = {name: c for name, c in runner.load().items() if set(c.inputs) <= set(inputs)}
    issues, outcomes = runner.run(chosen, [], inputs, {}, {})
    judged = audit_verdict.judge(inputs, run.read(tables.SPLIT_TABLE), issues, outcomes)
    run.write(tables.ISSUES, issues)
    facts = {"root": str(run.path / "nowhere"), "seed": 0, "notes": [], "outcomes": outcomes}
    run.update_info({"format": 1, **facts, **judged})
    slow = sorted(outcomes, key=lambda o: -o["seconds"])[:5]
    print(f"  {len(issues):,} findings; " + ", ".join(f"{o['check']} {o['seconds']:.1f} s" for o in slow))
    for failed in (o for o in outcomes if o["outcome"] == "failed"):
        raise RuntimeError(f"{failed['check']}: {failed['reason']}")


def everything(run: Run) -> None:
    """All of it in one process."""
    for step in (read, write, find, freeze, check):
        step(run)


def status(run: Run) -> None:
    """How far the review is."""
    from imageclinic.workflows.status import status as how_far

    found = how_far(run.path)
    print(f"  {found['flagged']:,} of {found['images']:,} flagged, {found['decided']:,} decided")


def decide(run: Run) -> None:
    """Accept every copy by a policy."""
    from imageclinic.workflows.decide import decide as decided

    print(f"  {len(decided(run.path, accept=['exact_duplicate'])):,} decisions")


def report(run: Run) -> None:
    """The report."""
    from imageclinic.workflows.report import report as reported

    print(f"  {reported(run.path).stat().st_size / 1e6:.1f} MB")


def review(run: Run) -> None:
    """The rows that the App loads."""
    from imageclinic.cleaning.review.dataset import run_contents

    print(f"  {len(run_contents.of_run(run).items):,} images")


def export(run: Run) -> None:
    """All of an export but its images and their proof: cleaned, regrouped, split, its tables and texts."""
    from imageclinic.cleaning.export import write_export
    from imageclinic.cleaning.export.export_options import ExportOptions
    from imageclinic.core.progress import quiet, silent
    from imageclinic.workflows.export import cleaned_dataset

    options = ExportOptions()
    content = cleaned_dataset(run.path, options, Path(), quiet, silent)
    listing = write_export.listed(write_export.manifest_of(content), content, run, options, Path())
    out = run.path / "export"
    out.mkdir(exist_ok=True)
    listing.write(out)
    print(f"  {len(listing.manifest):,} images, {len(content.changes):,} changes; {listing.about['images']}")


def diff(run: Run) -> None:
    """The manifest that `export` wrote, compared with itself."""
    from imageclinic.cleaning.export import export_diff

    print(f"  {len(export_diff.diff(run.path / 'export', run.path / 'export')):,} differences")


#: Steps that make the tables of a scan: with thumbnails, which the search for copies needs, or without.
MADE = ("make tables", "without thumbnails")
STEPS: dict[str, Callable[[Run], None]] = {
    "made-up copies": make_copies,
    "read tables": read,
    "write tables": write,
    "near hashes": search,
    "copies, clusters": find,
    "splits": freeze,
    "checks": check,
    "all in one": everything,
    "status": status,
    "decide": decide,
    "report": report,
    "review": review,
    "export": export,
    "diff": diff,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, help="number of images")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the tables; default: a temporary one")
    parser.add_argument("--steps", nargs="+", choices=[*MADE, *STEPS], help="only these; default: all")
    parser.add_argument("--most", type=float, default=10, help="GB of memory at which a step is stopped; default: 10")
    parser.add_argument("--step", choices=[*MADE, *STEPS], help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.step:
        run = create(given.keep)
        start = time.perf_counter()
        _stop_above(given.most)
        if given.step in ("make tables", "without thumbnails"):
            make(run, given.n, given.labels, given.seed, thumbnails=given.step == "make tables")
        else:
            STEPS[given.step](run)
        print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time(), "memory": peak()}))
        return 0
    with tempfile.TemporaryDirectory(prefix="imageclinic-memory-") as scratch:
        measure(given, given.keep or Path(scratch))
    return 0


def measure(given: argparse.Namespace, folder: Path) -> None:
    """Each step in a process of its own."""
    from PIL import Image

    run = create(folder)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run.path / "picture.png")
    lines = []
    for step in given.steps or ("make tables", *(name for name in STEPS if name != "made-up copies")):
        command = [sys.executable, "-m", "benchmarks.memory", str(given.n), "--step", step, "--keep", str(folder)]
        command += ["--labels", str(given.labels), "--seed", str(given.seed), "--most", str(given.most)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
        if done.returncode:
            raise RuntimeError(f"{step}: status {done.returncode}\n{done.stderr[-2000:]}")
        *printed, last = done.stdout.splitlines()
        answer = json.loads(last)
        said = f"{step}: {answer['seconds']:.1f} s, {answer['cpu']:.1f} CPU s, {answer['memory']:,.0f} MB"
        print(said, *printed, sep="\n", flush=True)
        lines.append((step, f"{answer['seconds']:.1f}", f"{answer['cpu']:.1f}", f"{answer['memory']:,.0f}"))
    print(table((f"{given.n:,} images", "seconds", "CPU seconds", "peak MB"), lines))


def _stop_above(gigabytes: float) -> None:
    """End this process when it holds so much memory of its own, where the system tells.

    A limit of the system (RLIMIT_DATA) counts what is reserved and never used, too, 3.3 GB in a search for copies among
    10 million images: with a limit of 9 GB it ended when 5.2 were held."""
    status = Path("/proc/self/status")

    def watch() -> None:
        while True:
            held = next(int(line.split()[1]) / 1e6 for line in status.open() if line.startswith("RssAnon"))
            if held > gigabytes:
                print(f"stopped: it holds {held:.2f} GB, and --most is {gigabytes:g}", file=sys.stderr, flush=True)
                os._exit(1)
            time.sleep(0.2)

    if status.is_file():
        threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
