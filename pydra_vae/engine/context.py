"""What a running step can know about its surroundings: where to report progress, where to keep a checkpoint.

The step's wrapper (or the Nipype adapter) calls `set_for_step` before the step's function runs. A step that runs
outside the engine, in a notebook or in a test, falls back to the current folder, so step code never asks which case
it is in.
"""

import contextlib
import json
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

PROGRESS_FILE = "_progress.jsonl"
CHECKPOINTS = "checkpoints"
# Five lines a second are more than an eye can follow and keep the file of a long fit small.
MIN_INTERVAL = 0.2


@dataclass
class _Step:
    """The folder and key of one running step, with what it last reported."""

    cache_dir: Path
    key: str | None = None
    also: tuple[Path, ...] = ()
    last_time: float = float("-inf")
    last_fields: tuple[str, ...] | None = None
    pending: dict = field(default_factory=dict)


_current: ContextVar[_Step | None] = ContextVar("pydra_vae_step", default=None)


def set_for_step(cache_dir, key: str, also=()):
    """Tell the step that is about to run, in this thread, its folder and its key.

    Parameters
    ----------
    cache_dir : path
        The step's folder, where `_progress.jsonl` is written. Checkpoints live beside it, in
        ``cache_dir.parent / "checkpoints"``, since the folder itself is emptied before a second try.
    key : str
        What identifies the step with all its inputs: Pydra's checksum. Under Nipype too, where the folder's name
        says nothing about the inputs: with the folder as key, seed 2 would resume seed 1's fit.
    also : sequence of paths
        Folders of other steps that are computed with it and report the same progress.
    """
    _current.set(_Step(Path(cache_dir).absolute(), str(key), tuple(map(Path, also))))


def clear():
    """Forget the step: what runs next in this thread is outside the engine again."""
    flush()
    _current.set(None)


def progress(**fields):
    """Append one JSON line to `_progress.jsonl` in the step's folder; the parent turns it into a bar.

    Lines are dropped when they come faster than five a second, except the first, the last (``step >= steps``) and
    those with other fields than the line before. Progress is no result: whatever goes wrong here (a full disk, a
    folder that is gone) is swallowed.

    Parameters
    ----------
    **fields
        Numbers or short text. The display knows ``step`` of ``steps``, ``epoch``, ``loss``, ``best`` and
        ``message``; scalars of numpy and torch are welcome.
    """
    with contextlib.suppress(Exception):
        state = _current.get()
        if state is None or (state.key is None and state.cache_dir != Path.cwd()):
            state = _Step(Path.cwd())
            _current.set(state)
        now = time.monotonic()
        names = tuple(sorted(fields))
        is_last = "steps" in fields and float(fields.get("step", 0)) >= float(fields["steps"])
        if now - state.last_time < MIN_INTERVAL and names == state.last_fields and not is_last:
            state.pending = {"time": time.time(), **fields}
            return
        state.last_time, state.last_fields, state.pending = now, names, {}
        _append(state, {"time": time.time(), **fields})


def flush():
    """Write the line that the rate limit held back, if any; never raises."""
    with contextlib.suppress(Exception):
        state = _current.get()
        if state is not None and state.pending:
            line, state.pending = state.pending, {}
            _append(state, line)


def _append(state: _Step, fields: dict):
    line = json.dumps(fields, default=_plain) + "\n"
    for folder in (state.cache_dir, *state.also):
        with open(folder / PROGRESS_FILE, "a", encoding="utf-8") as file:
            file.write(line)


def _plain(value):
    """A numpy or torch scalar as a float, anything else as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def checkpoint_file() -> Path:
    """Where the running step keeps its checkpoint; the folder exists, the file may not.

    Returns
    -------
    Path
        ``<cache root>/checkpoints/<key>.pt``, or ``checkpoint.pt`` in the current folder outside the engine.
    """
    state = _current.get()
    if state is None or state.key is None:
        return Path.cwd() / "checkpoint.pt"
    path = checkpoint_path(state.cache_dir.parent, state.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def checkpoint_path(cache_root, key: str) -> Path:
    """The checkpoint of the step with this key, for who deletes it once the step has succeeded."""
    return Path(cache_root) / CHECKPOINTS / f"{key}.pt"


def read_progress(cache_dir, offset: int = 0) -> tuple[list[dict], int]:
    """Read what a step has reported since the last look, complete lines only.

    Parameters
    ----------
    cache_dir : path
        The step's folder.
    offset : int
        Bytes read before, as returned by the last call; 0 at first. A file that has become shorter (the step was
        started again) is read from its beginning.

    Returns
    -------
    lines : list of dict
        One for each new line, oldest first; [] where there is no file yet.
    offset : int
        To pass to the next call.
    """
    path = Path(cache_dir) / PROGRESS_FILE
    try:
        with open(path, "rb") as file:
            if file.seek(0, 2) < offset:
                offset = 0
            file.seek(offset)
            new = file.read()
    except OSError:
        return [], 0
    # a line that is still being written stays for the next call
    whole = new[: new.rfind(b"\n") + 1]
    lines = []
    for line in whole.splitlines():
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict)], offset + len(whole)
