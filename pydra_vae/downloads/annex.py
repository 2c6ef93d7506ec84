"""What lies in a DataLad dataset (a git-annex repository) on GIN: names from git, sizes and checksums from annex keys.

A key such as ``MD5E-s447118236--b592….nii.gz`` is the target of a link that git holds. So a shallow clone of a few
megabytes is the listing, and neither DataLad nor git-annex is needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from pydra_vae.downloads.files import FetchError, RemoteFile

_KEY = re.compile(
    r"(MD5|SHA1|SHA224|SHA256|SHA384|SHA512)E?(?:-[a-zA-Z0-9]+)*-s([0-9]+)(?:-[a-zA-Z0-9]+)*--([0-9a-f]+)"
)
_POINTER = 32768  # bytes; git-annex takes no larger file for a pointer
_TIMEOUT = 600  # seconds for git


def annexed_files(repository: str, raw: str, wanted: Callable[[str], bool]) -> list[RemoteFile]:
    """List files of a DataLad dataset.

    Parameters
    ----------
    repository : str
        Address that git clones from.
    raw : str
        Address below which a file's content is served: ``{raw}/{commit}/{path}``.
    wanted : callable
        Takes a path, says whether the file is needed.

    Returns
    -------
    files : list of RemoteFile
        `path` as in the repository.

    Raises
    ------
    FetchError
        If git is not there or cannot clone, or a file's key says neither size nor checksum.
    """
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "repository")
        _git("clone", "--quiet", "--bare", "--depth", "1", "--single-branch", repository, str(clone))
        commit = _git("-C", str(clone), "rev-parse", "HEAD").decode().strip()
        entries = _git("-C", str(clone), "ls-tree", "-r", "-l", "-z", "HEAD").decode().split("\0")
        return [
            _file(clone, *entry.split("\t", 1), f"{raw}/{commit}")
            for entry in entries
            if entry and wanted(entry.split("\t", 1)[1])
        ]


def _file(clone: Path, entry: str, path: str, raw: str) -> RemoteFile:
    """What git holds at a path: a link to annexed content, a pointer to it, or the content itself."""
    mode, kind, blob, size = entry.split()
    if kind != "blob":
        raise FetchError(f"{path} is a dataset within the dataset, which is not followed")
    url = f"{raw}/{quote(path)}"
    content = _git("-C", str(clone), "cat-file", "blob", blob)
    if mode == "120000" or (int(size) <= _POINTER and content.startswith(b"/annex/objects/")):
        match = _KEY.match(content.decode(errors="replace").splitlines()[0].rpartition("/")[2])
        if not match:
            raise FetchError(f"{path}: its annex key says neither size nor checksum: {content[:120]!r}")
        return RemoteFile(path, url, int(match[2]), f"{match[1].lower()}:{match[3]}")
    return RemoteFile(path, url, len(content), f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}")


def _git(*arguments: str) -> bytes:
    # a missing repository asks for a password, which nobody is there to type
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    command = ["git", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60", *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_TIMEOUT, check=True)
    except FileNotFoundError as error:
        raise FetchError("git is not installed, and the list of these files comes by it") from error
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"git took more than {_TIMEOUT} s: {' '.join(arguments[:1])}; start again later") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise FetchError(f"git {arguments[0]} failed: {said[-1] if said else error}") from error
    return done.stdout
