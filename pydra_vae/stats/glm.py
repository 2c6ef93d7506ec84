"""Effects of a task by ordinary least squares, for maps that are compared between halves.

Effects are linear in the series, so smoothing the map of effects is smoothing the data. Ordinary least squares is
unbiased whatever the autocorrelation; only standard errors would need a model of it, and none are used.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pydra_vae.stats.chunks import row_chunks

FLAT = 1e-8  # of a regressor's largest value


def joint_design(
    conditions: Sequence[np.ndarray], nuisance: Sequence[np.ndarray], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Design of several runs: conditions in common, nuisance for each run alone; censored frames are zero rows.

    Parameters
    ----------
    conditions : sequence of (T_r, C) arrays
        Expected responses of each run, the same conditions in all.
    nuisance : sequence of (T_r, N_r) arrays
        Drifts and the constant of each run.
    weights : (T,) array
        1 for frames that count.

    Returns
    -------
    estimator : (C, T) float64 array
        What gives the effects of the conditions: effects = series @ estimator.T.
    present : (C,) bool array
        Whether a condition has a response of its own in these frames; the rows of the others are NaN.
    """
    from scipy.linalg import block_diag

    used = np.asarray(weights, dtype=bool)
    responses, drifts = np.vstack(conditions), block_diag(*nuisance)
    responses, drifts = responses * used[:, None], drifts * used[:, None]
    left = responses - drifts @ (np.linalg.pinv(drifts) @ responses)
    size = np.linalg.norm(responses, axis=0)
    present = np.linalg.norm(left, axis=0) > np.maximum(FLAT, 1e-2 * size)
    estimator = np.full(responses.T.shape, np.nan)
    # times `used`: rounding in frames that were censored, however large their values, must not count
    estimator[present] = np.linalg.pinv(np.hstack([responses[:, present], drifts]))[: present.sum()] * used
    return estimator, present


def effects(x: np.ndarray, estimator: np.ndarray, transform: Callable[[np.ndarray], np.ndarray] | None = None):
    """Effects of C conditions on each voxel, (K, C) float64.

    Parameters
    ----------
    x : (K, T) array
    estimator : (C, T) array
        Of `joint_design`.
    transform : callable, optional
        Applied to blocks of rows of x first, e.g. `Pca.reconstruct`.

    Examples
    --------
    >>> estimator, _ = joint_design([np.array([[0.0], [1], [0], [1]])], [np.ones((4, 1))], np.ones(4))
    >>> effects(np.array([[5.0, 7, 5, 7]]), estimator).round(6).tolist()
    [[2.0]]
    """
    found = np.empty((len(x), len(estimator)))
    for rows in row_chunks(*x.shape):
        block = np.asarray(x[rows], dtype=np.float64)
        found[rows] = (block if transform is None else transform(block)) @ estimator.T
    return found


def temporal_sd(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standard deviation of each voxel over the frames that count, (K,)."""
    used, sd = np.asarray(weights, dtype=bool), np.empty(len(x))
    for rows in row_chunks(*x.shape):
        sd[rows] = np.asarray(x[rows][:, used], dtype=np.float64).std(axis=1)
    return sd
