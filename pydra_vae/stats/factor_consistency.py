"""Does another seed find the same factors? Factors have no order and no sign, so they are matched first.

The matching that maximises the sum of |r| (Hungarian method) also pairs factors that have nothing in common; how much
that alone gives is shown by matching one set with the other shifted in time, round the end.
"""

from typing import NamedTuple

import numpy as np


class Match(NamedTuple):
    """Factors of two fits beside each other.

    Attributes
    ----------
    r : float
        Mean |r| of the matched pairs.
    pairs : (n, 2) int array
        Which factor of the first goes with which of the second.
    correlations : (n,) array
        Signed, of the pairs.
    """

    r: float
    pairs: np.ndarray
    correlations: np.ndarray


def match_factors(a: np.ndarray, b: np.ndarray) -> Match:
    """Match the columns of two arrays by the size of their correlation.

    Parameters
    ----------
    a : (T, k) array
    b : (T, m) array
        A column that does not vary correlates with nothing (0): a collapsed factor is found again by no seed.

    Examples
    --------
    >>> a = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    >>> found = match_factors(a, -a[:, ::-1])
    >>> round(found.r, 6), found.pairs.tolist(), found.correlations.round(6).tolist()
    (1.0, [[0, 1], [1, 0]], [-1.0, -1.0])
    """
    if len(a) != len(b):
        raise ValueError(f"factors of {len(a)} and of {len(b)} frames: give fits to the same recordings")
    return _match(_standardised(a).T @ _standardised(b))


def shift_null(a: np.ndarray, b: np.ndarray, n: int = 200, seed: int = 0) -> np.ndarray:
    """Mean matched |r| of `a` with `b` shifted in time, at most n different shifts, (n,)."""
    a, b = _standardised(a), _standardised(b)
    shifts = np.arange(1, len(a))
    if len(shifts) > n:
        shifts = np.sort(np.random.default_rng(seed).choice(shifts, n, replace=False))
    return np.array([_match(a.T @ np.roll(b, shift, axis=0)).r for shift in shifts])


def standardised_recordings(factors: np.ndarray) -> np.ndarray:
    """Factors (S, T, k), each standardised within its recording, one recording after the other, (S · T, k)."""
    z = np.asarray(factors, dtype=np.float64)
    z = z - z.mean(axis=1, keepdims=True)
    scale = z.std(axis=1, keepdims=True)
    return (z / np.where(scale > 0, scale, 1)).reshape(-1, z.shape[2])


def _match(r) -> Match:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-np.abs(r))
    found = np.clip(r[rows, columns], -1, 1)
    return Match(float(np.abs(found).mean()), np.column_stack([rows, columns]), found)


def _standardised(x) -> np.ndarray:
    """Columns of mean 0 and length 1; zeros where a column does not vary."""
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)
    length = np.linalg.norm(x, axis=0)
    return x / np.where(length > 1e-12 * max(length.max(initial=0), np.finfo(float).tiny), length, np.inf)
