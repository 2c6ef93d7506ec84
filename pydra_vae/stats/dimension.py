"""How many dimensions do points really fill? TwoNN, and the participation ratio of their covariance.

TwoNN (Facco et al. 2017, Sci. Rep. 7:12140): where the density hardly changes between a point and its
second nearest neighbour, the ratio μ = r₂/r₁ of the two distances follows p(μ) = d μ^(−d−1). So log μ is
exponential with rate d; its maximum-likelihood estimate treats the largest tenth of the ratios, which
feel the edge of the data, as censored:

    d = (m − 1) / Σ_i min(log μ_i, log μ_(m)),  m = .9 N

Ratios of points that are each other's nearest neighbour share r₁. Counted as independent they give
intervals that are a fifth too short; the variance here adds the products of the scores of such pairs
(a sandwich). Measured on flat tori of 1, 2, 5 and 9 dimensions with 1,000 points: 95 % intervals cover
in 95 to 98 % of draws, and in 86 to 90 % if pairs are taken as independent. Points are taken as a random
sample: voxels of a smooth map are not quite that, and their interval is too short by what they share.

The estimate belongs to a scale, that of the distance between points, and is too low in many dimensions,
where few points fill a space: compare spaces at the same number of points.
"""

from dataclasses import dataclass

import numpy as np

DISCARDED = 0.1


@dataclass(frozen=True)
class Dimension:
    """Estimate of an intrinsic dimension.

    Attributes
    ----------
    value, low, high : float
        Estimate and its 95 % interval (log-normal); NaN where there are too few distinct points.
    n_points : int
        Points that were used: copies of another point are left out.
    """

    value: float
    low: float
    high: float
    n_points: int


def twonn(x: np.ndarray, n_points: int = 4000, seed: int = 0) -> Dimension:
    """Intrinsic dimension from the two nearest neighbours of each point.

    Parameters
    ----------
    x : (n, d) array
        Points in rows; may be memory-mapped.
    n_points : int
        At most so many points, drawn at random. It sets the scale; neighbouring voxels share noise, and a
        sparse sample keeps most of them from being nearest neighbours.
    seed : int
        Of the draw.

    Raises
    ------
    ValueError
        When a value is not finite.

    Examples
    --------
    >>> t = np.random.default_rng(0).random(500)
    >>> curve = np.stack([np.cos(t), np.sin(t), t**2], axis=1)
    >>> 0.9 < twonn(curve).value < 1.1
    True
    """
    from sklearn.neighbors import NearestNeighbors

    points = np.unique(sample_rows(x, n_points, seed), axis=0)
    if not np.isfinite(points).all():
        raise ValueError("points hold values that are not finite: leave those rows out")
    if len(points) < 20:
        return Dimension(np.nan, np.nan, np.nan, len(points))
    # A tree is of no use in many dimensions.
    search = NearestNeighbors(n_neighbors=3, algorithm="kd_tree" if points.shape[1] <= 20 else "brute")
    distance, index = search.fit(points).kneighbors(points)
    # A point need not come first among its own neighbours where rounding makes another as near.
    return _fit(np.log(distance[:, 2] / np.maximum(distance[:, 1], np.finfo(float).tiny)), index[:, 1])


def participation_ratio(x: np.ndarray) -> float:
    """Dimensions that share the variance: (Σλ)² / Σλ² over the eigenvalues λ of the covariance.

    Parameters
    ----------
    x : (n, d) array
        Points in rows. It depends on the scale of each column; at most min(n − 1, d).

    Returns
    -------
    ratio : float
        From 1 (a line) to d (a ball); NaN without variance.

    Examples
    --------
    >>> participation_ratio(np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]))
    2.0
    """
    centred = np.asarray(x, dtype=np.float64) - np.mean(x, axis=0, dtype=np.float64)
    products = centred.T @ centred if centred.shape[0] >= centred.shape[1] else centred @ centred.T
    total = np.trace(products)
    return float(total**2 / np.vdot(products, products)) if total > 0 else np.nan


def sample_rows(x: np.ndarray, n: int, seed: int) -> np.ndarray:
    """At most n rows, drawn at random, in their order, as float64."""
    rows = np.arange(len(x))
    if len(x) > n:
        rows = np.sort(np.random.default_rng(seed).choice(len(x), n, replace=False))
    return np.asarray(x[rows], dtype=np.float64)


def _fit(log_ratio: np.ndarray, nearest: np.ndarray) -> Dimension:
    """Censored exponential rate; `nearest` says which ratios share their first distance."""
    n = len(log_ratio)
    m = int(n * (1 - DISCARDED))
    last = np.partition(log_ratio, m - 1)[m - 1]
    waited = np.minimum(log_ratio, last)
    if not waited.sum() > 0:  # points of a grid: all ratios are 1
        return Dimension(np.nan, np.nan, np.nan, n)
    value = (m - 1) / waited.sum()
    score = (log_ratio <= last) - value * waited
    mutual = np.flatnonzero(nearest[nearest] == np.arange(n))
    spread = np.sqrt(score @ score + score[mutual] @ score[nearest[mutual]]) / m
    low, high = value * np.exp([-1.96 * spread, 1.96 * spread])
    return Dimension(float(value), float(low), float(high), n)
