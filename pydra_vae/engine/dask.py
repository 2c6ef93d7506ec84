"""Steps as tasks of a Dask cluster: one that runs already, or a local one.

Whatever Dask workers are (threads or processes, started by hand, by dask-jobqueue or on Kubernetes), each leaf is
computed in a process of its own that the worker starts and keeps (see `elsewhere`): a step changes its folder and its
output, may be killed for memory, and its code may have been edited since the worker started. A worker that is lost
takes its leaf with it to another one, which goes on from the checkpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from pydra.engine.job import Job

from pydra_vae.engine import elsewhere, pool
from pydra_vae.engine.child import Reply
from pydra_vae.engine.errors import WorkerDied
from pydra_vae.engine.parcel import Box, Parcel
from pydra_vae.engine.remote import RemoteWorker, needs_device
from pydra_vae.engine.worker import cpus

GPU = "GPU"
# Leaves handed to the scheduler at a time: it orders them, but need not hold a study's ten thousand.
MAX_JOBS = 1000
POLL = 0.5
SAY = 30.0
# Seconds to reach a scheduler, and to learn what its workers have.
TIMEOUT = 20

# The client of each address, kept from one run to the next inside `kept_processes`.
_clients: dict[tuple, object] = {}


class DaskWorker(RemoteWorker):
    """Computes each leaf on a Dask cluster; usable wherever Pydra takes a worker.

    Parameters
    ----------
    scheduler : str, optional
        Address of a running scheduler, as ``tcp://host:8786``; by default a local cluster of `n_procs`.
    n_procs : int, optional
        Processes of the local cluster; by default the number of CPUs this process may use.
    max_jobs : int, optional
        Leaves that the scheduler holds at a time.
    **options
        See `worker.GroupingWorker`.

    Raises
    ------
    EngineError
        If `distributed` is not installed or nobody answers at the address.
    """

    _plugin_name = "dask"

    def __init__(
        self, scheduler: str | None = None, n_procs: int | None = None, max_jobs: int | None = None, **options
    ):
        super().__init__(max_jobs=max_jobs or MAX_JOBS, **options)
        self.scheduler, self.n_procs = scheduler, n_procs or cpus()
        self._client = None
        self._connecting = asyncio.Lock()
        self._said = time.monotonic()
        self._gpus: tuple[float, bool] = (float("-inf"), False)

    def __getstate__(self):
        return {name: getattr(self, name) for name in ("scheduler", "n_procs", "max_jobs", "fits_together")}

    def __setstate__(self, state):
        self.__init__(**state)

    def let_go(self):
        """Let the client go, with it all that was asked of the cluster; inside `kept_processes`, only the latter."""
        super().let_go()
        self._client = None
        if not pool.are_kept():
            _close_clients()

    async def lives(self, record: dict, claim: dict) -> bool | None:
        """Whether the Dask worker that took a job is still there."""
        client = await self._connected()
        if record.get("scheduler") != client.scheduler.address or "worker" not in claim:
            return None
        return claim["worker"] in await asyncio.to_thread(client.nthreads)

    async def deliver(self, parcel: Parcel, box: Box, jobs: list[Job], order: int, started: Callable) -> list[Reply]:
        """Submit a parcel and wait for the answer."""
        client = await self._connected()
        resources = {GPU: 1} if needs_device(jobs) and await self._has_gpus(client) else None
        address = client.scheduler.address
        box.record([job.checksum for job in jobs], worker=self._plugin_name, scheduler=address)
        name = f"{type(jobs[0].task).__name__}-{box.folder.name}"
        future = client.submit(compute, parcel, name, key=name, priority=-order, resources=resources, pure=False)
        try:
            return await self._answer(future, box, client, started)
        finally:
            future.release()  # one that nobody waits for any more is cancelled

    async def _answer(self, future, box: Box, client, started: Callable[[], None]) -> list[Reply]:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        future.add_done_callback(lambda _: _tell(loop, done))
        began = False
        while not done.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(done.wait(), POLL)
            if not began and box.claimed():
                began = True
                started()
            if not began:
                await self._say(client)
        try:
            replies = await asyncio.to_thread(future.result, TIMEOUT)
        except Exception as error:
            raise self._died(error, client) from error
        started()
        if isinstance(replies, WorkerDied):
            raise replies
        return replies

    def _died(self, error: Exception, client) -> WorkerDied:
        kind = type(error).__name__
        if client.status != "running" or kind in ("CancelledError", "FutureCancelledError", "TimeoutError"):
            text = f"the Dask scheduler at {self.scheduler or client.scheduler.address} is gone ({kind})"
            return WorkerDied(f"{text}; start the run again, it goes on from here", started=False)
        if kind == "KilledWorker":
            return WorkerDied(f"its Dask workers died again and again ({error}); memory, or a time limit of theirs?")
        return WorkerDied(f"a Dask worker could not compute it ({kind}: {error}); has it the same pydra_vae installed?")

    async def _say(self, client):
        """From time to time, that nobody is there to work."""
        if time.monotonic() - self._said > SAY:
            self._said = time.monotonic()
            if not await asyncio.to_thread(client.nthreads):
                self.observer.message(f"no Dask worker has come to {client.scheduler.address} yet; waiting")

    async def _has_gpus(self, client) -> bool:
        """Whether workers declare GPUs; they come and go."""
        at, found = self._gpus
        if time.monotonic() - at > SAY:
            found = await asyncio.to_thread(client.run_on_scheduler, declared)
            self._gpus = time.monotonic(), found
        return found

    async def _connected(self):
        async with self._connecting:
            if self._client is None:
                self._client, is_new = await asyncio.to_thread(_client, self.scheduler, self.n_procs)
                if is_new:
                    self.observer.message(f"Dask: {_whereabouts(self._client, self.scheduler)}")
        return self._client


def _client(scheduler: str | None, n_procs: int):
    """A client that is connected, the kept one if it is; and whether it is new."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise WorkerDied("--worker dask needs: pip install 'pydra-vae[dask]'", started=False) from error
    key = (scheduler, None if scheduler else n_procs)
    known = _clients.get(key)
    if known is not None and known.status == "running":
        return known, False
    if scheduler:
        _check_answer(scheduler)
        client = Client(scheduler, timeout=TIMEOUT, set_as_default=False)
    else:
        # threads are enough: each leaf has a process of its own, and these have a memory limit of the system's
        cluster = LocalCluster(
            n_workers=1, threads_per_worker=n_procs, processes=False, dashboard_address=":0", memory_limit=0
        )
        client = Client(cluster, set_as_default=False)
    _clients[key] = client
    if _close_clients not in pool.when_let_go:
        pool.when_let_go.append(_close_clients)
    return client, True


