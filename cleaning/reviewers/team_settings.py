"""What all reviewers of a run share beside the decisions: a JSON file in the run folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from imageclinic.core import tables
from imageclinic.core.errors import InputError
from imageclinic.core.reading.json_files import Share, read_json
from imageclinic.core.run import Run

FORMAT = 1
_FIX = "delete it, and give --two-reviewers and --gold again"


class _Shape(TypedDict):
    format: int
    two_reviewers: NotRequired[list[str]]
    gold_rate: NotRequired[Share]
    gold: NotRequired[dict[str, str | None]]


@dataclass(frozen=True)
class TeamSettings:
    """The file's content."""

    two_reviewers: tuple[str, ...] = ()
    """Images that two persons must decide about, in the order in which they come."""
    gold_rate: float = 0.0
    """Share of a reviewer's queue that is images with a known answer."""
    gold: dict[str, str | None] = field(default_factory=dict)
    """image_id → its right label; null: the image belongs to no class."""

    def change(self, **values: Any) -> TeamSettings:
        """The same with other values."""
        return replace(self, **values)


def read(run: Run) -> TeamSettings:
    """The settings of a run; the defaults where there are none. Raises InputError for a file that does not fit."""
    if not _file(run).is_file():
        return TeamSettings()
    found: dict[str, Any] = dict(read_json(_file(run), _Shape, fix=_FIX))
    version = found.pop("format")
    if version != FORMAT:
        raise InputError(f"{_file(run)} is of format {version}", expected=f"format {FORMAT}", fix=_FIX)
    known = {name: found[name] for name in ("gold_rate", "gold") if name in found}
    return TeamSettings(two_reviewers=tuple(found.get("two_reviewers", ())), **known)


def write(run: Run, settings: TeamSettings) -> None:
    """Write the settings into the run folder."""
    run.team.mkdir(mode=0o700, exist_ok=True)
    tables.write_json(_file(run), {"format": FORMAT, **asdict(settings)})


def _file(run: Run) -> Path:
    return run.team / "settings.json"
