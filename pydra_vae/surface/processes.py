"""A computation over blocks, shared among processes of our own.

SciPy's shortest paths hold Python's lock, so threads gain nothing; and the engine's workers are daemons, which may not
have children of `multiprocessing`. So plain interpreters are started that read blocks and write results through pipes.
One whose parent is gone reads the end of its input and stops.
"""

import contextlib
import importlib
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

# Run in the interpreters: this module by its full name, so that what it pickles is found by that name.
_PROGRAM = "from pydra_vae.surface.processes import serve; serve()"


def in_processes(function: Callable, fixed: tuple, blocks: Sequence, n_processes: int = 1) -> Iterator:
    """function(*fixed, block) for each block, in their order.

    Parameters
    ----------
    function : callable
        Found by name at the top level of a module.
    fixed : tuple
        The same for every block; sent once to each process.
    blocks : sequence
        What differs.
    n_processes : int
        With one, or for one block, everything is computed here.

    Yields
    ------
    object
        A result a block.

    Raises
    ------
    ValueError
        When n_processes is below 1.
    RuntimeError
        When a process ends without an answer.

    Examples
    --------
    >>> list(in_processes(divmod, (7,), [2, 3]))
    [(3, 1), (2, 1)]
    """
    if n_processes < 1:
        raise ValueError(f"{n_processes} processes were asked for: give at least 1")
    n = min(n_processes, len(blocks))
    if n < 2:
        return (function(*fixed, block) for block in blocks)
    return _shared(function, fixed, blocks, n)


def _shared(function: Callable, fixed: tuple, blocks: Sequence, n: int) -> Iterator:
    with contextlib.ExitStack() as stack:
        children: SimpleQueue = SimpleQueue()
        task = pickle.dumps((function.__module__, function.__qualname__, fixed))
        for _ in range(n):
            child = stack.enter_context(_interpreter())
            with _naming_its_end(child):
                child.stdin.write(task)
            children.put(child)
        threads = ThreadPoolExecutor(n)
        # an abandoned iteration waits for the blocks in work, not for all that were planned
        stack.callback(threads.shutdown, cancel_futures=True)
        yield from _ordered(threads, lambda block: _ask(children, block), blocks, 2 * n)


def _ordered(threads: ThreadPoolExecutor, ask: Callable, blocks: Iterable, ahead: int) -> Iterator:
    """Results in the order of the blocks; so few ahead that finished ones do not pile up."""
    waiting: deque = deque()
    for block in blocks:
        waiting.append(threads.submit(ask, block))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextlib.contextmanager
def _interpreter() -> Iterator[subprocess.Popen]:
    # where this interpreter finds modules, the other does too
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    child = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    try:
        yield child
    finally:
        with contextlib.suppress(OSError):
            child.stdin.close()
        child.stdout.close()
        child.kill()
        child.wait()


def _ask(children: SimpleQueue, block):
    child = children.get()
    try:
        with _naming_its_end(child):
            pickle.dump(block, child.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            child.stdin.flush()
            result, error = pickle.load(child.stdout)
    finally:
        children.put(child)
    if error is not None:
        raise error
    return result


@contextlib.contextmanager
def _naming_its_end(child: subprocess.Popen) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as broken:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)  # its pipe closes before its exit code is known
        raise RuntimeError(
            f"a process of this computation ended (exit code {child.poll()}): was memory short? "
            "With threads=1 everything is computed in one process."
        ) from broken


def serve():
    """Answer blocks from standard input on standard output until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is for the parent, which ends this process
    # whatever else is printed must not enter the answers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    module, name, fixed = pickle.load(sys.stdin.buffer)
    function = getattr(importlib.import_module(module), name)
    while True:
        try:
            block = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = function(*fixed, block), None
        except Exception as error:
            answer = None, error
        try:
            pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:  # the parent is gone
            return
