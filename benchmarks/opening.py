"""How long until a review can begin? From the command `imageclinic review` to an App that answers.

    python -m benchmarks.opening [RUN | --images 60000] [--repeats 3] [--keep FOLDER]

Opens a run, or a made-up one (`benchmarks.made_up_tables`) in which every image has a finding, and ends it again.
Prints the seconds from the command to the link (*link*), and to the App's answer to a first query for samples of the
Inbox (*samples*), and the processor seconds until then of our process, the App's server and the database. On a busy
machine the processor seconds tell more. The images of a made-up run do not exist: pictures are not part of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import psutil
from PIL import Image

from benchmarks.made_up_tables import make
from benchmarks.show import table
from imageclinic.audit.copies import find_copies
from imageclinic.core import tables
from imageclinic.core.run import create

_LABELS = 100
_QUERY = """query ($dataset: String!, $view: BSONArray!) {
  samples(dataset: $dataset, view: $view, first: 20, after: "-1") {
    ... on SampleItemStrConnection { edges { node { ... on ImageSample { id sample } } } }
  }
}"""


@dataclass(frozen=True)
class Opening:
    """One start of the App."""

    link: float
    samples: float
    cpu: dict[str, float]
    """Process → processor seconds until the samples were there."""


def make_run(folder: Path, images: int) -> None:
    """A run of so many images that do not exist, each of them with a finding."""
    run = create(folder)
    make(run, images, _LABELS, 0)
    dataset = run.read(tables.DATASET)
    ids, labels = dataset["image_id"], dataset["label"]
    picture = run.path / "picture.png"
    Image.fromarray(np.zeros((32, 32, 3), dtype=np.uint8)).save(picture)  # what proves that near hashes are copies
    neighbors, clusters, _ = find_copies.find(
        dataset, run.read(tables.FEATURES), run.read_thumbnails(), lambda _: picture
    )
    run.write(tables.NEIGHBORS, neighbors)
    run.write(tables.CLUSTERS, clusters)
    split = np.where(np.arange(len(ids)) % 10 == 0, "test", "train")
    run.write(tables.SPLIT_TABLE, tables.frame(tables.SPLIT_TABLE, image_id=ids, split=split))
    in_cluster = clusters[clusters["cluster"].notna()]
    wrong = tables.frame(
        tables.ISSUES,
        check="mislabeled",
        image_id=ids,
        score=np.linspace(1, 0.1, len(ids)),
        suggested_label=np.roll(labels, 1),
        suggested_action="relabel",
        evidence=[f"Labelled {label}, which the model gives 1 %." for label in labels],
    )
    copies = tables.frame(
        tables.ISSUES,
        check="near_duplicate",
        image_id=in_cluster["image_id"],
        cluster=in_cluster["cluster"],
        score=np.full(len(in_cluster), 0.9),
        suggested_action="review",
        evidence="A copy of another image.",
    )
    run.write(tables.ISSUES, pd.concat([wrong, copies], ignore_index=True))
    run.update_info({"root": str(run.path / "nowhere"), "seed": 0, "notes": [], "outcomes": []})


def opened(run: Path) -> Opening:
    """Open the run, wait for the first samples, and end it."""
    start = time.perf_counter()
    command = [sys.executable, "-P", "-m", "imageclinic", "review", str(run), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    printed, address = [], ""
    try:
        for line in process.stdout:
            printed.append(line)
            if "http://127." in line:
                address = line[line.index("http://127.") :].split()[0]
            if "Ctrl-C" in line:
                break
        else:
            raise RuntimeError("".join(printed))
        link = time.perf_counter() - start
        _first_samples(address)
        samples, cpu = time.perf_counter() - start, _processors(process.pid)
    finally:
        process.terminate()  # not Ctrl-C, which a job that a shell started in the background ignores
        process.communicate()
    return Opening(link, samples, cpu)


def _first_samples(address: str) -> None:
    """Follow the secret link as a browser does, and ask for the first samples of the dataset."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    browser.open(address).read()
    where = urlsplit(address)
    origin = f"{where.scheme}://{where.netloc}"
    body = {"query": _QUERY, "variables": {"dataset": where.path.rsplit("/", 1)[1], "view": []}}
    request = urllib.request.Request(
        f"{origin}/graphql", json.dumps(body).encode(), {"content-type": "application/json", "origin": origin}
    )
    answer = json.loads(browser.open(request).read())
    if not ((answer.get("data") or {}).get("samples") or {}).get("edges"):
        raise RuntimeError(f"no samples: {json.dumps(answer)[:500]}")


def _processors(pid: int) -> dict[str, float]:
    """Processor seconds of the process and those that it has started, ended ones counted with their parent."""
    found = {"ours": 0.0, "server": 0.0, "mongod": 0.0}
    tree = psutil.Process(pid)
    for process in (tree, *tree.children(recursive=True)):
        times = process.cpu_times()
        own = process.pid == pid
        name = "ours" if own else "mongod" if process.name() == "mongod" else "server"
        found[name] += times.user + times.system + (times.children_user + times.children_system if own else 0)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="default: a made-up run")
    parser.add_argument("--images", type=int, default=60_000, help="of the made-up run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the made-up run; one that is there is used again")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="imageclinic-opening-") as scratch:
        run = given.run or given.keep or Path(scratch) / "run"
        if not given.run and not (run / tables.ISSUES.file).is_file():
            make_run(run, given.images)
        found = [opened(run) for _ in range(given.repeats)]
    rows = [("link", "seconds", [o.link for o in found]), ("samples", "seconds", [o.samples for o in found])]
    rows += [(name, "processor s", [o.cpu[name] for o in found]) for name in found[0].cpu]
    rows.append(("all", "processor s", [sum(o.cpu.values()) for o in found]))
    lines = [(n, unit, *(f"{f(v):.2f}" for f in (min, statistics.median, max))) for n, unit, v in rows]
    print(table((str(run), "", "min", "median", "max"), lines))


if __name__ == "__main__":
    main()
