"""What a job of another machine is sent, and the box in the work folder where both sides leave notes.

The work folder must be the same on all machines. Beside the steps' folders it has ``remote/``:

- ``<token>/``, the box of one submission: `OWNER` (whose it is), `PARCEL`, `CLAIM` (which process took it), `REPLY`,
  scripts and logs;
- ``<checksum>.json``, for each job under way: its token, and what the scheduler calls it. From it another run learns
  that the job waits or runs already, and whose a lock of another machine is.
"""

import contextlib
import json
import multiprocessing.spawn
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cloudpickle
from pydra.engine.job import Job

from pydra_vae.engine import digest, locks
from pydra_vae.engine.child import STARTING, Reply
from pydra_vae.engine.pool import THREAD_VARIABLES

REMOTE = "remote"
# Seconds that a network folder may take to show what another machine wrote.
GRACE = 15.0
OWNER, PARCEL, CLAIM, REPLY = "owner.json", "parcel.pkl", "claim.json", "reply.json"


@dataclass(frozen=True)
class Parcel:
    """All that a fresh process needs to compute jobs as a process spawned here would.

    Attributes
    ----------
    work : bytes
        Pickled: one job or a list of them, and whether to compute them anew.
    main : dict
        What multiprocessing would tell a spawned process: ``sys.path``, the script that started the run, the folder.
    code : dict
        What `digest.on_disk` was when this was made.
    environment : dict
        Environment variables.
    box : str
        Folder for notes.
    folders : tuple of str
        Of the jobs, in their order.
    steps : tuple of str
        Their names.
    break_locks : bool
        Remove locks of other machines, and empty ones.
    """

    work: bytes
    main: dict
    code: dict[Path, str]
    environment: dict[str, str]
    box: str
    folders: tuple[str, ...]
    steps: tuple[str, ...]
    break_locks: bool = False

    @classmethod
    def of(cls, jobs: list[Job], work: bytes, box: "Box", environment: Mapping[str, str], break_locks: bool):
        """Pack what is known now."""
        main = multiprocessing.spawn.get_preparation_data("pydra_vae-remote")
        main.pop("authkey", None)  # no secret is written into a work folder
        return cls(
            work,
            main,
            digest.on_disk(),
            {**dict.fromkeys(THREAD_VARIABLES, "1"), **environment},
            str(box.folder),
            tuple(str(job.cache_dir) for job in jobs),
            tuple(type(job.task).__name__ for job in jobs),
            break_locks,
        )

    def start_here(self):
        """Make this process what the parcel wants: paths, folder, variables, and the script as ``__mp_main__``."""
        os.environ.update({**self.environment, STARTING: "1"})
        multiprocessing.spawn.prepare(self.main)


@dataclass(frozen=True)
class Box:
    """The folder of one submission.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    @classmethod
    def new(cls, cache_root: Path) -> "Box":
        """One that holds only its owner's name; what is in it is nobody else's to read."""
        box = cls(Path(cache_root) / REMOTE / uuid.uuid4().hex)
        box.folder.mkdir(parents=True, mode=0o700)
        write_json(box.folder / OWNER, _owner())
        return box

    @property
    def root(self) -> Path:
        """Where the records are."""
        return self.folder.parent

    def record(self, checksums: Iterable[str], **what):
        """Note for other runs what these jobs are called by their scheduler."""
        whose = {"token": self.folder.name, **_owner()}
        for checksum in checksums:
            write_json(self.root / f"{checksum}.json", {**whose, **what})

    def claim(self, pid: int, **more):
        """Note which process has taken the parcel."""
        write_json(self.folder / CLAIM, {"host": locks.own_host(), "pid": pid, **more})

    def claimed(self) -> dict:
        """What `claim` noted; {} before."""
        return read_json(self.folder / CLAIM)

    def reply(self, replies: list[Reply]):
        """Leave the answer: of each job, in their order."""
        write_json(self.folder / REPLY, [asdict(reply) for reply in replies])

    def replied(self) -> list[Reply] | None:
        """The answer, if it has come."""
        self.is_there()
        found = read_json(self.folder / REPLY)
        return [Reply(**fields) for fields in found] if found else None

    def is_there(self) -> bool:
        """Whether the folder is seen; a network folder's client looks again for what was not there."""
        with contextlib.suppress(OSError):
            return OWNER in os.listdir(self.folder)
        return False

    def send(self, parcel: Parcel) -> Path:
        """Write the parcel."""
        path = self.folder / PARCEL
        path.write_bytes(cloudpickle.dumps(parcel))
        return path

    def forget(self, checksums: Iterable[str]):
        """Remove the box and its records."""
        for checksum in checksums:
            path = self.root / f"{checksum}.json"
            if read_json(path).get("token") == self.folder.name:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def recorded(cache_root: Path, checksum: str) -> tuple[dict, Box | None]:
    """What is noted of a job under way, and its box; {} and None where there is nothing."""
    root = Path(cache_root) / REMOTE
    found = read_json(root / f"{checksum}.json")
    return (found, Box(root / found["token"])) if found.get("token") else ({}, None)


def boxes(cache_root: Path) -> list[tuple[Box, dict, list[str]]]:
    """All boxes, each with what is noted of it (at least its owner) and the jobs whose records name it."""
    root = Path(cache_root) / REMOTE
    found = {folder.name: (read_json(folder / OWNER), []) for folder in root.glob("*/")}
    for path in root.glob("*.json"):
        record = read_json(path)
        if token := record.get("token"):
            found[token] = (record, [*found.get(token, ({}, []))[1], path.stem])
    return [(Box(root / token), record, checksums) for token, (record, checksums) in found.items()]


def _owner() -> dict:
    return {"host": locks.own_host(), "pid": os.getpid()}


def is_orphan(record: dict) -> bool:
    """Whether the run that made a record is known to be gone: a dead process of this machine."""
    return record.get("host") == locks.own_host() and not Path(f"/proc/{record.get('pid')}").exists()


def write_json(path: Path, content):
    """Whole or not at all."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    partial.write_text(json.dumps(content), encoding="utf-8")
    os.replace(partial, path)


def read_json(path: Path):
    """The content; {} where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
