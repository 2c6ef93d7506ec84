"""First and second moments, range and usability of voxel series, one pass over each run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks

# A voxel whose range is below this fraction of its size is constant up to float32 rounding.
CONSTANT = 1e-6


@dataclass(frozen=True)
class Moments:
    """Per voxel of one run, over frames of weight 1; (V,) arrays.

    `finite` looks at all frames, since a model sees all of them; `varies` is false where the range
    is nothing but float32 rounding.
    """

    finite: np.ndarray
    varies: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def select(self, voxels: np.ndarray) -> "Moments":
        """The moments of some voxels."""
        return Moments(**{field.name: getattr(self, field.name)[voxels] for field in fields(self)})


def moments(run: np.ndarray, used: np.ndarray, mean: np.ndarray | None = None) -> Moments:
    """Moments of each voxel over the used frames.

    Parameters
    ----------
    run : (V, T) array
        May be memory-mapped; NaN and inf make a voxel not finite, whatever the frame's weight.
    used : (T,) bool array
        Frames of weight 1.
    mean : (V,) array, optional
        Added to every voxel (a mean image, for residuals).
    """
    names = ("low", "high", "mean", "variance")
    values = {name: np.zeros(run.shape[0]) for name in names}
    finite = np.empty(run.shape[0], dtype=bool)
    columns = columns_of(used)
    for rows in row_chunks(*run.shape):
        chunk = np.array(run[rows], dtype=np.float64)
        finite[rows] = np.isfinite(chunk).all(axis=1)
        chunk[~finite[rows]] = 0
        if mean is not None:
            finite[rows] &= np.isfinite(mean[rows])
            chunk += np.where(finite[rows], mean[rows], 0)[:, None]
        chunk = chunk[:, columns]
        values["low"][rows], values["high"][rows] = chunk.min(axis=1), chunk.max(axis=1)
        values["mean"][rows], values["variance"][rows] = chunk.mean(axis=1), chunk.var(axis=1)
    size = np.maximum(np.abs(values["low"]), np.abs(values["high"]))
    varies = values["high"] - values["low"] > CONSTANT * size
    return Moments(finite=finite, varies=varies, **values)


def checked_frames(runs: Sequence[np.ndarray], weights) -> list[np.ndarray]:
    """Which frames of each run count, (T_r,) bool each, after checks of the shapes.

    Raises
    ------
    ValueError
        When runs differ in voxels, weights do not fit, or a run has fewer than two usable frames.
    """
    if not runs:
        raise ValueError("no run was given")
    sizes = [run.shape[0] for run in runs]
    if len(set(sizes)) > 1:
        raise ValueError(f"the runs have {sizes} voxels: mask all of them with the same mask")
    weights = [None] * len(runs) if weights is None else list(weights)
    if len(weights) != len(runs):
        raise ValueError(f"there are {len(runs)} runs but {len(weights)} tables of frames")
    used = [frame_weights(w, run.shape[1]) for run, w in zip(runs, weights, strict=True)]
    for number, frames in enumerate(used):
        if frames.sum() < 2:
            raise ValueError(
                f"run {number} has {int(frames.sum())} usable frame(s) of {frames.size}: leave "
                "this run out, or censor fewer frames"
            )
    return used


def joined_chunks(runs: Sequence[np.ndarray], kept: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows among the kept voxels, (k, T) float64 block of all runs joined)."""
    n_frames, start = sum(run.shape[1] for run in runs), 0
    for rows in row_chunks(kept.size, n_frames):
        here = kept[rows]
        chunk = np.empty((int(here.sum()), n_frames))
        column = 0
        for run in runs:
            chunk[:, column : column + run.shape[1]] = run[rows][here]
            column += run.shape[1]
        yield slice(start, start + len(chunk)), chunk
        start += len(chunk)
