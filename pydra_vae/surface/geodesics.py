"""Distances along the cortical surface.

Dijkstra's algorithm on the mesh with unfolded diagonals (see `mesh`), always over the whole surface: shortest ways
between vertices of a region leave the region, and would be several times too long if they had to stay inside.

On the HCP S1200 pial surface (32k, somatomotor region) distances are 2.3 % longer than exact ones on average, 7 % at
the 99th percentile, and keep their order (Spearman .9998). Along edges alone they are 9 % too long.
"""

from collections.abc import Iterable

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from pydra_vae.surface.mesh import check_mesh, mesh_graph, pieces
from pydra_vae.surface.processes import in_processes

# Sources at a time: 64 rows of 32,492 vertices are 17 MB.
_ROWS = 64


def geodesic_distances(
    coordinates: np.ndarray,
    triangles: np.ndarray,
    sources: np.ndarray,
    targets: np.ndarray | None = None,
    limit: float = np.inf,
    diagonals: bool = True,
    threads: int = 1,
) -> np.ndarray | sparse.csr_array:
    """Distances along the surface from some vertices to others.

    Parameters
    ----------
    coordinates : (n, 3) array
        Positions in mm, of the whole surface.
    triangles : (m, 3) integer array
    sources, targets : (s,), (t,) integer arrays
        Vertex numbers; every vertex of the mesh is a target by default.
    limit : float
        In mm. Below infinity only pairs that are no further apart are given.
    diagonals : bool
        Whether paths may cross two triangles straight (see `mesh.unfolded_diagonals`), or follow edges only.
    threads : int
        Processes that share the sources; no part of the result.

    Returns
    -------
    (s, t) float32 array or CSR array
        Distances in mm. With a limit a CSR array whose entries are the pairs within it; a vertex's distance to
        itself, 0, is no entry.

    Raises
    ------
    ValueError
        When the mesh or a vertex number is wrong, the limit is not positive, or sources and targets lie on several
        pieces of the mesh.

    Examples
    --------
    >>> square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> halves = np.array([[0, 1, 2], [0, 2, 3]])
    >>> geodesic_distances(square, halves, [1]).round(3).tolist()
    [[1.0, 0.0, 1.0, 1.4140000343322754]]
    >>> geodesic_distances(square, halves, [1], diagonals=False).tolist()
    [[1.0, 0.0, 1.0, 2.0]]
    """
    coordinates, triangles = check_mesh(coordinates, triangles)
    if not limit > 0:
        raise ValueError(f"the limit of geodesic distances is {limit}: give a positive number of mm, or none")
    sources = _vertices(sources, len(coordinates), "sources")
    targets = _vertices(range(len(coordinates)) if targets is None else targets, len(coordinates), "targets")
    graph = mesh_graph(coordinates, triangles, diagonals)
    _check_reachable(graph, sources, targets)
    blocks = [sources[start : start + _ROWS] for start in range(0, len(sources), _ROWS)]
    fixed = (graph, targets, float(limit))
    found = in_processes(_block, fixed, blocks, threads)
    if np.isinf(limit):
        return _filled(found, (len(sources), len(targets)))
    rows = list(found)
    return sparse.vstack(rows, format="csr") if rows else sparse.csr_array((0, len(targets)), dtype=np.float32)


def mean_distances(each: Iterable, limit: float = np.inf):
    """The mean of several subjects' distances between the same vertices.

    Parameters
    ----------
    each : iterable of (s, t) arrays or CSR arrays
        Of `geodesic_distances`, one a subject; one is held at a time. With a limit, each must reach further than
        that (by half, say): a pair that lies beyond some subject's own reach has no mean and is left out.
    limit : float
        Pairs whose mean is larger are left out of CSR arrays; mm.

    Returns
    -------
    (s, t) float32 array or CSR array

    Examples
    --------
    >>> mean_distances([np.array([[0.0, 2.0]]), np.array([[0.0, 4.0]])]).tolist()
    [[0.0, 3.0]]
    """
    total, known, n = None, None, 0
    for distances in each:
        n += 1
        if sparse.issparse(distances):
            seen = distances.astype(bool).astype(np.int32)
            known = seen if known is None else known + seen
        total = distances if total is None else total + distances
    if total is None:
        raise ValueError("a mean of distances needs those of at least one subject")
    if not sparse.issparse(total):
        return np.asarray(total / n, dtype=np.float32)
    mean = (total / n).tocsr()
    mean.data[(known.data < n) | (mean.data > limit)] = 0
    mean.eliminate_zeros()
    return mean.astype(np.float32)


def _block(graph, targets, limit, sources):
    """Distances from a few sources, float32; CSR with a limit."""
    distances = dijkstra(graph, directed=True, indices=sources, limit=limit)  # both directions are in the graph
    distances = distances[:, targets].astype(np.float32)
    if np.isinf(limit):
        return distances
    np.maximum(distances, np.finfo(np.float32).tiny, out=distances)  # two vertices at one place are a pair too
    distances[~np.isfinite(distances) | (sources[:, None] == targets)] = 0
    return sparse.csr_array(distances)


def _filled(blocks: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    distances, row = np.empty(shape, np.float32), 0
    for block in blocks:
        distances[row : row + len(block)] = block
        row += len(block)
    return distances


def _vertices(numbers, n_vertices: int, what: str) -> np.ndarray:
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
        raise ValueError(f"{what} must be a list of vertex numbers, not an array {numbers.shape} of {numbers.dtype}")
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < n_vertices):
        raise ValueError(
            f"{what} are vertices {numbers.min()} to {numbers.max()} but the mesh has {n_vertices}: "
            "do they belong to another surface?"
        )
    return numbers.astype(np.int64)


def _check_reachable(graph, sources: np.ndarray, targets: np.ndarray):
    piece = pieces(graph)
    used = np.unique(np.concatenate([piece[sources], piece[targets]]))
    if len(used) > 1:
        outside = np.unique(np.concatenate([sources, targets]))
        outside = outside[piece[outside] != used[0]]
        raise ValueError(
            f"the mesh is not connected: {len(outside)} of the asked vertices (the first is {outside[0]}) lie on other "
            f"pieces than the rest, and no way along the surface leads there. Repair the surface, or leave them out."
        )
