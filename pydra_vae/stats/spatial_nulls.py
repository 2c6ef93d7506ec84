"""What agreement of latent spaces is expected by chance: three nulls for Procrustes and for distance matrices.

rotation
    The best rotation of each pair is replaced by a random one (uniform over orthogonal matrices; the best scale is
    kept). Says what the rotation itself gains; distance matrices do not change under rotations, so they have none.
parcel permutation
    The parcels of each person are put in random order. Easy to beat: any two smooth maps agree better than maps in
    which neighbours were torn apart.
spatial
    Spectral randomisation in the volume (as Wagner & Dray 2015, Methods Ecol. Evol. 6:1169): the latents' parcel means
    are expanded in spatial eigenvectors, and every coefficient gets a random sign, the same for all latents of a
    person. That is an orthogonal transformation of the parcels: the latents' covariance, and their power at each
    spatial scale, stay exactly as they were; only where things lie is lost. What beats it is shared beyond smoothness.

The last two work on parcel means, and so does the observed value that they are compared with. What is drawn is drawn a
unit at a time: a person's recordings move together where persons are compared.

How the nulls hold was measured on groups of 20 subjects that share nothing but the smoothness of their maps (Gaussian
fields in a brain's mask, whitened), where p < .05 should be found in 5 % of groups, and it decided three things:

- Means over parcels of unequal size differ in their noise in the same way in all subjects, and their distances "agree"
  in nearly all groups: every mean is taken over the same number of voxels (`balanced`).
- Parcels that are close in the brain are close in any smooth latent space: what the distance in mm explains is taken
  out of the latent distances (`distance_trend`). Without it, very smooth maps (42 mm FWHM) "agree" in 30 % of groups.
- The eigenvectors are those of the covariance that the maps have as a function of distance (`isotropic_basis`), where
  signs are free to flip; those of 1/distance (Moran's) gave 0 to 18 %, these 0 to 12 % from hardly to very smooth.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.group_tests import standardised
from pydra_vae.stats.parcels import parcel_means, parcel_sizes
from pydra_vae.stats.procrustes import disparity_of, whitening

NULLS = ("rotation", "parcel permutation", "spatial")
MEASURES = ("disparity", "r_distances")
N_DISTANCES, N_KNOTS = 60, 12


@dataclass(frozen=True)
class Null:
    """An observed mean over pairs beside its null distribution.

    Attributes
    ----------
    measure : str
        "disparity" (small is aligned) or "r_distances" (large is aligned).
    observed : float
    null : (n,) float64 array
    """

    measure: str
    observed: float
    null: np.ndarray

    @property
    def p(self) -> float:
        """(1 + draws as aligned as the data) / (1 + draws); NaN where nothing was observed."""
        if not np.isfinite(self.observed) or not len(self.null):
            return np.nan
        sign = 1 if self.measure == "disparity" else -1
        as_good = sign * self.null <= sign * self.observed + 1e-9
        return float((1 + as_good.sum()) / (1 + len(self.null)))


def prepared(means: np.ndarray, whiten: bool = False) -> np.ndarray:
    """Parcel means centred, whitened if wanted, and scaled to norm 1; (N, P, D)."""
    centred = np.asarray(means, dtype=np.float64) - np.mean(means, axis=1, keepdims=True)
    if whiten:
        centred = centred @ whitening(centred.transpose(0, 2, 1) @ centred)
    norm = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    return centred / np.where(norm > 0, norm, np.nan)


def agreement(items: np.ndarray, pairs: np.ndarray, trend: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Disparity, and correlation of the distance matrices, of each pair of prepared items.

    Parameters
    ----------
    items : (N, P, D) array
        Of `prepared`.
    pairs : (n, 2) int array
    trend : (P(P − 1)/2, q) array, optional
        Of `distance_trend`.

    Returns
    -------
    disparity, r_distances : (n,) arrays
        Pearson correlation over the pairs of parcels of their Euclidean distances, without the trend.
    """
    one, other = pairs.T
    distances = parcel_distances(items).astype(np.float64)
    distances = standardised(distances if trend is None else distances - (distances @ trend) @ trend.T)
    return disparity_of(items[one].transpose(0, 2, 1) @ items[other]), (distances @ distances.T)[one, other]


def parcel_distances(items: np.ndarray) -> np.ndarray:
    """Euclidean distances between the parcels of each item, (N, P(P − 1)/2)."""
    items = items.astype(np.float32)
    power = np.einsum("npd,npd->np", items, items)
    squared = power[:, :, None] + power[:, None] - 2 * items @ items.transpose(0, 2, 1)
    above = np.flatnonzero(np.triu(np.ones(squared.shape[1:], dtype=bool), 1))
    return np.sqrt(np.maximum(squared.reshape(len(items), -1)[:, above], 0))


def rotation_null(cross: np.ndarray, pairs: np.ndarray, units: np.ndarray, n: int, rng: np.random.Generator) -> Null:
    """Random instead of best rotations.

    Parameters
    ----------
    cross : (N, N, D, D) array
        Cross-products of items of norm 1.
    pairs : (m, 2) int array
    units : (N,) int array
        Items of one unit turn together.
    n : int
        Draws.
    """
    products = cross[pairs[:, 0], pairs[:, 1]]
    size, null = products.shape[-1], np.empty(n)
    for draw in range(n):
        turns = _random_rotations(units.max() + 1, size, rng)[units]
        random = turns[pairs[:, 0]].transpose(0, 2, 1) @ products @ turns[pairs[:, 1]]
        null[draw] = np.mean(1 - np.maximum(np.trace(random, axis1=1, axis2=2), 0) ** 2)
    return Null("disparity", float(np.mean(disparity_of(products))), null)


