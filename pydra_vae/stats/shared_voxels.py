"""Which rows of several subjects are the same place.

Every subject has its own mask, and perhaps its own grid; what is compared between subjects is compared on the
voxels that all of them have. The coarsest grid is the reference: each of its voxels takes, in every other subject,
the nearest voxel no farther than half an edge along each axis. A voxel serves one place only.
"""

from collections.abc import Sequence

import numpy as np

MIN_SHARED = 30
# Of the voxels of the subject with fewest: below it, masks or spaces differ and the comparison would be of scraps.
MIN_SHARE = 0.1
ROUNDING_MM = 1e-3
# Of grids half a voxel apart, all voxels choose the neighbour on the same side.
NUDGE_MM = 1e-4


def shared_rows(
    positions: Sequence[np.ndarray],
    voxel_mm: Sequence[np.ndarray],
    labels: Sequence[str] | None = None,
) -> np.ndarray:
    """Rows of each subject that lie at the same places.

    Parameters
    ----------
    positions : sequence of S arrays, (K_s, 3)
        Positions of each subject's voxels in mm, all in one space.
    voxel_mm : sequence of S arrays, (3,)
        Edges of each subject's voxels in mm.
    labels : sequence of S str, optional
        Names for the messages; numbers from 1 without them.

    Returns
    -------
    rows : (S, K) int64 array
        ``positions[s][rows[s]]`` are the same K places for every s, in the order of the reference.

    Raises
    ------
    ValueError
        When fewer than 30 voxels, or fewer than 10 % of the smallest subject's, are shared.

    Examples
    --------
    >>> line = np.arange(40)[:, None] * [3.0, 0, 0]
    >>> shared_rows([line, line[5:]], [np.full(3, 3.0)] * 2)[:, 0]
    array([5, 0])
    """
    if len(positions) != len(voxel_mm) or not positions:
        raise ValueError(f"{len(positions)} arrays of positions do not fit {len(voxel_mm)} sizes of voxels")
    labels = [str(n + 1) for n in range(len(positions))] if labels is None else list(labels)
    edges = np.asarray(voxel_mm, dtype=float).reshape(len(positions), 3)
    reference = coarsest(edges)
    places = np.asarray(positions[reference], dtype=float)
    reach = edges[reference].max() / 2 + ROUNDING_MM
    found = np.stack([_same_places(places, np.asarray(own, dtype=float), reach) for own in positions])
    everywhere = (found >= 0).all(axis=0)
    _check_enough(found, [len(own) for own in positions], int(everywhere.sum()), labels)
    return found[:, everywhere]


def coarsest(voxel_mm: Sequence[np.ndarray]) -> int:
    """Index of the reference: the first of the subjects with the largest voxels.

    Examples
    --------
    >>> coarsest([[2, 2, 2], [3, 3, 3], [3, 3, 3]])
    1
    """
    return int(np.argmax(np.asarray(voxel_mm, dtype=float).prod(axis=1).round(6)))


def _same_places(places: np.ndarray, own: np.ndarray, reach: float) -> np.ndarray:
    """Row of `own` at each place, -1 where there is none; (K,) int64."""
    from scipy.spatial import KDTree

    if own.shape == places.shape and np.allclose(own, places, atol=ROUNDING_MM):
        return np.arange(len(places))
    # largest difference along an axis, as a cube's corners belong to the cube
    distance, row = KDTree(own).query(places + NUDGE_MM, p=np.inf, distance_upper_bound=reach)
    rows = np.where(np.isfinite(distance), row, -1).astype(np.int64)
    by_closeness = np.lexsort((np.arange(len(rows)), distance.round(3)))
    _, first = np.unique(rows[by_closeness], return_index=True)
    once = np.zeros(len(rows), dtype=bool)
    once[by_closeness[first]] = True
    return np.where(once, rows, -1)


def _check_enough(found, sizes, n_shared, labels) -> None:
    fewest = min(sizes)
    if n_shared >= max(MIN_SHARED, MIN_SHARE * fewest):
        return
    worst = int(np.argmin((found >= 0).sum(axis=1)))
    raise ValueError(
        f"only {n_shared} voxels are shared by all {len(sizes)} subjects ({fewest} in the smallest mask; at least "
        f"{max(MIN_SHARED, int(np.ceil(MIN_SHARE * fewest)))} are needed); {labels[worst]} overlaps least. Are all in "
        "one standard space? Leave that subject out, or give one mask for all (--mask)"
    )
