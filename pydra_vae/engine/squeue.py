"""Slurm's commands: submit, ask, cancel.

Nothing here needs accounting: `squeue` tells of ended jobs for some minutes too, then `scontrol`, and `sacct` is asked
only where both have forgotten a job.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydra_vae.engine.errors import EngineError

# States that a job does not leave. All others wait, run, or will do so again.
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip
# Taken away through no fault of the job: worth another submission.
TAKEN_AWAY = {"PREEMPTED", "NODE_FAIL", "BOOT_FAIL"}
# What sbatch says when a later try may succeed.
BUSY = re.compile(r"timed out|temporarily|Unable to contact|Connection (refused|reset)|too many", re.IGNORECASE)
TRIES, PAUSE = 8, 2.0
# What it says when one has as many jobs as one may have. Where it does not name the limit, the job may be too big:
# then it tells whether it has taken such jobs before.
LIMIT = re.compile(r"(QOS|Assoc)\w*Limit", re.IGNORECASE)
POLICY = re.compile(r"job submit limit", re.IGNORECASE)
FULL_PAUSE = 20.0
# Submissions at a time: a controller serves everybody.
AT_ONCE = 4
# Seconds for a submission to end after ^C, so that its job can be cancelled.
LAST = 5.0
# Seconds between two looks at the queue: at first, and when nothing has changed for long.
SOON, LATE = 1.0, 15.0
# Options of sbatch that would part a job from its script, its log or its answer.
REFUSED = (
    "--array",
    "-a",
    "--wrap",
    "--wait",
    "-W",
    "--test-only",
    "--parsable",
    "--output",
    "-o",
    "--error",
    "-e",
    "--clusters",
    "-M",
)


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes
    ----------
    state : str
        One of `ENDED`, or "" where nobody knows any more.
    code : str
        Exit status and signal, as ``1:0``; "" where unknown.
    """

    state: str = ""
    code: str = ""


