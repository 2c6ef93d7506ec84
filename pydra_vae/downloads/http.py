"""Requests over HTTP that survive a bad line: what is there is kept, and the rest is asked for.

pooch checks a finished file and moves it into place; its own downloader starts from nothing after each break and asks
four times for what is not there. `Resuming` takes its place: bytes go to a hidden ``.part`` file that is named by the
version of the remote file, a break is answered by asking for the rest, and what the server refuses is not asked twice.
"""

from __future__ import annotations

import errno
import os
import random
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydra_vae.downloads.files import FetchError, RemoteFile, StopFetching, why_different

if TYPE_CHECKING:
    import requests

TIMEOUT = (15, 60)  # seconds until a connection, and between two pieces of an answer
TRIES = 6  # in a row that bring nothing; a try that brings bytes starts the count anew
CHUNK = 1 << 16  # bytes; at most so many are asked for twice after a break
_AGAIN = (408, 429)  # besides 5xx: try later


class Client:
    """A session for one server.

    Parameters
    ----------
    auth : callable, optional
        Signs a request; see `pydra_vae.downloads.sigv4`.
    wait : float
        Seconds before the second try; doubled each time, 30 at most.
    hint : str
        What to do when access is refused.
    say : callable, optional
        Told of a server that keeps failing, before it is asked again.
    """

    def __init__(
        self,
        auth: Callable | None = None,
        wait: float = 1.0,
        hint: str = "",
        say: Callable[[str], None] | None = None,
    ):
        self.auth, self.wait, self.hint, self.say = auth, wait, hint, say
        self.stopped = threading.Event()
        self._local = threading.local()

    def get(self, url: str, **kwargs) -> requests.Response:
        """One answer of the server, tried several times; 4xx is an error at once."""
        return self.trying(lambda: self.once(url, **kwargs), url)

    def trying(self, ask: Callable, what: str, grew: Callable[[], bool] = lambda: False):
        """Call until it works or `TRIES` calls in a row brought nothing."""
        import requests
        import urllib3
        from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

        failures = 0
        while True:
            self.check()
            try:
                return ask()
            except _Later as error:
                last, pause = str(error), error.seconds
            except (InvalidURL, MissingSchema, InvalidSchema):
                raise FetchError(f"{what}: no address that can be asked: it begins with https:// or http://") from None
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                last, pause = _in_words(error), 0.0
            failures = 1 if grew() else failures + 1
            if failures >= TRIES:
                raise FetchError(f"{what}: {last}, {failures} times in a row; start again later, what is here is kept")
            # the random part keeps many downloads from asking at the same moment
            seconds = max(pause, min(self.wait * 2 ** (failures - 1), 30.0) * random.uniform(0.75, 1.25))
            if self.say and failures > 1:  # a single one is nothing to worry about
                self.say(f"{what}: {last}; again in {seconds:.0f} s")
            self.stopped.wait(seconds)

    def check(self) -> None:
        """Raise where the download was stopped from outside."""
        if self.stopped.is_set():
            raise StopFetching("stopped")

    def once(self, url: str, **kwargs) -> requests.Response:
        """One answer, or what its status means: `FetchError` for 4xx, `StopFetching` where access is refused."""
        answer = self._session().get(url, timeout=TIMEOUT, auth=self.auth, **kwargs)
        status = answer.status_code
        if status < 400 or status == 416:
            return answer
        with answer:
            said = _said(answer)
        if status >= 500 or status in _AGAIN:
            raise _Later(f"the server answers {said}", answer.headers.get("Retry-After", ""))
        if status in (401, 403):
            raise StopFetching(f"{url}: access refused ({said}). {self.hint}".strip())
        raise FetchError(f"{url}: the server answers {said}")

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            import requests

            self._local.session = requests.Session()
            # as stored: a server that packs a file would make its size and checksum another's
            self._local.session.headers["Accept-Encoding"] = "identity"
        return self._local.session


