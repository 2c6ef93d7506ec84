"""Hashing big input files beside the event loop, so that other steps start and finish meanwhile.

In a daemon thread: ^C must not wait for the end of a file.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from fileformats.core import FileSet
from pydra.utils.general import attrs_values

from pydra_vae.engine import hashing

# More readers at a time make none of them faster, and the first subject should be first.
READERS = 2
_readers: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


async def hash_big_files(task):
    """Make the hashes of a task's big files known, so that its key costs nothing afterwards."""
    unknown = [path for path in paths_in(task) if path.is_file() and not hashing.remembers(path)]
    if not unknown:
        return
    loop = asyncio.get_running_loop()
    if loop not in _readers:
        _readers.clear()
        _readers[loop] = asyncio.Semaphore(READERS)
    for path in unknown:
        async with _readers[loop]:
            await _in_daemon_thread(path)


def paths_in(fields) -> Iterator[Path]:
    """The paths of all files in a task or in its outputs."""
    for value in attrs_values(fields).values():
        yield from paths_of(value)


def paths_of(value) -> Iterator[Path]:
    """The paths of all files in a value."""
    if isinstance(value, FileSet):
        yield from value.fspaths
    elif isinstance(value, list | tuple):
        for item in value:
            yield from paths_of(item)


async def _in_daemon_thread(path: Path):
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()

    def read():
        with contextlib.suppress(OSError):  # told when the key is made
            hashing.content_hash(path)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finished.set)

    threading.Thread(target=read, daemon=True, name="pydra_vae-hash").start()
    await finished.wait()
