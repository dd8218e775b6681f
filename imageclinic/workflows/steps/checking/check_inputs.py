"""What the checks of new images ask for: made as far as it is wanted and can be made."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from imageclinic.audit.against import copies_of_run, laid_over_run
from imageclinic.audit.against.checks.property_drift import unseen
from imageclinic.audit.against.copy_words import with_run
from imageclinic.audit.copies import find_copies
from imageclinic.audit.labels import look_alike_names
from imageclinic.core.errors import InputError, NotApplicable
from imageclinic.core.progress import Stage
from imageclinic.workflows.steps.checking import both_sides, drift_inputs, label_doubts, same_embedder

#: Inputs that are made of others.
_NEEDS: dict[str, tuple[str, ...]] = {
    "new_embeddings": (),
    "run_embeddings": ("new_embeddings",),
    "predicted_labels": ("new_embeddings", "run_embeddings"),
    "comparable": ("new_clusters",),
    "property_tests": ("comparable",),
    "embedding_test": ("comparable", "new_embeddings", "run_embeddings"),
}


class Inputs:
    """What checks are given: `known` by name; why an input is `missing` or `broken`; and which are `wanted`."""

    def __init__(self, known: dict[str, Any], wanted: set[str]) -> None:
        self.known = known
        self.missing: dict[str, str] = {}
        self.broken: dict[str, str] = {}
        self.wanted: set[str] = set()
        more = list(wanted)
        while more:
            name = more.pop()
            self.wanted.add(name)
            more += [n for n in _NEEDS.get(name, ()) if n not in self.wanted]

    def make(self, names: Sequence[str], make: Callable[[], Sequence[Any]], *, chosen: bool = False) -> None:
        """Make some inputs at once, if one of them is wanted. What they need and lack is their reason, too. An error in
        what the user wrote is raised where the user has `chosen` how."""
        if not self.wanted & set(names):
            return
        needs = [n for name in names for n in _NEEDS.get(name, ())]
        for reasons in (self.broken, self.missing):
            if lacking := [n for n in needs if n in reasons]:
                reasons.update(dict.fromkeys(names, reasons[lacking[0]]))
                return
        try:
            self.known.update(zip(names, make(), strict=True))
        except NotApplicable as reason:
            self.missing.update(dict.fromkeys(names, str(reason)))
        except InputError as error:
            if chosen:
                raise
            self.missing.update(dict.fromkeys(names, str(error)))
        except Exception:  # what needs it has the outcome failed, with the traceback; the rest still runs
            self.broken.update(dict.fromkeys(names, traceback.format_exc()))


def make_all(
    made: Inputs,
    side: both_sides.RunSide,
    fresh: copies_of_run.Scanned,
    model: str | None,
    notes: list[str],
    stage: Stage,
) -> dict[str, Any]:
    """Make what is wanted.

    Args:
        made: gets the inputs, or the reasons.
        side: the run.
        fresh: the new images.
        model: see `same_embedder.embed`.
        notes: gets what users should know.
        stage: progress.

    Returns:
        The tests of drift, for check.json: ``properties``, ``embedding`` (null: not tested), ``unseen`` (which shifts
        are too small to be seen) and ``scores``, by image.
    """
    drift: dict[str, Any] = {"properties": [], "embedding": None, "unseen": "", "scores": {}}
    made.make(("run_classes",), lambda: (side.classes,))
    made.make(("run_images",), lambda: (side.known,))
    made.make(("run_options",), lambda: (side.options,))
    made.make(("look_alikes",), lambda: (_look_alikes(side.classes, fresh.dataset),))

    known = made.known

    def in_run() -> tuple[pd.DataFrame]:
        run = side.scanned()
        with stage("Looking for copies in the run") as progress:
            pairs, apart, found = copies_of_run.find(fresh, run, progress=progress)
        if "run_embeddings" in known:
            settled = apart | set(zip(pairs["image_id"], pairs["other_id"], strict=True))
            with stage("Laying likely copies over images of the run") as progress:
                laid, more = laid_over_run.find(
                    (fresh, known["new_embeddings"]), (run, known["run_embeddings"]), settled, progress=progress
                )
            pairs = pd.concat([part for part in (pairs, laid) if len(part)] or [pairs], ignore_index=True)
            found += more
        notes.extend(found)
        return (with_run(pairs, fresh.dataset, side.known),)

    def among_new() -> tuple[pd.DataFrame, pd.DataFrame]:
        with stage("Looking for copies among the new images") as progress:
            *found, remarks = find_copies.find(
                fresh.dataset,
                fresh.features,
                fresh.thumbnails,
                fresh.path,
                embeddings=known.get("new_embeddings"),
                progress=progress,
            )
        notes.extend(remarks)
        return found[0], found[1]

    def embedded() -> tuple[Any]:
        with stage("Embedding new images") as progress:
            return (same_embedder.embed(side, fresh, model, progress),)

    made.make(("new_embeddings",), embedded, chosen=model is not None)
    made.make(("run_embeddings",), lambda: (side.run.read_embeddings(),))
    made.make(("run_copies",), in_run)
    made.make(("new_copies", "new_clusters"), among_new)
    made.make(
        ("predicted_labels",),
        lambda: (label_doubts.predict(side, fresh.dataset, known["new_embeddings"], known["run_embeddings"]),),
    )
    made.make(("comparable",), lambda: (drift_inputs.comparable(side, fresh, known["new_clusters"]),))

    def properties() -> tuple[Any]:
        run, new = known["comparable"]
        tests = drift_inputs.of_properties(side, fresh, run, new)
        drift["properties"] = [test.as_json() for test in tests]
        drift["unseen"] = unseen(len(run), len(new), len(tests))
        return (tests,)

    def embeddings() -> tuple[Any]:
        run, new = known["comparable"]
        with stage("Testing for drift"):
            test, drift["scores"] = drift_inputs.of_embeddings(
                run, new, known["run_embeddings"], known["new_embeddings"], side.run.seed
            )
        ids = new["image_id"].to_numpy()
        drift["embedding"] = {**test.as_json(), "typical": [str(ids[at]) for at in test.typical[:5]]}
        return (test,)

    made.make(("property_tests",), properties)
    made.make(("embedding_test",), embeddings)
    return drift


def _look_alikes(classes: dict[str, int], dataset: pd.DataFrame) -> dict[str, str]:
    """Classes of new images that the run has under another spelling → the run's."""
    new = {str(name): 0 for name in dataset["label"].dropna().unique() if name not in classes}
    # By counts, of which the run's are never smaller.
    found = look_alike_names.find({**{name: n + 1 for name, n in classes.items()}, **new})
    return {each.name: each.other for each in found if each.name in new and each.other in classes}
