"""Brings files onto this disk: several at once, each one whole and checked or not there at all."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path

from filelock import FileLock, Timeout

from pydra_vae.downloads.files import FetchError, RemoteFile, StopFetching, in_words, why_different
from pydra_vae.downloads.http import Client, Resuming, no_room

_RESERVE = 0.01  # of what comes: file systems keep some space for themselves


@dataclass
class Outcome:
    """What came of a list of files."""

    fetched: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: str = ""


@dataclass(frozen=True)
class Rules:
    """How files are brought.

    Attributes
    ----------
    n_jobs : int
        Files at once.
    checksums : bool
        Hold each file against its checksum; sizes are compared in any case.
    overwrite : bool
        Replace files that are there and differ.
    """

    n_jobs: int = 4
    checksums: bool = True
    overwrite: bool = False


Progress = Callable[[RemoteFile, int, str], None]


def fetch_files(
    files: Sequence[RemoteFile], output: Path, client: Client, rules: Rules = Rules(), progress: Progress | None = None
) -> Outcome:
    """Download files that are not there yet; a rerun goes on where the last one ended.

    Parameters
    ----------
    files : sequence of RemoteFile
    output : Path
        Folder that they come to lie in.
    client : Client
    rules : Rules
    progress : callable, optional
        Called from several threads with a file, the bytes that are there, and a state: ``running``, ``fetched``,
        ``there`` or ``failed``.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    FetchError
        If the folder cannot be written to, is too small, or another download is writing to it.
    """
    output = Path(output).absolute()
    check_names(files)
    tell = progress or (lambda *_: None)
    outcome = Outcome()
    _make_folder(output)
    lock = FileLock(output / ".pydra_vae_fetch.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FetchError(f"another download is writing to {output}: wait for it, or choose another --output") from None
    except OSError as error:
        raise no_room(output / "lock", error) from error
    try:
        _check_room(files, output)
        _all(files, output, client, rules, tell, outcome)
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
    return outcome


def check_names(files: Sequence[RemoteFile]) -> None:
    """Raise FetchError where a listed name leads out of the output folder, or would write to a terminal."""
    for name in (file.path for file in files):
        if Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).parts:
            raise FetchError(f"the server names files outside the output folder, which is refused: {name!r}")
        if any(ord(character) < 32 or ord(character) == 127 for character in name):
            raise FetchError(f"the server names files with control characters, which is refused: {name!r}")


def _all(files, output: Path, client: Client, rules: Rules, tell: Progress, outcome: Outcome) -> None:
    with ThreadPoolExecutor(rules.n_jobs) as pool:
        futures = {pool.submit(_one, file, output, client, rules, tell): file for file in files}
        try:
            left: set[Future] = set(futures)
            while left:
                done, left = wait(left, return_when=FIRST_EXCEPTION)
                for future in done:
                    _note(future, futures[future], outcome, tell, client)
                if outcome.stopped:
                    client.stopped.set()
                    left = {future for future in left if not future.cancel()}
        except BaseException:
            client.stopped.set()
            if client.say:
                client.say("for open connections, a minute at most")
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _note(future: Future, file: RemoteFile, outcome: Outcome, tell: Progress, client: Client) -> None:
    try:
        (outcome.fetched if future.result() else outcome.there).append(file.path)
    except StopFetching as error:
        if not client.stopped.is_set():
            outcome.stopped = outcome.stopped or str(error)
    except FetchError as error:
        outcome.failed[file.path] = str(error)
        tell(file, 0, "failed")


def _one(file: RemoteFile, output: Path, client: Client, rules: Rules, tell: Progress) -> bool:
    """Bring one file; False where it was there."""
    path = output / file.path
    try:
        if path.exists():
            why = why_different(path, file, rules.checksums)
            if why is None:
                tell(file, file.size, "there")
                return False
            if not rules.overwrite:
                raise FetchError(
                    f"{path} differs from the server's: {why}. Changed here, or newer there: move it away, or give "
                    "--overwrite"
                )
        client.check()
        _download(file, path, client, rules, tell)
    except OSError as error:
        raise no_room(path, error) from error
    tell(file, file.size, "fetched")
    return True


def _download(file: RemoteFile, path: Path, client: Client, rules: Rules, tell: Progress) -> None:
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    output = path.parents[len(Path(file.path).parts) - 1]
    path.parent.mkdir(parents=True, exist_ok=True)
    downloader = Resuming(
        client, file, part_of(path, file), lambda size: tell(file, size, "running"), checksums=rules.checksums
    )
    known = file.hash if rules.checksums else None
    keeper = pooch.create(output, "", registry={file.path: known}, urls={file.path: file.url}, retry_if_failed=1)
    if known is None:  # what is there differs and may be overwritten: pooch would take it for the right one
        path.unlink(missing_ok=True)
    try:
        keeper.fetch(file.path, downloader=downloader)
    except ValueError as error:
        raise FetchError(
            f"{file.path}: wrong bytes came, twice: {error}. A proxy on the way? Where a bucket's ETags are no MD5 "
            "(some are encrypted), --no-checksums compares sizes alone"
        ) from error
    for old in path.parent.glob(f".{escape(path.name)}.*.part"):  # of versions that are no more
        old.unlink(missing_ok=True)


def part_of(path: Path, file: RemoteFile) -> Path:
    """Where a file grows: hidden, and named by its version, so that two versions are never joined."""
    version = hashlib.md5(f"{file.checksum}{file.etag}{file.size}".encode(), usedforsecurity=False).hexdigest()[:8]
    return path.with_name(f".{path.name}.{version}.part")


def missing_bytes(files: Sequence[RemoteFile], output: Path) -> int:
    """How much is still to come, in bytes, judged by sizes."""
    total = 0
    for file in files:
        path = Path(output, file.path)
        part = part_of(path, file)
        if not path.exists():
            total += file.size - (part.stat().st_size if part.exists() else 0)
    return total


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FetchError(f"--output {output} is a file; a folder is needed") from None
    except OSError as error:
        raise no_room(output, error) from error


def _check_room(files: Sequence[RemoteFile], output: Path) -> None:
    needed, free = missing_bytes(files, output), shutil.disk_usage(output).free
    if needed * (1 + _RESERVE) > free:
        raise FetchError(
            f"{in_words(needed)} are still to come and {in_words(free)} are free in {output}: make room, or choose "
            "another --output, or fewer participants, tasks or spaces"
        )
