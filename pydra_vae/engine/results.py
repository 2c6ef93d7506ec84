"""Stored results, taken only as whole as they were stored.

A result names its files by absolute paths. Where the work folder was moved, copied, or is mounted elsewhere, they are
looked for where the result was found, so that no fit is lost, and none is read from the folder's old copy. A file that
was cut off since (a copy that was interrupted, a full disk) is told by its size, and its step computed again.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from fileformats.core import FileSet
from pydra.engine.job import Job
from pydra.engine.result import Result, load_result
from pydra.utils.general import attrs_values

from pydra_vae.engine.prehash import paths_in

RESULT = "_result.pklz"
SIZES = "_sizes.json"


def cached_result(job: Job) -> Result | None:
    """The stored result of a leaf; None if there is none, it is a failure, or its files are not as they were."""
    try:
        result = load_result(job.checksum, job.all_caches)
        if result is None or result.errored or result.outputs is None:
            return None
        folder = _found_in(job)
        _move(result, folder)
        return result if _are_whole(result.outputs, folder) else None
    except Exception:  # written by other code, or cut off: as good as none
        return None


def record_sizes(outputs, folder: Path):
    """Write how large the files of a new result are into its folder; never raises."""
    with contextlib.suppress(OSError):
        sizes = {os.path.relpath(file, folder): file.stat().st_size for file in _all_files(outputs)}
        (folder / SIZES).write_text(json.dumps(sizes), encoding="utf-8")


def _found_in(job: Job) -> Path:
    folders = (Path(root, job.checksum) for root in job.all_caches)
    return next(folder for folder in folders if (folder / RESULT).exists())


def _move(result: Result, folder: Path):
    """Let a result name its files where it was found."""
    old = Path(result.cache_dir)
    if old == folder:
        return
    for name, value in attrs_values(result.outputs).items():
        setattr(result.outputs, name, moved(value, old.parent, folder.parent))
    result.cache_dir = folder


def moved(value, old: Path, new: Path):
    """A value with the paths of its files under one folder put under another."""
    if isinstance(value, list | tuple):
        return type(value)(moved(item, old, new) for item in value)
    if not isinstance(value, FileSet) or not any(path.is_relative_to(old) for path in value.fspaths):
        return value  # as it is: a file set cannot be made of files that are not there
    paths = [new / path.relative_to(old) if path.is_relative_to(old) else path for path in value.fspaths]
    return type(value)(paths)


def _are_whole(outputs, folder: Path) -> bool:
    if not all(path.exists() for path in paths_in(outputs)):
        return False
    try:
        sizes = json.loads((folder / SIZES).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a plain Pydra worker, or one killed just then, left none
        return True
    return all((folder / name).stat().st_size == size for name, size in sizes.items())


def _all_files(outputs) -> Iterator[Path]:
    for path in paths_in(outputs):
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file())
        else:
            yield path
