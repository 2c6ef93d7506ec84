"""Spectral clusters of a graph's vertices.

The eigenvectors of the graph's Laplacian with the smallest eigenvalues place vertices so that well linked ones lie
together; k-means of those places makes the clusters. The default is the normalised form of Ng, Jordan & Weiss (2002):
L = I − D^-½ A D^-½, rows scaled to length 1. `paper_clusters` does what appendix B of the TI-VAE paper says.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

from pydra_vae.surface.kmeans import kmeans

# Up to this size all eigenvectors at once are as fast, and surer.
_DENSE = 1000


def spectral_clusters(affinity: sparse.csr_array, n_clusters: int, seed: int = 0) -> np.ndarray:
    """Cluster the vertices of a sparse graph.

    Parameters
    ----------
    affinity : (n, n) symmetric CSR array
        Weights of the links, not negative; every vertex needs one.
    n_clusters : int
        From 1 to n.
    seed : int
        Of the start of the eigenvectors and of k-means; the same gives the same clusters.

    Returns
    -------
    (n,) int64 array
        Clusters 0 … C−1, numbered by their first vertex.

    Raises
    ------
    ValueError
        When there are more clusters than vertices, or a vertex has no link.

    Examples
    --------
    >>> affinity = sparse.csr_array(np.kron(np.eye(2), np.ones((3, 3))))
    >>> spectral_clusters(affinity, 2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    check_number(n_clusters, affinity.shape[0])
    degree = affinity.sum(axis=1)
    if (degree <= 0).any():
        alone = np.flatnonzero(degree <= 0)
        raise ValueError(f"{len(alone)} vertices of the graph have no neighbour (the first is number {alone[0]})")
    if n_clusters == affinity.shape[0]:
        return np.arange(n_clusters)
    scale = sparse.diags_array(1 / np.sqrt(degree))
    places = _first_eigenvectors((scale @ affinity @ scale).tocsr(), n_clusters, seed)
    return _clusters_of(_rows_of_length_one(places), n_clusters, seed)


def paper_clusters(adjacency: np.ndarray, n_clusters: int, seed: int = 0) -> np.ndarray:
    """Cluster a fully connected graph as appendix B of the paper says.

    L = D − A where D holds the number of vertices, the same for each. That is no Laplacian (its rows do not sum to
    zero), and its smallest eigenvalues are merely the largest of A. The appendix lets each eigenvector be a cluster;
    how vertices are assigned is not said: k-means here.

    Parameters
    ----------
    adjacency : (n, n) symmetric array
        Of `affinities.paper_adjacency`.
    n_clusters : int
    seed : int

    Returns
    -------
    (n,) int64 array
        Numbered by their first vertex.
    """
    n = len(adjacency)
    check_number(n_clusters, n)
    places = eigh(adjacency, subset_by_index=[n - n_clusters, n - 1], driver="evr")[1]
    return _clusters_of(places, n_clusters, seed)


def random_clusters(sizes: np.ndarray, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Vertices scattered at random over clusters of given sizes: a clustering that knows nothing.

    Examples
    --------
    >>> np.sort(np.bincount(random_clusters([2, 1, 3]))).tolist()
    [1, 2, 3]
    """
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return numbered(np.random.default_rng(seed).permutation(labels))


def even_sizes(n_vertices: int, n_clusters: int) -> np.ndarray:
    """Sizes that differ by one at most."""
    check_number(n_clusters, n_vertices)
    return np.full(n_clusters, n_vertices // n_clusters) + (np.arange(n_clusters) < n_vertices % n_clusters)


def check_number(n_clusters: int, n_vertices: int):
    """Refuse a number of clusters that the vertices cannot make."""
    if not 1 <= n_clusters <= n_vertices:
        raise ValueError(f"{n_vertices} vertices cannot make {n_clusters} clusters: ask for 1 to {n_vertices}")


def numbered(labels: np.ndarray) -> np.ndarray:
    """The same clusters, numbered by their first vertex.

    Examples
    --------
    >>> numbered(np.array([7, 7, 2, 7, 0])).tolist()
    [0, 0, 1, 0, 2]
    """
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _first_eigenvectors(normalised: sparse.csr_array, k: int, seed: int) -> np.ndarray:
    """Eigenvectors of the largest eigenvalues, which are the smallest of the Laplacian, (n, k)."""
    n = normalised.shape[0]
    if n <= _DENSE or k >= n - 1:
        return eigh(normalised.toarray(), subset_by_index=[n - k, n - 1], driver="evr")[1]
    start = np.random.default_rng(seed).standard_normal(n)
    return eigsh(normalised, k=k, which="LA", v0=start)[1]


def _rows_of_length_one(places: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(places, axis=1, keepdims=True)
    return np.divide(places, length, out=np.zeros_like(places), where=length > 0)


def _clusters_of(places: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    return numbered(kmeans(places, n_clusters, seed=seed)[0])
