"""Where an export goes: a folder that appears whole or not at all, apart from the dataset and the run."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from imageclinic.core.atomic import UMASK
from imageclinic.core.errors import CanNotWrite, InputError
from imageclinic.core.ids import require_unicode
from imageclinic.core.processes.temporary_folders import temporary_folder
from imageclinic.core.run import Run


def check(out: Path, run: Run, sources: Sequence[Path]) -> Path:
    """`out` with links resolved.

    Raises:
        InputError: when nothing may be written there: it overlaps with the dataset or the run, or is not empty.
    """
    target = out.resolve()
    require_unicode(target, "the export")
    root = run.root.resolve()
    # Folders of images may be links to other places; those are the user's data as well.
    linked = {folder.resolve() for folder in {source.parent for source in sources}}
    above = {parent for folder in linked for parent in folder.parents if root in parent.parents}
    # A manifest often lies above much else; what it does not list is not the dataset.
    beside = {root} if run.info().get("manifest") else set()
    for what, folders in (("dataset", {root, *linked, *above}), ("run", {run.path.resolve()})):
        for folder in sorted(folders):
            inside = folder in target.parents and folder not in beside
            if target == folder or inside or target in folder.parents:
                raise InputError(
                    f"the export {out} and the {what} {folder} overlap",
                    expected=f"a folder outside the {what}",
                    fix="give another OUT; nothing was written",
                )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"the export {out} is there already", expected="a new or empty folder", fix="give another OUT, or delete it"
        )
    return target


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target`, renamed to it at the end, removed on any error. What a killed export
    left is removed first; the lock shows whether that export still runs."""
    lock = filelock.FileLock(target.parent / f".{target.name}.export.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        for left in target.parent.glob(f".{_literal(target.name)}.partial-*"):
            shutil.rmtree(left)
        with temporary_folder(
            f".{target.name}.partial-", parent=target.parent, lock_files=[Path(lock.lock_file)]
        ) as partial:
            partial.chmod(0o777 & ~UMASK)
            yield partial
            if target.is_dir():
                target.rmdir()
            partial.rename(target)
    except filelock.Timeout:
        raise InputError(f"another export to {target} is running", fix="wait for it, or give another OUT") from None
    except (OSError, CanNotWrite) as error:
        if isinstance(error, OSError):
            problem = f"can't write {error.filename or target}: {error.strerror or error}"
        else:
            problem = error.problem
        raise CanNotWrite(
            problem,
            fix=f"free space or fix that, and export again; {target} was not made, and nothing of it is left",
        ) from error
    finally:
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def check_space(needed: int, folder: Path) -> None:
    """Raises InputError when the disk of `folder` has less than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{needed:,} bytes to write, {free:,} are free in {folder.parent}",
            fix="free some, export to another disk, or use --link hardlink, symlink or reflink",
        )


def _literal(name: str) -> str:
    """A name as a glob pattern that matches only itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
