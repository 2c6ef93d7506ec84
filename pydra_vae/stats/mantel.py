"""Do two distance matrices of the same items agree? Mantel's test, also with a third one removed.

The n(n − 1)/2 pairs of n items are not independent: each item enters n − 1 of them. Items are
therefore permuted, rows and columns of one matrix together (Mantel 1967, Cancer Research 27:209).
The partial test permutes the residuals of the first matrix on the third (Legendre 2000, J. Stat.
Comput. Simul. 67:37, method 2).
"""

from collections.abc import Iterator
from itertools import permutations
from math import factorial
from typing import Literal, NamedTuple

import numpy as np

# Below this difference two correlations are equal: order of summation.
_TIE = 1e-12


class Mantel(NamedTuple):
    """What a Mantel test found.

    Attributes
    ----------
    r : float
        Correlation over pairs; NaN where a matrix does not vary.
    p : float
        (1 + permutations at least as extreme) / (1 + permutations).
    null : (n,) float64 array
        Correlations of the permutations.
    """

    r: float
    p: float
    null: np.ndarray

    @property
    def p_smallest(self) -> float:
        """The smallest p that so many permutations can give."""
        return 1 / (1 + len(self.null))


def mantel(
    a: np.ndarray,
    b: np.ndarray,
    n_permutations: int = 1000,
    seed: int = 0,
    control: np.ndarray | None = None,
    method: Literal["spearman", "pearson"] = "spearman",
    alternative: Literal["two-sided", "greater"] = "two-sided",
) -> Mantel:
    """Correlate two matrices over the pairs of their items, against permuted items.

    Parameters
    ----------
    a, b : (n, n) arrays
        Symmetric; the diagonals do not count.
    n_permutations : int
        Random permutations; where n! is no more than that, all others than the identity are taken once.
    seed : int
    control : (n, n) array, optional
        Its (rank) correlation with both is removed first.
    method : {"spearman", "pearson"}
    alternative : {"two-sided", "greater"}

    Raises
    ------
    ValueError
        When the matrices are not square, symmetric, finite and of one size of at least 3.

    Examples
    --------
    >>> x = np.array([0.0, 1, 3, 7])
    >>> distance = abs(x[:, None] - x)
    >>> found = mantel(distance, distance**2)
    >>> found.r, round(found.p, 4), len(found.null)
    (1.0, 0.0417, 23)
    """
    pairs = [_pairs(m, len(a), method) for m in (a, b, control) if m is not None]
    if control is not None:
        pairs = [_residual(values, pairs[2]) for values in pairs[:2]]
    first, second = (_unit(values) for values in pairs)
    if first is None or second is None:
        return Mantel(np.nan, np.nan, np.empty(0))
    n = len(a)
    moved, fixed = _square(first, n), _square(second, n)
    r = float(np.round(first @ second, 12))
    permuted = orders(n, n_permutations, np.random.default_rng(seed))
    null = np.array([np.vdot(moved[order[:, None], order], fixed) / 2 for order in permuted])
    extreme = np.abs(null) >= abs(r) - _TIE if alternative == "two-sided" else null >= r - _TIE
    return Mantel(r, float((1 + extreme.sum()) / (1 + len(null))), null)


def upper(matrix: np.ndarray) -> np.ndarray:
    """Pairs of a symmetric matrix, row by row without the diagonal, (n(n − 1)/2,)."""
    return np.asarray(matrix, dtype=np.float64)[np.triu_indices(len(matrix), 1)]


def _pairs(matrix, n: int, method: str) -> np.ndarray:
    from scipy.stats import rankdata

    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (n, n) or n < 3:
        raise ValueError(f"square matrices of one size, at least 3 × 3, are needed: {matrix.shape} beside {n} items")
    if not np.isfinite(upper(matrix)).all():
        raise ValueError("a matrix holds values that are not finite: leave out items without data")
    if not np.allclose(matrix, matrix.T, rtol=1e-4, atol=1e-6 * np.abs(upper(matrix)).max()):
        raise ValueError("a matrix is not symmetric: give distances or correlations between one set of items")
    return rankdata(upper(matrix)) if method == "spearman" else upper(matrix)


def _residual(values, control) -> np.ndarray:
    """What a straight line in the control leaves; zeros where that is rounding."""
    centred = _unit(control)
    values = values - values.mean()
    left = values if centred is None else values - (values @ centred) * centred
    return left if np.linalg.norm(left) > 1e-9 * np.linalg.norm(values) else np.zeros_like(left)


def _unit(values) -> np.ndarray | None:
    """Zero mean, unit length; None where nothing varies."""
    centred = values - values.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > _TIE * max(1.0, np.linalg.norm(values)) else None


def _square(pairs, n: int) -> np.ndarray:
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = pairs
    return matrix + matrix.T


def orders(n: int, n_permutations: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random orders of n items; where n! is no more than `n_permutations`, all others than the identity, once.

    Examples
    --------
    >>> [order.tolist() for order in orders(2, 10, np.random.default_rng(0))]
    [[1, 0]]
    """
    if n <= 12 and factorial(n) <= n_permutations:
        everything = permutations(range(n))
        next(everything)  # the identity
        yield from (np.array(order) for order in everything)
    else:
        yield from (rng.permutation(n) for _ in range(n_permutations))
