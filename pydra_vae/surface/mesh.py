"""Triangle meshes of the cortex: edges, areas, pieces, and the graph that geodesic distances run on.

A path along the edges of a mesh zigzags and is some 9 % too long on a cortical surface. Where two triangles share an
edge they can be laid flat (a mesh is flat on each side of an edge), and the straight segment between their opposite
corners is a path on the surface if it crosses that edge. With these *unfolded diagonals* beside the edges, paths have
about twice as many directions at each vertex and are some 2 % too long. Every path of the graph lies on the surface,
so its distances are never shorter than the exact ones.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components


def check_mesh(coordinates: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh as float64 and int64 arrays, if it is one.

    Parameters
    ----------
    coordinates : (n, 3) array
        Positions of the vertices in mm.
    triangles : (m, 3) integer array
        The three vertices of each triangle.

    Raises
    ------
    ValueError
        When shapes are wrong, a position is not finite, a triangle names a vertex that does not exist, or one
        vertex twice.
    """
    coordinates, triangles = np.asarray(coordinates, dtype=np.float64), np.asarray(triangles)
    if coordinates.ndim != 2 or coordinates.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(
            f"a mesh needs coordinates (n, 3) and triangles (m, 3), not {coordinates.shape} and {triangles.shape}"
        )
    if not np.isfinite(coordinates).all():
        raise ValueError(f"{int((~np.isfinite(coordinates)).any(axis=1).sum())} vertices of the mesh have no position")
    triangles = triangles.astype(np.int64)
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(coordinates)):
        raise ValueError(
            f"the mesh has {len(coordinates)} vertices but its triangles name vertices "
            f"{triangles.min()} to {triangles.max()}: do both come from the same surface?"
        )
    first, second, third = triangles.T
    if ((first == second) | (second == third) | (third == first)).any():
        raise ValueError("some triangles of the mesh name a vertex twice: repair the surface")
    return coordinates, triangles


def edges(triangles: np.ndarray) -> np.ndarray:
    """Every edge once, (e, 2) with the lower vertex first, in ascending order.

    Examples
    --------
    >>> edges(np.array([[0, 1, 2], [2, 1, 3]])).tolist()
    [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    """
    sides = _sides(triangles)[0]
    n = int(sides.max(initial=0)) + 1
    return np.stack(np.divmod(np.unique(sides @ [n, 1]), n), axis=1)  # rows as numbers, which sort faster


