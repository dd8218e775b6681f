"""What the names of folders say: a split, no label, no class, or nothing that is part of a dataset."""

from __future__ import annotations

import re

_SPLITS = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
#: Names of splits as messages list them.
SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "dev", "eval", "test", "testing")
_WITHOUT_LABELS = frozenset(
    "pred predict prediction predictions inference unlabeled unlabelled unlabel unsup unsupervised unknown submission "
    "none nolabel nolabels".split()
)
# Words that say that something is there, and not what.
_CONTAINERS = frozenset(
    "image images img imgs picture pictures pic pics photo photos jpg jpeg png bmp tif tiff file files data dataset "
    "set sets folder all sample samples".split()
)
_FILLERS = _CONTAINERS | frozenset("split subset part seg raw full final new my resized cropped small".split())
_PORTIONS = frozenset("fold part batch shard chunk split subset cv volume vol".split())
_ANNOTATIONS = frozenset("mask masks label labels annotation annotations".split())
# Folders that systems, storage boxes and tools leave behind; hidden ones begin with a dot.
_SYSTEM = frozenset(
    "@eadir @recycle @recently-snapshot @tmp #recycle #snapshot __macosx __pycache__ $recycle.bin lost+found".split()
) | {"system volume information"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
_GLUED = re.compile(r"(?<=[a-z])(set|data|dataset|images?|imgs?)$")


def is_system(name: str) -> bool:
    """Whether a folder is hidden, or one that a system, a storage box or a tool made for itself."""
    return name.startswith(".") or name.lower() in _SYSTEM


def split_of(name: str) -> str | None:
    """The split that a name says (``train``, ``val`` or ``test``), such as of ``Training``, ``test1``, ``seg_train``
    and ``TestSet``; None when it says none, or more."""
    words = _telling_words(name)
    return _SPLITS.get(words[0]) if len(words) == 1 else None


def split_and_rest(name: str) -> tuple[str | None, str]:
    """A split that is one word of a name, and the other words: ``test`` and ``cat`` of ``cat_test``."""
    words = [word.lower() for word in _WORD.findall(name)]
    splits = [word for word in words if word in _SPLITS]
    if len(splits) != 1:
        return None, name
    return _SPLITS[splits[0]], " ".join(word for word in words if word not in _SPLITS)


def says_no_label(name: str) -> bool:
    """Whether a name says that what it holds is not sorted into classes, such as ``unlabelled`` or ``seg_pred``."""
    words = _telling_words(name)
    return len(words) == 1 and words[0] in _WITHOUT_LABELS


def is_container(name: str) -> bool:
    """Whether a name is no likely name of a class: it says ``images`` or ``data``, and not of what."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and all(word in _CONTAINERS | _ANNOTATIONS for word in words)


def is_portion(name: str) -> bool:
    """Whether a name says that a folder is one of several portions of the same: ``fold1``, ``part_b``."""
    words = [word.lower() for word in _WORD.findall(name) if len(word) > 1]
    return len(words) == 1 and words[0] in _PORTIONS


def _telling_words(name: str) -> list[str]:
    """The words of a name in lower case, without numbers and without those that say nothing."""
    words = [_GLUED.sub("", word.lower()) if word.lower() not in _FILLERS else "" for word in _WORD.findall(name)]
    return [word for word in words if word and word not in _FILLERS]
