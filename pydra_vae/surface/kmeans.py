"""k-means of rows, small and repeatable: Lloyd's algorithm from k-means++ starts (Arthur & Vassilvitskii 2007)."""

import numpy as np
from scipy import sparse

_MAX_ROUNDS = 300
# Centres that move less than this share of the variance are still; scikit-learn's tolerance.
_STILL = 1e-4


def kmeans(x: np.ndarray, n_clusters: int, n_starts: int = 10, seed: int = 0) -> tuple[np.ndarray, float]:
    """Cluster rows by their squared Euclidean distance to the clusters' means.

    Parameters
    ----------
    x : (n, d) array
    n_clusters : int
        At most n. No cluster is left empty.
    n_starts : int
        The best of so many is kept.
    seed : int

    Returns
    -------
    labels : (n,) int64 array
    inertia : float
        Sum of the squared distances.

    Examples
    --------
    >>> labels, inertia = kmeans(np.array([[0.0], [0.2], [5.0], [5.2]]), 2)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3]), round(inertia, 3)
    (True, 0.04)
    """
    x = np.asarray(x, dtype=np.float64)
    if not 1 <= n_clusters <= len(x):
        raise ValueError(f"{len(x)} rows cannot make {n_clusters} clusters")
    rng = np.random.default_rng(seed)
    found = [_lloyd(x, _spread_start(x, n_clusters, rng)) for _ in range(n_starts)]
    return min(found, key=lambda one: one[1])


def _spread_start(x: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: each centre is drawn in proportion to the squared distance to those already there."""
    centres = x[[rng.integers(len(x))]]
    nearest = _squared(x, centres)[:, 0]
    while len(centres) < k:
        total = nearest.sum()
        chosen = rng.choice(len(x), p=nearest / total) if total > 0 else rng.integers(len(x))
        centres = np.vstack([centres, x[chosen]])
        nearest = np.minimum(nearest, _squared(x, x[[chosen]])[:, 0])
    return centres


def _lloyd(x: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    still = _STILL * x.var(axis=0).mean()
    for _ in range(_MAX_ROUNDS):
        distances = _squared(x, centres)
        labels = _none_empty(distances.argmin(axis=1), distances)
        before, centres = centres, _means(x, labels, len(centres))
        if np.square(centres - before).sum() <= still:
            break
    return labels, float(np.square(x - centres[labels]).sum())


def _none_empty(labels: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Each empty cluster takes the row furthest from its centre, out of a cluster that keeps others."""
    sizes = np.bincount(labels, minlength=distances.shape[1])
    for empty in np.flatnonzero(sizes == 0):
        own = np.where(sizes[labels] > 1, distances[np.arange(len(labels)), labels], -1.0)
        row = int(own.argmax())
        sizes[labels[row]] -= 1
        labels[row], sizes[empty] = empty, 1
        distances[row] = 0.0  # not to be taken again
    return labels


def _means(x: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    n = len(x)
    members = sparse.csr_array((np.ones(n), (labels, np.arange(n))), shape=(k, n))
    return (members @ x) / np.bincount(labels, minlength=k)[:, None]


def _squared(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances of rows to centres, (n, k), never below 0."""
    crossed = x @ (-2 * centres.T)
    crossed += np.einsum("ij,ij->i", x, x)[:, None]
    crossed += np.einsum("ij,ij->i", centres, centres)
    return np.maximum(crossed, 0.0, out=crossed)
