"""Which images words describe, by the text tower of the network that embedded a run. Also a process of its own, beside
a review, so that the App's server loads no network:

``python -P -m imageclinic.workflows.steps.reviewing.word_search RUN`` reads lines, each a text in JSON, and answers
each with a line: ``images``, the ids, the most alike first, or ``error``, why there are none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.run import Run, open_run

#: Images that are named at most.
MOST = 200


def searcher(run: Run) -> Callable[[str], list[str]]:
    """A function from words to the ids of the images that they describe best, at most `MOST`.

    Raises:
        InputError: the run has no embeddings, or of a network that does not read, or of other weights by now.
    """
    model = str(run.info().get("arguments", {}).get("model", ""))
    made = tables.metadata(run.embeddings) if run.embeddings.is_file() else {}
    fix = "audit with --model hub:clip_vit_base_patch32 or another network that reads, see docs/how-to/own-model.md"
    if not model.startswith("hub:") or not made:
        raise InputError(
            f"this run's images were embedded by {made.get('model', 'nothing')}, which does not read", fix=fix
        )
    from imageclinic import training

    training.load_tensorflow()
    from imageclinic.training.embed import text_tower

    tower = text_tower.load(model)
    if tower is None:
        raise InputError(f"{model} has no text tower, or no tokenizer beside it", fix=fix)
    if made.get("weights", "") not in ("", tower.weights):
        raise InputError(f"{model} has other weights than when it embedded the images", fix="audit again")
    embeddings = run.read_embeddings()
    unit = embeddings.alike / np.maximum(np.linalg.norm(embeddings.alike, axis=1, keepdims=True), 1e-12)

    def search(words: str) -> list[str]:
        alike = unit @ tower.read([words])[0]
        return embeddings.image_id.iloc[np.argsort(-alike, kind="stable")[:MOST]].tolist()

    return search


def answer(run: Path, questions: IO[str], answers: IO[str]) -> None:
    """Answer line by line until there are no more questions."""
    search: Callable[[str], list[str]] | None = None
    for line in questions:
        try:
            search = search or searcher(open_run(run))
            found: dict[str, list[str] | str] = {"images": search(str(json.loads(line)))}
        except InputError as error:
            found = {"error": str(error)}
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    answer(Path(sys.argv[1]), sys.stdin, answers)
