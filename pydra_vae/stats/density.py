"""Density of latents: how rare a voxel's or a frame's code is, and a distribution to draw new codes from.

Rarity is the distance to the k-th nearest of a random set of reference codes, the classical outlier score of
Ramaswamy et al. (2000); D · log distance is, up to a constant, the negative log density. Dimensions are made
comparable first by a robust covariance (minimum covariance determinant, Rousseeuw 1999), which outliers cannot bend.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import row_chunks

N_NEIGHBOURS = 20
N_REFERENCE = 5000
N_COVARIANCE = 500  # codes that the robust covariance is fitted to: with more, MinCovDet takes seconds
MAX_COMPONENTS = 8
N_FIT = 20_000  # codes that a mixture is fitted to
FLAT = 1e-6  # of the largest variance: directions below it hold no information


def robust_whitener(z: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Robust mean (D,) and matrix (D, D') so that (z − mean) @ matrix has unit robust covariance; D' ≤ D.

    Directions without variance, e.g. unused latents, are left out.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(500, 2)) @ np.diag([1, 10])
    >>> z[:20] = 1000
    >>> mean, matrix = robust_whitener(z)
    >>> np.abs((z[20:] - mean) @ matrix).std(axis=0).round(1).tolist()
    [0.6, 0.6]
    """
    from sklearn.covariance import MinCovDet

    rng = np.random.default_rng(seed)
    chosen = np.asarray(z[np.sort(rng.permutation(len(z))[:N_COVARIANCE])], dtype=np.float64)
    spread = np.median(np.abs(chosen - np.median(chosen, axis=0)), axis=0)
    varying = np.flatnonzero(spread > np.sqrt(FLAT) * spread.max(initial=0))
    if not varying.size:
        raise ValueError("the codes do not vary: the model has collapsed, and no code is rarer than another")
    # unit spread first: the search inside MinCovDet is stable then
    robust = MinCovDet(random_state=seed).fit(chosen[:, varying] / spread[varying])
    variance, vectors = np.linalg.eigh(robust.covariance_)
    kept = variance > FLAT * variance[-1]
    mean, matrix = np.zeros(z.shape[1]), np.zeros((z.shape[1], int(kept.sum())))
    mean[varying] = robust.location_ * spread[varying]
    matrix[varying] = vectors[:, kept] / np.sqrt(variance[kept]) / spread[varying, None]
    return mean, matrix


def rarity(z: np.ndarray, seed: int = 0, k: int = N_NEIGHBOURS) -> np.ndarray:
    """Log distance of each code to the k-th nearest of up to 5,000 reference codes (itself not counted).

    Parameters
    ----------
    z : (n, D) array
    seed : int
        Of the choice of references.
    k : int

    Returns
    -------
    rarity : (n,) float64 array

    Raises
    ------
    ValueError
        With fewer than k + 2 codes, or codes that do not vary.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(z) < k + 2:
        raise ValueError(f"{len(z)} codes are too few for the distance to the {k}th nearest: {k + 2} are needed")
    mean, matrix = robust_whitener(z, seed)
    references = np.sort(np.random.default_rng(seed).permutation(len(z))[:N_REFERENCE])
    white = (np.asarray(z, dtype=np.float64) - mean) @ matrix
    search = NearestNeighbors(n_neighbors=k + 1).fit(white[references])
    found = np.empty((len(z), 2))
    for rows in row_chunks(len(z), 1000):
        found[rows] = search.kneighbors(white[rows])[0][:, k - 1 :]
    inside = np.isin(np.arange(len(z)), references)
    distance = np.where(inside, found[:, 1], found[:, 0])
    return np.log(np.maximum(distance, np.finfo(float).tiny))


@dataclass(frozen=True)
class Density:
    """A distribution of codes that can be drawn from.

    Attributes
    ----------
    weights : (C,) array
    means : (C, D) array
    roots : (C, D, D) array
        Lower Cholesky factors of the covariances.
    bic : dict of int to float
        Bayesian information criterion by number of components; the lowest was taken.
    """

    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray
    bic: dict[int, float]

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n independent codes, (n, D) float64."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        normal = rng.standard_normal((n, self.means.shape[1]))
        return self.means[which] + np.einsum("nij,nj->ni", self.roots[which], normal)


def fit_density(z: np.ndarray, kind: str = "gmm", seed: int = 0) -> Density:
    """A Gaussian, or a mixture of 1, 2, 4 or 8 Gaussians with the lowest BIC.

    Parameters
    ----------
    z : (n, D) array
    kind : {"gaussian", "gmm"}
    seed : int
    """
    from sklearn.mixture import GaussianMixture

    if kind not in ("gaussian", "gmm"):
        raise ValueError(f"unknown density {kind!r}: choose gmm or gaussian")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(z))[:N_FIT])
    codes = np.asarray(z[chosen], dtype=np.float64)
    # in units of the standard deviation, so that the floor under the variances is relative
    mean, sd = codes.mean(axis=0), np.maximum(codes.std(axis=0), np.finfo(float).tiny)
    codes = (codes - mean) / sd
    sizes = [1] if kind == "gaussian" else [2**i for i in range(4) if 2**i <= min(MAX_COMPONENTS, len(z) // 50 or 1)]
    fits = {c: GaussianMixture(c, random_state=seed, reg_covar=FLAT).fit(codes) for c in sizes}
    bic = {c: float(fit.bic(codes)) for c, fit in fits.items()}
    best = fits[min(bic, key=bic.get)]
    roots = np.linalg.cholesky(best.covariances_) * sd[:, None]
    return Density(best.weights_ / best.weights_.sum(), best.means_ * sd + mean, roots, bic)


def novelty(drawn: np.ndarray, z: np.ndarray, seed: int = 0) -> float:
    """Median distance of drawn codes to the nearest code of the data, over that of the data's codes among themselves.

    About 1 when the draws are new members of the same cloud; 0 when they copy it, far above 1 when they lie outside.

    Parameters
    ----------
    drawn : (n, D) array
    z : (K, D) array
        Up to 5,000 of them are the references; distances are in their standard deviations.
    seed : int
    """
    from sklearn.neighbors import NearestNeighbors

    references = np.asarray(z[np.sort(np.random.default_rng(seed).permutation(len(z))[:N_REFERENCE])], dtype=np.float64)
    sd = np.maximum(references.std(axis=0), np.finfo(float).tiny)
    search = NearestNeighbors(n_neighbors=1).fit(references / sd)
    # without an argument a point is not its own neighbour
    among = np.median(search.kneighbors()[0])
    return float(np.median(search.kneighbors(np.asarray(drawn) / sd)[0]) / among) if among > 0 else np.nan
