"""Places of which there are only so many, given to whoever waits for one in order of priority."""

import asyncio
import heapq
import itertools


class Turns:
    """At most `size` at a time; an asynchronous lock with places and priorities.

    Parameters
    ----------
    size : int
    """

    def __init__(self, size: int):
        self.size = size
        self._taken = 0
        self._waiting: list[tuple] = []
        self._order = itertools.count()

    async def enter(self, priority: tuple):
        """Wait for a place; of those who wait the smallest priority goes first."""
        if self._taken < self.size:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self):
        """Give the place to the next."""
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)  # the place passes on
                return
        self._taken -= 1