def triangle_areas(coordinates: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area of each triangle, (m,) in mm²."""
    a, b, c = (coordinates[corner] for corner in np.asarray(triangles).T)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def vertex_areas(coordinates: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The area that each vertex stands for: a third of each of its triangles, (n,) in mm².

    Examples
    --------
    >>> vertex_areas(np.array([[0.0, 0, 0], [3, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]])).tolist()
    [1.0, 1.0, 1.0]
    """
    thirds = np.repeat(triangle_areas(coordinates, triangles) / 3, 3)
    return np.bincount(np.ravel(triangles), weights=thirds, minlength=len(coordinates))


def unfolded_diagonals(coordinates: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straight ways across each pair of neighbouring triangles.

    Only edges of exactly two triangles are crossed; a boundary has no other side.

    Parameters
    ----------
    coordinates : (n, 3) array
    triangles : (m, 3) integer array

    Returns
    -------
    pairs : (d, 2) int64 array
        The vertices opposite the edge, the lower first; a pair can occur again, across another edge.
    lengths : (d,) float64 array
        Length of the segment on the unfolded triangles, in mm.

    Examples
    --------
    >>> square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> pairs, lengths = unfolded_diagonals(square, np.array([[0, 1, 2], [0, 2, 3]]))
    >>> pairs.tolist(), lengths.round(4).tolist()
    ([[1, 3]], [1.4142])
    """
    sides, opposite = _sides(triangles)
    order = np.lexsort((opposite, sides[:, 1], sides[:, 0]))
    sides, opposite = sides[order], opposite[order]
    start = np.flatnonzero(np.r_[True, (sides[1:] != sides[:-1]).any(axis=1)])
    start = start[np.diff(np.r_[start, len(sides)]) == 2]
    pairs = np.stack([opposite[start], opposite[start + 1]], axis=1)
    a, b = coordinates[sides[start, 0]], coordinates[sides[start, 1]]
    length = np.linalg.norm(b - a, axis=1)
    length = np.where(length > 0, length, 1.0)  # such an edge is crossed nowhere: x below is then 0
    (x_one, y_one), (x_two, y_two) = (_beside(a, (b - a) / length[:, None], coordinates[corner]) for corner in pairs.T)
    height = y_one + y_two
    crossing = x_one + (x_two - x_one) * np.divide(y_one, height, out=np.zeros_like(height), where=height > 0)
    crosses = (crossing > 0) & (crossing < length) & (height > 0) & (pairs[:, 0] != pairs[:, 1])
    return np.sort(pairs[crosses], axis=1), np.hypot(x_one - x_two, height)[crosses]


def mesh_graph(coordinates: np.ndarray, triangles: np.ndarray, diagonals: bool = True) -> sparse.csr_array:
    """The mesh as a graph of lengths, (n, n) symmetric CSR in mm: its edges, and the unfolded diagonals."""
    pairs = edges(triangles)
    lengths = np.linalg.norm(np.diff(coordinates[pairs], axis=1)[:, 0], axis=1)
    if diagonals:
        more, further = unfolded_diagonals(coordinates, triangles)
        pairs, lengths = np.concatenate([pairs, more]), np.concatenate([lengths, further])
    # the shortest of several ways between two vertices; a sparse matrix would add them up
    order = np.lexsort((lengths, pairs[:, 1], pairs[:, 0]))
    pairs, lengths = pairs[order], lengths[order]
    kept = np.r_[True, (pairs[1:] != pairs[:-1]).any(axis=1)] if len(pairs) else np.zeros(0, bool)
    # a length of 0 would be no link at all
    (i, j), lengths = pairs[kept].T, np.maximum(lengths[kept], np.finfo(np.float64).tiny)
    both = (np.r_[lengths, lengths], (np.r_[i, j], np.r_[j, i]))
    return sparse.coo_array(both, shape=(len(coordinates),) * 2).tocsr()


def adjacency(triangles: np.ndarray, n_vertices: int) -> sparse.csr_array:
    """Which vertices share an edge, (n, n) symmetric CSR of ones."""
    i, j = edges(triangles).T
    both = (np.r_[i, j], np.r_[j, i])
    return sparse.coo_array((np.ones(2 * len(i), np.int8), both), shape=(n_vertices, n_vertices)).tocsr()


def pieces(neighbours: sparse.csr_array, vertices: np.ndarray | None = None) -> np.ndarray:
    """The connected piece that each vertex belongs to, the largest piece being 0.

    Parameters
    ----------
    neighbours : (n, n) sparse array
        Of `adjacency` or `mesh_graph`.
    vertices : (k,) integer array, optional
        Only these vertices and the edges between them; all by default.

    Returns
    -------
    (k,) int64 array
        Pieces in descending size, of equal ones that with the earlier vertex first.

    Examples
    --------
    >>> strip = adjacency(np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6]]), 7)
    >>> pieces(strip).tolist(), pieces(strip, np.array([0, 4, 5])).tolist()
    ([0, 0, 0, 0, 1, 1, 1], [1, 0, 0])
    """
    inside = neighbours if vertices is None else neighbours[vertices][:, vertices]
    label = connected_components(inside, directed=False)[1]
    order = np.argsort(-np.bincount(label), kind="stable")  # scipy numbers pieces by their first vertex
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[label]


def _sides(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The three sides of each triangle, (3m, 2) with the lower vertex first, and the corner opposite each, (3m,)."""
    triangles = np.asarray(triangles)
    sides = np.concatenate([triangles[:, [1, 2]], triangles[:, [2, 0]], triangles[:, [0, 1]]])
    return np.sort(sides, axis=1), triangles.T.ravel()


def _beside(origin: np.ndarray, direction: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points lie along a line and how far from it: coordinates in the plane of their triangle."""
    offset = point - origin
    along = np.einsum("ij,ij->i", offset, direction)
    return along, np.linalg.norm(offset - along[:, None] * direction, axis=1)
