"""What an audit's results depend on: when nothing of it has changed, they are those of the last audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from imageclinic.core import tables
from imageclinic.core.processes.optional_packages import version
from imageclinic.core.run import Run
from imageclinic.workflows.steps import result_keys
from imageclinic.workflows.steps.auditing.audit_results import Audit
from imageclinic.workflows.steps.auditing.prediction_method import Brought, Method
from imageclinic.workflows.steps.result_keys import key

_TABLES = (tables.NEIGHBORS, tables.CLUSTERS, tables.SPLIT_TABLE, tables.ISSUES)


def key_of(
    dataset: pd.DataFrame, method: Method, brought: Brought, seed: int, packages: Sequence[str], asked: Sequence[Any]
) -> str | None:
    """A hash of all that the results depend on; None when they depend on a user's function, which can't be hashed.

    Args:
        dataset, method, brought, seed: of the audit.
        packages: names of distributions whose versions matter.
        asked: what else was asked for, as JSON can hold it.
    """
    if ":" in method.model:
        return None
    model = Path(method.model)
    own = [model.stat().st_size, model.stat().st_mtime_ns] if model.is_file() else result_keys.weights()
    digests = [source and source.digest for source in (brought.embeddings, brought.pred_probs)]
    versions = [version(p) for p in packages]
    made_by = (own, digests, seed, versions, result_keys.code())
    return key(dataset, list(asked), method.arguments, *made_by)


def found(run: Run, current: str) -> Audit | None:
    """The last audit's results, if they were made from the same, none has failed and no table is missing."""
    if not all(run.has(table) for table in _TABLES):
        return None
    info = run.info()
    outcomes = info.get("outcomes", [])
    if not outcomes or info.get("key") != current or any(o["outcome"] == "failed" for o in outcomes):
        return None
    return Audit(run, run.read(tables.ISSUES), pd.DataFrame(info["outcomes"]), tuple(info.get("notes", ())))
