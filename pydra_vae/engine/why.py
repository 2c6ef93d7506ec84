"""Why a step is computed: what differs from the closest earlier one.

Each computed step leaves `_step.json` in its folder: the hash of each input, of the code, and what a person would want
to know about it. Before a step is computed again, the closest earlier record of the same step, that with the fewest
differences, tells what is new.
"""

import contextlib
import json
import os
import time
from collections import defaultdict
from pathlib import Path

from fileformats.core import FileSet
from pydra.utils.general import get_fields

RECORD = "_step.json"
FIRST_RUN = "first run"


def record(job):
    """Write what is about to be computed into the job's folder; never raises."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        task = job.task
        reached = getattr(getattr(task, "function", None), "reached", None)
        content = {
            "step": step_name(task),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "inputs": readable_inputs(task),
            "files": sorted(name for name, value in _values(task).items() if _has_files(value)),
            "hashes": dict(task._hashes or {}),
            "code": dict(reached.files) if reached is not None else {},
        }
        (job.cache_dir / RECORD).write_text(json.dumps(content, indent=1), encoding="utf-8")


def step_name(task) -> str:
    """Where the step is defined, with its name."""
    return f"{type(task).__module__}.{type(task).__name__}"


def readable_inputs(task) -> dict[str, str]:
    """The inputs as text, long ones cut."""
    return {name: _cut(_text(value)) for name, value in _values(task).items() if name != "function"}


def _values(task) -> dict:
    return {field.name: getattr(task, field.name) for field in get_fields(task)}


def _text(value) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value) if isinstance(value, FileSet) else repr(value)


def _cut(text: str, length: int = 2000) -> str:
    return text if len(text) <= length else text[:length] + " …"


def _has_files(value) -> bool:
    return isinstance(value, FileSet) or (isinstance(value, list | tuple) and any(map(_has_files, value)))


class History:
    """The records of a work folder as they were when the run began; read when first needed."""

    def __init__(self, cache_root: Path):
        self._cache_root = Path(cache_root)
        self._records: dict[str, list[dict]] | None = None
        self._began = time.time()

    def reason(self, job) -> str:
        """Why this job has no result yet, in a few words; to be asked before it runs."""
        records = self._read().get(step_name(job.task), [])
        if not records:
            return FIRST_RUN
        hashes = job.task._hashes or {}
        differences = [(_differences(hashes, earlier["hashes"]), earlier) for earlier in records]
        changed, closest = min(differences, key=lambda pair: (len(pair[0]), -pair[1]["mtime"]))
        if not changed:
            return _unfinished(job.cache_dir)
        return "; ".join(_in_words(changed, job.task, closest))

    def _read(self) -> dict[str, list[dict]]:
        if self._records is None:
            self._records = defaultdict(list)
            for path in self._cache_root.glob(f"*/{RECORD}"):
                with contextlib.suppress(OSError, ValueError, KeyError):
                    found = json.loads(path.read_text(encoding="utf-8"))
                    found["mtime"] = path.stat().st_mtime
                    if found["mtime"] <= self._began and found["hashes"]:
                        self._records[found["step"]].append(found)
        return self._records


def _differences(new: dict[str, str], old: dict[str, str]) -> list[str]:
    return sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))


def _in_words(changed: list[str], task, earlier: dict):
    files = set(earlier["files"]) | {name for name, value in _values(task).items() if _has_files(value)}
    inputs = [name for name in changed if name in files]
    parameters = [name for name in changed if name not in files and name not in ("function", "Outputs")]
    if "function" in changed or "Outputs" in changed:
        yield "changed code" + _edited(task, earlier.get("code", {}))
    if inputs:
        yield f"new input {_few(inputs)}"
    if parameters:
        yield f"changed parameter {_few(parameters)}"


def _edited(task, before: dict[str, str]) -> str:
    reached = getattr(getattr(task, "function", None), "reached", None)
    if reached is None or not before:
        return ""
    names = _differences(reached.files, before)
    return f" ({_few(names)})" if names else ""


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _unfinished(folder: Path) -> str:
    if (folder / "_error.pklz").exists() or (folder / "_crash.txt").exists():
        return "failed before"
    if (folder / "_result.pklz").exists():
        return "its files were deleted or changed"
    return "interrupted before"
