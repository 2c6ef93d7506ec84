"""Classical maps of images into few dimensions: MDS, locally linear embedding and Isomap, beside PCA and a VAE.

The tutorial (section 1) names multidimensional scaling (Borg and Groenen 2007), LLE (Roweis and Saul 2000) and Isomap
(Tenenbaum et al. 2000) as what came before autoencoders. All need only the distances between N images. Those are kept
exactly by the N coordinates that the N × N products give (`isometric`), so nothing here sees the voxels.

Each map is fitted to training images and places unseen ones: LLE by the weights that rebuild them from their
neighbours, Isomap by the paths through them, and MDS, which has no such rule, by the place of least stress against the
training images, which stay where they are. `judge_map` scores the places of any images by their neighbours among the
training images (Venna and Kaski 2001 for trustworthiness and continuity), so that a map is not judged on what it saw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import CHUNK_BYTES

METHODS = ("MDS", "LLE", "Isomap")
COLUMN_BYTES = 8 * CHUNK_BYTES
MDS_STEPS = 300
PLACE_STEPS = 300


@dataclass(frozen=True)
class Quality:
    """How well places of images keep what lies near them, against the training images.

    Attributes
    ----------
    trustworthiness : float
        1 where all neighbours in the map are neighbours in the data; about .5 by chance.
    continuity : float
        1 where all neighbours in the data are neighbours in the map.
    overlap : float
        Share of the neighbours that are the same.
    stress : float
        √(Σ(δ − s d)² / Σδ²) of distances δ in the data and d in the map, s the best scale: 0 where all are kept.
    """

    trustworthiness: float
    continuity: float
    overlap: float
    stress: float


def isometric(x: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Coordinates of images that keep all their distances: principal coordinates, (N, N' ≤ N − 1), the widest first.

    Parameters
    ----------
    x : (n, V) array
        May be memory-mapped; read in blocks of columns.
    rows : (N,) int array, optional
        Which images; all by default.

    Examples
    --------
    >>> points = np.array([[0.0, 0, 9], [3, 4, 9], [0, 8, 9]])
    >>> c = isometric(points)
    >>> c.shape, np.linalg.norm(c[1] - c[0]).round(6).item()
    ((3, 2), 5.0)
    """
    rows = np.arange(len(x)) if rows is None else np.asarray(rows)
    products = np.zeros((len(rows),) * 2)
    width = max(1, COLUMN_BYTES // (8 * max(1, len(rows))))
    for start in range(0, x.shape[1], width):
        block = np.asarray(x[rows, start : start + width], dtype=np.float64)
        block = block - block.mean(axis=0)
        products += block @ block.T
    variance, vectors = np.linalg.eigh(products)
    order = np.argsort(-variance)[: max(1, len(rows) - 1)]
    order = order[variance[order] > 1e-10 * max(variance.max(), np.finfo(float).tiny)]
    vectors = vectors[:, order]
    sign = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(order))])
    return vectors * (sign * np.sqrt(variance[order]))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances between rows of a (m, d) and b (n, d), (m, n)."""
    from scipy.spatial.distance import cdist

    return cdist(a, b)


def embed(method: str, c: np.ndarray, train: np.ndarray, dims: int, n_neighbors: int, seed: int = 0) -> np.ndarray:
    """Places of all images in a map that was fitted to the training images.

    Parameters
    ----------
    method : {"MDS", "LLE", "Isomap"}
    c : (N, d) array
        Coordinates of the images (`isometric`).
    train : (N,) bool array
    dims, n_neighbors : int
    seed : int
        Of LLE's eigenvalue solver.

    Returns
    -------
    y : (N, dims) array

    Raises
    ------
    ValueError
        When there are too few training images for the neighbours or dimensions.
    """
    if method not in METHODS:
        raise ValueError(f"unknown map {method!r}: choose one of {', '.join(METHODS)}")
    n = int(np.sum(train))
    if n <= max(n_neighbors, dims) + 1:
        raise ValueError(
            f"{method} of {dims} dimensions and {n_neighbors} neighbours needs more than "
            f"{max(n_neighbors, dims) + 1} training images, not {n}: ask for fewer"
        )
    fitted, place = _FITS[method](c[train], dims, n_neighbors, seed)
    y = np.empty((len(c), dims))
    y[train] = fitted
    if not np.all(train):
        y[~train] = place(c[~train])
    return y


def mds(distance: np.ndarray, start: np.ndarray, n_steps: int = MDS_STEPS, tolerance: float = 1e-6) -> np.ndarray:
    """Metric multidimensional scaling: SMACOF's majorisation from a given start.

    Parameters
    ----------
    distance : (n, n) array
    start : (n, k) array
        E.g. the first principal coordinates.
    n_steps : int
    tolerance : float
        Stops where the raw stress falls by less than this share.

    Returns
    -------
    y : (n, k) array
    """
    y, before = start - start.mean(axis=0), np.inf
    for _ in range(n_steps):
        found = distances(y, y)
        stress = np.sum((found - distance) ** 2)
        if before - stress < tolerance * stress:
            break
        before = stress
        ratio = np.divide(distance, found, out=np.zeros_like(found), where=found > 1e-12)
        y = (ratio.sum(axis=1)[:, None] * y - ratio @ y) / len(y)
    return y


def place_mds(distance: np.ndarray, y: np.ndarray, n_neighbors: int, n_steps: int = PLACE_STEPS) -> np.ndarray:
    """Places of new points from their distances (m, n) to n points that stay at y (n, k): SMACOF of one point each."""
    near = np.argsort(distance, axis=1, kind="stable")[:, :n_neighbors]
    new = y[near].mean(axis=1)
    for _ in range(n_steps):
        found = distances(new, y)
        ratio = np.divide(distance, found, out=np.zeros_like(found), where=found > 1e-12)
        new = y.mean(axis=0) + (ratio.sum(axis=1)[:, None] * new - ratio @ y) / len(y)
    return new


def judge_map(data: np.ndarray, places: np.ndarray, itself: np.ndarray | None, n_neighbors: int) -> Quality:
    """Judge a map by distances from m query images to n training images.

    Parameters
    ----------
    data, places : (m, n) arrays
        Distances in the data and in the map.
    itself : (m,) int array, optional
        Where the queries are training images: which one, to leave out.
    n_neighbors : int
        At most a third of the training images, so that the measures are defined.

    Examples
    --------
    >>> d = distances(*[np.arange(12.0)[:, None]] * 2)
    >>> judge_map(d, 3 * d, np.arange(12), 3)
    Quality(trustworthiness=1.0, continuity=1.0, overlap=1.0, stress=0.0)
    """
    if itself is not None:
        keep = np.ones(data.shape, dtype=bool)
        keep[np.arange(len(data)), itself] = False
        data, places = (d[keep].reshape(len(d), -1) for d in (data, places))
    m, n = data.shape
    k = min(n_neighbors, n // 3)
    if k < 1 or m < 1:
        return Quality(np.nan, np.nan, np.nan, np.nan)
    rank_data, rank_map = _ranks(data), _ranks(places)
    norm = 2 / (m * k * (2 * n - 3 * k + 1))
    intruders = np.where((rank_map <= k) & (rank_data > k), rank_data - k, 0).sum()
    lost = np.where((rank_data <= k) & (rank_map > k), rank_map - k, 0).sum()
    same = ((rank_map <= k) & (rank_data <= k)).sum() / (m * k)
    return Quality(float(1 - norm * intruders), float(1 - norm * lost), float(same), _stress(data, places))


def knn_r2(places: np.ndarray, y: np.ndarray, y_train: np.ndarray, n_neighbors: int) -> float:
    """R² of predicting unseen images' values by the mean of their nearest training images', against the training mean.

    Parameters
    ----------
    places : (m, n) array
        Distances in the map from unseen to training images.
    y, y_train : (m,) and (n,) arrays
        NaN where the value is missing.
    n_neighbors : int
    """
    seen, known = np.isfinite(y_train), np.isfinite(y)
    k = min(n_neighbors, int(seen.sum()))
    if k < 1 or known.sum() < 2:
        return np.nan
    near = np.argsort(places[known][:, seen], axis=1, kind="stable")[:, :k]
    error = np.sum((y[known] - y_train[seen][near].mean(axis=1)) ** 2)
    total = np.sum((y[known] - y_train[seen].mean()) ** 2)
    return float(1 - error / total) if total > 0 else np.nan


def _ranks(distance) -> np.ndarray:
    """1 for the nearest of each row."""
    return np.argsort(np.argsort(distance, axis=1, kind="stable"), axis=1, kind="stable") + 1


def _stress(data, places) -> float:
    size = np.sum(data**2)
    if not size > 0:
        return np.nan
    scale = np.sum(data * places) / max(np.sum(places**2), np.finfo(float).tiny)
    return float(np.sqrt(np.sum((data - scale * places) ** 2) / size))


def _fit_mds(c, dims, n_neighbors, seed) -> tuple[np.ndarray, Callable]:
    y = mds(distances(c, c), _principal(c, dims))
    return y, lambda new: place_mds(distances(new, c), y, n_neighbors)


def _principal(c, dims) -> np.ndarray:
    centred = c - c.mean(axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:dims].T


def _fit_lle(c, dims, n_neighbors, seed) -> tuple[np.ndarray, Callable]:
    from sklearn.manifold import LocallyLinearEmbedding

    solver = "dense" if len(c) <= 500 else "arpack"
    fit = LocallyLinearEmbedding(n_neighbors=n_neighbors, n_components=dims, eigen_solver=solver, random_state=seed)
    y = fit.fit_transform(c)
    return y, fit.transform


def _fit_isomap(c, dims, n_neighbors, seed) -> tuple[np.ndarray, Callable]:
    """Not scikit-learn's, which refuses the negative eigenvalues that paths between few points have."""
    paths = shortest_paths(distances(c, c), n_neighbors)
    square = paths**2
    centred = -0.5 * (square - square.mean(axis=0) - square.mean(axis=1, keepdims=True) + square.mean())
    values, vectors = np.linalg.eigh(centred)
    values, vectors = values[::-1][:dims], vectors[:, ::-1][:, :dims]
    kept = values > 1e-10 * max(values[0], 0)  # dimensions beyond those that the paths have stay 0
    axes = np.where(kept, vectors / np.sqrt(np.where(kept, values, 1)), 0)

    def place(new):
        away = distances(new, c)
        near = np.argsort(away, axis=1, kind="stable")[:, :n_neighbors]
        through = np.take_along_axis(away, near, axis=1)[:, :, None] + paths[near]
        return -0.5 * (through.min(axis=1) ** 2 - square.mean(axis=0)) @ axes

    return axes * np.where(kept, values, 0), place


def shortest_paths(distance: np.ndarray, n_neighbors: int) -> np.ndarray:
    """Lengths of the shortest paths through nearest neighbours, (n, n).

    Pieces without a path between them are joined by their shortest distance.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, shortest_path

    length = np.maximum(distance, np.finfo(np.float32).tiny)  # of 0, a sparse graph would have no edge
    near = np.argsort(length + np.diag(np.full(len(length), np.inf)), axis=1, kind="stable")[:, :n_neighbors]
    edge = np.zeros(length.shape, dtype=bool)
    np.put_along_axis(edge, near, True, axis=1)
    edge |= edge.T
    while True:
        n, piece = connected_components(csr_array(edge), directed=False)
        if n == 1:
            return shortest_path(csr_array(np.where(edge, length, 0)), directed=False)
        gap = np.where((piece[:, None] == 0) & (piece != 0), length, np.inf)
        a, b = np.unravel_index(gap.argmin(), gap.shape)
        edge[a, b] = edge[b, a] = True


_FITS = {"MDS": _fit_mds, "LLE": _fit_lle, "Isomap": _fit_isomap}
