"""How well series are reconstructed: MSE, EMSE, R², variance ratio, and the shrinkage control.

All figures come from one pass over input x and reconstruction x̂ (voxels × time), over frames of
weight 1:

    voxel-wise MSE    e_v = mean_t (x − x̂)²
    EMSE at a frame   mean_v (x − x̂)² at one t (the paper: t = 900)
    R²                1 − Σ_v e_v / Σ_v Var_t(x): against predicting each voxel's own mean
    variance ratio    Σ_v Var_t(x̂) / Σ_v Var_t(x): how much of the series' variance is left

The last explains most of a gain in tSNR, which is about 1/√(variance ratio) − 1 when the mean is
kept; `shrink` is the model that has nothing else. (The variance *across* voxels, which shows
collapse, is in `collapse`.)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks

PAPER_FRAME = 900
N_RANDOM_VOXELS = 2000

Model = np.ndarray | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Errors:
    """Errors of one reconstruction.

    Attributes
    ----------
    voxel : (K,) float64 array
        Voxel-wise MSE.
    frame : (T,) float64 array
        EMSE of every frame, frames of weight 0 included.
    input_variance, output_variance : (K,) float64 arrays
        Temporal variance of x and of x̂.
    used : (T,) bool array
        Frames of weight 1.
    """

    voxel: np.ndarray
    frame: np.ndarray
    input_variance: np.ndarray
    output_variance: np.ndarray
    used: np.ndarray

    def mse(self, rows=slice(None)) -> float:
        """Mean squared error over some voxels (bool or index array; all by default)."""
        return float(self.voxel[rows].mean())

    def r2(self, rows=slice(None)) -> float:
        """1 − MSE / MSE of each voxel's own temporal mean; NaN for data without variance."""
        total = self.input_variance[rows].sum()
        return float(1 - self.voxel[rows].sum() / total) if total > 0 else np.nan

    def variance_ratio(self, rows=slice(None)) -> float:
        """Temporal variance of the reconstruction over that of the input."""
        total = self.input_variance[rows].sum()
        return float(self.output_variance[rows].sum() / total) if total > 0 else np.nan

    def emse(self, frame: int | None = None) -> float:
        """EMSE at one frame (0-based), or the mean over all frames of weight 1."""
        if frame is None:
            return float(self.frame[self.used].mean())
        if not 0 <= frame < len(self.frame):
            raise ValueError(
                f"EMSE was asked for at frame {frame}, but there are {len(self.frame)} frames, "
                f"counted from 0: choose one up to {len(self.frame) - 1}"
            )
        return float(self.frame[frame])


def reconstruction_errors(
    x: np.ndarray,
    reconstruction: Model,
    weights: np.ndarray | None = None,
) -> Errors:
    """Compare input and reconstruction.

    Parameters
    ----------
    x : (K, T) array
        May be memory-mapped.
    reconstruction : (K, T) array, or a function
        A function takes (k, T) rows of x and gives their reconstruction, e.g. `Pca.reconstruct`:
        no control needs a second matrix in memory.
    weights : (T,) array, optional

    Examples
    --------
    >>> x = np.array([[1.0, 3.0], [2.0, 6.0]])
    >>> errors = reconstruction_errors(x, voxel_mean)
    >>> errors.mse(), errors.r2(), errors.variance_ratio()
    (2.5, 0.0, 0.0)
    """
    return compare(x, {"": reconstruction}, weights)[""]


def compare(x: np.ndarray, models: Mapping[str, Model], weights: np.ndarray | None = None) -> dict[str, Errors]:
    """Errors of several reconstructions in one pass over the input; see `reconstruction_errors`."""
    n_voxels, n_frames = x.shape
    for model in models.values():
        if not callable(model) and model.shape != x.shape:
            raise ValueError(f"the reconstruction has the shape {model.shape} but the input {x.shape}")
    used = frame_weights(weights, n_frames)
    columns, before = columns_of(used), np.empty(n_voxels)
    found = {name: Errors(np.empty(n_voxels), np.zeros(n_frames), before, np.empty(n_voxels), used) for name in models}
    for rows in row_chunks(n_voxels, n_frames):
        inputs = np.asarray(x[rows], dtype=np.float64)
        before[rows] = inputs[:, columns].var(axis=1)
        for name, model in models.items():
            decoded = np.asarray(model(inputs) if callable(model) else model[rows], dtype=np.float64)
            errors, square = found[name], inputs - decoded
            square *= square
            errors.frame[:] += square.sum(axis=0)
            errors.voxel[rows] = square[:, columns].mean(axis=1)
            errors.output_variance[rows] = decoded[:, columns].var(axis=1)
    for errors in found.values():
        errors.frame[:] /= n_voxels
    return found


def voxel_mean(x: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Each voxel's own temporal mean at every frame: the reconstruction with R² = 0, (K, T)."""
    mean = x[:, columns_of(frame_weights(weights, x.shape[1]))].mean(axis=1, keepdims=True)
    return np.broadcast_to(mean, x.shape)


def shrink(x: np.ndarray, variance_ratio: float, weights: np.ndarray | None = None) -> np.ndarray:
    """Each voxel drawn towards its temporal mean until only `variance_ratio` is left, (K, T).

    It removes signal and noise alike, so it denoises nothing, yet tSNR grows by
    1/√(variance ratio) − 1.
    """
    mean = voxel_mean(x, weights)
    return mean + np.sqrt(variance_ratio) * (x - mean)


def random_voxels(n: int, seed: int = 0, size: int = N_RANDOM_VOXELS) -> np.ndarray:
    """Indices of `size` random voxels (all, where there are fewer), in order."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:size])


def emse_frame(n_frames: int, weights: np.ndarray | None = None) -> int:
    """The frame of the paper's volume-wise error: 900 where it exists, else the middle; not a censored one.

    Examples
    --------
    >>> emse_frame(1310), emse_frame(5), emse_frame(5, np.array([1, 1, 0, 1, 1]))
    (900, 2, 1)
    """
    frame = PAPER_FRAME if n_frames > PAPER_FRAME else n_frames // 2
    used = np.flatnonzero(frame_weights(weights, n_frames))
    return int(used[np.abs(used - frame).argmin()])
