"""Content hashes of files, remembered safely.

Pydra's key for a file is the hash of its content, which it remembers by path and mtime alone, so a file replaced
with its mtime kept (``cp -p``, ``rsync -a``, ``tar``) keeps the hash of the old content. Here a hash is remembered by
path, size, mtime, ctime, device and inode: nobody can set a ctime. Importing this module registers the cure with
Pydra for every file type, in this process; workers import it too.

A file's key is its name and its content; the folder it lies in is no part of it, nor is whether it is a symbolic link.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from fileformats.core.fileset import FileSet
from pydra.utils.hash import Cache, PersistentCache, register_serializer

CHUNK = 1 << 20
FOLDER = ".hashes"  # in a work folder, where the user's cache folder cannot be written to
# Reading a smaller file again costs about as much as looking its hash up on disk.
ON_DISK_FROM = 1 << 20
# File systems stamp times with a coarse clock (up to 10 ms on Linux): a file written twice within one tick looks
# unchanged, so a hash is not remembered until the file has rested.
RESTED_NS = 50_000_000

_memory: dict[tuple, bytes] = {}


@register_serializer(FileSet)
def bytes_repr_fileset(fileset: FileSet, cache: Cache) -> Iterator[bytes]:
    """What Pydra hashes in place of a file, a folder or a set of files."""
    yield b"files:("
    for path in sorted(map(Path, fileset.fspaths)):
        for name, file in _files(path):
            yield f"{len(name)}:{name}=".encode() + content_hash(file)
    yield b")"


def find_place(fallback: Path):
    """Let hashes be remembered in `fallback` where the user's cache folder cannot be written to.

    Pydra refuses to hash without such a folder; a container whose home is read-only, or not mounted, has none.
    """
    if PersistentCache.LOCATION_ENV_VAR in os.environ:
        return
    place = Path(PersistentCache.location_default())
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
    if not os.access(place, os.W_OK | os.X_OK):
        os.environ[PersistentCache.LOCATION_ENV_VAR] = str(fallback)


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path, followlinks=True):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            yield file.relative_to(path).as_posix(), file


def content_hash(path: Path) -> bytes:
    """Hash the content of a file; symbolic links are followed.

    Returns
    -------
    bytes
        BLAKE2b, 16 bytes.
    """
    identity = _identity(path)
    if (known := _memory.get(identity)) is not None:
        return known
    stored = _stored_at(identity) if identity[1] >= ON_DISK_FROM else None
    if stored is not None and (known := _read(stored)) is not None:
        _memory[identity] = known
        return known
    has_rested = _rest(identity)
    computed = _compute(path)
    if _identity(path) == identity and has_rested:
        _memory[identity] = computed
        if stored is not None:
            write_whole(stored, computed)
    return computed


def _rest(identity: tuple) -> bool:
    """Whether the file has rested; a big one, which is better not read twice, is given the time."""
    missing = max(identity[2], identity[3]) + RESTED_NS - time.time_ns()
    if 0 < missing <= RESTED_NS and identity[1] >= ON_DISK_FROM:
        time.sleep(missing / 1e9)
        return True
    return missing <= 0


def remembers(path: Path) -> bool:
    """Whether the hash of a file is known in this process, or cheap to get."""
    with contextlib.suppress(OSError):
        identity = _identity(path)
        return identity[1] < ON_DISK_FROM or identity in _memory or _stored_at(identity).exists()
    return True  # let the hashing itself complain


def _identity(path: Path) -> tuple:
    stat = os.stat(path)
    return (os.path.abspath(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_dev, stat.st_ino)


def _compute(path: Path) -> bytes:
    digest = blake2b(digest_size=16, person=b"pydra_vae-file")
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


def _stored_at(identity: tuple) -> Path:
    # Beside Pydra's own entries, whose clean-up after a month without use then covers these too.
    name = blake2b(repr(("pydra_vae", identity)).encode()).hexdigest()
    return Path(PersistentCache.location_default()) / name


def _read(path: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        return content if len(content) == 16 else None
    return None


def write_whole(path: Path, content: bytes):
    """Store without a lock: whole or not at all, and a failure (a full disk, no home) costs only time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
