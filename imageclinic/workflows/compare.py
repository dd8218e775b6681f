"""Composes the comparison before and after cleaning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

from imageclinic.audit.listing.listing import Listing
from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.naming import label_sets, run_names
from imageclinic.core.predicted.tested_images import TEST_PREDICTIONS
from imageclinic.core.progress import Stage, quiet, silent
from imageclinic.training.compare.compare_options import CompareKeywords, CompareOptions
from imageclinic.workflows.steps.argument_types import takes_fields_of
from imageclinic.workflows.steps.auditing import audit_source, packed_data
from imageclinic.workflows.steps.run_state import load

#: Called with a comparison of the seeds that were done when Ctrl-C came.
Interrupted = Callable[[dict[str, Any]], None]


@takes_fields_of(CompareOptions)
def compare(
    run: str | Path,
    after: str | Path | None = None,
    *,
    truth: str | Path | None = None,
    to: str | Path | None = None,
    stage: Stage = quiet,
    interrupted: Interrupted | None = None,
    **options: Unpack[CompareKeywords],
) -> dict[str, Any]:
    """Retrain on the original and the cleaned images, and test both on the same images.

    Copies of test images are learnt from on neither side; what they do to accuracy is measured apart, and so is each
    thing that cleaning did: copies dropped, labels corrected, all else.

    Args:
        run: a run folder; or, with `after`, a dataset: an export, or what `audit` takes of files, with a test part.
        after: another dataset, with the same test images.
        truth: a CSV file with the true labels (image_id, label) of a run's images, for benchmarks: adds the control
            ``random_review``, as many reviews as were done, of images drawn at random, by a reviewer who is right.
        to: for two datasets, the folder for comparison.json, finished runs and unpacked images; None:
            ``AFTER-comparison``.
        stage: progress.
        interrupted: called with what the seeds that are done show, when Ctrl-C comes; KeyboardInterrupt goes on.
        options: fields of `training.compare.compare_options.CompareOptions`: model, seeds, epochs, seed, size, ….

    Returns:
        The content of comparison.json, which is written to the run folder, or to `to`; beside it, what each training
        named for each test image: ``test_predictions.parquet``.

    Raises:
        InputError: no test images, one class, datasets whose test images differ, a model that does not fit.
    """
    from imageclinic import training
    from imageclinic.cleaning.export import export_facts

    for path in (run, after):
        if path is not None:
            export_facts.refuse_label_sets(Path(path), "compare")
    use = CompareOptions(**options)
    with stage("Loading TensorFlow"):
        training.load_tensorflow()
    from imageclinic.training.compare import comparison_recipe, separate_arms, validation_gap
    from imageclinic.training.compare import retrain as retraining
    from imageclinic.training.compare.arms import baseline
    from imageclinic.workflows.steps import comparison_arms as arms_of

    comparison_recipe.known(use)
    notes: list[str] = []
    embedded, shift = None, None
    if after is None:
        state = load(run)
        label_sets.refuse(state.run.info(), "compare")
        arms, test = arms_of.of_run(state, use.seed)
        embedded, shift = arms_of.embedded(state.run), arms_of.test_shift(state)
        file, cache = state.run.comparison, state.run.path / "comparison"
        predictions = state.run.table_path(TEST_PREDICTIONS)
        if to is not None:
            raise InputError(f"--to {to} with a run", expected="two datasets; a run keeps its own comparison")
    else:
        if truth is not None:
            raise InputError("--truth with two datasets", expected="a run, which knows how much was reviewed")
        away = packed_data.given(after)
        end = (run_names.RUNS / packed_data.name_of(away) if isinstance(away, str) else Path(after)).absolute()
        cache = Path(to) if to is not None else end.with_name(f"{end.stem}-comparison")

        def listed(path: Path) -> Listing:
            side, data = ("after", after) if path == packed_data.plain_path(after) else ("before", run)
            return audit_source.listed(data, cache / "unpacked" / side, None, None, None, False, stage, silent)

        sides = packed_data.plain_path(run), packed_data.plain_path(after)
        with stage("Looking for copies") as progress:
            arms, test, notes = arms_of.of_datasets(*sides, use.seed, listed=listed, progress=progress)
        file, predictions = cache / "comparison.json", cache / TEST_PREDICTIONS.file
    arms, steps = separate_arms.separate(arms["original"], arms["cleaned"], test)
    base = arms[baseline(arms)]
    if "cleaned" in arms and not base["image_id"].isin(arms["cleaned"]["image_id"]).all():
        arms["random_removal"] = retraining.random_removal(base, arms["cleaned"], use.seed)
    if truth is not None:
        known, spent = arms_of.truth(Path(truth), base), arms_of.reviews(state, base)
        arms["random_review"] = retraining.random_review(base, known, spent, use.seed)
    cache.mkdir(parents=True, exist_ok=True)
    try:
        with stage("Training") as progress:
            result = retraining.compare(
                arms,
                test,
                use,
                known=embedded,
                steps=steps,
                progress=progress,
                cache=cache,
                predictions=predictions,
            )
    except retraining.Interrupted as stop:
        if stop.result is not None and interrupted is not None:
            interrupted(stop.result)
        raise
    if result["validation_gap"] is not None:
        result["notes"].insert(0, validation_gap.sentence(result["validation_gap"], shift))
    result["notes"] = [*notes, *result["notes"]]
    tables.write_json(file, result)
    return result
