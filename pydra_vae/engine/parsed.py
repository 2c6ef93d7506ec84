"""What parsing a source file gave, remembered on disk for the processes that come after this one.

A run parses hundreds of files to know what code its steps reach, and so does each of its worker processes: seconds
each time. An entry belongs to one state of one file (path, size, both times, inode), one Python, and one version of the
code that parses; a file written just now is not remembered (see `hashing`).
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from pydra.utils.hash import PersistentCache

from pydra_vae.engine.hashing import RESTED_NS, write_whole


def remembered(file: Path, key: tuple, parser: Path, parse: Callable[[], dict]) -> dict:
    """What `parse` gives, or what it gave for this state of the file.

    Parameters
    ----------
    file : Path
        The source file.
    key : tuple
        What else the answer depends on; its repr counts.
    parser : Path
        Source file of the code that parses.
    parse : callable
        Gives a dict of what JSON holds; called where nothing is known.
    """
    state = _state(file)
    stored = _stored_at((state, _state(parser), sys.version, key))
    with contextlib.suppress(OSError, ValueError):
        return json.loads(stored.read_bytes())
    found = parse()
    if time.time_ns() - max(state[2:4]) > RESTED_NS and _state(file) == state:
        write_whole(stored, json.dumps(found).encode())
    return found


def _state(path: Path) -> tuple:
    stat = os.stat(path)
    return os.path.abspath(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_dev, stat.st_ino


def _stored_at(key: tuple) -> Path:
    name = blake2b(repr(("pydra_vae source", key)).encode()).hexdigest()
    return Path(PersistentCache.location_default()) / name
