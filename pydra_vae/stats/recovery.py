"""How much of a planted signal is found again, voxel by voxel."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from pydra_vae.stats.chunks import frame_weights, row_chunks


def correlation_with(
    series: np.ndarray,
    clean: np.ndarray,
    weights: np.ndarray | None = None,
    lengths: Sequence[int] | None = None,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Correlation of each voxel's series with its planted signal.

    Parameters
    ----------
    series, clean : (K, T) arrays
        In any units; the mean of each run is removed from both.
    weights : (T,) array, optional
        Frames of weight 0 do not count.
    lengths : sequence of int, optional
        Frames of each run; one run by default.
    transform : callable, optional
        Applied to blocks of rows of `series` first, e.g. `Pca.reconstruct`.

    Returns
    -------
    r : (K,) float64 array
        NaN where either does not vary.

    Examples
    --------
    >>> clean = np.array([[0.0, 1, 2, 3], [0, 0, 0, 0]])
    >>> correlation_with(5 - 2 * clean, clean).round(6).tolist()
    [-1.0, nan]
    """
    if series.shape != clean.shape:
        raise ValueError(
            f"the series have the shape {series.shape} but the planted signal {clean.shape}: "
            "do both come from the same runs and mask?"
        )
    used = frame_weights(weights, series.shape[1])
    bounds = np.cumsum([0, *([used.size] if lengths is None else lengths)])
    runs = [np.flatnonzero(used[a:b]) + a for a, b in pairwise(bounds)]
    r = np.empty(series.shape[0])
    for rows in row_chunks(*series.shape):
        block = np.asarray(series[rows], dtype=np.float64)
        block = block if transform is None else transform(block)
        r[rows] = _correlation(_centred(block, runs), _centred(clean[rows], runs))
    return r


def _centred(x, runs) -> np.ndarray:
    parts = [np.asarray(x[:, frames], dtype=np.float64) for frames in runs]
    return np.hstack([part - part.mean(axis=1, keepdims=True) for part in parts])


def _correlation(a, b) -> np.ndarray:
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(axis=1), norm, out=np.full(len(a), np.nan), where=norm > 1e-12)
