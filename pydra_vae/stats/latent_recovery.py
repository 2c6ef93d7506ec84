"""Are planted latents found? How much of each one a linear regression on the found latents explains.

The found dimensions may be any mixture of the planted ones, so each planted one is regressed on all found
ones, with an intercept. Whole parcels are held out: neighbours share both.
"""

import numpy as np

from pydra_vae.stats.separability import parcel_folds


def recovered_r2(found: np.ndarray, planted: np.ndarray, parcel: np.ndarray, seed: int = 0) -> np.ndarray:
    """Explained variance of each planted latent over held-out parcels.

    Parameters
    ----------
    found : (N, n) array
        Places of the voxels in a space.
    planted : (N, m) array
    parcel : (N,) int array
        Held out together, in five folds; 0 for none: left out.
    seed : int
        Of the folds.

    Returns
    -------
    r2 : (m,) array
        1 − Σ(z − ẑ)² / Σ(z − z̄)² over all voxels, each predicted while its parcel was held out; negative where
        the mean would serve better. NaN for a latent that does not vary, or with fewer than two parcels.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(60, 2))
    >>> recovered_r2(z @ [[1, 2], [0, 1]] + 5, z, np.arange(60) // 6 + 1).round(6).tolist()
    [1.0, 1.0]
    """
    if not len(found) == len(planted) == len(parcel):
        raise ValueError(f"{len(found)} found, {len(planted)} planted and {len(parcel)} parcels: one a voxel each")
    inside = np.asarray(parcel) > 0
    x, z = (np.asarray(a, dtype=np.float64)[inside] for a in (found, planted))
    labels, members = np.unique(np.asarray(parcel)[inside], return_inverse=True)
    if len(labels) < 2:
        return np.full(z.shape[1], np.nan)
    fold = parcel_folds(np.zeros(len(labels), int), np.random.default_rng(seed))[members.reshape(-1)]
    design = np.column_stack([np.ones(len(x)), _standardised(x)])
    predicted = np.empty_like(z)
    for f in np.unique(fold):
        train = fold != f
        predicted[~train] = design[~train] @ np.linalg.lstsq(design[train], z[train], rcond=None)[0]
    total = np.sum((z - z.mean(axis=0)) ** 2, axis=0)
    error = np.sum((z - predicted) ** 2, axis=0)
    constant = total <= 1e-12 * np.sum(z**2, axis=0)
    return np.where(constant, np.nan, 1 - error / np.where(constant, 1, total))


def _standardised(x) -> np.ndarray:
    """So that the solver's threshold for small singular values concerns mixtures, not units."""
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
