"""Factors against circularly shifted regressors: all correlations of a null at once.

A shifted regressor keeps its own autocorrelation and the spacing of the blocks and loses its place in the run. All
regressors of all designs shift together, in every part by the same number of frames: what a choice on the validation
average gains by the timing that it shares with the test average, the null gains too. That holds between designs as
well, whose blocks may fill the same slots in another order: shifted each on its own, a read-out of factors that know
nothing of the task had p ≤ .05 in 11 % of simulated studies with a timing for each subject.
"""

import numpy as np

from pydra_vae.stats.task_designs import Average

# Of the ridge read-out, in units of the mean variance of a factor; the one that serves the validation average is taken.
PENALTIES = np.array([1e-3, 1e-2, 1e-1, 1.0, 10.0])


def draw_shifts(n_frames: int, n_permutations: int, seed: int = 0) -> np.ndarray:
    """Shifts in frames, (1 + P,); the first is 0, the observed order.

    There are only T − 1 other places: where `n_permutations` is no less, each is taken once, and P = T − 1.

    Examples
    --------
    >>> draw_shifts(4, 1000).tolist()
    [0, 1, 2, 3]
    """
    n = min(n_permutations, n_frames - 1)
    return np.append(0, 1 + np.sort(np.random.default_rng(seed).permutation(n_frames - 1)[:n]))


def cross(part: Average, shifts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Sums of products of factors and shifted regressors, (1 + P, k, n).

    Entry [p, j, i] is Σ_d w_d Σ_t f_dj(t) g_di(t − shifts[p]).

    Parameters
    ----------
    part : Average
    shifts : (1 + P,) int array
    weights : (D,) array, optional
        Of the part's designs; 1 by default.
    """
    weights = np.ones(len(part.design)) if weights is None else weights
    n_frames, k, n = part.factors.shape[1], part.factors.shape[2], part.regressors.shape[2]
    total = np.zeros((n_frames // 2 + 1, k, n), dtype=complex)
    for weight, f, g in zip(weights, part.factors, part.regressors, strict=True):
        total += weight * np.fft.rfft(f, axis=0)[:, :, None] * np.fft.rfft(g, axis=0).conj()[:, None]
    return np.fft.irfft(total, n_frames, axis=0)[shifts]


def correlations(part: Average, shifts: np.ndarray) -> np.ndarray:
    """Correlations of factors and shifted regressors over all designs, (1 + P, k, n).

    A factor that does not vary correlates 0 with everything; a sub-task that the part lacks is NaN throughout.
    """
    f, g = (np.sqrt((values**2).sum(axis=(0, 1))) for values in (part.factors, part.regressors))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = cross(part, shifts) / np.where(f > 0, f, np.inf)[:, None] / np.where(g > 0, g, np.nan)
    return np.clip(r, -1, 1)


def readout(train: Average, validation: Average, test: Average, shifts: np.ndarray) -> np.ndarray:
    """Correlation, on the test average, of each regressor with its ridge read-out from all factors, (1 + P, n).

    The weights are fitted on the single training recordings, the penalty is the one of `PENALTIES` whose read-out
    correlates best on the validation average, and the test average is only scored. Each shift is fitted anew. Fitted on
    the training *average*, which has less noise than the test average, the weights would trust weak factors too much
    and depend on how factors of the same span are turned. Recordings of a design share their regressors, so that the
    sum over them is their number times the product of the averages.

    Returns
    -------
    r : (1 + P, n) float64 array
        NaN for a sub-task that the training or the test average lacks.
    """
    if not train.n or not test.n:
        return np.full((len(shifts), test.regressors.shape[2]), np.nan)
    scatter = train.scatter
    size = np.sqrt(np.diag(scatter))
    scale = np.where(size > 1e-12 * size.max(initial=0), 1 / np.where(size > 0, size, 1), 0.0)
    values, vectors = np.linalg.eigh(scatter * np.outer(scale, scale))
    products = cross(train, shifts, weights=train.members)
    rotated = np.einsum("jk,pjn->pkn", vectors, products * scale[:, None])
    shrunk = rotated / (np.clip(values, 0, None) + PENALTIES[:, None])[:, None, :, None]
    weights = np.einsum("jk,lpkn->lpjn", vectors, shrunk) * scale[:, None]
    on_validation = _score(validation, weights, shifts)
    best = np.nan_to_num(on_validation, nan=-2.0).argmax(axis=0)
    on_test = np.take_along_axis(_score(test, weights, shifts), best[None], axis=0)[0]
    on_test[:, ~train.regressors.any(axis=(0, 1))] = np.nan
    return on_test


def _score(part: Average, weights, shifts) -> np.ndarray:
    """Correlation of read-outs with the shifted regressors, (L, 1 + P, n)."""
    explained = (weights * cross(part, shifts)).sum(axis=2)
    scatter = np.einsum("dtj,dtk->jk", part.factors, part.factors)  # of the averages
    length = np.sqrt(np.clip(np.einsum("lpjn,jk,lpkn->lpn", weights, scatter, weights, optimize=True), 0, None))
    g = np.sqrt((part.regressors**2).sum(axis=(0, 1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(length > 0, explained / np.where(length > 0, length, 1), 0.0) / np.where(g > 0, g, np.nan)
    return np.clip(r, -1, 1)
