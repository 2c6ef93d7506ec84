"""How every recipe and the command line run their graphs.

`run` takes one task or workflow for each label (a subject, say), keeps a failing one from the others, hands each
result over as soon as it is there, and ends with a table of what was computed, what was reused and why.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception

from pydra.engine.job import Job
from pydra.engine.submitter import Submitter
from pydra.utils.hash import PersistentCache

from pydra_vae.engine import child, hashing
from pydra_vae.engine.dask import DaskWorker
from pydra_vae.engine.devices import FITS_PER_GPU
from pydra_vae.engine.display import Display
from pydra_vae.engine.errors import EngineError, Failure, NestedRun, StepFailed, WorkerDied
from pydra_vae.engine.slurm import SlurmWorker
from pydra_vae.engine.why import History
from pydra_vae.engine.worker import LocalWorker, Observer, StepWorker, current_label

# What runs the leaves, by the name that `run` and --worker take.
WORKERS: dict[str, type[StepWorker]] = {"local": LocalWorker, "dask": DaskWorker, "slurm": SlurmWorker}


@dataclass
class Outcome:
    """What came of a run.

    Attributes
    ----------
    outputs : dict
        Of each label that succeeded, an object with one attribute for each output.
    failures : dict
        Of each label that did not, its first failure.
    table : list of dict
        For each step: step, computed, reused, failed, seconds, why.
    interrupted : bool
        Whether ^C ended the run.
    """

    outputs: dict[str, object] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    table: list[dict] = field(default_factory=list)
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0, 1 if something failed, 130 after ^C."""
        return 130 if self.interrupted else int(bool(self.failures))


def run(
    tasks: Mapping[str, object],
    *,
    work_dir,
    n_procs: int | None = None,
    worker: str = "local",
    worker_options: Mapping[str, object] | None = None,
    on_done: Callable[[str, object], None] | None = None,
    break_locks: bool = False,
    stop_on_first_crash: bool = False,
    fits_per_gpu: int | None = None,
    fits_together: int | None = None,
    verbose: int = 0,
    console=None,
) -> Outcome:
    """Run tasks and workflows side by side.

    Parameters
    ----------
    tasks : mapping
        A filled-in task or workflow for each label. Earlier labels go first where processes are scarce.
    work_dir : path
        Where steps write and results are kept for the next run; made if need be.
    n_procs : int, optional
        Processes at a time, of a worker that starts them on this machine; by default the number of CPUs.
    worker : str
        A name in `WORKERS`.
    worker_options : mapping, optional
        What that worker alone takes: see `dask.DaskWorker` and `slurm.SlurmWorker`.
    on_done : callable, optional
        Called here with a label and its outputs as soon as they are there. Its exception is that label's failure.
    break_locks : bool
        Remove locks of other machines, and empty ones, that are on needed steps.
    stop_on_first_crash : bool
        Give up the rest at the first failure.
    fits_per_gpu : int, optional
        Fits that may share a GPU; by default 1, or what the environment says (see `devices`).
    fits_together : int, optional
        Fits that one process may train side by side, where a step can (see `together`); no part of any key. By
        default 1, and 15 where they compute on CUDA.
    verbose : int
        See `display.Display`.
    console : rich.console.Console, optional
        Where to show progress; by default stderr.

    Returns
    -------
    Outcome

    Raises
    ------
    NestedRun
        In a worker process: the script that starts the run lacks its guard.
    WorkerDied
        If worker processes cannot start.
    EngineError
        If the work folder cannot be made, or the worker not be had.
    """
    _refuse_in_a_child()
    if worker not in WORKERS:
        raise ValueError(f"worker {worker!r} is not known; there is {', '.join(WORKERS)}")
    if split := [label for label, task in tasks.items() if task._splitter or task._combiner]:
        raise ValueError(
            f"the task of {split[0]!r} is split: give each of its elements a label of its own, or split it inside a "
            "workflow; Submitter(worker=LocalWorker(...)) takes it as it is"
        )
    if fits_together is not None and fits_together < 1:
        raise ValueError(f"fits_together is {fits_together}: give a whole number from 1")
    work_dir = _made(Path(work_dir))
    hashing.find_place(work_dir / hashing.FOLDER)
    environment = {FITS_PER_GPU: str(fits_per_gpu)} if fits_per_gpu else {}
    outcome = Outcome()
    with Display(console, verbose=verbose) as display:
        ledger = Ledger(display, History(work_dir))
        options = {"fits_together": fits_together, "break_locks": break_locks, **(worker_options or {})}
        if worker != "slurm":
            options["n_procs"] = n_procs
        crew = WORKERS[worker](environment=environment, observer=ledger, **options)
        session = _Session(tasks, work_dir, crew, ledger, on_done, stop_on_first_crash, outcome)
        _in_own_loop(session)
    outcome.table = ledger.rows()
    display.table(outcome.table)
    return outcome


