"""Jobs that wait for others to be computed with, in the parent.

Jobs of a split, or of several subjects, become ready one after the other within a moment: a group departs when none
has come for that long, or when it is full. What becomes of it is decided here too: a group that fails, or whose
process dies, is given up, and each of its jobs is computed alone, so that only the culprit fails.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from pydra.engine.job import Job

from pydra_vae.engine import together
from pydra_vae.engine.child import Reply
from pydra_vae.engine.errors import WorkerDied

# Seconds without a newcomer after which a group departs: a fit takes longer, and jobs that are ready come faster.
LINGER = 0.3


@dataclass(eq=False)
class Member:
    """A job in a group.

    Attributes
    ----------
    job : Job
    order : int
        Its priority, the smallest first.
    started : callable
        To be called in `context`, when the group no longer waits for its turn.
    reply : Future
        Of a Reply; None for a job that is to be computed alone.
    """

    job: Job
    order: int
    started: Callable[[], None]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    reply: asyncio.Future = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    task: asyncio.Task | None = None
    mates: list["Member"] = field(default_factory=list)


Compute = Callable[[Hashable, list[Member]], Awaitable[list[Reply]]]


class Groups:
    """Gathers jobs and has them computed together.

    Parameters
    ----------
    compute : callable
        Takes the group's key and its members, and gives their replies.
    tell : callable
        Takes a message for the user.
    """

    def __init__(self, compute: Compute, tell: Callable[[str], None]):
        self._compute, self._tell = compute, tell
        self._waiting: dict[Hashable, list[Member]] = {}
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self.closed = False

    async def join(self, key: Hashable, limit: int, member: Member) -> Reply | None:
        """Wait with others of the same key, at most `limit`, and be computed; None says: alone."""
        waiting = self._waiting.setdefault(key, [])
        waiting.append(member)
        if key in self._timers:
            self._timers.pop(key).cancel()
        if len(waiting) >= limit:
            self._depart(key, limit)
        else:
            self._timers[key] = asyncio.get_running_loop().call_later(LINGER, self._depart, key, limit)
        try:
            return await member.reply
        except asyncio.CancelledError:
            if member.task is not None and all(mate.reply.done() for mate in member.mates):
                member.task.cancel()
                await asyncio.gather(member.task, return_exceptions=True)
            raise

    def _depart(self, key: Hashable, limit: int):
        self._timers.pop(key, None)
        there = [member for member in self._waiting.pop(key, []) if not member.reply.done()]
        for members in _split(sorted(there, key=lambda member: member.order), limit):
            if len(members) == 1:
                members[0].reply.set_result(None)
                continue
            task = asyncio.ensure_future(self._run(key, members))
            for member in members:
                member.task, member.mates = task, members

    async def _run(self, key: Hashable, members: list[Member]):
        try:
            replies = await self._compute(key, members)
        except (Exception, asyncio.CancelledError) as error:
            self._end(members, error)
            return
        for member, reply in zip(members, replies, strict=True):
            if not reply.failed and not member.reply.done():
                member.reply.set_result(reply)
        if failed := [reply for reply in replies if reply.failed]:
            self._give_up(members, failed[0].message)

    def _end(self, members: list[Member], error: BaseException):
        """There is no reply: try each alone if it was only their process that died."""
        if isinstance(error, WorkerDied) and error.started and not self.closed:
            self._give_up(members, str(error))
        for member in members:
            if member.reply.done():  # settled, or its label was given up
                continue
            if self.closed or isinstance(error, asyncio.CancelledError):
                member.reply.cancel()
            else:
                member.reply.set_exception(error)

    def _give_up(self, members: list[Member], why: str):
        """Let those that have no result be computed alone."""
        left = [member for member in members if not member.reply.done()]
        if left:
            name = type(left[0].job.task).__name__
            self._tell(f"{len(members)} {name} together failed ({why}); {len(left)} tried alone")
        for member in left:
            together.forget(member.job.cache_root, member.job.checksum)
            member.reply.set_result(None)


def _split(members: list[Member], limit: int):
    """Groups of at most `limit`: first those that were interrupted as a group, so that they find their checkpoint."""
    left = {member.job.checksum: member for member in members}
    for before in together.unfinished(members[0].job.cache_root) if members else []:
        if before <= left.keys() and len(before) <= limit:
            yield [left.pop(checksum) for checksum in list(left) if checksum in before]
    rest = list(left.values())
    for start in range(0, len(rest), limit):
        yield rest[start : start + limit]