def placement_null(
    items: np.ndarray,
    pairs: np.ndarray,
    units: np.ndarray,
    n: int,
    rng: np.random.Generator,
    basis: np.ndarray | None = None,
    trend: np.ndarray | None = None,
) -> tuple[Null, Null]:
    """Disparity and r_distances after each unit's parcels were moved.

    Parameters
    ----------
    items : (N, P, D) array
        Of `prepared`.
    pairs : (m, 2) int array
    units : (N,) int array
        Items of one unit are moved together.
    n : int
        Draws.
    basis : (P, P − 1) array, optional
        Of `isotropic_basis`: spatial null; without it, parcels are permuted.
    trend : (P(P − 1)/2, q) array, optional
        Of `distance_trend`.
    """
    observed = [float(np.mean(values)) for values in agreement(items, pairs, trend)]
    null = np.empty((2, n))
    for draw in range(n):
        moved = _permuted(items, units, rng) if basis is None else _resigned(items, units, basis, rng)
        null[:, draw] = [np.mean(values) for values in agreement(moved, pairs, trend)]
    return tuple(Null(measure, *parts) for measure, *parts in zip(MEASURES, observed, null, strict=True))


def balanced(parcel: np.ndarray, mm: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Parcels of one size: the same number of voxels of each, those nearest its centre; 0 elsewhere.

    Parameters
    ----------
    parcel : (K,) int array
        0 for none.
    mm : (K, 3) array
    share : float
        Of the median parcel's voxels; smaller parcels are left out.
    """
    wanted = max(1, int(share * np.median(parcel_sizes(parcel))))
    labels, centres = parcel_means(mm, parcel)
    kept = np.zeros_like(parcel)
    for label, centre in zip(labels, centres, strict=True):
        own = np.flatnonzero(parcel == label)
        if len(own) >= wanted:
            nearest = np.argsort(((mm[own] - centre) ** 2).sum(axis=1).round(6), kind="stable")
            kept[own[nearest[:wanted]]] = label
    return kept


def isotropic_basis(items: np.ndarray, mm: np.ndarray) -> np.ndarray:
    """Eigenvectors of the maps' covariance as a function of distance alone.

    The covariance of parcels is averaged over items and latents, then over pairs of parcels of about the same distance,
    so that nothing but the smoothness of the maps goes in.

    Parameters
    ----------
    items : (N, P, D) array
        Of `prepared`.
    mm : (P, 3) array
        Centroids of the parcels.

    Returns
    -------
    basis : (P, P − 1) array
        Orthonormal; each column sums to 0.
    """
    from scipy.spatial.distance import pdist, squareform

    apart, covariance = pdist(mm), np.einsum("npd,nqd->pq", items, items) / len(items)
    limits = np.unique(np.quantile(apart, np.linspace(0, 1, N_DISTANCES + 1)).round(3))
    ring = np.unique(np.searchsorted(limits[1:-1], apart, side="right"), return_inverse=True)[1].reshape(-1)
    count = np.bincount(ring)
    means = [np.bincount(ring, values) / count for values in (apart, covariance[np.triu_indices(len(mm), 1)])]
    at, level = np.r_[0, means[0]], np.r_[np.trace(covariance) / len(mm), means[1]]
    isotropic = np.interp(squareform(apart), at, level)
    centred = isotropic - isotropic.mean(axis=0) - isotropic.mean(axis=1, keepdims=True) + isotropic.mean()
    values, vectors = np.linalg.eigh(centred)
    vectors = vectors[:, np.argsort(-np.abs(values))]
    # the constant map, whose eigenvalue is 0 but for rounding, is no part of the basis
    return np.linalg.qr(np.c_[np.ones(len(mm)), vectors[:, :-1]])[0][:, 1:]


def distance_trend(mm: np.ndarray) -> np.ndarray:
    """What a smooth curve of the distance in mm can explain of distances between parcels.

    Parameters
    ----------
    mm : (P, 3) array

    Returns
    -------
    trend : (P(P − 1)/2, q) array
        Orthonormal columns: cubic splines with knots at quantiles; they span the constant too.
    """
    from scipy.spatial.distance import pdist
    from sklearn.preprocessing import SplineTransformer

    curves = SplineTransformer(N_KNOTS, degree=3, knots="quantile").fit_transform(pdist(mm)[:, None])
    u, s, _ = np.linalg.svd(curves, full_matrices=False)
    return u[:, s > 1e-8 * s[0]]


def _permuted(items, units, rng) -> np.ndarray:
    orders = rng.permuted(np.tile(np.arange(items.shape[1]), (units.max() + 1, 1)), axis=1)
    return np.take_along_axis(items, orders[units][:, :, None], axis=1)


def _resigned(items, units, basis, rng) -> np.ndarray:
    signs = rng.choice([-1.0, 1.0], size=(units.max() + 1, basis.shape[1]))
    return basis @ (signs[units][:, :, None] * (basis.T @ items))


def _random_rotations(n: int, size: int, rng) -> np.ndarray:
    """Uniform over orthogonal matrices (Stewart 1980), (n, size, size)."""
    q, r = np.linalg.qr(rng.normal(size=(n, size, size)))
    return q * np.sign(np.einsum("nii->ni", r))[:, None]