def _refuse_in_a_child():
    if child.is_worker or child.STARTING in os.environ:
        raise NestedRun(
            "a run was started inside a worker process. Workers import the script that started them, so it must start "
            'its run under a guard:\n\nif __name__ == "__main__":\n    run(…)'
        )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"the work folder {folder} cannot be made: {error}; give another with --work-dir") from error
    return folder.resolve()


@dataclass
class _Session:
    """One run: its labels as tasks of one event loop."""

    tasks: Mapping[str, object]
    work_dir: Path
    crew: StepWorker
    ledger: "Ledger"
    on_done: Callable | None
    stop_on_first_crash: bool
    outcome: Outcome

    async def main(self, submitter: Submitter):
        running = {
            asyncio.ensure_future(self.one(submitter, order, label, task)): label
            for order, (label, task) in enumerate(self.tasks.items())
        }
        try:
            while running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for finished in done:
                    del running[finished]
                    finished.result()
                if self.stop_on_first_crash and self.outcome.failures:
                    return
        finally:
            for unfinished in running:
                unfinished.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def one(self, submitter: Submitter, order: int, label: str, task):
        current_label.set((order, label))
        try:
            job = Job(task, submitter=submitter, name=label)
            outputs = (await self.crew.submit(job)).outputs
            if self.on_done is not None:
                self.on_done(label, outputs)
            self.outcome.outputs[label] = outputs
        except StepFailed as failed:
            self.fail(label, failed.failures)
        except WorkerDied:
            raise
        except Exception as error:
            trace = "".join(format_exception(error))
            self.fail(label, [Failure("", "".join(format_exception(error)[-1:]).strip(), trace)])

    def fail(self, label: str, failures: list[Failure]):
        self.outcome.failures[label] = failures[0]
        here = isinstance(self.crew, LocalWorker)  # what failed on another machine is told in full
        for failure in failures:
            message = failure.message if here else ""
            self.ledger.display.failure(label, failure.step, failure.traceback, failure.crash_file, message)


def _in_own_loop(session: _Session):
    """Run in a new event loop, in a thread if this one has a loop already (a notebook)."""
    try:
        asyncio.get_running_loop()
        has_loop = True
    except RuntimeError:
        has_loop = False
    if not has_loop:  # not in the handler, or every traceback of a run would begin with its exception
        _run_loop(session)
        return
    caught: list[BaseException] = []

    def target():
        try:
            _run_loop(session)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=target, name="pydra_vae-run")
    thread.start()
    thread.join()
    if caught:
        raise caught[0]


def _run_loop(session: _Session):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    Job._etelemetry_checked = True  # no request to a server at each run
    submitter = Submitter(worker=session.crew, cache_root=session.work_dir)
    main = loop.create_task(session.main(submitter))
    try:
        loop.run_until_complete(main)
    except KeyboardInterrupt:
        session.outcome.interrupted = True
        session.ledger.message("interrupted; the next run goes on from here")
    finally:
        session.crew.close()
        _end(loop, main)
        loop.close()
        asyncio.set_event_loop(None)
        PersistentCache().clean_up()


def _end(loop: asyncio.AbstractEventLoop, main: asyncio.Task):
    main.cancel()
    while True:
        try:
            loop.run_until_complete(asyncio.gather(main, return_exceptions=True))
            return
        except KeyboardInterrupt:  # once more for each task that waited for the interrupted one
            continue


class Ledger(Observer):
    """Keeps count of a run's steps and passes on to the display what happens."""

    def __init__(self, display: Display, history: History):
        self.display, self.history = display, history
        self._steps: dict[str, dict] = {}

    def about_to_run(self, job: Job):
        """Ask why, while the folder is still as the last try left it."""
        self._reasons(job).setdefault(self.history.reason(job))

    def started(self, job: Job):
        """Show a live line."""
        self.display.started(job.uid, current_label.get()[1], _title(job), job.cache_dir)

    def finished(self, job: Job, status: str, seconds: float = 0.0):
        """Count, and end the live line."""
        row = self._row(job)
        row[{"done": "computed", "cached": "reused", "failed": "failed"}[status]] += 1
        row["seconds"] += seconds
        self.display.finished(job.uid, status, seconds, label=current_label.get()[1], step=_title(job))

    def message(self, text: str):
        """Pass on."""
        self.display.message(text)

    def rows(self) -> list[dict]:
        """The table, in the order in which steps first came up."""
        return [{**row, "why": ", ".join(row["why"])} for row in self._steps.values()]

    def _row(self, job: Job) -> dict:
        name = type(job.task).__name__
        empty = {"step": name, "computed": 0, "reused": 0, "failed": 0, "seconds": 0.0, "why": {}}
        return self._steps.setdefault(name, empty)

    def _reasons(self, job: Job) -> dict:
        return self._row(job)["why"]


def _title(job: Job) -> str:
    """The step's name, with the node's where that says more."""
    name = type(job.task).__name__
    return name if job.name in (name, current_label.get()[1], "main") else f"{name} ({job.name})"
