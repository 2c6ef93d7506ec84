"""Principal components of a few hundred images of many thousands of voxels, a block of columns in memory at a time.

With fewer images than voxels, the components are Xᵀ u / √λ of the eigenvectors u of the N × N Gram matrix X Xᵀ, summed
over blocks of voxels (Sirovich 1987; "snapshots"); with more images than voxels (frames of a small region), those of
the V × V scatter matrix, which is then the smaller one. Two passes over the array, exact, in double precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

BLOCK_BYTES = 32 * 2**20  # of float64
NEGLIGIBLE = 1e-10  # of the largest variance: directions below are rounding


@dataclass(frozen=True)
class VolumePca:
    """A PCA over images; features are voxels.

    Attributes
    ----------
    mean : (V,) float64 array
        Mean of the fitted images.
    components : (n, V) float64 array
        Orthonormal rows, the largest variance first; the largest entry of each is positive.
    variance : (n,) float64 array
        Variance of the fitted images' scores on each (divided by their number).
    total : float
        Variance of all voxels together.
    """

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    total: float

    def reconstruct(self, x: np.ndarray, k: int | None = None) -> np.ndarray:
        """Images (B, V) from their scores on the first k components; 0 gives the mean image."""
        components = self.components[:k]
        return (x - self.mean) @ components.T @ components + self.mean


def most_components(n_images: int, n_voxels: int) -> int:
    """How many components a PCA can have: min(N − 1, V).

    >>> most_components(10, 5000)
    9
    """
    return min(n_images - 1, n_voxels)


def fit_volume_pca(x: np.ndarray, rows: np.ndarray, n_components: int) -> VolumePca:
    """Fit a PCA to some rows of an array of images.

    Parameters
    ----------
    x : (N, V) array
        May be memory-mapped.
    rows : (n,) int array
        Images to fit to: those of the training part.
    n_components : int
        At most `most_components`; fewer come back where the images span fewer directions.

    Raises
    ------
    ValueError
        When there are too few images, or nothing varies.

    Examples
    --------
    >>> x = np.outer([1.0, 2, 4, 8], [1.0, 0, 2]) + np.outer([1.0, -1, 1, 0], [0, 1.0, 0])
    >>> pca = fit_volume_pca(x, np.arange(4), 2)
    >>> bool(np.allclose(pca.reconstruct(x), x))
    True
    """
    rows, most = np.asarray(rows), most_components(len(rows), x.shape[1])
    if not 1 <= n_components <= most:
        raise ValueError(
            f"a PCA of {len(rows)} images of {x.shape[1]} voxels cannot have {n_components} components: ask for at "
            f"least 1 and at most {most}"
        )
    mean = np.empty(x.shape[1])
    by_image = len(rows) <= x.shape[1]
    square = _gram(x, rows, mean) if by_image else _scatter(x, rows, mean)
    last = len(square) - 1
    values, vectors = eigh(square, subset_by_index=[last - n_components + 1, last], driver="evr")
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > NEGLIGIBLE * max(values[0], 0)
    if not kept.any():
        raise ValueError(f"the {len(rows)} images to fit are all equal: there is nothing for a PCA to describe")
    values, vectors = values[kept], vectors[:, kept]
    components = _from_images(x, rows, mean, vectors / np.sqrt(values)) if by_image else vectors.T
    return VolumePca(mean, _signed(components), values / len(rows), float(np.trace(square) / len(rows)))


def _gram(x, rows, mean) -> np.ndarray:
    """Gram matrix (n, n) of the centred images; fills `mean`."""
    square = np.zeros((len(rows), len(rows)))
    for columns in _column_blocks(x, rows):
        block = _images(x, rows, columns)
        mean[columns] = block.mean(axis=0)
        block -= mean[columns]
        square += block @ block.T
    return square


def _scatter(x, rows, mean) -> np.ndarray:
    """Scatter matrix (V, V) of the centred images; fills `mean`."""
    mean[:] = sum(np.asarray(x[part], dtype=np.float64).sum(axis=0) for part in _row_blocks(x, rows)) / len(rows)
    square = np.zeros((x.shape[1], x.shape[1]))
    for part in _row_blocks(x, rows):
        block = np.asarray(x[part], dtype=np.float64) - mean
        square += block.T @ block
    return square


def _from_images(x, rows, mean, weights) -> np.ndarray:
    """Weighted sums of the centred images, (n_components, V)."""
    components = np.empty((weights.shape[1], x.shape[1]))
    for columns in _column_blocks(x, rows):
        components[:, columns] = weights.T @ (_images(x, rows, columns) - mean[columns])
    return components


def _images(x, rows, columns) -> np.ndarray:
    """Some columns of some rows, as doubles; only what is asked for is read of a memory map."""
    return np.asarray(x[:, columns][rows], dtype=np.float64)


def _column_blocks(x, rows) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // (8 * len(rows)))
    for start in range(0, x.shape[1], step):
        yield slice(start, min(start + step, x.shape[1]))


def _row_blocks(x, rows) -> Iterator[np.ndarray]:
    step = max(1, BLOCK_BYTES // (8 * x.shape[1]))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _signed(components) -> np.ndarray:
    """The largest entry of each row is positive."""
    peak = np.argmax(np.abs(components), axis=1)
    return components * np.where(components[np.arange(len(components)), peak] < 0, -1.0, 1.0)[:, None]
