"""The operators of the plugin: what the App's operator list, the panel's buttons and the keys call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone.core.json as foj
import fiftyone.operators as foo
from bson import ObjectId
from fiftyone.operators import types

from imageclinic.cleaning.review.plugin import navigation
from imageclinic.cleaning.review.plugin.selection import (
    HIDDEN,
    UNDECIDED,
    Answer,
    blind,
    decide,
    images_in_words,
    reviewer,
    shown,
    targets,
)

_NONE = "Select images or open one first"
#: Tiles that are redrawn at once; after a larger batch the App loads the view again.
_REDRAWN = 200


class _Operator(foo.Operator):
    """An operator in the App's list."""

    name = label = icon = ""
    unlisted = False

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name=self.name,
            label=f"Review: {self.label}",
            icon=self.icon or None,
            unlisted=self.unlisted,
            allow_delegated_execution=False,
        )


class Unlisted(_Operator):
    """An operator that only our own scripts call."""

    unlisted = True


class _Decision(_Operator):
    """Decides about the open image or the selection."""

    def execute(self, ctx: Any) -> dict[str, Any]:
        act(ctx, self.name)
        return {}


class Keep(_Decision):
    """The image stays, with its given label."""

    name, label, icon = "keep", "keep (k)", "check"


class Relabel(_Decision):
    """The image gets the suggested label."""

    name, label, icon = "relabel", "relabel to suggested (r)", "label"


class Drop(_Decision):
    """The image leaves the dataset."""

    name, label, icon = "drop", "drop (d)", "delete"


class Best(_Decision):
    """The best copy of the image's cluster stays, the others leave the dataset."""

    name, label, icon = "best", "keep the best copy, drop the others (b)", "filter_1"


class NotCopies(_Decision):
    """The images of the cluster are no copies: all of them stay."""

    name, label, icon = "not_copies", "not copies: keep all (c)", "content_copy"


class Unsure(_Decision):
    """The reviewer can't tell."""

    name, label, icon = "unsure", "unsure (n)", "help_outline"


class Undo(_Decision):
    """Takes back the reviewer's last decision."""

    name, label, icon = "undo", "undo (u)", "undo"


class RelabelTo(_Operator):
    """The image gets a label that the reviewer chooses."""

    name, label, icon = "relabel_to", "relabel to … (l)", "edit"

    def resolve_input(self, ctx: Any) -> Any:
        inputs, title = types.Object(), types.PromptView(label="Relabel to …", submit_button_label="Relabel")
        chosen = targets(ctx)
        if not chosen:
            inputs.message("none", _NONE)
            return types.Property(inputs, invalid=True, view=title)
        choices = types.AutocompleteView()
        for name in ctx.dataset.default_classes:
            choices.add_choice(name, label=name)
        inputs.enum(
            "label",
            ctx.dataset.default_classes,
            required=True,
            label=f"New label for {images_in_words(len(chosen))}",
            view=choices,
        )
        return types.Property(inputs, view=title)

    def execute(self, ctx: Any) -> dict[str, Any]:
        act(ctx, "relabel", ctx.params["label"])
        return {}


class WholeView(_Operator):
    """One decision about every undecided image of the view or the lasso, after the count was confirmed.

    Parameters: ``decision``, ``sure``; ``ids``, of these only; ``label``, for relabel; ``from_key``.
    """

    name, label, icon = "whole_view", "decide about the whole view (v)", "select_all"

    def resolve_input(self, ctx: Any) -> Any:
        inputs, title = types.Object(), types.PromptView(label="The whole view", submit_button_label="Decide")
        total, left, testing = self._counts(ctx)
        if blind(ctx):
            inputs.message("none", HIDDEN.format("one image at a time"))
        elif not left:
            inputs.message("none", f"All {images_in_words(total)} of this view are decided.")
        if blind(ctx) or not left:
            return types.Property(inputs, invalid=True, view=title)
        choices = types.RadioGroup()
        for value, label in (
            ("keep", "keep"),
            ("relabel", "relabel to the suggested label, where there is one"),
            ("drop", "drop"),
            ("unsure", "unsure"),
        ):
            choices.add_choice(value, label=label)
        inputs.enum("decision", choices.values(), required=True, label="Decision", view=choices)
        sentences = ["Undo takes all of it back."]
        if total > left:
            sentences.append(f"{images_in_words(total - left)} of the view are decided already and stay so.")
        if testing:
            sentences.append(f"{images_in_words(testing)} of these are in the test split.")
        inputs.bool(
            "sure",
            default=False,
            required=True,
            label=f"Yes, decide about {images_in_words(left)}",
            description=" ".join(sentences),
        )
        return types.Property(inputs, view=title)

    def execute(self, ctx: Any) -> dict[str, Any]:
        chosen = ctx.params.get("ids")  # what the reviewer confirmed, should the lasso be another one by now
        view = shown(ctx) if chosen is None else ctx.dataset.select(chosen)
        ids = [] if blind(ctx) else view.match(UNDECIDED).values("id")
        if not ctx.params.get("sure"):
            answer = Answer((), "Not confirmed: nothing was decided.", failed=True)
        else:
            answer = decide(ctx, ctx.params["decision"], ids, ctx.params.get("label"))
        if ctx.params.get("from_key"):
            return for_keys(ctx, answer)
        _tell(ctx, answer)
        return {}

    @staticmethod
    def _counts(ctx: Any) -> tuple[int, int, int]:
        """Images of the view, the undecided ones, and those of them in the test split."""
        view = shown(ctx)
        left = view.match(UNDECIDED)
        return view.count(), left.count(), left.count_values("split").get("test", 0)


