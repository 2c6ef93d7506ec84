"""FactorEmbedding: averages of the test recordings, and which sub-task each frame belongs to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.task_designs import designs
from pydra_vae.stats.trajectories import opacities
from pydra_vae.tasks._recordings import Split, load_regressors


@dataclass(frozen=True)
class Trajectory:
    """Averages one after the other.

    Attributes
    ----------
    means : list of (T, k) float64 arrays
        One a design.
    blocks : list of (T,) str arrays
        Sub-task of each frame, "" between blocks.
    t_r : float
        Seconds between frames; 0 without events.
    """

    means: list[np.ndarray]
    blocks: list[np.ndarray]
    t_r: float

    @classmethod
    def load(cls, factors: np.ndarray, subject_split: Path, regressors, n_designs: int) -> "Trajectory":
        """Average the test recordings of each design; the first test recording where none has events."""
        split = Split.load(subject_split)
        split.check("recordings in the factors", factors)
        test = split.rows("test")
        if not len(test):
            raise ValueError(f"{subject_split} has no test recording: give at least three persons")
        if regressors:
            split.check("regressors", regressors)
            tables = [None if regressors[row] is None else Path(regressors[row]) for row in test]
            read = load_regressors(tables, factors.shape[1])
            design = designs(read.filtered)
            members = [np.flatnonzero(design == number) for number in range(min(design.max() + 1, n_designs))]
            if members:
                means = [np.asarray(factors[test[m]], dtype=np.float64).mean(axis=0) for m in members]
                return cls(means, [read.block[m[0]].astype(str) for m in members], _t_r(tables))
        return cls([np.asarray(factors[test[0]], dtype=np.float64)], [np.full(factors.shape[1], "")], 0.0)

    @property
    def factors(self) -> np.ndarray:
        """Frames of all designs, (D · T, k)."""
        return np.concatenate(self.means)

    @property
    def joined(self) -> np.ndarray:
        """Sub-tasks of all designs' frames, (D · T,)."""
        return np.concatenate(self.blocks)

    @property
    def opacity(self) -> np.ndarray:
        """Of all designs' frames, (D · T,)."""
        return np.concatenate([opacities(one) for one in self.blocks])

    @property
    def frame(self) -> np.ndarray:
        """Number of each frame in its run, from 0, (D · T,)."""
        return np.concatenate([np.arange(len(one)) for one in self.blocks])

    @property
    def design(self) -> np.ndarray:
        """Which design each frame is of, (D · T,)."""
        return np.repeat(np.arange(len(self.blocks)), [len(one) for one in self.blocks])

    @property
    def has_task(self) -> bool:
        """Whether any frame belongs to a sub-task."""
        return bool((self.joined != "").any())


def _t_r(tables) -> float:
    time = next(read_table(path)["time"] for path in tables if path is not None)
    return float(time.diff().median()) if len(time) > 1 else 0.0
