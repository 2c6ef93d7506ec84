"""The Pydra worker that caches steps only.

Pydra caches workflows too, and an edited step inside a cached workflow is not seen: the old result comes back. Here a
workflow is expanded anew at every run, in the parent; only its leaves have a folder, a lock and a result. Leaves that
have a result are answered by the parent, the others are computed in spawned processes, each once however many ask.

The private parts of Pydra used here are held by tests/engine/test_pydra_contract.py.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
from filelock import SoftFileLock, Timeout
from pydra.engine.job import Job
from pydra.engine.result import Result
from pydra.utils.general import is_workflow
from pydra.workers import base

from pydra_vae.engine import child, context, locks, together
from pydra_vae.engine.devices import fits_together_default
from pydra_vae.engine.errors import Failure, LockedStep, StepFailed, WorkerDied
from pydra_vae.engine.expand import expand
from pydra_vae.engine.groups import Groups, Member
from pydra_vae.engine.pool import Pool
from pydra_vae.engine.prehash import hash_big_files
from pydra_vae.engine.results import RESULT, cached_result

# Whose job it is: (order, label). The tasks of an event loop inherit it from the label's own task.
current_label: ContextVar[tuple[int, str]] = ContextVar("pydra_vae_label", default=(0, ""))


@dataclass
class Observer:
    """Who is told about each leaf; the default ignores everything."""

    def started(self, job: Job):
        """A process has taken the job."""

    def finished(self, job: Job, status: str, seconds: float = 0.0):
        """The job is "done", "cached" (whoever computed it) or "failed"."""

    def about_to_run(self, job: Job):
        """The job has no result; its folder is still as the last try left it."""

    def message(self, text: str):
        """Something that the user should know."""


class StepWorker(base.Worker):
    """What every worker of ours has in common; a subclass says how and where one leaf is computed.

    Parameters
    ----------
    break_locks : bool
        Remove locks of other machines, and empty ones, that are on needed steps.
    observer : Observer, optional
        Is told what happens.
    """

    def __init__(self, break_locks: bool = False, observer: Observer | None = None):
        super().__init__()
        self.break_locks = break_locks
        self.observer = observer or Observer()
        self._in_flight: dict[str, asyncio.Future] = {}
        self._submitting: set[asyncio.Task] = set()

    def close(self):
        """End what is under way; Pydra calls it at the end of its ``with Submitter``, after ^C too."""
        self.let_go()
        loop = self.loop
        if loop is not None and not loop.is_running() and not loop.is_closed():
            _end(self._submitting, loop)

    def let_go(self):
        """Start nothing any more, and end what computes."""

    async def execute(self, job: Job, rerun: bool, started: Callable[[], None]) -> child.Reply:
        """Compute one leaf somewhere.

        Parameters
        ----------
        job : Job
            Its result must be in `job.cache_dir` afterwards, unless the reply says that it failed.
        rerun : bool
            Compute it even if it has a result.
        started : callable
            To be called when it no longer waits for its turn.

        Raises
        ------
        WorkerDied
            If there will be no reply.
        """
        raise NotImplementedError

    async def is_at_work(self, found: locks.Holder) -> bool | None:
        """Whether a lock of another machine is that of a process that this worker knows, and lives; None: no idea."""

    async def submit(self, job: Job, rerun: bool = False) -> Result:
        """Compute a workflow or a leaf."""
        task = asyncio.current_task()
        self._submitting.add(task)
        try:
            if is_workflow(job.task):
                return await expand(job, rerun, self.submit)
            return await self.run(job, rerun)
        finally:
            self._submitting.discard(task)

    async def run(self, job: Job, rerun: bool = False) -> Result:
        """Compute a leaf, or fetch its result.

        Raises
        ------
        StepFailed
            If the step fails, its process dies, or somebody else's lock is on it.
        """
        await hash_big_files(job.task)
        running = self._in_flight.get(job.checksum)
        try:
            if running is not None:
                result = await asyncio.shield(running)
                self.observer.finished(job, "cached")
            elif not rerun and (result := cached_result(job)) is not None:
                self.observer.finished(job, "cached")
            else:
                running = self._in_flight[job.checksum] = asyncio.ensure_future(self._compute(job, rerun))
                try:
                    result = await running
                finally:
                    del self._in_flight[job.checksum]
        except StepFailed:
            job._errored = True
            raise
        job._cached_result = result
        return result

    async def _compute(self, job: Job, rerun: bool) -> Result:
        self.observer.about_to_run(job)
        name = type(job.task).__name__
        try:
            await locks.clear_the_way(job.cache_dir, name, self.break_locks, self.observer.message, self.is_at_work)
        except LockedStep as locked:
            raise self._failed(job, Failure(name, str(locked), str(locked))) from locked
        if not rerun and (result := cached_result(job)) is not None:  # by the run that held the lock
            self.observer.finished(job, "cached")
            return result
        forget_failure(job)
        try:
            reply = await self.execute(job, rerun, lambda: self.observer.started(job))
        except WorkerDied as died:
            if not died.started:
                raise
            crash_file = child.write_crash(job, str(died))
            raise self._failed(job, Failure(name, str(died), str(died), crash_file)) from died
        if reply.failed:
            crash_file = job.cache_dir / child.CRASH_FILE
            crash_file = crash_file if crash_file.exists() else None
            raise self._failed(job, Failure(name, reply.message, reply.traceback, crash_file), reply.seconds)
        result = cached_result(job)
        if result is None:
            text = f"step {name} finished, but its result in {job.cache_dir} cannot be read"
            raise self._failed(job, Failure(name, text, text))
        _delete_checkpoint(job)
        self.observer.finished(job, "done" if reply.computed else "cached", reply.seconds)
        return result

    def _failed(self, job: Job, failure: Failure, seconds: float = 0.0) -> StepFailed:
        self.observer.finished(job, "failed", seconds)
        return StepFailed([failure])


def _end(tasks: set[asyncio.Task], loop: asyncio.AbstractEventLoop):
    """Cancel tasks of a loop that stands still, and let them tidy up."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        with contextlib.suppress(KeyboardInterrupt):  # once more for each task that waited for the interrupted one
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


