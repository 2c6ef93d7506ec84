"""What steps over all recordings share: the split's rows, lists that match them, regressors as one array."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.tasks._io import load_array

RAW = "raw_"
NOT_SUBTASKS = ("frame", "time", "block")


@dataclass(frozen=True)
class Split:
    """Rows of subject_split.tsv.

    Attributes
    ----------
    label, person, part : (S,) arrays of str
        A recording's label, whose it is, and where it lies: train, validation, test.
    """

    label: np.ndarray
    person: np.ndarray
    part: np.ndarray

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Read and check subject_split.tsv."""
        table = read_table(path, text=("label", "person"))
        missing = {"label", "person", "part"} - set(table)
        if missing:
            columns = ", ".join(sorted(missing))
            raise ValueError(f"{path} has no column {columns}: give the subject_split.tsv of SplitSubjects")
        split = cls(*(table[name].astype(str).to_numpy() for name in ("label", "person", "part")))
        unknown = sorted(set(split.part) - {"train", "validation", "test"})
        if unknown:
            raise ValueError(f"{path} has parts {', '.join(unknown)}: only train, validation and test are known")
        return split

    @classmethod
    def dealt(cls, labels: Sequence[str], persons: Sequence[str], seed: int) -> "Split":
        """What SplitSubjects will write, before it does."""
        from pydra_vae.stats.subject_split import split_persons

        part = split_persons(persons, seed=seed)
        return cls(np.array(labels), np.array(persons), np.array([part[person] for person in persons]))

    def rows(self, part: str) -> np.ndarray:
        """Numbers of the recordings of a part."""
        return np.flatnonzero(self.part == part)

    def check(self, name: str, values: Sequence) -> None:
        """Raise ValueError unless there is one value for each recording."""
        if len(values) != len(self.label):
            raise ValueError(
                f"{len(values)} {name} but the split lists {len(self.label)} recordings: "
                "give one for each, in the order of its rows"
            )


def spaced(rows: Sequence[int], n: int) -> list[int]:
    """At most n of the rows, evenly spaced.

    >>> spaced([1, 2, 3, 4, 5], 3)
    [1, 3, 5]
    """
    return [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int))]


@dataclass(frozen=True)
class Regressors:
    """Regressors of all recordings.

    Attributes
    ----------
    names : list of str
        Sub-tasks, in the order in which they first come.
    filtered, raw : (S, T, n) float64 arrays
        Filtered like the data, and as convolved; NaN where a recording has no events, or lacks the sub-task.
    block : (S, T) array of str
        Sub-task of each frame, "" between them.
    """

    names: list[str]
    filtered: np.ndarray
    raw: np.ndarray
    block: np.ndarray


def load_regressors(paths: Sequence[Path | None], n_frames: int) -> Regressors:
    """Read one regressors.tsv a recording (TaskRegressors); None where a recording has no events."""
    tables = [None if path is None else _read(path, n_frames) for path in paths]
    names: dict[str, None] = {}
    for table in tables:
        if table is not None:
            names |= dict.fromkeys(n for n in table if n not in NOT_SUBTASKS and not n.startswith(RAW))
    shape = (len(tables), n_frames, len(names))
    filtered, raw, block = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[:2], "", dtype=object)
    for i, table in enumerate(tables):
        if table is None:
            continue
        block[i] = table["block"].fillna("").astype(str)
        for j, name in enumerate(names):
            if name in table:
                filtered[i, :, j], raw[i, :, j] = table[name], table[RAW + name]
    return Regressors(list(names), filtered, raw, block)


def _read(path, n_frames):
    table = read_table(path)
    missing = [name for name in NOT_SUBTASKS if name not in table]
    if missing:
        raise ValueError(f"{path} has no column {', '.join(missing)}: give the regressors.tsv of TaskRegressors")
    if len(table) != n_frames:
        raise ValueError(
            f"{path} has {len(table)} frames but the series have {n_frames}: do both come from the same run?"
        )
    return table


class SeriesFiles(Sequence):
    """(T, V) series of one shape, each opened when it is asked for.

    A memory map keeps its file open, and systems allow about a thousand: fewer than a large study has recordings.
    """

    def __init__(self, paths: Sequence[Path], shape: tuple[int, int]):
        self.paths, self.shape = list(paths), shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> np.ndarray:
        return load_array(self.paths[i])

    def take(self, rows: Sequence[int]) -> "SeriesFiles":
        """Some of them."""
        return SeriesFiles([self.paths[i] for i in rows], self.shape)


def load_series(paths: Sequence[Path]) -> SeriesFiles:
    """Series to be read one after the other; ValueError where their shapes differ, naming the file."""
    shape = load_array(paths[0]).shape
    for path in paths:
        x = load_array(path)
        if x.ndim != 2 or x.shape != shape:
            raise ValueError(
                f"{path} has frames × vertices {x.shape}, but {paths[0]} has {shape}: "
                "recordings of one length and one region are needed"
            )
    return SeriesFiles(paths, shape)


def training_designs(regressors, split: Split, rows: np.ndarray, n_frames: int) -> np.ndarray:
    """Design of each of the given recordings, (N,); one for all where there are no regressors.

    Recordings without events are left with those of design 0: they have to be somewhere, and rest has no timing.
    """
    from pydra_vae.stats.task_designs import designs

    if regressors is None:
        return np.zeros(len(rows), dtype=int)
    split.check("tables of regressors", regressors)
    found = designs(load_regressors([regressors[i] for i in rows], n_frames).filtered)
    return np.maximum(found, 0)
