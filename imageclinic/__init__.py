"""imageclinic audits and cleans image-classification datasets, and tells why a classifier's accuracy stopped rising.

The Python API has the commands' names: ``imageclinic.audit(folder)``. Each function is imported when it is used, so
that ``import imageclinic`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_API = {
    "audit": "auditing",
    "explain": "auditing",
    "status": "deciding",
    "decide": "deciding",
    "rerank": "reranking",
    "export": "exporting",
    "verify": "exporting",
    "diff": "exporting",
    "compare": "comparing",
    "train": "comparing",
    "tune": "tuning",
    "report": "comparing",
    "diagnose": "diagnosing",
    "review": "reviewing",
    "doctor": "doctor",
}
__all__ = ["__version__", *sorted(_API)]


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'imageclinic' has no attribute {name!r}")
    return getattr(importlib.import_module(f"imageclinic.{_API[name]}"), name)
