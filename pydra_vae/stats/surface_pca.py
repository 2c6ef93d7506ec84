"""Principal components of many recordings, one recording in memory at a time.

The rows of all training recordings under one another are an (N·T, V) matrix that is never formed, nor is its V × V
scatter. A randomised block Krylov iteration (Musco & Musco 2015, NeurIPS) needs only products of the scatter with a few
vectors, Σ_i X_iᵀ (X_i Q): one pass over the recordings each. It keeps the vectors of all passes, which matters here,
where variances fall off slowly. The mean over the subjects is a (T, V) matrix, small enough for an exact decomposition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OVERSAMPLE = 12  # more vectors than components, so that the last of them converge too
PASSES = 6  # over the recordings; of simulated motor data the 32nd variance is then right to 6e-4, the 16th to 1e-5


@dataclass(frozen=True)
class SurfacePca:
    """A PCA over time points; features are vertices.

    Attributes
    ----------
    mean : (V,) float64 array
        Mean over the rows.
    components : (n, V) float64 array
        Orthonormal rows, the largest variance first; the largest entry of each is positive.
    variance : (n,) float64 array
        Variance of the scores on each.
    total : float
        Variance of all vertices together.
    """

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    total: float

    def scores(self, x: np.ndarray, k: int | None = None) -> np.ndarray:
        """Scores (T, k) of a recording x (T, V) on the first k components."""
        components = self.components[:k]
        return np.asarray(x) @ components.T.astype(x.dtype) - self.mean @ components.T


def stacked_pca(recordings: Sequence[np.ndarray], n_components: int, seed: int = 0, passes: int = PASSES) -> SurfacePca:
    """PCA of recordings under one another, read once a pass.

    Parameters
    ----------
    recordings : sequence of (T, V) arrays
        Memory-mapped; at least one.
    n_components : int
        At most min(N·T − 1, V).
    seed : int
        Of the first vectors.
    passes : int

    Examples
    --------
    >>> x = np.outer(np.sin(np.arange(50)), np.arange(1, 8)) + np.outer(np.cos(np.arange(50)), np.arange(7) ** 2)
    >>> pca = stacked_pca([x[:20], x[20:]], 2)
    >>> bool(np.isclose(pca.variance.sum(), pca.total))
    True
    """
    n_rows, n_vertices = sum(len(x) for x in recordings), recordings[0].shape[1]
    _check(n_components, n_rows, n_vertices)
    width = min(n_components + OVERSAMPLE, n_rows - 1, n_vertices)
    basis = _orthonormal(np.random.default_rng(seed).normal(size=(n_vertices, width)))
    mean, square, product = _first_pass(recordings, basis, n_rows)
    for _ in range(passes - 1):
        following = _orthogonal_to(basis, product[:, -width:])
        if not following.shape[1]:
            break  # the whole space is spanned
        basis = np.hstack([basis, following])
        found = _product(recordings, following) - n_rows * np.outer(mean, mean @ following)
        product = np.hstack([product, found])
    # Rayleigh–Ritz: the scatter restricted to the span of all blocks
    values, vectors = np.linalg.eigh(basis.T @ product)
    order = np.argsort(values)[::-1][:n_components]
    components = _signed((basis @ vectors[:, order]).T)
    total = float((square - n_rows * mean**2).sum() / n_rows)
    return SurfacePca(mean, components, np.clip(values[order], 0, None) / n_rows, total)


def exact_pca(x: np.ndarray, n_components: int) -> SurfacePca:
    """PCA of one (T, V) matrix by the eigenvectors of its T × T Gram matrix, exact."""
    x = np.asarray(x, dtype=np.float64)
    _check(n_components, *x.shape)
    mean = x.mean(axis=0)
    x = x - mean
    values, vectors = np.linalg.eigh(x @ x.T)
    order = np.argsort(values)[::-1][:n_components]
    components = vectors[:, order].T @ x
    # where the rank is exhausted (a band-passed short run) directions are rounding: made orthonormal all the same
    components = _signed(np.linalg.qr(components.T)[0].T)
    return SurfacePca(mean, components, np.clip(values[order], 0, None) / len(x), float((x**2).sum() / len(x)))


def design_means(recordings: Sequence[np.ndarray], design: np.ndarray, at_most: int = 4) -> np.ndarray:
    """Mean over the recordings of each design, one after another in time, (D·T, V).

    Parameters
    ----------
    recordings : sequence of (T, V) arrays
    design : (N,) int array
        Of each recording (`task_designs.designs`); with a timing of its own for each recording there is no mean.
    at_most : int
        Designs kept: the largest.
    """
    numbers, sizes = np.unique(design, return_counts=True)
    kept = np.sort(numbers[np.argsort(-sizes, kind="stable")[:at_most]])
    means = []
    for number in kept:
        members = np.flatnonzero(design == number)
        total = np.zeros(recordings[0].shape)
        for i in members:
            total += recordings[i]
        means.append(total / len(members))
    return np.concatenate(means)


def _check(n_components, n_rows, n_vertices) -> None:
    most = min(n_rows - 1, n_vertices)
    if not 1 <= n_components <= most:
        raise ValueError(
            f"a PCA of {n_rows} time points × {n_vertices} vertices cannot have {n_components} components: "
            f"ask for at most {most}"
        )


def _first_pass(recordings, basis, n_rows):
    """Mean, sum of squares, and the product with the centred scatter."""
    total, square, product = (np.zeros(shape) for shape in (len(basis), len(basis), basis.shape))
    for x in recordings:
        x = np.asarray(x)
        total += x.sum(axis=0, dtype=np.float64)
        square += np.einsum("tv,tv->v", x, x, dtype=np.float64)
        product += _one(x, basis)
    mean = total / n_rows
    return mean, square, product - n_rows * np.outer(mean, mean @ basis)


def _product(recordings, basis) -> np.ndarray:
    total = np.zeros(basis.shape)
    for x in recordings:
        total += _one(np.asarray(x), basis)
    return total


def _one(x, basis) -> np.ndarray:
    """Xᵀ (X Q) in the precision of the data; only the sum over recordings needs doubles."""
    return x.T @ (x @ basis.astype(x.dtype))


def _orthonormal(x) -> np.ndarray:
    return np.linalg.qr(x)[0]


def _orthogonal_to(basis, x) -> np.ndarray:
    """Orthonormal columns that span what x has outside the span of the basis."""
    size = np.linalg.norm(x, axis=0).max()
    for _ in range(2):  # once leaves rounding errors of the size of x
        x = x - basis @ (basis.T @ x)
    u, values, _ = np.linalg.svd(x, full_matrices=False)
    u = u[:, values > 1e-7 * size][:, : basis.shape[0] - basis.shape[1]]
    return _orthonormal(u - basis @ (basis.T @ u))


def _signed(components) -> np.ndarray:
    """The largest entry of each row is positive."""
    peak = np.argmax(np.abs(components), axis=1)
    return components * np.where(components[np.arange(len(components)), peak] < 0, -1.0, 1.0)[:, None]
