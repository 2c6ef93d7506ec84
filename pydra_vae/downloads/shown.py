"""What a person sees of a download: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pydra_vae.downloads.files import RemoteFile, in_words

_SECONDS = 10.0  # between two lines of a log


class Shown:
    """Counts what comes, as `pydra_vae.downloads.transfer.fetch_files` reports it.

    Parameters
    ----------
    files : sequence of RemoteFile
    console : Console
        On stderr.
    """

    def __init__(self, files: Sequence[RemoteFile], console: Console):
        self.n, self.total, self.console = len(files), sum(file.size for file in files), console
        self._here: dict[str, int] = {}
        self._ended: set[str] = set()
        self._said = time.monotonic()
        self._lock = threading.Lock()
        self._bar: Progress | None = None

    def __enter__(self) -> Shown:
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
            self._bar.start()
            self._bar.add_task(self._files(), total=self.total)
        return self

    def __exit__(self, *_) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, file: RemoteFile, size: int, state: str) -> None:
        """Take note of the bytes of one file that are here now."""
        with self._lock:
            self._here[file.path] = size
            if state != "running":
                self._ended.add(file.path)
            here = sum(self._here.values())
            if self._bar:
                self._bar.update(self._bar.task_ids[0], completed=here, description=self._files())
            elif time.monotonic() - self._said > _SECONDS:
                self._said = time.monotonic()
                self.console.print(f"{self._files()}, {in_words(here)} of {in_words(self.total)}", highlight=False)

    def _files(self) -> str:
        return f"{len(self._ended)} of {self.n} files"


def plan(files: Sequence[RemoteFile], output: Path, missing: int) -> str:
    """What would be done, in one line."""
    people = {Path(file.path).parts[0] for file in files if len(Path(file.path).parts) > 1}
    whose = f" of {len(people)} participant{'s' * (len(people) != 1)}"
    return (
        f"{len(files)} file{'s' * (len(files) != 1)}{whose}, {in_words(sum(file.size for file in files))}, of which "
        f"{in_words(missing)} are still to come to {output}"
    )
