"""One file on a server: where it is, how large, and the checksum by which it is known.

Amazon's S3 lists an ETag with each object: the MD5 of its bytes, or for one that was uploaded in N parts the MD5 of
the parts' MD5s, followed by ``-N``. Which size the parts had is not said; few sizes give N parts, so each is tried.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_MIB = 1024**2
_CHUNK = 4 * _MIB
# MiB; git-annex uploads OpenNeuro's derivatives in parts of 1 GiB (their `remote.log` says so), the AWS tools in 8.
_PART_SIZES = (1024, 8, 5, 15, 16, 32, 50, 64, 100, 128, 256, 512, 10, 20, 25)


class FetchError(Exception):
    """A download that cannot be had; the message says why and what to do."""


class StopFetching(FetchError):
    """A failure that every other file would meet, too: a full disk, refused credentials."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Attributes
    ----------
    path : str
        Where it goes, relative to the output folder, with slashes.
    url : str
        Where it lies.
    size : int
        Bytes.
    checksum : str
        ``md5:…``, ``sha256:…``, ``etag:…-N`` (parts, see above), or nothing where the listing has none.
    etag : str
        As the server names this version of the file, for resuming; may be empty.
    """

    path: str
    url: str
    size: int
    checksum: str = ""
    etag: str = ""

    @property
    def hash(self) -> str | None:
        """The checksum where any hashing library computes it, as pooch wants it."""
        return None if self.checksum.startswith("etag:") else self.checksum or None


def why_different(path: Path, file: RemoteFile, checksums: bool = True) -> str | None:
    """What tells a local file from the remote one; None where they agree.

    A file of unusual parts is judged by its size alone: its checksum cannot be computed.
    """
    size = path.stat().st_size
    if size != file.size:
        return f"{size:,} bytes, the listing says {file.size:,}"
    kind, _, value = file.checksum.partition(":")
    if not checksums or not value:
        return None
    if kind == "etag":
        return None if _agrees_in_parts(path, value) is not False else "other bytes than the listing's checksum says"
    with path.open("rb") as stream:
        own = hashlib.file_digest(stream, kind).hexdigest()
    return None if own == value.lower() else f"{kind} {own}, the listing says {value}"


def _agrees_in_parts(path: Path, etag: str) -> bool | None:
    """Whether bytes agree with the ETag of an upload in parts; None where no usual size of parts gives it."""
    number, size = int(etag.rpartition("-")[2]), path.stat().st_size
    if number == 1:
        return etag == _etag(path, max(size, 1))
    parts = [part * _MIB for part in _PART_SIZES if -(-size // (part * _MIB)) == number]
    return True if any(etag == _etag(path, part) for part in parts) else None


def _etag(path: Path, part: int) -> str:
    digests = []
    with path.open("rb") as stream:
        while True:
            digest, left = hashlib.md5(usedforsecurity=False), part
            while left and (chunk := stream.read(min(_CHUNK, left))):
                digest.update(chunk)
                left -= len(chunk)
            if left == part and digests:
                break
            digests.append(digest.digest())
            if left:
                break
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def checksum_of_etag(etag: str) -> str:
    """The checksum that an ETag is.

    Examples
    --------
    >>> checksum_of_etag('"900150983cd24fb0d6963f7d28e17f72"')
    'md5:900150983cd24fb0d6963f7d28e17f72'
    >>> checksum_of_etag('"2d1a5f4c1d9f8ba0d9f2d5f0e5b1b0a1-12"')
    'etag:2d1a5f4c1d9f8ba0d9f2d5f0e5b1b0a1-12'
    """
    value = etag.strip('"').lower()
    if re.fullmatch(r"[0-9a-f]{32}", value):
        return f"md5:{value}"
    return f"etag:{value}" if re.fullmatch(r"[0-9a-f]{32}-[1-9][0-9]*", value) else ""


def in_words(size: float) -> str:
    """Bytes in a unit that is read at a glance.

    Examples
    --------
    >>> in_words(447_118_236)
    '447 MB'
    """
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.3g} {unit}"
    return f"{size:.0f} B"
