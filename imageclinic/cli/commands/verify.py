"""`imageclinic verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument

import imageclinic
from imageclinic.cli.arguments import AsJson, terminal_for
from imageclinic.core.errors import Failed
from imageclinic.core.stores.addresses import shown_place

PLACE = 80


def verify(
    out: Annotated[
        Path,
        Argument(
            help="What imageclinic export wrote: a folder, or an address such as s3://bucket/pets.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Prove an export again: hashes, counts, classes, no copies in two splits."""

    terminal = terminal_for(as_json)
    proofs = imageclinic.verify(out, stage=terminal.stage).to_dict("records")
    terminal.result({"out": shown_place(out), "proofs": proofs})
    show_proofs(proofs, terminal, out)


def show_proofs(proofs: list[dict[Any, Any]], terminal: Any, out: Path) -> None:
    """Print each proof. Raises Failed when one does not hold."""
    for proof in proofs:
        terminal.proof(proof["name"], proof["detail"], ok=proof["ok"])
    wrong = [p["name"] for p in proofs if not p["ok"]]
    if wrong:
        raise Failed(f"{shown_place(out)} does not hold what it promises: {', '.join(wrong)}")
