"""Outlying voxels and frames: scores, and how well they find what was planted.

A score is a robust z: distance from the median in units of the median absolute deviation, scaled to a standard
deviation; above 3.5 counts as an outlier (Iglewicz and Hoaglin 1993). Errors of reconstruction grow with the variance
of what is reconstructed, so they are compared with those of units of like variance: the median and the spread of
log (error / variance) in bins of log variance. Nothing is fitted to what was planted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks

THRESHOLD = 3.5
TO_SD = 1.4826  # of a Gaussian's median absolute deviation
BIN, MAX_BINS = 50, 20  # units a bin at least
N_BOOTSTRAP = 1000


def robust_z(values: np.ndarray) -> np.ndarray:
    """(values − median) / scaled median absolute deviation, (n,); NaN stays NaN, and 0 where nothing varies.

    Examples
    --------
    >>> robust_z(np.array([1.0, 2, 3, 4, 100])).round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 65.43]
    """
    centre = np.nanmedian(values)
    spread = TO_SD * np.nanmedian(np.abs(values - centre))
    return np.divide(values - centre, spread, out=np.where(np.isnan(values), np.nan, 0.0), where=spread > 0)


def error_scores(error: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """How much larger each error is than those of units of like variance, as a robust z of its logarithm.

    Parameters
    ----------
    error, variance : (n,) arrays
        Mean squared error and variance of voxels or frames. Up to 20 bins of at least 50 units each, by variance;
        medians and spreads of the share that is left unexplained are interpolated between the middles of the bins, and
        kept beyond the outermost. (The error itself may not be kept there: a spike makes the variance of a series
        that was scaled by its range so small that its error, though nothing is explained, is small too.)

    Returns
    -------
    score : (n,) float64 array
    """
    tiny = np.finfo(float).tiny
    x = np.log(np.maximum(variance, tiny))
    y = np.log(np.maximum(error, tiny)) - x
    bins = np.array_split(np.argsort(x, kind="stable"), int(np.clip(len(x) // BIN, 1, MAX_BINS)))
    middle = np.array([np.median(x[b]) for b in bins])
    centre = np.array([np.median(y[b]) for b in bins])
    spread = np.array([TO_SD * np.median(np.abs(y[b] - np.median(y[b]))) for b in bins])
    return (y - np.interp(x, middle, centre)) / np.maximum(np.interp(x, middle, spread), tiny)


def residuals(
    x: np.ndarray,
    models: dict[str, np.ndarray | Callable],
    weights: np.ndarray | None = None,
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], tuple[np.ndarray, np.ndarray]]:
    """Mean squared residual of each voxel and frame, once every voxel's mean is taken out.

    An autoencoder reconstructs means worse than PCA does, and a mean is no artefact.

    Parameters
    ----------
    x : (K, T) array
    models : dict
        Reconstructions by name: (K, T) arrays, or functions of rows of x.
    weights : (T,) array, optional
        Frames of weight 0 count neither for a mean nor for a voxel.

    Returns
    -------
    errors : dict of (voxel (K,), frame (T,))
    variance : (voxel (K,), frame (T,))
        Of the series about their means.
    """
    columns = columns_of(frame_weights(weights, x.shape[1]))
    errors = {name: (np.empty(len(x)), np.zeros(x.shape[1])) for name in models}
    variance = (np.empty(len(x)), np.zeros(x.shape[1]))

    def add(found, rows, block):
        block -= block[:, columns].mean(axis=1, keepdims=True)
        block *= block
        found[0][rows] = block[:, columns].mean(axis=1)
        found[1][:] += block.sum(axis=0) / len(x)

    for rows in row_chunks(*x.shape):
        series = np.asarray(x[rows], dtype=np.float64)
        for name, model in models.items():
            decoded = model(series) if callable(model) else model[rows]
            add(errors[name], rows, series - np.asarray(decoded, dtype=np.float64))
        add(variance, rows, series.copy())
    return errors, variance


def frame_codes(x: np.ndarray, codes: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Where each frame lies in the span of the voxels' codes, (T, D): least squares of the frame on the latent maps.

    Parameters
    ----------
    x : (K, T) array
        Each voxel's mean over frames of weight 1 is taken out.
    codes : (K, D) array
        Latent maps; the constant map is fitted too, and its coefficient left out.
    """
    columns = columns_of(frame_weights(weights, x.shape[1]))
    maps = np.column_stack([np.ones(len(codes)), codes]).astype(np.float64)
    product = np.zeros((maps.shape[1], x.shape[1]))
    for rows in row_chunks(*x.shape):
        series = np.asarray(x[rows], dtype=np.float64)
        product += maps[rows].T @ (series - series[:, columns].mean(axis=1, keepdims=True))
    return (np.linalg.pinv(maps.T @ maps, hermitian=True) @ product)[1:].T


def dvars(x: np.ndarray, lengths: Sequence[int] | None = None) -> np.ndarray:
    """Root mean square over voxels of the change since the frame before, (T,); NaN at the start of each run.

    Power et al. (2012), in the units of x.

    Examples
    --------
    >>> dvars(np.array([[0.0, 3, 3, 9], [0, 4, 4, 9]]), [3, 1]).round(3).tolist()
    [nan, 3.536, 0.0, nan]
    """
    square = np.zeros(x.shape[1] - 1)
    for rows in row_chunks(*x.shape):
        square += (np.diff(np.asarray(x[rows], dtype=np.float64), axis=1) ** 2).sum(axis=0)
    change = np.concatenate([[np.nan], np.sqrt(square / len(x))])
    change[np.cumsum([0, *(lengths if lengths is not None else [x.shape[1]])])[:-1]] = np.nan
    return change


@dataclass(frozen=True)
class Auc:
    """Probability that a planted unit scores higher than another, with a 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def auc(score: np.ndarray, planted: np.ndarray, seed: int = 0, n_bootstrap: int = N_BOOTSTRAP) -> Auc:
    """Area under the curve of a detector; planted and other units are resampled apart.

    Parameters
    ----------
    score : (n,) array
        Units whose score is NaN do not count.
    planted : (n,) bool array
    seed : int
    n_bootstrap : int

    Examples
    --------
    >>> auc(np.array([1.0, 2, 3, 4]), np.array([False, False, True, True])).value
    1.0
    """
    finite = np.isfinite(score)
    found, others = score[finite & planted], np.sort(score[finite & ~planted])
    if not found.size or not others.size:
        return Auc(np.nan, np.nan, np.nan)
    below, upto = (np.searchsorted(others, found, side=side) for side in ("left", "right"))
    value = float((below + upto).mean() / 2 / others.size)
    rng, draws = np.random.default_rng(seed), np.empty(n_bootstrap)
    for i in range(n_bootstrap):
        counts = np.bincount(rng.integers(others.size, size=others.size), minlength=others.size)
        total = np.concatenate([[0], np.cumsum(counts)])
        chosen = rng.integers(found.size, size=found.size)
        draws[i] = (total[below[chosen]] + total[upto[chosen]]).mean() / 2 / others.size
    low, high = np.percentile(draws, [2.5, 97.5])
    return Auc(value, float(low), float(high))
