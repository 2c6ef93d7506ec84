"""Functional connectivity by geometry: do parcels that are near in a latent space fluctuate together?

Distances are Euclidean between the parcels' means, in the space as it is: no rotation or reflection of the
space changes them, and a common factor changes no rank. Whitening first was tried and left as a control: two
fits of one subject agree a little less then (Spearman over pairs of parcels .93 for .95 on studyforrest's
subject 02, .85 for .86 and .81 for .83 on two simulated ones), and unused dimensions would be blown up.

Connectivity is Pearson's correlation of the parcels' mean series. Both come from the same series, so that
some agreement is certain: PCA's distances, those of the raw series and plain millimetres are the measure.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.mantel import mantel

# A mean over fewer voxels is noise: such parcels lie at the mask's edge.
MIN_VOXELS = 5


def parcel_distances(means: np.ndarray) -> np.ndarray:
    """Euclidean distances between the parcels' means (P, n); (P, P) float64, exactly symmetric.

    Examples
    --------
    >>> parcel_distances(np.array([[0.0, 0], [3, 4]])).tolist()
    [[0.0, 5.0], [5.0, 0.0]]
    """
    from scipy.spatial.distance import pdist, squareform

    if len(means) < 2:
        return np.zeros((len(means),) * 2)
    return squareform(pdist(np.asarray(means, dtype=np.float64)))


def connectivity(series: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Pearson correlation of the parcels' mean series, (P, P).

    Parameters
    ----------
    series : (P, T) array
    weights : (T,) array, optional
        Frames of weight 0 do not count.
    """
    from pydra_vae.stats.chunks import columns_of, frame_weights

    used = np.asarray(series, dtype=np.float64)[:, columns_of(frame_weights(weights, series.shape[1]))]
    if len(used) < 2:
        return np.ones((len(used),) * 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(used)


def large_parcels(parcel: np.ndarray, smallest: int = MIN_VOXELS) -> np.ndarray:
    """The parcels of voxels, with 0 for the voxels of a parcel of fewer than `smallest` ones.

    Examples
    --------
    >>> large_parcels(np.array([4, 4, 4, 9]), smallest=2).tolist()
    [4, 4, 4, 0]
    """
    found, members, sizes = np.unique(np.asarray(parcel), return_inverse=True, return_counts=True)
    return np.where(sizes >= smallest, found, 0)[members.reshape(-1)]


def whiten(z: np.ndarray) -> np.ndarray:
    """Centred places (K, n) whose covariance over voxels is the identity; zeros along what does not vary."""
    from pydra_vae.stats.procrustes import whitening

    z = np.asarray(z, dtype=np.float64)
    z = z - z.mean(axis=0)
    return z @ whitening((z.T @ z)[None])[0] * np.sqrt(len(z))


@dataclass(frozen=True)
class Geometry:
    """How a space's distances agree with connectivity, over pairs of parcels.

    Attributes
    ----------
    r : float
        Spearman correlation of −distance with connectivity.
    p_mantel : float
        Two-sided, from permuted parcels.
    r_partial, p_partial : float
        The same with distance in mm removed from both; NaN for distance in mm itself.
    """

    r: float
    p_mantel: float
    r_partial: float
    p_partial: float


def geometry_of(
    distance: np.ndarray, fc: np.ndarray, mm: np.ndarray, n_permutations: int = 1000, seed: int = 0
) -> Geometry:
    """Compare distances in a space with connectivity, without and with distance in mm removed.

    Parameters
    ----------
    distance, fc, mm : (P, P) arrays
        Distances in the space, connectivity, and distances in mm.
    n_permutations : int
        Of parcels.
    seed : int
    """
    plain = mantel(-np.asarray(distance), fc, n_permutations, seed)
    partial = mantel(-np.asarray(distance), fc, n_permutations, seed, control=mm)
    return Geometry(plain.r, plain.p, partial.r, partial.p)