class More(_Operator):
    """Opens a view of the images like the open or selected one."""

    name, label, icon = "more", "more like this one (m)", "image_search"

    def execute(self, ctx: Any) -> dict[str, Any]:
        chosen = ctx.params.get("ids") or targets(ctx)
        message = navigation.more_like(ctx, chosen[0]) if chosen else _NONE
        if not ctx.params.get("from_key"):
            ctx.ops.notify(message, variant="info")
        return {"message": message}


class Words(_Operator):
    """Opens a view of the images that ``words`` describe, where the run's network reads."""

    name, label, icon = "words", "find by words …", "search"

    def resolve_input(self, ctx: Any) -> Any:
        inputs = types.Object()
        inputs.str("words", required=True, label="What the images show", description="The first search takes a while.")
        return types.Property(inputs, view=types.PromptView(label="Find by words …", submit_button_label="Find"))

    def execute(self, ctx: Any) -> dict[str, Any]:
        message = navigation.by_words(ctx, str(ctx.params["words"]).strip())
        if not ctx.params.get("from_key"):
            ctx.ops.notify(message, variant="info")
        return {"message": message}


class Decide(Unlisted):
    """What a key calls: decides about the given ids and returns the changed samples as the App keeps them.

    Parameters: ``decision``; ``ids``; ``label``, for relabel; ``shown``, see `selection.decide`; ``grid``, whether to
    look for the next undecided sample of the view. Returns ``n``, ``ids``, ``samples``, ``message``, ``failed``;
    ``next``.
    """

    name, label = "decide", "decide"

    def execute(self, ctx: Any) -> dict[str, Any]:
        wanted = {name: ctx.params.get(name) for name in ("decision", "ids", "label", "shown", "grid")}
        ids = wanted["ids"] or []
        moves_on = wanted["grid"] and wanted["decision"] != "undo"
        follows = navigation.next_undecided(ctx, ids) if moves_on else None  # before the view loses what is decided
        answer = decide(ctx, wanted["decision"], ids, wanted["label"], wanted["shown"])
        if answer.ids and follows in answer.ids:  # the best copy stays: more was decided than was selected
            follows = navigation.next_undecided(ctx, answer.ids)
        return {**for_keys(ctx, answer), "next": follows if answer.ids else None}


ALL = (Keep, Relabel, RelabelTo, Drop, Best, NotCopies, Unsure, Undo, WholeView, More, Words, Decide)


def act(ctx: Any, decision: str, label: str | None = None) -> None:
    """Decide about the open image or the selection, and say so in the App."""
    ids = [] if decision == "undo" else targets(ctx)
    if decision != "undo" and not ids:
        ctx.ops.notify(_NONE, variant="warning")
        return
    _tell(ctx, decide(ctx, decision, ids, label))


def _tell(ctx: Any, answer: Answer) -> None:
    variant = "error" if answer.failed else "success" if answer.ids else "warning"
    ctx.ops.notify(answer.message, variant=variant)
    if answer.ids and not ctx.current_sample:
        ctx.ops.clear_selected_samples()
    if answer.ids:
        ctx.ops.reload_dataset()  # reload_samples leaves the tiles of the grid as they were


def for_keys(ctx: Any, answer: Answer) -> dict[str, Any]:
    """An answer as the key plugin takes it; it redraws few tiles only."""
    if len(answer.ids) > _REDRAWN:
        ctx.ops.reload_dataset()
    return {
        "n": len(answer.ids),
        "ids": list(answer.ids),
        "samples": documents(ctx, answer.ids),
        "message": answer.message,
        "failed": answer.failed,
    }


def documents(ctx: Any, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The samples as the App keeps them, so that the key plugin can redraw them: without what the view hides. In the
    random sample that is what others decided, too, until one's own decision."""
    wanted = {"$match": {"_id": {"$in": [ObjectId(i) for i in ids[:_REDRAWN]]}}}
    hidden = sorted(set(ctx.dataset.get_field_schema()) - set(ctx.view.get_field_schema()))
    found = list(ctx.dataset._aggregate(pipeline=[wanted, *([{"$unset": hidden}] if hidden else [])]))
    if blind(ctx):
        for each in found:
            if not navigation.judged_by(reviewer(ctx), each.get("reviewer")):
                each |= {"decision": None, "decided_label": None}
    return list(foj.stringify(found))
