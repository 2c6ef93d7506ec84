"""A lab of its own for each engine test: packages written into a temporary folder, scripts run in new processes."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The machine may be busy: no test needs a tenth of this when it works, and hangs for ever when it does not.
LIMIT = 120


class Lab:
    """A folder with code and a work folder, and what a user would do there."""

    def __init__(self, folder: Path, path: list[Path]):
        self.folder = folder
        self.work = folder / "work"
        self.path = [folder, *path]
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file, its indentation removed."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def edit(self, name: str, old: str, new: str):
        """Replace a text that must be there."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {path}"
        path.write_text(text.replace(old, new))

    def start(self, script: str, *arguments: str) -> subprocess.Popen:
        """Start a script as the leader of a process group of its own."""
        paths = os.pathsep.join(map(str, self.path))
        return subprocess.Popen(
            [sys.executable, script, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "400"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *arguments: str, code: int | None = 0) -> "Said":
        """Run a script to its end; `code` is the exit status it must have (None: any)."""
        return self.end(self.start(script, *arguments), code)

    def end(self, process: subprocess.Popen, code: int | None = 0) -> "Said":
        """Wait for a script."""
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"hangs\n{out}\n{err}")
        if code is not None:
            assert process.returncode == code, f"exit status {process.returncode}\n{out}\n{err}"
        return Said(out, err, process.returncode)


class Said:
    """What a script printed; `report` is the JSON on the last line of its stdout."""

    def __init__(self, out: str, err: str, code: int):
        self.out, self.err, self.code = out, err, code

    @property
    def report(self):
        return json.loads(self.out.strip().splitlines()[-1])


def until(condition, what: str, limit: float = LIMIT):
    """Wait for something to become true."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {limit} s"
        time.sleep(0.02)
    return value


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.fixture
def lab(tmp_path) -> Lab:
    """A lab that uses the checkout's package."""
    return Lab(tmp_path / "lab", [ROOT])


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The package as pip installs it, from a copy of the tree (pip would leave a build folder in it)."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pydra_vae", "workflows", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("built")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)], check=True
    )
    return target


@pytest.fixture
def installed(built, tmp_path) -> Lab:
    """A lab with a copy of the installed package of its own, to be edited."""
    copy = tmp_path / "lab"
    shutil.copytree(built, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return Lab(copy, [])


@pytest.fixture
def tools():
    """Helpers for waiting and looking."""

    class Tools:
        until = staticmethod(until)
        is_alive = staticmethod(is_alive)

    return Tools


@pytest.fixture
def toys(monkeypatch):
    """The steps of toysteps.py, importable in worker processes too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toysteps

    return toysteps
