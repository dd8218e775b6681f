"""What this machine offers, and what to do about each lack."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from imageclinic.core.processes import child_process, optional_packages
from imageclinic.core.progress import Stage, quiet

PORT = 5151


def doctor(folder: str | Path = ".", *, stage: Stage = quiet) -> pd.DataFrame:
    """Look at this machine: a frame with `what`, `state` (ok, lacking or note), `finding` and `remedy`.

    Args:
        folder: where runs would be written.
        stage: progress.
    """
    looks: list[Callable[[], Iterator[tuple[str, str, str, str]]]] = [
        _machine,
        _system,
        _packages,
        lambda: _disk(Path(folder)),
        _tensorflow,
        _weights,
        _mongod,
        _port,
    ]
    rows: list[tuple[str, str, str, str]] = []
    with stage("Looking at this machine") as progress:
        for done, look in enumerate(looks, start=1):
            rows += look()
            progress(done, len(looks))
    return pd.DataFrame(rows, columns=["what", "state", "finding", "remedy"])


def _machine() -> Iterator[tuple[str, str, str, str]]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores", ""


def _disk(folder: Path) -> Iterator[tuple[str, str, str, str]]:
    free = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        yield "disk", "lacking", f"{folder.resolve()} can't be written to", "give another folder with --out"
    elif free < 2:
        yield "disk", "lacking", f"{free:.1f} GB free in {folder.resolve()}", "an audit keeps about 10 kB an image"
    else:
        yield "disk", "ok", f"{free:,.0f} GB free in {folder.resolve()}", ""


def _system() -> Iterator[tuple[str, str, str, str]]:
    """What works on Linux alone, or not on Windows."""
    if not child_process.POSIX:
        fix = "review in the container or in WSL, or decide with imageclinic decide"
        yield "system", "lacking", "the App can't be served here", fix
    if not Path("/proc/self/statm").is_file():
        fix = "an enormous picture may fill the memory: lower --max-pixels"
        yield "system", "note", "the memory of decoders can't be limited here", fix


def _packages() -> Iterator[tuple[str, str, str, str]]:
    for package, (_, needed_by) in optional_packages.OPTIONAL.items():
        if not optional_packages.installed(package):
            yield package, "lacking", f"not installed; needed by {needed_by}", f"pip install {package}"


def _tensorflow() -> Iterator[tuple[str, str, str, str]]:
    if not (optional_packages.installed("tensorflow") and optional_packages.installed("keras")):
        return
    from imageclinic import training

    training.load_tensorflow()
    import keras
    import tensorflow as tf

    yield "tensorflow", "ok", f"{tf.__version__}, keras {keras.__version__}", ""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        yield (
            "gpu",
            "ok",
            ", ".join(str(tf.config.experimental.get_device_details(g).get("device_name", g.name)) for g in gpus),
            "",
        )
    else:
        yield (
            "gpu",
            "note",
            "TensorFlow sees none; everything runs on the CPU",
            "with an NVIDIA card: tensorflow[and-cuda]",
        )


def _weights() -> Iterator[tuple[str, str, str, str]]:
    if not (optional_packages.installed("tensorflow") and optional_packages.installed("keras")):
        return
    from imageclinic.training.embed import embed_images

    chosen = embed_images.choose("auto")
    learnt = chosen.name == "patches"
    yield "embedder", "note" if learnt else "ok", chosen.name, f"{chosen.note}: {chosen.advice}" if learnt else ""


def _mongod() -> Iterator[tuple[str, str, str, str]]:
    if not optional_packages.installed("fiftyone"):
        return
    from imageclinic.cleaning.review.database import find_mongod
    from imageclinic.core.errors import InputError

    try:
        yield "mongod", "ok", find_mongod.describe(), ""
    except InputError as error:
        yield "mongod", "lacking", str(error), "needed for imageclinic review only"


def _port() -> Iterator[tuple[str, str, str, str]]:
    with socket.socket() as probe:
        busy = probe.connect_ex(("127.0.0.1", PORT)) == 0
    if busy:
        yield "port", "lacking", f"{PORT} is in use", "imageclinic review RUN --port ANOTHER"
    else:
        yield "port", "ok", f"{PORT} is free for the App", ""
