"""Several jobs of one step computed side by side in one process, each stored as if it had been alone.

A step that was defined with ``together="package.module"`` names a module with two functions:

- ``together_key(inputs) -> str | None``: jobs whose keys agree may be computed together; None for one that may not;
- ``fit_together(calls) -> list``: `calls` has the inputs and the folder of each job; it writes into these folders and
  returns, in that order, what the step's function would have returned for each.

In the worker process each job runs as Pydra runs it, one inside the other: each takes its lock and makes its folder,
and then, where its function would run, lets the next one do so. The innermost computes all; on the way out each checks
its code and inputs, and stores its own outputs. So nothing of Pydra's storing is done here, every lock is held as long
as the results are missing, and a job that somebody else has finished meanwhile drops out.
"""

import contextlib
import importlib
import shutil
import sys
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from pydra.engine.job import Job

from pydra_vae.engine import child, context
from pydra_vae.engine.devices import Device
from pydra_vae.engine.errors import StepDefinitionError
from pydra_vae.engine.step import inputs_of, stand_in

MEMBERS = ".members"
FRAMES = 40  # of Python's stack, more than one job inside another takes


def group_of(task) -> tuple | None:
    """What the jobs have in common that may be computed together; None for a step or inputs that are computed alone.

    Raises
    ------
    StepDefinitionError
        If the digest of the step does not see the module that would compute it.
    """
    module = getattr(task, "together", None)
    if module is None:
        return None
    if module not in task.function.reached.files:
        raise StepDefinitionError(
            f"step {type(task).__name__} is computed together by {module}, which is no part of its digest: the module "
            "must be there, in the step's own package, and named by a literal in the step's file"
        )
    inputs = inputs_of(task)
    key = importlib.import_module(module).together_key(inputs)
    return None if key is None else (type(task), devices_of(task), key)


def devices_of(task) -> tuple[str, ...]:
    """The devices that a task asks for; they are no part of its key."""
    return tuple(str(value) for value in inputs_of(task).values() if isinstance(value, Device))


def unfinished(cache_root: Path) -> list[set[str]]:
    """The sets of jobs, by their checksums, that were being computed together when they were interrupted."""
    return [set(path.read_text().split()) for path in sorted(_folder(cache_root).glob(f"*{MEMBERS}"))]


def forget(cache_root: Path, checksum: str):
    """Delete the checkpoints of all sets with this member: none of them will be computed again."""
    for path in _folder(cache_root).glob(f"*{MEMBERS}"):
        with contextlib.suppress(OSError):  # another run deletes it too
            if checksum in path.read_text().split():
                for file in path.parent.glob(f"{path.stem}*"):
                    file.unlink(missing_ok=True)


def _folder(cache_root: Path) -> Path:
    return context.checkpoint_path(cache_root, "").parent


class Together:
    """Runs jobs one inside the other, in a worker process.

    Parameters
    ----------
    jobs : sequence of Job
        Of one step.
    rerun : bool
        Compute them even if they have results.
    """

    def __init__(self, jobs: Sequence[Job], rerun: bool):
        self._jobs, self._rerun = jobs, rerun
        self._inside: list[tuple[Job, dict]] = []
        self._replies: dict[str, child.Reply] = {}
        self._returned: dict[str, object] = {}
        self._error: BaseException | None = None

    def run(self) -> list[child.Reply]:
        """The reply of each job, in the order in which they were given."""
        began = time.monotonic()
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 1000 + FRAMES * len(self._jobs)))
        # in the same order everywhere, or two runs could wait for each other's locks
        self._enter(sorted(self._jobs, key=lambda job: job.checksum))
        replies = [self._replies[job.checksum] for job in self._jobs]
        for reply in replies:
            reply.seconds = (time.monotonic() - began) / len(replies)
        return replies

    def _enter(self, jobs: list[Job]):
        """Run the first job around all others; without any left, compute those that are inside."""
        if not jobs:
            self._compute()
            return
        job, *others = jobs
        entered = False

        def function(**inputs):
            nonlocal entered
            entered = True
            self._inside.append((job, inputs))
            self._enter(others)
            if self._error is not None:
                raise self._error
            return self._returned[job.checksum]

        with stand_in(job.checksum, function):
            self._replies[job.checksum] = child.attempt(job, self._rerun)
        if not entered:
            self._enter(others)

    def _compute(self):
        if not self._inside:
            return
        jobs = [job for job, _ in self._inside]
        try:
            returned = self._alone() if len(jobs) == 1 else self._side_by_side()
            self._returned = {job.checksum: own for job, own in zip(jobs, returned, strict=True)}
        except BaseException as error:
            self._error = error
        finally:
            context.clear()
            _share_log([job.cache_dir for job in jobs])

    def _alone(self) -> list:
        (job, inputs), = self._inside
        context.set_for_step(job.cache_dir, job.checksum)
        return [job.task.function(**inputs)]

    def _side_by_side(self) -> list:
        first = self._inside[0][0]
        folders = [job.cache_dir for job, _ in self._inside]
        checksums = sorted(job.checksum for job, _ in self._inside)
        key = f"together-{blake2b(' '.join(checksums).encode(), digest_size=16).hexdigest()}"
        context.set_for_step(folders[0], key, also=folders[1:])
        context.checkpoint_file().with_suffix(MEMBERS).write_text("\n".join(checksums))
        module = importlib.import_module(first.task.together)
        try:
            returned = module.fit_together([(inputs, job.cache_dir) for job, inputs in self._inside])
        except (KeyboardInterrupt, SystemExit) as stop:
            raise RuntimeError(f"{module.__name__} was ended by {type(stop).__name__}({stop})") from stop
        if not isinstance(returned, list) or len(returned) != len(folders):
            raise TypeError(f"{module.__name__}.fit_together returned {returned!r}; needed: a list of {len(folders)}")
        return returned


def _share_log(folders: list[Path]):
    """What was printed went to the innermost job's log; the others get a copy."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    *others, last = folders
    for folder in others:
        with contextlib.suppress(OSError):
            shutil.copyfile(last / child.LOG_FILE, folder / child.LOG_FILE)
