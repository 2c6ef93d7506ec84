"""Whose lock is on a step, and whether waiting for it makes sense.

Pydra puts a lock beside the folder of each step that is being computed (lines: pid, host, token of the process). A
lock of a dead process of this machine is broken by filelock itself, one of a live process is waited for. Nobody can
tell from here whether a process on another machine still lives, and a lock that was never filled (its process was
killed between creating and writing it) names nobody: for these the run stops and says what it found.
"""

import asyncio
import contextlib
import functools
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import SoftFileLock, Timeout

from pydra_vae.engine.errors import LockedStep

POLL = 0.2
# A healthy lock is empty for microseconds.
EMPTY_FOR = 3.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: `pid` and `host` are "" where the lock does not say."""

    path: Path
    pid: str
    host: str
    age: float

    @property
    def is_here(self) -> bool:
        """Whether the lock names a process of this machine."""
        return bool(self.pid) and self.host == own_host()


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path`; None where it is free, or was left behind by a dead process of this machine."""
    for _ in range(2):  # breaking a dead process' lock may take a second try
        if not path.exists():
            return None
        with contextlib.suppress(Timeout), SoftFileLock(path, timeout=0):
            return None
    try:
        lines = [*path.read_text(errors="replace").splitlines(), "", ""]
        pid = lines[0].strip() if lines[0].strip().isdecimal() else ""
        return Holder(path, pid, lines[1].strip(), max(0.0, time.time() - path.stat().st_mtime))
    except OSError:
        return None


@functools.cache
def own_host() -> str:
    """What filelock calls this machine (with a container's process namespace, say)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "probe.lock")
        with SoftFileLock(path):
            return path.read_text().splitlines()[1].strip()


async def clear_the_way(
    folder: Path,
    step: str,
    break_locks: bool,
    tell: Callable[[str], None],
    is_at_work: Callable[[Holder], Awaitable[bool | None]],
):
    """Wait until nobody else computes the step of this folder.

    Parameters
    ----------
    folder : Path
        The step's folder; its locks lie beside it.
    step : str
        Name of the step, for messages.
    break_locks : bool
        Remove locks of other machines and empty ones.
    tell : callable
        Takes a message for the user: whom the run is waiting for.
    is_at_work : callable
        Of a lock of another machine: whether its process lives, or None where nobody knows. A dead one's lock is
        removed.

    Raises
    ------
    LockedStep
        If the lock is another machine's or empty and was not to be broken.
    """
    for path in (folder.with_suffix(".lock"), folder.with_name(f"{folder.name}_save.lock")):
        told = False
        while (found := holder(path)) is not None:
            lives = found.is_here or (await is_at_work(found) if found.pid else None)
            if not found.pid and found.age < EMPTY_FOR:
                pass
            elif lives:
                if not told:
                    where = "" if found.is_here else f" on {found.host}"
                    tell(f"waiting for process {found.pid}{where}, which computes {step} ({folder.name})")
                told = True
            elif lives is False and found.pid:
                release_of(int(found.pid), folder, found.host)
            elif break_locks:
                tell(f"broke {_whose(found)} of {step}: {path}")
                path.unlink(missing_ok=True)
            else:
                raise LockedStep(_message(found, folder, step))
            await asyncio.sleep(POLL)


def release_of(pid: int, folder: Path, host: str | None = None):
    """Remove the locks that a killed process of ours, on this machine or on `host`, left behind."""
    for path in (folder.with_suffix(".lock"), folder.with_name(f"{folder.name}_save.lock")):
        with contextlib.suppress(OSError):
            lines = [*path.read_text().split("\n"), "", ""]
            if lines[0].strip() == str(pid) and host in (None, lines[1].strip()):
                path.unlink()


def _whose(found: Holder) -> str:
    return f"the lock of process {found.pid} on {found.host}" if found.pid else "an empty lock"


def _message(found: Holder, folder: Path, step: str) -> str:
    signs = [path.stat().st_mtime for path in (folder, *folder.glob("_*")) if path.exists()]
    alive = f"last sign of life {_ago(time.time() - max(signs))} ago" if signs else "no sign of life"
    return (
        f"step {step} is locked by {_whose(found)}, {_ago(found.age)} old, {alive}: {found.path}. "
        "If that process is at work, wait for it; if it is gone, run again with --break-locks "
        "(break_locks=True), which removes such locks of the steps that are needed."
    )


def _ago(seconds: float) -> str:
    """Round, as a person would say it.

    >>> _ago(45), _ago(7200)
    ('45 s', '2.0 h')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"
