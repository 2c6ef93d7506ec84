"""At what distance does a map become another one? Spatial autocorrelation on the voxel grid, and its length.

The correlogram r(h) is the mean product z_i z_j of the standardised map over all pairs of voxels at
distance h. All pairs are counted at once: the sum of products at each offset is an autocorrelation of the
zero-padded volume (Wiener–Khinchin), and that of the mask gives their number.
"""

import numpy as np

from pydra_vae.stats.moran import standardised

LENGTH_LEVEL = 1 / np.e
MIN_PAIRS = 50


def correlogram(x: np.ndarray, ijk: np.ndarray, voxel_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelation of each map against distance.

    Parameters
    ----------
    x : (K, n) array
        Maps of K voxels, in columns.
    ijk : (K, 3) int array
        Voxel indices.
    voxel_mm : (3,) array
        Edges of a voxel in mm.

    Returns
    -------
    distance : (B,) float64 array
        Ascending, in mm, from 0; mean of the pairs in a bin as wide as half the shortest edge.
    r : (B, n) float64 array
        1 at distance 0; NaN for a constant map.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    at = tuple((np.asarray(ijk) - np.min(ijk, axis=0)).T)
    extent = [int(axis.max()) + 1 for axis in at]
    shape = [next_fast_len(2 * length - 1, real=True) for length in extent]

    def products(values: np.ndarray) -> np.ndarray:
        """Sum over pairs at each offset."""
        volume = np.zeros(shape)
        volume[at] = values
        return irfftn(np.abs(rfftn(volume)) ** 2, shape)

    distances = _distances(shape, extent, voxel_mm)
    pairs = np.round(products(np.ones(len(x))))
    some = (pairs > 0) & np.isfinite(distances)
    pairs, distances = pairs[some], distances[some]
    bins = np.unique(np.round(distances / (np.min(voxel_mm) / 2)), return_inverse=True)[1].reshape(-1)
    count = np.bincount(bins, pairs)
    r = [np.bincount(bins, products(column)[some]) / count for column in standardised(x).T]
    return np.bincount(bins, pairs * distances) / count, np.array(r).reshape(-1, len(count)).T


def correlation_length(x: np.ndarray, ijk: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray:
    """Distance in mm at which the autocorrelation of each map has fallen to 1/e.

    Parameters
    ----------
    x, ijk, voxel_mm
        As for `correlogram`.

    Returns
    -------
    length : (n,) float64 array
        On a straight line between bins: a map without any smoothness gives .63 of the first bin's distance,
        which is the edge of a cubic voxel. Noise in single voxels shortens it. NaN for a constant map.
    """
    distance, r = correlogram(x, ijk, voxel_mm)
    return np.array([_first_below(distance, column) for column in r.T])


def _first_below(distance, r) -> float:
    below = np.flatnonzero(r < LENGTH_LEVEL)
    if not below.size or below[0] == 0:
        return np.nan
    i = below[0]
    share = (r[i - 1] - LENGTH_LEVEL) / (r[i - 1] - r[i])
    return float(distance[i - 1] + share * (distance[i] - distance[i - 1]))


def _distances(shape, extent, voxel_mm) -> np.ndarray:
    """Length of each offset in mm; infinite where the padding reaches beyond the volume."""
    squares = []
    for axis in range(3):
        offset = np.minimum(np.arange(shape[axis]), shape[axis] - np.arange(shape[axis])).astype(float)
        offset[offset >= extent[axis]] = np.inf
        squares.append((offset * voxel_mm[axis]) ** 2)
    return np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])


def correlation_length_along(
    x: np.ndarray, first: np.ndarray, second: np.ndarray, distance: np.ndarray, spacing: float
) -> np.ndarray:
    """The same where distances are not those of a grid: pairs of rows and how far apart they are.

    Parameters
    ----------
    x : (K, n) array
        Maps of K places, in columns.
    first, second : (P,) int arrays
        Rows of each pair.
    distance : (P,) array
        In mm, such as along a surface.
    spacing : float
        Distance of neighbouring places in mm; bins are as wide, and those with few pairs are left out.

    Returns
    -------
    length : (n,) float64 array
        In mm; NaN for a constant map, and where no pair is so far apart that the autocorrelation has fallen to 1/e.
    """
    z = standardised(x)
    distance = np.asarray(distance)
    number = np.floor(distance / spacing).astype(np.int32)  # small types: there are some ten million pairs
    enough = np.bincount(number) >= MIN_PAIRS
    used = enough[number]
    first, second, distance = first[used], second[used], distance[used]
    at = (np.cumsum(enough, dtype=np.int32) - 1)[number[used]]
    count = np.bincount(at)
    middle = np.r_[0.0, np.bincount(at, distance) / count]
    found = []
    for column in z.T:
        r = np.bincount(at, column[first] * column[second]) / count
        found.append(_first_below(middle, np.r_[1.0, r]))
    return np.array(found)
