"""Parcels as units: means over the voxels of each parcel, and cubes where there is no atlas.

Neighbouring voxels share signal, so whatever is tested or cross-validated over voxels is grouped by
parcel. Label 0 means "no parcel" everywhere and never comes out.
"""

import numpy as np

from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.splits import BLOCK_MM

# Cubes are numbered by their place in a grid of 128 × 128 × 128 that is centred on the origin: 3 m.
_GRID = 128


def parcels_or_blocks(parcel: np.ndarray, mm: np.ndarray) -> np.ndarray:
    """The atlas's parcel of each voxel; without an atlas, the number of the 24 mm cube that it lies in.

    Parameters
    ----------
    parcel : (K,) int array
        All 0 where there is no atlas.
    mm : (K, 3) array
        Positions in mm.

    Returns
    -------
    label : (K,) int64 array
        A cube's number follows from its place alone, so that one number is one place in all subjects of a space.

    Examples
    --------
    >>> parcels_or_blocks(np.array([0, 0, 0]), np.array([[1, 1, 1], [23, 1, 1], [-5, 1, 1]])).tolist()
    [1056833, 1056833, 1040449]
    >>> parcels_or_blocks(np.array([0, 7, 7]), np.zeros((3, 3))).tolist()
    [0, 7, 7]
    """
    parcel = np.asarray(parcel)
    if parcel.any():
        return parcel.astype(np.int64)
    corner = np.floor(np.asarray(mm, dtype=float) / BLOCK_MM + 1e-6).astype(np.int64) + _GRID // 2
    if corner.size and (corner.min() < 0 or corner.max() >= _GRID):
        raise ValueError(
            f"positions reach from {np.min(mm):.0f} to {np.max(mm):.0f} mm, more than a head is wide: "
            "are they in mm, and is the affine of the BOLD right?"
        )
    return corner @ np.array([_GRID**2, _GRID, 1]) + 1


def parcel_means(x: np.ndarray, parcel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of finite values in each parcel.

    Parameters
    ----------
    x : (K, n) or (K,) array
        May be memory-mapped: it is read in blocks of rows.
    parcel : (K,) int array
        Parcel of each voxel; 0 for none.

    Returns
    -------
    labels : (P,) int array
        Parcels that have voxels, ascending.
    means : (P, n) or (P,) float64 array
        NaN for a parcel without a finite value.

    Raises
    ------
    ValueError
        When the lengths differ.

    Examples
    --------
    >>> labels, means = parcel_means(np.array([1.0, 3, 5, 100]), np.array([2, 2, 7, 0]))
    >>> labels.tolist(), means.tolist()
    ([2, 7], [2.0, 5.0])
    """
    from scipy.sparse import csr_array

    if len(x) != len(parcel):
        raise ValueError(f"there are {len(x)} rows but the parcels of {len(parcel)} voxels")
    labels, members = _members(parcel)
    width = x.shape[1] if x.ndim == 2 else 1
    total, count = np.zeros((len(labels), width)), np.zeros((len(labels), width))
    for rows in row_chunks(len(x), width):
        inside = np.flatnonzero(members[rows] >= 0)
        values = np.asarray(x[rows], dtype=np.float64).reshape(-1, width)[inside]
        to_parcel = csr_array(
            (np.ones(len(inside)), (members[rows][inside], np.arange(len(inside)))), (len(labels), len(inside))
        )
        finite = np.isfinite(values)
        total += to_parcel @ np.where(finite, values, 0)
        count += to_parcel @ finite.astype(float) if not finite.all() else to_parcel.sum(axis=1)[:, None]
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return labels, means.reshape(len(labels), *x.shape[1:])


def parcel_sizes(parcel: np.ndarray) -> np.ndarray:
    """Voxels of each parcel, in the order of `parcel_means`, (P,) int."""
    labels, members = _members(parcel)
    return np.bincount(members[members >= 0], minlength=len(labels))


def centroids(mm: np.ndarray, parcel: np.ndarray) -> np.ndarray:
    """Mean position of each parcel in mm, in the order of `parcel_means`, (P, 3)."""
    return parcel_means(mm, parcel)[1]


def first_rows(parcel: np.ndarray) -> np.ndarray:
    """The first voxel of each parcel, in the order of `parcel_means`, (P,): where to read its name or network.

    Examples
    --------
    >>> first_rows(np.array([0, 7, 2, 7])).tolist()
    [2, 1]
    """
    labels, first = np.unique(np.asarray(parcel), return_index=True)
    return first[labels > 0]


def _members(parcel) -> tuple[np.ndarray, np.ndarray]:
    """Ascending labels, and the index of each voxel's label among them; −1 for none."""
    found, members = np.unique(np.asarray(parcel), return_inverse=True)
    n_without = int((found <= 0).sum())
    return found[n_without:], np.maximum(members.reshape(-1) - n_without, -1)
