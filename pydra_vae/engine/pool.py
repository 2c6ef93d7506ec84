"""Worker processes, spawned when first needed, each with a pipe of its own.

Unlike the standard library's pool, a process that is killed takes down only the job it was computing, its exit code
is known, and a waiting job has a priority. Processes are spawned, never forked: a forked child hangs in its first torch
operation if the parent ever ran one.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import resource_tracker

from pydra_vae.engine import child, digest
from pydra_vae.engine.errors import WorkerDied
from pydra_vae.engine.turns import Turns

# One thread for each process: the number of threads changes the last digits of a fit, and several processes with
# all cores each are slow. A step that wants more sets it itself (torch.set_num_threads).
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Idle processes of runs that ended, for the next one; used only inside `kept_processes`.
_kept: list["Child"] = []
_keepers = 0
# Called when the last `kept_processes` ends: what else is kept for the next run lets go.
when_let_go: list[Callable[[], None]] = []


class Child:
    """One worker process, as its parent sees it."""

    def __init__(self, environment: Mapping[str, str]):
        context = multiprocessing.get_context("spawn")
        child.hold_standard_numbers()
        self._connection, theirs = context.Pipe()
        self._made_for = _made_for(environment)
        self._process = context.Process(
            target=child.serve, args=(theirs, self._made_for[-1]), daemon=True, name="pydra_vae-worker"
        )
        try:
            with _without_interrupts(), _environment(environment):
                self._process.start()
        except BaseException:
            if self._process.pid is not None:
                self._process.kill()
            raise
        theirs.close()
        self._ready = False

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Whether a new process with this environment would be no other: same variables, same code on disk."""
        return self._process.is_alive() and self._made_for == _made_for(environment)

    async def run(self, pickled: bytes) -> child.Reply | list[child.Reply]:
        """Have one job computed, or a list of them together.

        Raises
        ------
        WorkerDied
            If the process ends without an answer.
        """
        if not self._ready:
            await self._receive()
            self._ready = True
        try:
            self._connection.send_bytes(pickled)
        except OSError as error:
            raise self._died() from error
        return await self._receive()

    def kill(self):
        """End the process at once."""
        self._process.kill()
        self._process.join(10)
        self._connection.close()

    async def _receive(self):
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        number = self._connection.fileno()
        loop.add_reader(number, lambda: arrived.done() or arrived.set_result(None))
        try:
            await arrived
        finally:
            loop.remove_reader(number)
        try:
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._died() from error

    def _died(self) -> WorkerDied:
        self._process.join(10)
        code = self._process.exitcode
        if not self._ready:
            return WorkerDied(
                f"a worker process ended while it started (exit code {code}); what it said is above. A script that "
                'starts a run must do so under `if __name__ == "__main__":`',
                code,
                started=False,
            )
        if code is not None and code < 0:
            how = f"killed by signal {-code} ({_signal_name(-code)})"
            hint = "; the system may have run out of memory: try a smaller --n-procs" if code == -9 else ""
            return WorkerDied(f"its process {self.pid} was {how}{hint}", code)
        return WorkerDied(f"its process {self.pid} ended with exit code {code} in the middle of the step", code)


class Pool:
    """At most `size` worker processes; waiting jobs start in order of their priority.

    Parameters
    ----------
    size : int
        Processes at a time.
    environment : mapping
        Environment variables that the processes get beside this one's.
    """

    def __init__(self, size: int, environment: Mapping[str, str]):
        self.environment = environment
        self._idle: list[Child] = []
        self._all: set[Child] = set()
        self._turns = Turns(size)

    async def run(
        self, pickle: Callable[[], bytes], priority: tuple, started: Callable[[int], None]
    ) -> child.Reply | list[child.Reply]:
        """Compute one job, or a list of them together, as soon as a process is free.

        Parameters
        ----------
        pickle : callable
            Gives the pickled job or list, just before it is sent.
        priority : tuple
            The smallest goes first.
        started : callable
            Called with the id of the process that takes the job.

        Raises
        ------
        WorkerDied
            If the process ends without an answer. The next job gets a new one.
        """
        await self._turns.enter(priority)
        worker = None
        try:
            pickled = pickle()
            worker = self._idle.pop() if self._idle else self._spawn()
            started(worker.pid)
            reply = await worker.run(pickled)
            self._idle.append(worker)
            return reply
        except BaseException:  # cancelled or dead: the process is no use any more
            if worker is not None:
                self._all.discard(worker)
                worker.kill()
            raise
        finally:
            self._turns.leave()

    def close(self):
        """End all processes at once; inside `kept_processes`, all but the idle ones."""
        for worker in self._all:
            if _keepers and worker in self._idle:
                _kept.append(worker)
            else:
                worker.kill()
        self._all.clear()
        self._idle.clear()

    def _spawn(self) -> Child:
        worker = _take(self.environment) or Child(self.environment)
        self._all.add(worker)
        return worker


@contextlib.contextmanager
def kept_processes() -> Iterator[None]:
    """Let the runs inside hand their idle processes on: each new one imports torch and its like anew, for seconds."""
    global _keepers
    _keepers += 1
    try:
        yield
    finally:
        _keepers -= 1
        while _kept and not _keepers:
            _kept.pop().kill()
        while when_let_go and not _keepers:
            when_let_go.pop()()


def are_kept() -> bool:
    """Whether what a run leaves idle is kept for the next."""
    return bool(_keepers)


def _take(environment: Mapping[str, str]) -> Child | None:
    """A kept process that is as good as a new one; the others are ended."""
    while _kept:
        worker = _kept.pop()
        if worker.serves(environment):
            return worker
        worker.kill()
    return None


def _made_for(environment: Mapping[str, str]) -> tuple:
    """What a process finds when it starts, and would not see change; the code comes last."""
    return os.getcwd(), dict(os.environ), dict(environment), digest.on_disk()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start a process whole, and deaf to ^C until it ignores it by itself; a ^C meanwhile is answered afterwards."""
    resource_tracker.ensure_running()  # its start, part of the first spawn, would end the block
    came = []
    is_main = threading.current_thread() is threading.main_thread()
    # another thread may take the signal, so blocking it in this one does not keep KeyboardInterrupt away
    handler = signal.signal(signal.SIGINT, lambda *given: came.append(given)) if is_main else None
    can_block = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_block else None
    try:
        yield
    finally:
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if is_main:
            signal.signal(signal.SIGINT, signal.SIG_DFL if handler is None else handler)
            if came and callable(handler):
                handler(*came[0])


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    changed = {child.STARTING: "1", **dict.fromkeys(THREAD_VARIABLES, "1"), **more}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