class GroupingWorker(StepWorker):
    """A worker that may compute several leaves in one process; a subclass says how jobs get to one.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables for the processes.
    fits_together : int, optional
        Jobs that one process may compute side by side, of a step that can; by default 1, and 15 on CUDA.
    **options
        See `StepWorker`.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, fits_together: int | None = None, **options):
        super().__init__(**options)
        self.environment, self.fits_together = dict(environment or {}), fits_together
        self._groups = Groups(self._side_by_side, self.observer.message)

    async def send(self, jobs: list[Job], work, rerun: bool, order: int, started: Callable[[], None]):
        """Have `work`, one job or the list `jobs`, computed by one process.

        Parameters
        ----------
        jobs : list of Job
            All jobs of `work`.
        work : Job or list of Job
            A job is answered with a `Reply`, a list with a list.
        rerun : bool
            Compute them even if they have results.
        order : int
            Priority, the smallest first.
        started : callable
            To be called when the jobs no longer wait for their turn.

        Raises
        ------
        WorkerDied
            If there will be no reply.
        """
        raise NotImplementedError

    def let_go(self):
        """Let no group be tried again."""
        self._groups.closed = True

    async def execute(self, job: Job, rerun: bool, started: Callable[[], None]) -> child.Reply:
        """Compute one leaf in the next free process, with others of its kind where it may."""
        order = current_label.get()[0]
        limit = self._limit(job.task)
        group = together.group_of(job.task) if limit > 1 else None
        if group is not None:
            reply = await self._groups.join((group, rerun), limit, Member(job, order, started))
            if reply is not None:
                return reply
            forget_failure(job)
        return await self.send([job], job, rerun, order, started)

    def _limit(self, task) -> int:
        if getattr(task, "together", None) is None:
            return 1
        return self.fits_together or fits_together_default(together.devices_of(task))

    async def _side_by_side(self, key: tuple, members: list[Member]) -> list[child.Reply]:
        jobs, rerun = [member.job for member in members], key[-1]

        def started():
            for member in members:
                member.context.run(member.started)

        reply = await self.send(jobs, jobs, rerun, min(member.order for member in members), started)
        return reply if isinstance(reply, list) else [reply] * len(jobs)  # they could not even be read


class LocalWorker(GroupingWorker):
    """Computes leaves in processes of this machine; usable wherever Pydra takes a worker.

    Parameters
    ----------
    n_procs : int, optional
        Processes at a time; by default the number of CPUs this process may use.
    **options
        See `GroupingWorker`.
    """

    _plugin_name = "local"

    def __init__(self, n_procs: int | None = None, **options):
        super().__init__(**options)
        self.n_procs = n_procs or cpus()
        self._pool = Pool(self.n_procs, self.environment)

    def __getstate__(self):
        return {"n_procs": self.n_procs, "fits_together": self.fits_together}

    def __setstate__(self, state):
        self.__init__(**state)

    def let_go(self):
        """End all processes at once."""
        super().let_go()
        self._pool.close()

    async def send(self, jobs: list[Job], work, rerun: bool, order: int, started: Callable[[], None]):
        """Have jobs computed by the next free process, and tidy up after one that died."""
        process = None

        def taken_by(pid: int):
            nonlocal process
            process = pid
            started()

        try:
            return await self._pool.run(lambda: pickled(jobs, work, rerun), (order,), taken_by)
        except (WorkerDied, asyncio.CancelledError):
            if process is not None:
                tidy_up_after(process, jobs)
            raise


# ---- what a try leaves behind --------------------------------------------------------------------


def forget_failure(job: Job):
    """Remove what an earlier try left: Pydra would take an old failure for that of the job it has just queued."""
    if not job.cache_dir.exists():
        return
    with contextlib.suppress(Timeout, OSError), SoftFileLock(job.lockfile, timeout=0):
        (job.cache_dir / RESULT).unlink(missing_ok=True)
        (job.cache_dir / context.PROGRESS_FILE).unlink(missing_ok=True)


def tidy_up_after(pid: int, jobs: list[Job], host: str | None = None):
    """Remove what a killed process of ours, of this machine or of another one, held and no longer needs."""
    for job in jobs:
        locks.release_of(pid, job.cache_dir, host)
        Path(job.cache_root, f"{job.uid}_info.json").unlink(missing_ok=True)


def _delete_checkpoint(job: Job):
    path = context.checkpoint_path(job.cache_root, job.checksum)
    if path.parent.is_dir():
        for file in path.parent.glob(f"{job.checksum}*"):  # with what a killed process was writing
            file.unlink(missing_ok=True)
    if getattr(job.task, "together", None) is not None:
        together.forget(job.cache_root, job.checksum)


# ---- to and from the worker process --------------------------------------------------------------


def pickled(jobs: list[Job], work, rerun: bool) -> bytes:
    """What a worker process is sent: one job or the list `jobs`, and whether to compute it anew."""
    submitters = [job.submitter for job in jobs]
    for job in jobs:
        job.submitter = None  # an event loop of its own for each job, else
    try:
        return cloudpickle.dumps((work, rerun))
    finally:
        for job, submitter in zip(jobs, submitters, strict=True):
            job.submitter = submitter


def cpus() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
