"""What the steps on frames of fMRI share: runs, blocks of time, the split's frames, regressors of the runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.subject_split import split_persons
from pydra_vae.tasks._io import load_array, read_weights

ANY = "any condition"  # the sum of all conditions: task against rest


@dataclass(frozen=True)
class Run:
    """One run: its number (from 1), (V, T) series, frames kept, repetition time in seconds, file."""

    number: int
    series: np.ndarray
    kept: np.ndarray
    t_r: float
    path: Path


def load_runs(series: Sequence[Path], frames: Sequence[Path], infos: Sequence[Path]) -> list[Run]:
    """Open the runs of MaskBold; ValueError where they are not of one mask or a list is short."""
    if not len(series) == len(frames) == len(infos) or not len(series):
        raise ValueError(
            f"{len(series)} series, {len(frames)} tables of frames and {len(infos)} JSON files: give one of each a run"
        )
    runs = []
    for number, (path, table, info) in enumerate(zip(series, frames, infos, strict=True), start=1):
        x = load_array(path)
        if x.ndim != 2 or x.shape[0] != load_array(series[0]).shape[0]:
            raise ValueError(
                f"{path} has the shape {x.shape}, but {series[0]} {load_array(series[0]).shape}: runs of one mask, "
                "voxels × frames, are needed"
            )
        t_r = json.loads(Path(info).read_text(encoding="utf-8"))["repetition_time"]
        runs.append(Run(number, x, np.flatnonzero(read_weights(table, x.shape[1])), float(t_r), Path(path)))
    return runs


def frame_rows(run: Run, block_seconds: float, fractions: Sequence[float], seed: int) -> list[dict]:
    """Rows of the split for the kept frames of a run, in order."""
    length = max(1, round(block_seconds / run.t_r))
    block = run.kept // length
    names = {number: f"run-{run.number}_block-{number + 1:02d}" for number in np.unique(block).tolist()}
    if len(names) < 3:
        raise ValueError(
            f"{run.path} has {len(names)} block(s) of {block_seconds:g} s among its {len(run.kept)} usable frames, and "
            "training, validation and test need 3 at least: shorten block_seconds or leave the run out"
        )
    part = split_persons(list(names.values()), fractions, seed + run.number - 1)
    return [
        {
            "label": f"run-{run.number}_frame-{frame:04d}",
            "person": names[number],
            "part": part[names[number]],
            "run": run.number,
            "frame": frame,
        }
        for frame, number in zip(run.kept.tolist(), block.tolist(), strict=True)
    ]


def standardised_run(run: Run, train: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Kept frames (n, V) scaled by the training frames, and which voxels are constant over these.

    A voxel that is constant or not finite is 0 throughout where the mean is taken off.
    """
    x = np.ascontiguousarray(np.asarray(run.series)[:, run.kept].T, dtype=np.float64)
    mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
    with np.errstate(invalid="ignore"):
        still = ~(sd > 1e-7 * np.abs(x).max(axis=0)) | ~np.isfinite(x).all(axis=0)
    if how == "none":
        return np.where(np.isfinite(x), x, 0).astype(np.float32), still
    x -= mean
    if how == "zscore":
        x /= np.where(still, 1, sd)
    x[:, still] = 0
    return x.astype(np.float32), still


@dataclass(frozen=True)
class Frames:
    """Rows of frame_split.tsv: part, run and frame of each kept frame."""

    part: np.ndarray
    run: np.ndarray
    frame: np.ndarray

    @classmethod
    def load(cls, path: Path, n: int | None = None) -> "Frames":
        """Read and check frame_split.tsv; n rows are needed where n is given."""
        table = read_table(path)
        missing = [name for name in ("part", "run", "frame") if name not in table]
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}: give the frame_split.tsv of StackFrames")
        if n is not None and len(table) != n:
            raise ValueError(f"{path} lists {len(table)} frames but there are values for {n}: give both of one run")
        return cls(*(table[name].to_numpy() for name in ("part", "run", "frame")))

    @property
    def train(self) -> np.ndarray:
        """Numbers of the training frames."""
        return np.flatnonzero(self.part == "train")

    def kept(self) -> list[np.ndarray]:
        """Frames of each run, in order of the runs."""
        return [self.frame[self.run == number] for number in np.unique(self.run)]


def load_conditions(regressors: Sequence[Path], frames: Frames) -> tuple[list[str], list[np.ndarray]]:
    """Conditions, the first the sum of all, and each run's (T_run, n) regressors (TaskRegressors)."""
    kept = frames.kept()
    if len(regressors) != len(kept):
        raise ValueError(f"{len(regressors)} tables of regressors but {len(kept)} runs: give one for each run")
    tables = [read_table(path) for path in regressors]
    not_conditions = ("frame", "time", "block")
    names = list(dict.fromkeys(n for t in tables for n in t if n not in not_conditions and not n.startswith("raw_")))
    values = []
    for path, table, rows in zip(regressors, tables, kept, strict=True):
        if len(table) <= rows.max():
            raise ValueError(f"{path} has {len(table)} frames, but the split one numbered {rows.max()}: of one run?")
        own = [table[name].to_numpy(float) if name in table else np.zeros(len(table)) for name in names]
        values.append(np.column_stack([np.sum(own, axis=0), *own]))
    return [ANY, *names], values
