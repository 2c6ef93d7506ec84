"""Which stored results a run with today's code and files could still find, and which only take up space.

A result is within reach if the code of its step and its input files give the key under which it is stored. What a step
read from another step's folder must come from a result within reach too, or have the content of one: an edited step
that gives the same file again does not cut off what follows it.
"""

import contextlib
import importlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from pickle import UnpicklingError

import cloudpickle
from pydra.utils.general import attrs_values

from pydra_vae.engine import context, hashing, results
from pydra_vae.engine.locks import Holder, holder
from pydra_vae.engine.prehash import paths_in, paths_of
from pydra_vae.engine.step import StepTask
from pydra_vae.engine.why import RECORD

JOB = "_job.pklz"
EDITED = "its code was edited"
GONE = "its step is no more"
UNFINISHED = "it was interrupted or failed"
CODE = {"function", "Outputs"}
SCRIPTS = ("__main__", "__mp_main__")  # a step of a script: only a run of that script knows its code


@dataclass(frozen=True)
class Stored:
    """One step's folder in a work folder.

    Attributes
    ----------
    folder : Path
    step : str
        Its name.
    size : int
        Bytes of its files and its checkpoint.
    when : float
        Of its result, or of its last sign of life; seconds since the epoch.
    lost : str
        Why no run can find it any more; "" if one can.
    absent : Path or None
        A file it was made from that is not there, nor the folder in which it lay, or of which only the link is there:
        a disk that is not mounted, or a dropped file of DataLad, perhaps.
    kin : str
        The same for results that only code and the content of files tell apart.
    """

    folder: Path
    step: str
    size: int
    when: float
    lost: str = ""
    absent: Path | None = None
    kin: str = ""


def survey(work_dir: Path) -> list[Stored]:
    """Look at every step's folder in a work folder; nothing is changed.

    Parameters
    ----------
    work_dir : Path

    Returns
    -------
    list of Stored
        Folders that no step of this engine left are not among them.
    """
    root = Path(work_dir).resolve()
    hashing.find_place(root / hashing.FOLDER)
    return _Survey(root).all()


def latest(found: Iterable[Stored]) -> set[Path]:
    """Folders of the newest of each group of results that only code and the content of files tell apart."""
    newest: dict[tuple[str, str], Stored] = {}
    for one in found:
        if one.lost != UNFINISHED and one.when >= newest.setdefault((one.step, one.kin), one).when:
            newest[one.step, one.kin] = one
    return {one.folder for one in newest.values()}


def running(work_dir: Path) -> list[Holder]:
    """Locks of processes that compute something here, or may: those of other machines, and empty ones."""
    return [held for path in sorted(Path(work_dir).glob("*.lock")) if (held := holder(path)) is not None]


def remove(one: Stored):
    """Delete a step's folder, its checkpoint, and what its locks left."""
    root, key = one.folder.parent, one.folder.name
    # the result first: a folder that is only half deleted must not be taken for one
    (one.folder / results.RESULT).unlink(missing_ok=True)
    shutil.rmtree(one.folder)
    for path in (*root.glob(f"{key}*.lock"), *(root / context.CHECKPOINTS).glob(f"{key}*")):
        with contextlib.suppress(OSError):
            path.unlink()


