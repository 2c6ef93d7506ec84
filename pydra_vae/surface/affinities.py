"""Which vertices belong together: graphs between the vertices of one hemisphere, for `spectral`.

Structural: each vertex is linked to its nearest ones along the surface, with Gaussian weights whose width is the median
of all those distances. Functional: to those whose time courses correlate most with its own. Both graphs are sparse and
made symmetric by the mean of the two directions. The paper's own graph (appendix B) is fully connected; see
`paper_adjacency`.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse
from scipy.linalg import blas

# Rows of a vertex × vertex matrix that are held at a time, in numbers: 512 MB of float32.
_NUMBERS = 2**27


def distance_affinity(distances: np.ndarray | sparse.csr_array, n_neighbors: int = 30) -> sparse.csr_array:
    """Gaussian weights of the nearest vertices.

    Parameters
    ----------
    distances : (n, n) array or CSR array
        Geodesic distances in mm; entries of a CSR array are the pairs within its radius.
    n_neighbors : int
        Nearest vertices that each is linked to; fewer where the radius holds fewer.

    Returns
    -------
    (n, n) symmetric CSR array
        exp(−d² / 2w²), averaged over the two directions; w is the median distance of all links.

    Examples
    --------
    >>> line = np.array([0.0, 1.0, 3.0])
    >>> distance_affinity(abs(line[:, None] - line), 1).toarray().round(3).tolist()
    [[0.0, 0.607, 0.0], [0.607, 0.0, 0.068], [0.0, 0.068, 0.0]]
    """
    if sparse.issparse(distances):
        links = _nearest_entries(sparse.csr_array(distances), n_neighbors)
    else:
        links = -_neighbours(_negative_rows(distances), distances.shape[0], n_neighbors)
    width = np.median(links.data) if links.nnz else 1.0
    links.data = np.exp(-0.5 * np.square(links.data / width))
    return symmetric(links)


def correlation_affinity(
    series: Callable[[], Iterator[np.ndarray]], n_vertices: int, n_neighbors: int = 30
) -> tuple[sparse.csr_array, float]:
    """Correlations with the most similar vertices, averaged over recordings.

    A negative correlation is no likeness: such a pair is not linked. A constant vertex correlates with none.

    Parameters
    ----------
    series : callable
        Gives the recordings anew each time it is called, (T, n) each, one after the other; only one is held. They are
        gone through once for every 512 MB of the n × n matrix, which is never whole in memory.
    n_vertices : int
        n.
    n_neighbors : int
        Most similar vertices that each is linked to.

    Returns
    -------
    affinity : (n, n) symmetric CSR array
        The mean correlation, 0 to 1, averaged over the two directions of a link.
    negative : float
        Share of the pairs whose mean correlation is negative.

    Raises
    ------
    ValueError
        When there is no recording, or one has not n vertices.
    """
    counts = [0, 0]
    links = _neighbours(_correlation_rows(series, n_vertices, counts), n_vertices, n_neighbors)
    links.data = np.maximum(links.data, 0.0)
    links.eliminate_zeros()
    return symmetric(links), counts[0] / max(counts[1], 1)


def paper_adjacency(distances: np.ndarray, similarity: bool = False) -> np.ndarray:
    """The adjacency matrix of the paper's appendix B: distances scaled to 0 … 1, between all pairs.

    Parameters
    ----------
    distances : (n, n) array
        All of them, in mm.
    similarity : bool
        1 − that, so that near vertices have large weights. The appendix does not say so, but with distances as
        weights far vertices are the ones that belong together.

    Raises
    ------
    ValueError
        When distances are limited to a radius.
    """
    if sparse.issparse(distances):
        raise ValueError(
            "the paper's graph is fully connected but these distances end at a radius: "
            "give distances without a limit (GeodesicDistances with limit=None)"
        )
    scaled = np.asarray(distances, dtype=np.float64) / max(float(np.max(distances)), np.finfo(np.float64).tiny)
    scaled = (scaled + scaled.T) / 2  # float32 sums differ in the last digit with the direction
    return 1.0 - scaled if similarity else scaled


def symmetric(links: sparse.csr_array) -> sparse.csr_array:
    """The mean of the two directions."""
    return ((links + links.T) / 2).tocsr()


def nearest_known(distances: np.ndarray | sparse.csr_array, rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """For each row the nearest of the known vertices; −1 where none is within the radius."""
    found = np.full(len(rows), -1)
    for place, row in enumerate(rows):
        if sparse.issparse(distances):
            part = slice(*distances.indptr[row : row + 2])
            columns, values = distances.indices[part], distances.data[part]
        else:
            columns, values = np.arange(distances.shape[1]), distances[row]
        usable = known[columns]
        if usable.any():
            found[place] = columns[usable][np.argmin(values[usable])]
    return found


# Rows come as (first row, values (r, n) of likeness, −∞ for no pair): the larger, the nearer.


def _neighbours(rows: Iterator[tuple[int, np.ndarray]], n: int, n_neighbors: int) -> sparse.csr_array:
    """The entries of the most similar columns of each row, never the row itself."""
    _check_neighbors(n_neighbors)
    k = min(n_neighbors, n - 1)
    values, columns, lengths = [], [], []
    for first, block in rows:
        block[np.arange(len(block)), first + np.arange(len(block))] = -np.inf
        best = np.sort(np.argpartition(block, n - k - 1, axis=1)[:, n - k :], axis=1)
        found = np.take_along_axis(block, best, axis=1)
        there = np.isfinite(found)
        values.append(found[there].astype(np.float64))
        columns.append(best[there])
        lengths.append(there.sum(axis=1))
    starts = np.r_[0, np.cumsum(np.concatenate(lengths))]
    return sparse.csr_array((np.concatenate(values), np.concatenate(columns), starts), shape=(n, n))


def _nearest_entries(distances: sparse.csr_array, n_neighbors: int) -> sparse.csr_array:
    """The smallest entries of each row."""
    _check_neighbors(n_neighbors)
    counts = np.diff(distances.indptr)
    row = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((distances.data, row))
    place = np.arange(len(row)) - np.repeat(distances.indptr[:-1], counts)
    kept = np.sort(order[place < n_neighbors])
    starts = np.r_[0, np.cumsum(np.minimum(counts, n_neighbors))]
    data = distances.data[kept].astype(np.float64)
    return sparse.csr_array((data, distances.indices[kept], starts), shape=distances.shape)


def _negative_rows(distances: np.ndarray, at_a_time: int = 256) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, len(distances), at_a_time):
        yield first, -np.asarray(distances[first : first + at_a_time], dtype=np.float32)


def _check_neighbors(n_neighbors: int):
    if n_neighbors < 1:
        raise ValueError(f"a graph needs at least 1 neighbour a vertex, not {n_neighbors}")


def _correlation_rows(
    series: Callable[[], Iterator[np.ndarray]], n: int, counts: list[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of mean correlations; counts the negative pairs and all pairs, both ways."""
    at_a_time = max(1, _NUMBERS // max(n, 1))
    for first in range(0, n, at_a_time):
        block, n_recordings = np.zeros((min(at_a_time, n - first), n), np.float32), 0
        for x in series():
            _add_products(block, _unit(x, n), first)
            n_recordings += 1
        if not n_recordings:
            raise ValueError("correlations need the series of at least one recording")
        if len(block) == n:
            _mirror(block)
        block /= n_recordings
        counts[0] += int((block < 0).sum())
        counts[1] += block.size - len(block)
        yield first, block


def _add_products(block: np.ndarray, z: np.ndarray, first: int):
    """Add the rows of zᵀz from the first on, in place; of a whole matrix only the half right of the diagonal.

    BLAS sees the transpose of an array in C order.
    """
    if len(block) == z.shape[1]:
        blas.ssyrk(1.0, z.T, beta=1.0, c=block.T, lower=True, overwrite_c=True)
    else:
        rows = z[:, first : first + len(block)]
        blas.sgemm(1.0, z.T, rows.T, beta=1.0, c=block.T, trans_b=True, overwrite_c=True)


def _mirror(block: np.ndarray, at_a_time: int = 512):
    """Copy the half right of the diagonal of a square matrix to the left."""
    for start in range(0, len(block), at_a_time):
        part = slice(start, start + at_a_time)
        block[part.stop :, part] = block[part, part.stop :].T
        square = block[part, part]
        square[:] = np.triu(square) + np.triu(square, 1).T


def _unit(x: np.ndarray, n: int) -> np.ndarray:
    """Columns with mean 0 and length 1, so that products are correlations; constant ones are 0."""
    if x.ndim != 2 or x.shape[1] != n:
        raise ValueError(f"a recording has {x.shape} values but (frames, {n}) are needed: is it of another region?")
    x = np.asarray(x, dtype=np.float32)
    x = x - x[:1]  # makes a constant column exactly 0, which its mean need not be in float32
    x -= x.mean(axis=0)
    length = np.linalg.norm(x, axis=0)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)
