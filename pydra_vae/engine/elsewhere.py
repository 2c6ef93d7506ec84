"""What runs on another machine: jobs that came in a parcel, computed as a spawned process would compute them here.

`job_main` is one job of a scheduler that starts processes (Slurm): it computes one parcel and ends. `compute` runs in
a thread of a process that lives long (a Dask worker) and must not change its folder, its output or its modules: it
hands the parcel to a process of its own, which is kept for the next parcel of the same code.
"""

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle

from pydra_vae.engine import child, locks
from pydra_vae.engine.child import Reply
from pydra_vae.engine.errors import WorkerDied
from pydra_vae.engine.parcel import GRACE, Box, Parcel

# Seconds for which an idle process, which has torch loaded, is worth its memory.
IDLE = 60
POLL = 0.3


def bootstrap(call: str) -> list[str]:
    """The command line of a process of this interpreter that finds the same modules and calls a function from here."""
    return [
        sys.executable,
        "-c",
        f"import sys; sys.path[:] = {[path or os.getcwd() for path in sys.path]!r}; from {__name__} import *; {call}",
    ]


__all__ = ["job_main", "kept_main"]


# ---- one parcel, then the end -------------------------------------------------------------------


def job_main(path: str):
    """Compute the parcel at `path`, leave the answer in its box."""
    parcel: Parcel = pickle.loads(Path(path).read_bytes())
    box = Box(Path(parcel.box))
    scheduler = {name: os.environ[name] for name in ("SLURM_JOB_ID",) if name in os.environ}
    release_earlier_try(parcel, box)
    box.claim(os.getpid(), **scheduler)
    try:
        parcel.start_here()
        child.become_worker(parcel.code)
        asyncio.run(wait_for_locks(parcel))
        answered = child.answer(parcel.work)
    except BaseException as error:
        answered = child.failure(Reply(), error)
    replies = answered if isinstance(answered, list) else [answered] * len(parcel.folders)
    box.reply(replies)


def check_seen(box: Box):
    """Wait until a box that was made on another machine is there.

    Raises
    ------
    WorkerDied
        If it does not come.
    """
    end = time.monotonic() + GRACE
    while not box.is_there():
        if time.monotonic() > end:
            text = f"{os.uname().nodename} does not see {box.folder}: the work folder must be the same on all machines"
            raise WorkerDied(text, started=False)
        time.sleep(POLL)


def release_earlier_try(parcel: Parcel, box: Box):
    """Remove the locks of a process that had this parcel before, and was killed with its machine or its allocation."""
    claimed = box.claimed()
    for folder in map(Path, parcel.folders if claimed else ()):
        if (claimed["host"], claimed["pid"]) != (locks.own_host(), os.getpid()):
            locks.release_of(claimed["pid"], folder, claimed["host"])


async def wait_for_locks(parcel: Parcel):
    """Meanwhile another run may have begun with the same step; nobody here knows whether one elsewhere lives."""

    async def nobody_knows(found: locks.Holder) -> None:
        return None

    for folder, step in zip(parcel.folders, parcel.steps, strict=True):
        await locks.clear_the_way(Path(folder), step, parcel.break_locks, lambda text: None, nobody_knows)


# ---- in a thread of a process that lives long ---------------------------------------------------