class _Survey:
    """All step folders of one work folder, each judged once."""

    def __init__(self, root: Path):
        self.root = root
        self.records = {path.parent: _read(path) for path in sorted(root.glob(f"*/{RECORD}"))}
        self.tasks = {folder: _task_in(folder, root) for folder in self.records}
        self._reasons: dict[Path, tuple[str, Path | None]] = {}
        self._kins: dict[Path, str] = {}
        self._namesakes: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for folder in self.records:
            for file in folder.iterdir():
                self._namesakes[self.step(folder), file.name].append(folder)

    def all(self) -> list[Stored]:
        return [self.stored(folder) for folder in self.records]

    def stored(self, folder: Path) -> Stored:
        checkpoints = (self.root / context.CHECKPOINTS).glob(f"{folder.name}*")
        size = sum(path.stat().st_size for path in (*folder.rglob("*"), *checkpoints) if path.is_file())
        signs = [folder / name for name in (RECORD, results.RESULT, context.PROGRESS_FILE)]
        when = max(path.stat().st_mtime for path in signs if path.exists())
        lost, absent = self.reason(folder)
        can_go_on = context.checkpoint_path(self.root, folder.name).exists()
        if not lost and not absent and not _is_success(folder) and not can_go_on:
            lost = UNFINISHED
        return Stored(folder, self.step(folder).rpartition(".")[2], size, when, lost, absent, self.kin(folder))

    def step(self, folder: Path) -> str:
        return str(self.records[folder].get("step", ""))

    def reason(self, folder: Path) -> tuple[str, Path | None]:
        """Why no run can find this result, and which file is absent with its folder."""
        if folder not in self._reasons:
            self._reasons[folder] = self._judge(folder)
        return self._reasons[folder]

    def _judge(self, folder: Path) -> tuple[str, Path | None]:
        task = self.tasks[folder]
        if self.step(folder).partition(".")[0] in SCRIPTS:
            return "", None
        if task is None:
            return ("" if _is_cut_off(folder) else _why_unreadable(self.step(folder))), None
        missing = [path for path in paths_in(task) if not path.exists()]
        if missing:
            # a link that leads nowhere is how DataLad leaves a file whose content it dropped
            absent = next((path for path in missing if path.is_symlink() or not path.parent.exists()), None)
            inside = absent is not None and absent.is_relative_to(self.root)
            return ("", absent) if absent and not inside else (f"{missing[0]} is gone", None)
        changed = self._changed(folder, task)
        if changed:
            return (EDITED if changed & CODE else f"input {', '.join(sorted(changed))} changed"), None
        for path in paths_in(task):
            maker = self._maker(path)
            if maker is None:
                continue
            lost, absent = self.reason(maker)
            if (lost or absent) and not self._made_again(path, maker):
                name = self.step(maker).rpartition(".")[2]
                return (f"it was made from an older result of {name}" if lost else ""), absent
        return "", None

    def _changed(self, folder: Path, task: StepTask) -> set[str]:
        """What tells the task of today from the one whose key the folder bears."""
        key, hashes = task._compute_hashes()
        if f"{task._task_type()}-{key}" == folder.name:
            return set()
        before = self.records[folder].get("hashes", {})
        return {name for name in hashes.keys() | before.keys() if hashes.get(name) != before.get(name)} or CODE

    def _maker(self, path: Path) -> Path | None:
        """The folder of the step that wrote a file."""
        if not path.is_relative_to(self.root):
            return None
        folder = self.root / path.relative_to(self.root).parts[0]
        return folder if folder in self.records else None

    def _made_again(self, path: Path, maker: Path) -> bool:
        """Whether a result within reach of the same step holds the same file."""
        for folder in self._namesakes[self.step(maker), path.name]:
            twin = folder / path.relative_to(maker)
            if folder != maker and not any(self.reason(folder)) and _same(path, twin):
                return True
        return False

    def kin(self, folder: Path) -> str:
        if folder not in self._kins:
            task, hashes = self.tasks[folder], self.records[folder].get("hashes", {})
            values = {} if task is None else attrs_values(task)
            files = {name for name, value in values.items() if any(paths_of(value))}
            settings = sorted((name, text) for name, text in hashes.items() if name not in files | CODE)
            sources = () if task is None else paths_in(task)
            sources = sorted(self.kin(m) + p.name if (m := self._maker(p)) else str(p) for p in sources)
            self._kins[folder] = blake2b(repr((settings, sources)).encode(), digest_size=16).hexdigest()
        return self._kins[folder]


def _read(record: Path) -> dict:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _task_in(folder: Path, root: Path) -> StepTask | None:
    """The step with its inputs as it was stored; None if today's code cannot read it."""
    try:
        job = cloudpickle.loads((folder / JOB).read_bytes())
        task, old = job.task, Path(job.cache_root)
        values = attrs_values(task)  # fails where the step has an input now that it did not have then
        if old != root:  # the work folder was moved
            for name, value in values.items():
                setattr(task, name, results.moved(value, old, root))
    except Exception:
        return None
    return task if isinstance(task, StepTask) else None


def _is_cut_off(folder: Path) -> bool:
    """Whether a step's inputs are not there or not whole, which says nothing of its result."""
    try:
        cloudpickle.loads((folder / JOB).read_bytes())
    except (OSError, EOFError, UnpicklingError):
        return True
    except Exception:
        return False
    return False


def _why_unreadable(step: str) -> str:
    """Why a step's inputs cannot be read; "" where its module is not to be found here, so that nobody can tell."""
    module, _, name = step.rpartition(".")
    try:
        return EDITED if hasattr(importlib.import_module(module), name) else GONE
    except ModuleNotFoundError as error:
        # a lab's own package may lie elsewhere, or another of its name here; of this one nothing lies elsewhere
        own = __name__.partition(".")[0]
        return GONE if error.name and f"{module}.".startswith(f"{error.name}.") and error.name.startswith(own) else ""
    except Exception:
        return ""


def _is_success(folder: Path) -> bool:
    return (folder / results.RESULT).exists() and not (folder / "_error.pklz").exists()


def _same(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()) or one.stat().st_size != other.stat().st_size:
        return False
    return hashing.content_hash(one) == hashing.content_hash(other)
