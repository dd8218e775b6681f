"""imageclinic audits and cleans image-classification datasets, and says why a classifier's accuracy stopped rising.

The Python API has the commands' names: ``imageclinic.audit(folder)``. Each function is imported when it is used, so
that ``import imageclinic`` stays quick.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers; at run time `__getattr__` finds them
    from imageclinic.workflows.audit import audit
    from imageclinic.workflows.check import check
    from imageclinic.workflows.compare import compare
    from imageclinic.workflows.decide import decide
    from imageclinic.workflows.diagnose import diagnose
    from imageclinic.workflows.diff import diff
    from imageclinic.workflows.doctor import doctor
    from imageclinic.workflows.explain import explain
    from imageclinic.workflows.export import export
    from imageclinic.workflows.report import report
    from imageclinic.workflows.rerank import rerank
    from imageclinic.workflows.review import review
    from imageclinic.workflows.status import status
    from imageclinic.workflows.train import train
    from imageclinic.workflows.tune import tune
    from imageclinic.workflows.verify import verify

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "audit",
    "check",
    "compare",
    "decide",
    "diagnose",
    "diff",
    "doctor",
    "explain",
    "export",
    "report",
    "rerank",
    "review",
    "status",
    "train",
    "tune",
    "verify",
]

_COMMANDS = frozenset(
    module.name for module in pkgutil.iter_modules([f"{place}/workflows" for place in __path__]) if not module.ispkg
)
_checked: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    if name not in _COMMANDS:
        raise AttributeError(f"module 'imageclinic' has no attribute {name!r}")
    if name not in _checked:
        types = importlib.import_module("imageclinic.workflows.steps.argument_types")
        function = types.checked(getattr(importlib.import_module(f"imageclinic.workflows.{name}"), name))
        if "ipykernel" in sys.modules:
            function = importlib.import_module("imageclinic.cli.notebook_progress").shown(function)
        _checked[name] = function
    return _checked[name]


class _Package(ModuleType):
    """Two commands have the name of a folder: `imageclinic.audit` is the function, also once the folder
    ``imageclinic.audit`` has been imported, which Python would put in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _COMMANDS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
