"""What runs in a worker process: one job after the other, each with its output in a log of its own.

The process ignores ^C (the parent decides), ends when the parent is gone, however that ended, and turns whatever a
job does into a `Reply`.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import cloudpickle
import pydra.engine

from pydra_vae.engine import digest, hashing, results, why

LOG_FILE = "_log.txt"
CRASH_FILE = "_crash.txt"
READY = "ready"
# Set while a worker process starts, and so imports the script that started it.
STARTING = "PYDRA_VAE_WORKER_STARTS"
# Files whose frames say nothing about a failing step.
MACHINERY = (str(Path(__file__).parent) + os.sep, str(Path(pydra.engine.__file__).parents[1]) + os.sep)
HASHING = hashing.__name__  # imported for the file hashes that it registers

is_worker = False


@dataclass
class Reply:
    """How a job ended.

    Attributes
    ----------
    computed : bool
        False if another run had finished the same step meanwhile.
    seconds : float
        What the step itself took.
    message, traceback : str
        Of the exception, if one ended the step.
    """

    computed: bool = False
    seconds: float = 0.0
    message: str = ""
    traceback: str = ""

    @property
    def failed(self) -> bool:
        """Whether the step ended with an exception."""
        return bool(self.message)


def serve(connection: Connection, code: dict[Path, str], lifeline=None):
    """Take pickled jobs from the connection and answer each with a `Reply`, a list with a list, until it is closed.

    Parameters
    ----------
    connection : Connection
        To the parent.
    code : dict
        What `digest.on_disk` was before this process started.
    lifeline : int or other waitable, optional
        Becomes ready when the parent is gone; by default multiprocessing's.
    """
    become_worker(code)
    lifeline = multiprocessing.parent_process().sentinel if lifeline is None else lifeline
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        connection.send(READY)
        _redirect(os.devnull)
        while True:
            pickled = connection.recv_bytes()
            reply = answer(pickled)
            _give_back_memory()
            connection.send(reply)


def become_worker(code: dict[Path, str]):
    """Make this process one that computes jobs: no runs are started in it, ^C is the parent's to answer."""
    global is_worker
    is_worker = True
    hold_standard_numbers()
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", closefd=False, errors="replace"))  # noqa: SIM115
    digest.loaded_since(code)
    os.environ.pop(STARTING, None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def hold_standard_numbers():
    """Open what a daemon or cron closed: a lock or a pipe with the number of stdout would be redirected to a log."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number


def _end_with_parent(lifeline):
    wait([lifeline])
    os._exit(1)


def answer(pickled: bytes) -> Reply | list[Reply]:
    """Compute a job, or a list of them together."""
    from pydra_vae.engine.together import Together  # which runs its jobs as this module does

    try:
        work, rerun = cloudpickle.loads(pickled)
        return Together(work, rerun).run() if isinstance(work, list) else attempt(work, rerun)
    except BaseException as error:
        return failure(Reply(), error)


def _give_back_memory():
    """What torch keeps of a GPU after a fit, for the next one, other processes would miss."""
    torch = sys.modules.get("torch")
    with contextlib.suppress(Exception):
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def attempt(job, rerun: bool) -> Reply:
    """Compute one job as Pydra does, and turn whatever comes of it into a reply."""
    reply = Reply()
    began = time.monotonic()
    try:
        job.hooks.pre_run_task = functools.partial(_begin, reply, job.hooks.pre_run_task)
        result = job.run(rerun=rerun)
        if reply.computed:
            results.record_sizes(result.outputs, job.cache_dir)
    except BaseException as error:
        failure(reply, error)
        _spoil(job)
        write_crash(job, reply.traceback)
    finally:
        reply.seconds = time.monotonic() - began
        _redirect(os.devnull)
    return reply


def failure(reply: Reply, error: BaseException) -> Reply:
    """Fill in an exception."""
    reply.message = "".join(traceback.format_exception_only(error)).strip()
    reply.traceback = _from_the_step_on(error)
    return reply


def _begin(reply: Reply, then, job):
    """Runs in the step's own fresh folder, under its lock, just before the step."""
    reply.computed = True
    _redirect(job.cache_dir / LOG_FILE)
    why.record(job)
    then(job)


def _redirect(path):
    """Send what the process and its children print to a file."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def _spoil(job):
    """Take back a result that Pydra stored as a success before, or although, the job was ended by an exception."""
    if not (job.cache_dir / "_error.pklz").exists():
        (job.cache_dir / results.RESULT).unlink(missing_ok=True)


def _from_the_step_on(error: BaseException) -> str:
    """The traceback without the frames of Pydra and of this engine above the step's function."""
    trace = error.__traceback__
    while trace is not None and any(part in trace.tb_frame.f_code.co_filename for part in MACHINERY):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))


def write_crash(job, trace: str) -> Path | None:
    """Write all that is known of a failure as text into the step's folder; None if that cannot be written."""
    path = job.cache_dir / CRASH_FILE
    with contextlib.suppress(OSError):
        log = job.cache_dir / LOG_FILE
        tail = log.read_text(errors="replace").splitlines()[-50:] if log.exists() else []
        path.parent.mkdir(exist_ok=True)
        parts = [
            f"step: {job.name} ({type(job.task).__module__}.{type(job.task).__name__})",
            f"when: {time.strftime('%Y-%m-%d %H:%M:%S %z')}",
            f"host: {os.uname().nodename}",
            f"folder: {job.cache_dir}",
            "inputs:",
            *(f"  {name} = {value}" for name, value in why.readable_inputs(job.task).items()),
            "",
            trace.rstrip(),
            *(["", f"end of {log}:", *tail] if tail else []),
        ]
        path.write_text("\n".join(parts) + "\n", encoding="utf-8")
        return path
    return None
