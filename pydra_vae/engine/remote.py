"""What workers share that have their leaves computed on other machines, with the work folder in common.

Only what has no result goes there. A lock of another machine is known by the note that its job left (see `parcel`), so
a job of ours is waited for, and one that is gone frees what it held.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from pydra.engine.job import Job

from pydra_vae.engine import together
from pydra_vae.engine.child import Reply
from pydra_vae.engine.errors import WorkerDied
from pydra_vae.engine.locks import Holder
from pydra_vae.engine.parcel import Box, Parcel, boxes, is_orphan, recorded
from pydra_vae.engine.results import cached_result
from pydra_vae.engine.turns import Turns
from pydra_vae.engine.worker import GroupingWorker, pickled, tidy_up_after


class RemoteWorker(GroupingWorker):
    """Sends parcels; a subclass says how.

    Parameters
    ----------
    max_jobs : int
        Parcels under way at a time.
    **options
        See `GroupingWorker`.
    """

    def __init__(self, max_jobs: int, **options):
        super().__init__(**options)
        self.max_jobs = max_jobs
        self._turns = Turns(max_jobs)
        self._tidied = False

    async def deliver(self, parcel: Parcel, box: Box, jobs: list[Job], order: int, started: Callable) -> list[Reply]:
        """Have a parcel computed and fetch the answer.

        Raises
        ------
        WorkerDied
            If there will be no answer.
        """
        raise NotImplementedError

    async def lives(self, record: dict, claim: dict) -> bool | None:
        """Whether a recorded job still waits or runs; None where that cannot be told from here."""
        raise NotImplementedError

    async def adopt(self, record: dict, box: Box, job: Job, started: Callable) -> list[Reply] | None:
        """Wait for a job that another run has submitted; None if there is none any more."""

    async def send(self, jobs: list[Job], work, rerun: bool, order: int, started: Callable[[], None]):
        """Have jobs computed elsewhere, and tidy up where that comes to nothing."""
        started = _once(started)
        await self._turns.enter((order,))
        try:
            if not self._tidied:
                self._tidied = True
                await self._tidy_up(jobs[0].cache_root)
            if len(jobs) == 1 and not rerun and (reply := await self._adopted(jobs[0], started)) is not None:
                return reply
            replies = await self._sent(jobs, work, rerun, order, started)
            return replies if isinstance(work, list) else replies[0]
        finally:
            self._turns.leave()

    async def _adopted(self, job: Job, started: Callable[[], None]) -> Reply | None:
        record, box = recorded(job.cache_root, job.checksum)
        if box is None or await self.lives(record, box.claimed()) is not True:
            return None
        replies = await self.adopt(record, box, job, started)
        if cached_result(job) is not None:
            return Reply(computed=False)
        # of a group, only the member that failed has no result
        failed = [reply for reply in replies or () if reply.failed]
        return failed[0] if len(replies or ()) == 1 and failed else None

    async def _tidy_up(self, cache_root: Path):
        """Remove the notes of runs that were killed, once their jobs are gone."""
        for box, record, checksums in boxes(cache_root):
            if is_orphan(record) and (not checksums or await self.lives(record, box.claimed()) is False):
                box.forget(checksums)

    async def _sent(self, jobs: list[Job], work, rerun: bool, order: int, started: Callable) -> list[Reply]:
        box = Box.new(jobs[0].cache_root)
        checksums = [job.checksum for job in jobs]
        try:
            parcel = Parcel.of(jobs, pickled(jobs, work, rerun), box, self.environment, self.break_locks)
            replies = await self.deliver(parcel, box, jobs, order, started)
        except (WorkerDied, asyncio.CancelledError):
            with contextlib.suppress(KeyError, OSError):
                claimed = box.claimed()
                tidy_up_after(claimed["pid"], jobs, claimed["host"])
            raise
        finally:
            box.forget(checksums)
        return replies

    async def is_at_work(self, found: Holder) -> bool | None:
        """Whether the process that holds a lock of another machine belongs to a job that still runs."""
        checksum = found.path.stem.removesuffix("_save")
        record, box = recorded(found.path.parent, checksum)
        claimed = box.claimed() if box is not None else {}
        if (str(claimed.get("pid")), claimed.get("host")) != (found.pid, found.host):
            return None
        return await self.lives(record, claimed)


def needs_device(jobs: list[Job]) -> bool:
    """Whether a job would use a GPU where there is one."""
    return any(device != "cpu" for job in jobs for device in together.devices_of(job.task))


def _once(function: Callable[[], None]) -> Callable[[], None]:
    called = False

    def call():
        nonlocal called
        if not called:
            called = True
            function()

    return call
