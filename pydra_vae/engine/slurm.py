"""Steps as jobs of a Slurm cluster, one each.

The job's script starts this interpreter on its parcel (see `elsewhere`); its answer is a file in the work folder, and
the queue is asked only for what becomes of jobs that leave none. A job that was preempted, or lost its node, is
submitted again and goes on from its checkpoint. Jobs of a run that was killed stay in the queue, and the next run waits
for them instead of submitting them once more; ^C cancels them.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from pydra.engine.job import Job

from pydra_vae.engine.child import Reply
from pydra_vae.engine.elsewhere import bootstrap
from pydra_vae.engine.errors import EngineError, WorkerDied
from pydra_vae.engine.parcel import GRACE, Box, Parcel
from pydra_vae.engine.remote import RemoteWorker, needs_device
from pydra_vae.engine.squeue import ENDED, TAKEN_AWAY, Ended, Queue, check_arguments, check_commands
from pydra_vae.engine.worker import current_label, tidy_up_after

# Many clusters let a user have some hundred jobs in the queue.
MAX_JOBS = 100
RESUBMIT = 3
# Seconds between two looks for an answer; more of them where many jobs are looked after.
POLL, SHARE = 0.5, 0.02
# Seconds between two lines on how long the queue is.
SAY = 60.0
SCRIPT, LOG = "job.sh", "slurm-%j.out"
ADVICE = {
    "TIMEOUT": "reached its time limit: give more with --sbatch-args '--time=…' (--gpu-sbatch-args for fits on a GPU). "
    "A fit goes on from its checkpoint at the next run",
    "DEADLINE": "could not end before its deadline",
    "OUT_OF_MEMORY": "needed more memory than it had: give more with --sbatch-args '--mem=…'",
    "CANCELLED": "was cancelled, by scancel or an administrator",
    "PREEMPTED": f"was preempted {RESUBMIT + 1} times; start the run again when the cluster is less busy",
    "NODE_FAIL": "lost its node again and again",
    "BOOT_FAIL": "lost its node again and again",
    "COMPLETED": "ended, but left no answer in the work folder. Is that folder the same on all nodes?",
    "": "is gone from the queue without an answer, and nobody remembers how it ended",
}


class SlurmWorker(RemoteWorker):
    """Computes each leaf in a Slurm job of its own; usable wherever Pydra takes a worker.

    Parameters
    ----------
    sbatch_args : str
        Arguments of sbatch for every job, as one would write them in a shell.
    gpu_sbatch_args : str, optional
        More of them, for steps with a device that is not the CPU.
    max_jobs : int
        Jobs in the queue at a time.
    **options
        See `worker.GroupingWorker`.

    Raises
    ------
    EngineError
        If this machine has no Slurm, or an argument cannot be.
    """

    _plugin_name = "slurm"

    def __init__(self, sbatch_args: str = "", gpu_sbatch_args: str = "", max_jobs: int | None = None, **options):
        super().__init__(max_jobs=max_jobs or MAX_JOBS, **options)
        self.sbatch_args, self.gpu_sbatch_args = sbatch_args, gpu_sbatch_args
        self._arguments = _split(sbatch_args, "--sbatch-args")
        self._gpu_arguments = _split(gpu_sbatch_args, "--gpu-sbatch-args")
        check_commands()
        self._queue = Queue()
        self._own: set[str] = set()
        self._waiting: set[str] = set()
        self._some_job_began = False
        self._said = time.monotonic() - SAY + 5

    def __getstate__(self):
        names = ("sbatch_args", "gpu_sbatch_args", "max_jobs", "fits_together")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state):
        self.__init__(**state)

    def let_go(self):
        """Cancel what is still in the queue."""
        super().let_go()
        numbers, self._own = sorted(self._own), set()
        if numbers:
            self.observer.message(f"cancelling Slurm {_jobs(numbers)}")
        try:
            self._queue.cancel(numbers)
        except EngineError as error:
            self.observer.message(str(error))

    async def lives(self, record: dict, claim: dict) -> bool | None:
        """Whether a recorded job is in the queue."""
        if record.get("worker") != self._plugin_name or record.get("cluster") != await self._queue.cluster():
            return None
        state, _ = await self._queue.state(record["job"], now=True)
        return bool(state and state not in ENDED) if self._queue.knows else None

    async def adopt(self, record: dict, box: Box, job: Job, started: Callable[[], None]) -> list[Reply] | None:
        """Wait for a job that another run has submitted."""
        name = type(job.task).__name__
        self.observer.message(f"waiting for Slurm job {record['job']} of an earlier run, which computes {name}")
        answer = await self._answer(record["job"], box, started)
        return answer if isinstance(answer, list) else None

    async def deliver(self, parcel: Parcel, box: Box, jobs: list[Job], order: int, started: Callable) -> list[Reply]:
        """Submit a parcel, again where it was preempted, and wait for the answer."""
        arguments = [*self._arguments, *(self._gpu_arguments if needs_device(jobs) else ())]
        script = _script(box, box.send(parcel), parcel)
        for left in reversed(range(RESUBMIT + 1)):
            number = await self._submitted(box, jobs, arguments, script)
            answer = await self._answer(number, box, started)
            self._own.discard(number)
            if isinstance(answer, list):
                return answer
            if answer.state not in TAKEN_AWAY or not left:
                break
            self.observer.message(
                f"Slurm job {number} ({type(jobs[0].task).__name__}): {answer.state}; submitted again"
            )
            self._free(box, jobs)
        raise self._died(number, answer, box)

    async def _submitted(self, box: Box, jobs: list[Job], arguments: list[str], script: Path) -> str:
        label = current_label.get()[1]
        name = ".".join(word.replace(" ", "-") for word in (type(jobs[0].task).__name__, label) if word)
        log = str(box.folder).replace("%", "%%") + f"/{LOG}"
        ours = [f"--job-name={name}", f"--output={log}", "--open-mode=append"]
        try:
            number = await self._queue.submit(ours, arguments, script, self._say_full)
        except EngineError as error:
            raise WorkerDied(str(error), started=False) from error
        self._own.add(number)
        cluster = await self._queue.cluster()
        box.record([job.checksum for job in jobs], worker=self._plugin_name, job=number, cluster=cluster)
        return number

    async def _answer(self, number: str, box: Box, started: Callable[[], None]) -> list[Reply] | Ended:
        """Wait for the answer, or for the job to be gone without one."""
        self._waiting.add(number)
        gone = None
        try:
            while True:
                if (replies := box.replied()) is not None:
                    return self._began(number, started, replies)
                state, reason = await self._queue.state(number)
                if box.claimed():
                    self._began(number, started)
                if not self._queue.knows or (state and state not in ENDED):
                    gone = None
                    self._say(state, reason)
                else:
                    gone = gone or time.monotonic()
                    if time.monotonic() - gone > (GRACE if state in ("COMPLETED", "") else 2 * POLL):
                        return await self._queue.ended(number)
                await asyncio.sleep(max(POLL, len(self._own) * SHARE))
        finally:
            self._waiting.discard(number)

    def _began(self, number: str, started: Callable[[], None], replies: list[Reply] | None = None):
        self._waiting.discard(number)
        self._some_job_began = True
        started()
        return replies

    def _say(self, state: str, reason: str):
        """From time to time, that there is nothing to see yet."""
        if self._queue.problem and time.monotonic() - self._said > SAY:
            self.observer.message(f"Slurm does not answer ({self._queue.problem}); asking again")
        elif state == "PENDING" and time.monotonic() - self._said > SAY:
            running = len(self._own - self._waiting)
            why = f" ({reason})" if reason not in ("", "None") else ""
            self.observer.message(f"Slurm: {_jobs(sorted(self._waiting))} in the queue{why}, {running} running")
        else:
            return
        self._said = time.monotonic()

    def _say_full(self, said: str):
        if time.monotonic() - self._said > SAY:
            self._said = time.monotonic()
            waits = f"waiting, {_jobs(sorted(self._own))} there" if self._own else "waiting"
            self.observer.message(f"Slurm takes no more jobs for now ({said.splitlines()[0]}); {waits}")

    def _free(self, box: Box, jobs: list[Job]):
        if claimed := box.claimed():
            tidy_up_after(claimed["pid"], jobs, claimed["host"])

    def _died(self, number: str, how: Ended, box: Box) -> WorkerDied:
        text = f"its Slurm job {number} {ADVICE.get(how.state) or _failed(how.code)} [{how.state or 'unknown'}]"
        log = box.folder / LOG.replace("%j", number)
        lines = log.read_text(errors="replace").strip().splitlines()[-20:] if log.exists() else []
        text += "".join(f"\n  {line}" for line in ["what the job said:", *lines] if lines)
        # where no job ever got as far as Python, the next ones will not either
        return WorkerDied(text, started=self._some_job_began or bool(box.claimed()) or how.state != "FAILED")


def _failed(code: str) -> str:
    """In words what Slurm writes as ``status:signal``.

    >>> _failed("0:9"), _failed("1:0")
    ('was killed by signal 9; its node may have run out of memory', 'failed with exit status 1')
    >>> _failed("0:53")
    'could not write its log into the work folder. Is that folder the same on all nodes?'
    """
    if code == "0:53":  # what slurmstepd says where the file of --output cannot be made
        return "could not write its log into the work folder. Is that folder the same on all nodes?"
    status, _, signal = code.partition(":")
    if signal not in ("", "0"):
        return f"was killed by signal {signal}" + ("; its node may have run out of memory" if signal == "9" else "")
    return f"failed with exit status {status or 'unknown'}"


def _script(box: Box, parcel: Path, what: Parcel) -> Path:
    """The script that the node runs; it needs no profile, no module and no activated environment."""
    path = box.folder / SCRIPT
    variables = [f"export {name}={shlex.quote(value)}" for name, value in sorted(what.environment.items())]
    command = shlex.join(bootstrap(f"job_main({str(parcel)!r})"))
    path.write_text("\n".join(["#!/bin/sh", *variables, f"exec {command}"]) + "\n", encoding="utf-8")
    return path


def _split(arguments: str, option: str) -> list[str]:
    try:
        words = shlex.split(arguments or "")
    except ValueError as error:
        raise EngineError(f"{option} {arguments!r}: {error}") from error
    check_arguments(words, option)
    return words


def _jobs(numbers: list[str]) -> str:
    """Few by their numbers, many by how many.

    >>> _jobs(["7"]), _jobs(["7", "8"]), _jobs([str(n) for n in range(9)])
    ('job 7', 'jobs 7, 8', '9 jobs (0 to 8)')
    """
    if len(numbers) > 5:
        return f"{len(numbers)} jobs ({numbers[0]} to {numbers[-1]})"
    return ("job " if len(numbers) == 1 else "jobs ") + ", ".join(numbers)