class Resuming:
    """A downloader for pooch, of one file.

    Parameters
    ----------
    client : Client
    file : RemoteFile
    part : Path
        Holds what has come so far; left behind by a failure, and used by the next try.
    progress : callable
        Called with the bytes that the part file holds now.
    checksums : bool
        Whether a checksum that pooch cannot compute is held against the file here.
    """

    def __init__(
        self, client: Client, file: RemoteFile, part: Path, progress: Callable[[int], None], checksums: bool = True
    ):
        self.client, self.file, self.part, self.progress = client, file, part, progress
        self.checksums = checksums

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download to `output_file`; a ValueError for wrong bytes lets pooch ask once more from the beginning."""
        os.unlink(output_file)  # pooch's empty file, which would outlive a process that is killed
        if self.file.size == 0:
            self.part.write_bytes(b"")
        last = [self._size()]

        def grew() -> bool:
            before, last[0] = last[0], self._size()
            return last[0] > before

        while self._size() != self.file.size:
            self.client.trying(lambda: self._more(url), self.file.path, grew)
        os.replace(self.part, output_file)
        if self.checksums and self.file.hash is None and (why := why_different(Path(output_file), self.file)):
            raise ValueError(f"{self.file.path}: {why}")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _more(self, url: str) -> None:
        """Ask for what is missing, once."""
        have = self._size()
        if have > self.file.size:
            self.part.unlink()
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self.file.etag:
            headers["If-Range"] = self.file.etag
        with self.client.once(url, headers=headers, stream=True) as answer:
            self._check_version(answer)
            begins = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if answer.status_code == 416 or (answer.status_code == 206 and not begins):
                self.part.unlink(missing_ok=True)
                raise _Later("the server does not give the rest of the file")
            with _disk(self.part, "ab" if answer.status_code == 206 else "wb") as stream:
                self._take(answer, stream)
        if (size := self._size()) > self.file.size:
            raise _wrong_size(self.part, size, self.file)
        if size < self.file.size:
            raise _Later(f"the answer ended after {size:,} of {self.file.size:,} bytes")

    def _check_version(self, answer: requests.Response) -> None:
        now, listed = (etag.removeprefix("W/").strip('"') for etag in (answer.headers.get("ETag", ""), self.file.etag))
        if now and listed and now != listed:
            self.part.unlink(missing_ok=True)
            raise FetchError(f"{self.file.path}: the server has another version than it listed; start again")

    def _take(self, answer: requests.Response, stream: _disk) -> None:
        for chunk in answer.raw.stream(CHUNK, decode_content=False):
            self.client.check()
            stream.write(chunk)
            self.progress(stream.tell())


class _disk:
    """A file whose errors say what to do; network errors are OSErrors, too, so they are told apart here."""

    def __init__(self, path: Path, mode: str):
        self.path = path
        try:
            self._stream = path.open(mode)
        except OSError as error:
            raise no_room(path, error) from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._stream.close()
        except OSError as error:
            raise no_room(self.path, error) from error

    def write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError as error:
            raise no_room(self.path, error) from error

    def tell(self) -> int:
        return self._stream.tell()


class _Later(Exception):
    """A failure that may pass."""

    def __init__(self, message: str, seconds: str = ""):
        super().__init__(message)
        self.seconds = min(float(seconds), 60.0) if seconds.isdecimal() else 0.0


def no_room(path: Path, error: OSError) -> StopFetching:
    """What an error of the disk means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StopFetching(f"no space left for {path}: make room and start again, what is here is kept")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StopFetching(f"{path.parent} cannot be written to ({error.strerror}): choose another folder by --output")
    return StopFetching(f"{path}: {error.strerror or error}")


def _said(answer: requests.Response) -> str:
    """Status of a refusal, and S3's own words for it, such as RequestTimeTooSkewed."""
    body = next(answer.iter_content(4096), b"").decode(errors="replace")
    words = [match[1] for tag in ("Code", "Message") if (match := re.search(f"<{tag}>([^<]+)<", body))]
    return f"{answer.status_code} {answer.reason}" + (f", {': '.join(words)}" if words else "")


def _wrong_size(part: Path, size: int, file: RemoteFile) -> ValueError:
    part.unlink()
    return ValueError(f"{file.path}: {size:,} bytes came, the listing says {file.size:,}")


def _in_words(error: Exception) -> str:
    """The last cause, which is what happened."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return f"{type(error).__name__}: {error}"
