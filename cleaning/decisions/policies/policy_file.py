"""Policies in YAML files."""

from __future__ import annotations

from pathlib import Path

import yaml

from imageclinic.cleaning.decisions.policies.policy import checked_score
from imageclinic.core.errors import InputError
from imageclinic.core.reading.regular_files import read_bytes

#: A policy has a line a check.
_LARGEST, _LONGEST_NAME = 1 << 20, 200


class _Plain(yaml.SafeLoader):
    """Without references (``*name``): a few lines of these, each of the last, grow beyond any memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuses what refers to something else."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it holds a reference (*NAME)")
        return super().compose_node(parent, index)


def load(file: Path) -> tuple[str, dict[str, float]]:
    """Read a policy: YAML with ``name`` (default: the file's) and ``accept``, a mapping of check to score
    (null: all).

    Raises:
        InputError: when the file can't be read or says anything else.
    """
    shape = "name: NAME and accept: {CHECK: SCORE, …}"
    try:
        content = yaml.load(read_bytes(file, _LARGEST).decode("utf-8"), _Plain)  # noqa: S506 (a safe loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"can't read the policy {file}: {reason}", expected=f"YAML with {shape}") from error
    if not isinstance(content, dict) or not isinstance(content.get("accept"), dict) or not content["accept"]:
        raise InputError(f"{file} accepts nothing", expected=shape)
    unknown = sorted(str(key) for key in content if key not in ("name", "accept"))
    if unknown:
        raise InputError(f"{file} holds {unknown[0]!r}", expected=shape)
    accept = {
        str(check): checked_score(str(check), 0 if score is None else score)
        for check, score in content["accept"].items()
    }
    name = file.stem if content.get("name") is None else content["name"]
    name = str(name) if isinstance(name, str | int | float) else ""
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputError(f"{file}: the name {name[:_LONGEST_NAME]!r}", expected=f"a short text, and {shape}")
    return name, accept