def _check_answer(scheduler: str):
    """Refuse an address before a client takes it: where another program answers, that hangs."""
    from distributed.comm import connect

    async def greet():
        met = connect(scheduler, timeout=TIMEOUT)
        (await asyncio.wait_for(met, 1.5 * TIMEOUT)).abort()

    try:
        asyncio.run(greet())
    except Exception as error:  # of a web server's answer (the dashboard's, say) a MemoryError
        why = str(error) or f"no greeting within {1.5 * TIMEOUT:.0f} s"
        text = f"no Dask scheduler answers at {scheduler} ({why}); needed: its address, as tcp://host:8786"
        raise WorkerDied(text, started=False) from error


def _close_clients():
    """End what is kept: our clients, the local cluster, its idle processes."""
    while _clients:
        _, client = _clients.popitem()
        cluster = client.cluster
        with contextlib.suppress(Exception):
            client.close(timeout=5)
        if cluster is not None:
            with contextlib.suppress(Exception):
                cluster.close(timeout=5)
            elsewhere.let_go()


def _whereabouts(client, scheduler: str | None) -> str:
    threads = client.nthreads()
    if scheduler is None:
        return f"a local cluster of {sum(threads.values())} processes"
    return f"{scheduler}, {len(threads)} workers with {sum(threads.values())} threads"


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Event):
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(done.set)


# ---- on the cluster ------------------------------------------------------------------------------


def declared(dask_scheduler) -> bool:
    """Runs on the scheduler: whether any worker has a GPU to offer."""
    return any(GPU in state.resources for state in dask_scheduler.workers.values())


def compute(parcel: Parcel, key: str) -> list[Reply] | WorkerDied:
    """Runs on a Dask worker, in one of its threads; what is raised here, Dask prints in full."""
    from distributed import get_worker

    worker = get_worker()

    def is_wanted() -> bool:
        """Dask cannot stop a thread, but its worker knows what was cancelled, or whose client is gone."""
        task = worker.state.tasks.get(key)
        return task is not None and task.state in ("executing", "long-running")

    try:
        return elsewhere.compute(parcel, is_wanted, worker=worker.address)
    except WorkerDied as died:
        return died
