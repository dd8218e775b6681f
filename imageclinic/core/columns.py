"""What a table of ours is: its columns, with their types, ranges and meanings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, whether it may be null, its range or choices, and its meaning. `later`: it came
    with a later version, so a file of an earlier one may lack it, and is read as null there. `path`: it holds paths as
    `core.ids` writes them, ``inside`` the folder that they are relative to, or just ``relative``."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    later: bool = False
    path: Literal["", "inside", "relative"] = ""


@dataclass(frozen=True)
class Table:
    """One table: its file in the run folder, what a row is, its columns, the columns that identify a row, and the
    command that writes it."""

    name: str
    file: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    command: str = "audit"

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the file."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    @property
    def remedy(self) -> str:
        """What to do about a file of this table that can't be read."""
        if self.name == "decisions":
            return "fix that line, or move the file away; nothing was changed"
        return f"delete it and run imageclinic {self.command} again"

    def only(self, names: Collection[str]) -> Table:
        """The table with some of its columns; rows are known by its key where that is among them."""
        columns = tuple(column for column in self.columns if column.name in names)
        return replace(self, columns=columns, key=self.key if set(self.key) <= set(names) else ())

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [c.name for c in self.columns]


IMAGE_ID = Column("image_id", pa.string(), "POSIX path relative to the dataset's root; other bytes escaped as \\xNN")
