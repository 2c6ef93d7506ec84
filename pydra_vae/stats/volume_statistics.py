"""Do generated images look like data? Statistics of a set of images against those of the training images.

None of the figures has an absolute scale: their floor is what unseen images of the same study give, and the sources
in `tasks.draw_volumes` (unseen images, their reconstructions, draws) stand beside one another. A decoder gives means
without the noise of the data, so a variance ratio below 1 is expected of any draw; the reconstruction's says how far.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import CHUNK_BYTES

MARGIN = 1e-6  # of a voxel's range: rounding to float32 is not out of range


@dataclass(frozen=True)
class Reference:
    """Statistics of the training images.

    Attributes
    ----------
    mean, variance, low, high : (V,) float64 arrays
        Of each voxel over images.
    images : (N, V) array
        The images themselves, e.g. memory-mapped.
    rows : (N,) int array
        Which of them.
    nearest : float
        Median distance of a training image to the nearest other one.
    """

    mean: np.ndarray
    variance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    images: np.ndarray
    rows: np.ndarray
    nearest: float


@dataclass(frozen=True)
class VolumeStatistics:
    """Of a set of images; see `compare`."""

    n: int
    mean: float
    sd: float
    total: float
    total_sd: float
    voxel_mean_error: float
    voxel_variance_ratio: float
    variance_map_r: float
    spectrum_distance: float
    out_of_range: float
    impossible: float
    nearest_image: float


def reference(images: np.ndarray, rows: np.ndarray) -> Reference:
    """Statistics of training images, read in blocks of voxels.

    Parameters
    ----------
    images : (n, V) array
    rows : (N,) int array
        The training images.

    Raises
    ------
    ValueError
        With fewer than two of them.
    """
    rows = np.asarray(rows)
    if len(rows) < 2:
        raise ValueError(f"{len(rows)} training image has no spread: at least 2 are needed")
    mean, variance, low, high = (np.empty(images.shape[1]) for _ in range(4))
    for columns in _columns(len(rows), images.shape[1]):
        block = np.asarray(images[rows, columns], dtype=np.float64)
        mean[columns], variance[columns] = block.mean(axis=0), block.var(axis=0)
        low[columns], high[columns] = block.min(axis=0), block.max(axis=0)
    among = squared_distances(None, images, rows, mean)
    np.fill_diagonal(among, np.inf)
    return Reference(mean, variance, low, high, images, rows, float(np.sqrt(np.median(among.min(axis=1)))))


def compare(
    x: np.ndarray, data: Reference, voxel_ml: float = np.nan, n_spectrum: int | None = None
) -> VolumeStatistics:
    """Statistics of images x beside those of the data.

    Parameters
    ----------
    x : (n, V) array
    data : Reference
    voxel_ml : float
        Volume of a voxel, in ml; NaN where a sum over voxels is no volume.
    n_spectrum : int, optional
        How many images enter the spectrum: eigenvalues of few images are larger than those of many, so all sources
        are to be cut to one number.

    Returns
    -------
    statistics : VolumeStatistics
        mean, and sd over images (root mean square over voxels), in the units of the data; total and total_sd over
        images in ml; voxel_mean_error: root mean square of the mean image's difference to the training images' mean,
        over their sd; voxel_variance_ratio: variance over images, summed over voxels, over the training images';
        variance_map_r: correlation of the two maps of variance; spectrum_distance: √(Σ(√λ − √λ')²/Σλ') of the
        eigenvalues of both covariances, 0 for equal; out_of_range: share of values beyond what any training image has
        at that voxel; impossible: beyond what any has anywhere; nearest_image: median distance to the nearest training
        image over the median distance between nearest training images.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(50, 30))
    >>> found = compare(images, reference(images, np.arange(50)))
    >>> found.voxel_mean_error, round(found.voxel_variance_ratio, 6), found.out_of_range, found.nearest_image
    (0.0, 1.0, 0.0, 0.0)
    """
    x = np.asarray(x)
    mean, variance = x.mean(axis=0, dtype=np.float64), np.zeros(x.shape[1])
    beyond = impossible = 0
    margin = MARGIN * (data.high - data.low)
    for columns in _columns(len(x), x.shape[1]):
        block = np.asarray(x[:, columns], dtype=np.float64)
        variance[columns] = block.var(axis=0)
        low, high, edge = data.low[columns], data.high[columns], margin[columns]
        beyond += np.sum((block < low - edge) | (block > high + edge))
        impossible += np.sum((block < data.low.min() - MARGIN) | (block > data.high.max() + MARGIN))
    totals = x.sum(axis=1, dtype=np.float64) * voxel_ml
    spread = np.sqrt(data.variance.mean())
    nearest = np.sqrt(np.median(squared_distances(x, data.images, data.rows, data.mean).min(axis=1)))
    return VolumeStatistics(
        n=len(x),
        mean=float(mean.mean()),
        sd=float(np.sqrt(variance.mean())),
        total=float(totals.mean()),
        total_sd=float(totals.std(ddof=1)) if len(x) > 1 else np.nan,
        voxel_mean_error=_over(np.sqrt(np.mean((mean - data.mean) ** 2)), spread),
        voxel_variance_ratio=_over(variance.sum(), data.variance.sum()),
        variance_map_r=_correlation(variance, data.variance),
        spectrum_distance=spectrum_distance(x, data.images, data.rows, n_spectrum),
        out_of_range=float(beyond / x.size),
        impossible=float(impossible / x.size),
        nearest_image=_over(nearest, data.nearest),
    )


def spectrum_distance(x: np.ndarray, images: np.ndarray, rows: np.ndarray, n: int | None = None) -> float:
    """√(Σ(√λ − √λ')²/Σλ') of the eigenvalues of the covariance over images, both sets cut to n images.

    Training images are evenly spaced over `rows`; the first n of x are taken.
    """
    n = min(len(x), len(rows), n or len(x))
    if n < 3:
        return np.nan
    chosen = rows[np.linspace(0, len(rows) - 1, n).round().astype(int)]
    found, expected = (np.sqrt(_spectrum(values)) for values in (x[:n], images[chosen]))
    return _over(np.sqrt(np.sum((found - expected) ** 2)), np.sqrt(np.sum(expected**2)))


def squared_distances(x: np.ndarray | None, images: np.ndarray, rows: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances from images x (n, V) to rows of others, (n, N), summed over blocks of voxels.

    Without x they are among the rows themselves. `centre` (V,) is taken out of both first: digits are lost otherwise.
    """
    n = len(rows) if x is None else len(x)
    found = np.zeros((n, len(rows)))
    for columns in _columns(n + len(rows), images.shape[1]):
        b = np.asarray(images[rows, columns], dtype=np.float64) - centre[columns]
        a = b if x is None else np.asarray(x[:, columns], dtype=np.float64) - centre[columns]
        found += (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(found, 0)


def _spectrum(x) -> np.ndarray:
    """Eigenvalues of the covariance over images, from the N × N products, falling."""
    mean, products = x.mean(axis=0, dtype=np.float64), np.zeros((len(x),) * 2)
    for columns in _columns(len(x), x.shape[1]):
        block = np.asarray(x[:, columns], dtype=np.float64) - mean[columns]
        products += block @ block.T
    return np.maximum(np.linalg.eigvalsh(products)[::-1], 0) / len(x)


def _columns(n_rows, n_columns) -> Iterator[slice]:
    width = max(1, 8 * CHUNK_BYTES // (8 * max(1, n_rows)))
    for start in range(0, n_columns, width):
        yield slice(start, min(start + width, n_columns))


def _over(a, b) -> float:
    return float(a / b) if b > 0 else np.nan


def _correlation(a, b) -> float:
    a, b = a - a.mean(), b - b.mean()
    return _over(a @ b, np.linalg.norm(a) * np.linalg.norm(b))
