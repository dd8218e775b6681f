"""Files that Keras's own loaders skip, stop at, or show a model otherwise than a person sees them."""

from __future__ import annotations

from imageclinic.audit.verdict.line import RUN, Facts, Line, number, percent

#: What an image weighs, against one that is simply wrong: misread (times its score), skipped, named otherwise.
_MISREAD, _SKIPPED, _NAME = 0.6, 0.3, 0.02
#: One file that stops Keras ends a training run, whatever their number.
_STOPS = 0.03
#: Scores of `wrong_extension` from which Keras stops at a file, or skips it.
_STOPS_FROM, _SKIPPED_FROM = 1.0, 0.8


def judge(facts: Facts) -> list[Line]:
    """One line for what becomes of pictures in `image_dataset_from_directory`; one for names that only mislead."""
    names = facts.found("wrong_extension")
    misread = facts.found("misread_by_keras").drop_duplicates("image_id")
    stops = names.loc[names["score"] >= _STOPS_FROM, "image_id"].nunique()
    skipped = names.loc[names["score"].between(_SKIPPED_FROM, _STOPS_FROM, inclusive="left"), "image_id"].nunique()
    only_name = names.loc[names["score"] < _SKIPPED_FROM, "image_id"].nunique()
    lines = []
    counts = [
        (stops, f"stop at {number(stops, 'image')}"),
        (skipped, f"skip {number(skipped, 'image')} without a word"),
        (len(misread), f"show {number(len(misread), 'image')} otherwise than a person sees them"),
    ]
    if any(n for n, _ in counts):
        images = len(set(misread["image_id"]) | set(names.loc[names["score"] >= _SKIPPED_FROM, "image_id"]))
        weight = _MISREAD * float(misread["score"].sum()) + _SKIPPED * skipped
        lines.append(
            Line(
                cause="keras_loaders",
                severity=min(1.0, _STOPS * bool(stops) + weight / max(1, len(facts.dataset))),
                sentence=f"Keras's own loaders {', '.join(what for n, what in counts if n)} "
                f"({percent(facts.share(images))} of all)",
                consequence="a model that is trained with them sees other data than you do; an export can convert them",
                command=f"imageclinic export {RUN} OUT --reencode png",
                checks=[c for c, n in (("misread_by_keras", len(misread)), ("wrong_extension", stops + skipped)) if n],
            )
        )
    if only_name:
        lines.append(
            Line(
                cause="misleading_names",
                severity=_NAME * facts.share(only_name),
                sentence=f"{number(only_name, 'file')} ({percent(facts.share(only_name))}) named after another format "
                "than the content",
                consequence="loaders that go by the name fail on them; an export gives right names",
                command=f"imageclinic export {RUN} OUT",
                checks=["wrong_extension"],
            )
        )
    return lines