class Queue:
    """The user's own jobs; asked once for all that wait for an answer."""

    def __init__(self):
        self._jobs: dict[str, tuple[str, str]] = {}
        self._asked = self._changed = float("-inf")
        self._asking: asyncio.Task | None = None
        self._cluster: str | None = None
        self._accepted: set[tuple[str, ...]] = set()
        self._submitting = asyncio.Semaphore(AT_ONCE)
        self.problem = ""

    async def submit(
        self, ours: Sequence[str], given: Sequence[str], script: Path, tell: Callable[[str], None] = lambda text: None
    ) -> str:
        """Submit a script.

        Parameters
        ----------
        ours : sequence of str
            Arguments of this job alone.
        given : sequence of str
            Those that the user gave, for all jobs of its kind.
        script : Path
        tell : callable
            Takes what Slurm says when it accepts no more jobs for now.

        Returns
        -------
        number : str
            The job's.

        Raises
        ------
        EngineError
            If Slurm refuses. A limit on the number of jobs is waited for, a controller that is busy for a minute.
        """
        command = ["sbatch", "--parsable", *ours, *given, str(script)]
        tries = 0
        while True:
            number, said = await self._submitted(command)
            if number:
                self._changed = time.monotonic()
                self._accepted.add(tuple(given))
                return number
            if self._is_full(said, tuple(given)):
                tell(said)
                await asyncio.sleep(FULL_PAUSE)
                continue
            tries += 1
            if tries == TRIES or LIMIT.search(said) or not (BUSY.search(said) or POLICY.search(said)):
                raise EngineError(f"sbatch refused a job: {said}\nThe command was: {' '.join(command)}")
            await asyncio.sleep(PAUSE * tries)

    def _is_full(self, said: str, given: tuple[str, ...]) -> bool:
        named = [found.group() for found in LIMIT.finditer(said)]
        if named:
            return any("submit" in name.lower() for name in named)
        return bool(POLICY.search(said)) and given in self._accepted

    async def _submitted(self, command: Sequence[str]) -> tuple[str, str]:
        """The job's number, or "" and what was said; a job that nobody waits for any more is cancelled."""
        async with self._submitting:
            asked = asyncio.ensure_future(command_output(*command))
            try:
                return _number(await asyncio.shield(asked))
            except asyncio.CancelledError:
                with contextlib.suppress(asyncio.TimeoutError):
                    number, _ = _number(await asyncio.wait_for(asked, LAST))
                    self.cancel([number] if number else [])
                raise

    async def cluster(self) -> str:
        """What the cluster calls itself: another one's jobs may have the same numbers."""
        if self._cluster is None:
            _, out, _ = await command_output("scontrol", "show", "config")
            found = re.search(r"^ClusterName\s*=\s*(\S+)", out, re.MULTILINE)
            self._cluster = found.group(1) if found else ""
        return self._cluster

    async def state(self, number: str, now: bool = False) -> tuple[str, str]:
        """A job's state, some seconds old if need not be `now`, and why it waits; "" where the queue has it not."""
        pause = 0 if now else min(max((time.monotonic() - self._changed) / 10, SOON), LATE)
        if time.monotonic() - self._asked >= pause:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.ensure_future(self._ask())
            await asyncio.shield(self._asking)
        return self._jobs.get(number, ("", ""))

    @property
    def knows(self) -> bool:
        """Whether the last question was answered."""
        return not self.problem

    async def _ask(self):
        code, out, err = await command_output("squeue", "--noheader", "--me", "--states=all", "--format=%i|%T|%r")
        self._asked = time.monotonic()
        self.problem = err.strip() if code else ""
        if code:  # a controller that restarts: what was known before still counts
            return
        lines = [line.split("|") for line in out.splitlines() if line.count("|") == 2]
        found = {number: (state, reason) for number, state, reason in lines}
        if found != self._jobs:
            self._changed = self._asked
        self._jobs = found

    async def ended(self, number: str) -> Ended:
        """How a job ended, from whoever remembers it."""
        code, out, _ = await command_output("scontrol", "--oneliner", "show", "job", number)
        fields = dict(re.findall(r"\b(JobState|ExitCode)=(\S+)", out)) if code == 0 else {}
        if fields.get("JobState") in ENDED:
            return Ended(fields["JobState"], fields.get("ExitCode", ""))
        code, out, _ = await command_output("sacct", "-n", "-X", "-P", "-j", number, "-o", "State,ExitCode")
        rows = [line.split("|") for line in out.splitlines() if "|" in line] if code == 0 else []
        if rows:  # "CANCELLED by 1000"
            return Ended(rows[-1][0].split()[0], rows[-1][1])
        return Ended(self._jobs.get(number, ("", ""))[0])

    def cancel(self, numbers: Sequence[str]):
        """Cancel jobs; those that have ended do not matter. Does not wait for long."""
        if numbers:
            command = ["scancel", "--quiet", *numbers]
            try:
                subprocess.run(command, env=_environment(), capture_output=True, timeout=20, start_new_session=True)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise EngineError(f"jobs could not be cancelled: {error}; do so with: {' '.join(command)}") from error


def _number(answer: tuple[int, str, str]) -> tuple[str, str]:
    code, out, err = answer
    found = re.match(r"\d+", out.strip()) if code == 0 else None
    return (found.group() if found else ""), err.strip() or out.strip()


def check_commands():
    """Refuse a machine without Slurm."""
    missing = [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
    if missing:
        raise EngineError(
            f"--worker slurm needs {', '.join(missing)}, not found on this machine ({os.uname().nodename}): start the "
            "run on a login node of the cluster, or take --worker local"
        )


def check_arguments(arguments: Sequence[str], option: str):
    """Refuse what would part a job from its log or its answer."""
    for text in arguments:
        if text.split("=")[0] in REFUSED:
            raise EngineError(
                f"{option}: {text.split('=')[0]} cannot be given, each step is one job with a log of its own; "
                "give what it needs, as --time=2:00:00 --mem=8G --partition=NAME"
            )


async def command_output(*command: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command; ^C does not reach it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=_environment(), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return 127, "", str(error)
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def _environment() -> dict[str, str]:
    """Without what would change the tables' form, and what an enclosing job has set for itself."""
    kept = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT")
    changed = ("SQUEUE_", "SACCT_", "SLURM_", "SLURMD_", "SCANCEL_")
    return {name: value for name, value in os.environ.items() if name in kept or not name.startswith(changed)}
