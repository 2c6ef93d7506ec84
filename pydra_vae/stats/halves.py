"""Consecutive halves of a recording: what a model says from one is compared with the other, unseen one.

Odd and even frames would share the slow BOLD response, so that any measure agrees between them. Whole runs are better
still, since they share neither drift nor head position: the border of two runs is taken where one lies near the middle.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array, diags_array

from pydra_vae.stats.chunks import row_chunks

NEAR = 0.1  # of all frames: halves of at worst 40 and 60 %
FAR_MM = 20.0  # neighbours correlate by smoothing and motion; a measure of reliability must not


def border(lengths: Sequence[int]) -> int:
    """The first frame of the second half.

    Parameters
    ----------
    lengths : (R,) sequence of int
        Frames of each run.

    Examples
    --------
    >>> border([526, 452, 332]), border([156]), border([100, 10])
    (526, 78, 55)
    """
    total = int(sum(lengths))
    borders = np.cumsum(lengths)[:-1]
    if borders.size:
        nearest = int(borders[np.abs(borders - total / 2).argmin()])
        if abs(nearest - total / 2) <= NEAR * total:
            return nearest
    return total // 2


def smoother(mm: np.ndarray, fwhm: float) -> csr_array:
    """Gaussian smoothing inside a mask, as a matrix (K, K) whose rows sum to 1.

    Parameters
    ----------
    mm : (K, 3) array
        Positions in mm.
    fwhm : float
        Full width at half maximum in mm; the Gaussian is cut at 2.5 standard deviations.
    """
    from scipy.spatial import cKDTree

    sigma = fwhm / np.sqrt(8 * np.log(2))
    tree = cKDTree(mm)
    near = tree.sparse_distance_matrix(tree, 2.5 * sigma, output_type="coo_matrix")
    # a voxel's distance of 0 to itself is stored too, so that it has its weight
    matrix = csr_array((np.exp(-((near.data / sigma) ** 2) / 2), (near.row, near.col)), near.shape)
    return diags_array(1 / matrix.sum(axis=1)) @ matrix


def averages(members: np.ndarray) -> csr_array:
    """Matrix (n, K) that takes the mean over the voxels of each unit.

    Parameters
    ----------
    members : (K,) int array
        Unit of each voxel, from 1; 0 for none.

    Examples
    --------
    >>> averages(np.array([2, 0, 1, 2])).toarray().tolist()
    [[0.0, 0.0, 1.0, 0.0], [0.5, 0.0, 0.0, 0.5]]
    """
    inside = np.flatnonzero(members > 0)
    unit, size = np.unique(members[inside], return_inverse=True, return_counts=True)[1:]
    return csr_array((1 / size[unit], (unit, inside)), (len(size), len(members)))


def unit_series(
    x: np.ndarray, units: csr_array, transform: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Series of units that are weighted sums of voxels, units @ transform(x), without x in memory; (n, T)."""
    total, columns = np.zeros((units.shape[0], x.shape[1])), units.tocsc()
    for rows in row_chunks(*x.shape):
        part = columns[:, rows]
        inside = np.unique(part.tocoo().col)
        if inside.size:
            block = np.asarray(x[rows][inside], dtype=np.float64)
            total += part[:, inside] @ (block if transform is None else transform(block))
    return total


def far_pairs(mm: np.ndarray, beyond_mm: float = FAR_MM) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of units more than some distance apart, each once: two (n,) arrays of indices.

    Examples
    --------
    >>> [i.tolist() for i in far_pairs(np.array([[0, 0, 0], [10, 0, 0], [30, 0, 0]]), 25)]
    [[0], [2]]
    """
    from scipy.spatial.distance import pdist

    first, second = np.triu_indices(len(mm), 1)
    far = pdist(mm) > beyond_mm
    return first[far], second[far]