class Kept:
    """A process that computes one parcel after the other, all of the same code and surroundings."""

    def __init__(self, parcel: Parcel):
        self.made_for = self._needs(parcel)
        self.connection, theirs = Pipe()
        lifeline, self._held = os.pipe()  # its other end is closed when this process ends, however that ends
        try:
            self.process = subprocess.Popen(
                bootstrap(f"kept_main({theirs.fileno()}, {lifeline})"),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(lifeline)
        self.connection.send_bytes(cloudpickle.dumps(parcel))

    @staticmethod
    def _needs(parcel: Parcel) -> tuple:
        return parcel.main, parcel.code, parcel.environment

    def serves(self, parcel: Parcel) -> bool:
        """Whether a new process would be no other."""
        return self.process.poll() is None and self.made_for == self._needs(parcel)

    def compute(self, parcel: Parcel, is_wanted: Callable[[], bool]) -> Reply | list[Reply]:
        """Have a parcel computed.

        Raises
        ------
        WorkerDied
            If the process ends without an answer, or is ended because nobody wants it any more.
        """
        try:
            self.connection.send_bytes(parcel.work)
            while True:
                if not self.connection.poll(POLL):
                    if not is_wanted():
                        raise WorkerDied("nobody waits for it any more")
                elif isinstance(found := self.connection.recv(), Reply | list):
                    return found
        except (EOFError, OSError) as error:
            self.process.wait(10)
            raise WorkerDied(_how_it_ended(self.process), self.process.returncode) from error

    def kill(self):
        """End the process at once."""
        self.process.kill()
        self.process.wait(10)
        self.connection.close()
        os.close(self._held)


def _how_it_ended(process: subprocess.Popen) -> str:
    code, where = process.returncode, f"its process {process.pid} on {os.uname().nodename}"
    if code is not None and code < 0:
        hint = "; the system may have run out of memory" if code == -9 else ""
        return f"{where} was killed by signal {-code}{hint}"
    return f"{where} ended with exit code {code} in the middle of the step"


def kept_main(connection: int, lifeline: int):
    """What a `Kept` process runs."""
    link = Connection(connection)
    parcel: Parcel = pickle.loads(link.recv_bytes())
    parcel.start_here()
    child.serve(link, parcel.code, lifeline)


_idle: list[tuple[float, Kept]] = []
_timer: threading.Timer | None = None
_guard = threading.Lock()


def compute(parcel: Parcel, is_wanted: Callable[[], bool], **claim) -> list[Reply]:
    """Compute a parcel in a kept process.

    Parameters
    ----------
    parcel : Parcel
    is_wanted : callable
        Whether somebody still waits for the answer; else the process is killed.
    **claim
        To note with the claim.

    Returns
    -------
    replies : list of Reply
        One for each job.

    Raises
    ------
    WorkerDied
        If there is no answer.
    """
    box = Box(Path(parcel.box))
    check_seen(box)
    release_earlier_try(parcel, box)
    asyncio.run(wait_for_locks(parcel))
    process = _take(parcel)
    try:
        box.claim(process.process.pid, **claim)
        answered = process.compute(parcel, is_wanted)
    except BaseException:
        process.kill()
        for folder in map(Path, parcel.folders):
            locks.release_of(process.process.pid, folder, locks.own_host())
        raise
    with _guard:
        _idle.append((time.monotonic(), process))
        _watch()
    return answered if isinstance(answered, list) else [answered] * len(parcel.folders)


def _take(parcel: Parcel) -> Kept:
    """An idle process that is as good as a new one; those of other code are ended."""
    with _guard:
        fitting = [pair for pair in _idle if pair[1].serves(parcel)]
        others = [pair for pair in _idle if pair not in fitting]
        found = fitting.pop()[1] if fitting else None
        _idle[:] = fitting
    for _, other in others:
        other.kill()
    return found or Kept(parcel)


def _watch():
    """See to it that idle processes end one day; one thread for all, to be started under the guard."""
    global _timer
    if _timer is None and _idle:
        _timer = threading.Timer(IDLE + 1, _sweep)
        _timer.daemon = True
        _timer.start()


def _sweep():
    global _timer
    let_go(IDLE)
    with _guard:
        _timer = None
        _watch()


def let_go(idle_for: float = 0.0):
    """End the processes that have been idle for so many seconds."""
    with _guard:
        old = [pair for pair in _idle if time.monotonic() - pair[0] >= idle_for]
        _idle[:] = [pair for pair in _idle if pair not in old]
    for _, process in old:
        process.kill()
