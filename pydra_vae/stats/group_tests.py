"""Tests over persons, who are few and independent, instead of over voxels, which are many and are not."""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.mantel import Mantel, mantel
from pydra_vae.stats.tests import signed_rank

EXACT_UP_TO = 14  # persons: 16,384 patterns of signs


@dataclass(frozen=True)
class SignFlip:
    """Is a mean difference different from 0?

    Attributes
    ----------
    n : int
        Persons.
    mean : float
    effect : float
        Matched-pairs rank-biserial correlation, from −1 to 1.
    p, p_smallest : float
        Two-sided; and the smallest that so many persons (or permutations) can give.
    """

    n: int
    mean: float
    effect: float
    p: float
    p_smallest: float


def sign_flip(differences: np.ndarray, n_permutations: int = 10_000, seed: int = 0) -> SignFlip:
    """Test a mean of differences by flipping their signs: all 2ⁿ patterns up to 14 persons, else random ones.

    Parameters
    ----------
    differences : (n,) array
        One a person; those that are not finite are left out.

    Examples
    --------
    >>> found = sign_flip(np.array([1.0, 2, 3]))
    >>> found.mean, found.p, found.p_smallest
    (2.0, 0.25, 0.25)
    """
    d = np.asarray(differences, dtype=float)
    d = d[np.isfinite(d)]
    n = len(d)
    if n == 0:
        return SignFlip(0, np.nan, np.nan, np.nan, 1.0)
    if n <= EXACT_UP_TO:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        ones, p_smallest = 0, 2 / 2**n
    else:
        signs = np.random.default_rng(seed).choice([-1, 1], size=(n_permutations, n))
        ones, p_smallest = 1, 1 / (1 + n_permutations)
    null = np.abs(signs @ d)
    extreme = (null >= np.abs(d.sum()) - 1e-9 * np.abs(d).sum()).sum()
    effect = signed_rank(np.zeros(n), d).effect_size
    return SignFlip(n, float(d.mean()), effect, float((ones + extreme) / (ones + len(null))), float(p_smallest))


def person_means(values: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Mean of each person's recordings, (n,) or (n, m); what is not finite is left out.

    Examples
    --------
    >>> person_means(np.array([1.0, 3, 10]), np.array([0, 0, 1])).tolist()
    [2.0, 10.0]
    """
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    member = np.eye(np.max(persons) + 1)[persons].T
    total, count = member @ np.where(finite, values, 0), member @ finite.astype(float)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def score_mantel(
    vectors: np.ndarray, scores: np.ndarray, persons: np.ndarray, n_permutations: int = 10_000, seed: int = 0
) -> Mantel:
    """Do persons whose latent distances resemble each other have similar scores?

    Parameters
    ----------
    vectors : (S, m) array
        Distances between parcels, one recording a row.
    scores : (n,) array
        One a person.
    persons : (S,) int array
        Whose each recording is, from 0; recordings are standardised, then averaged.

    Returns
    -------
    found : Mantel
        Spearman correlation over pairs of persons of 1 − r of their distances with the difference of their scores;
        one-sided, persons permuted. NaN for fewer than three persons.
    """
    means = person_means(standardised(vectors), persons)
    if len(means) < 3:
        return Mantel(np.nan, np.nan, np.empty(0))
    apart = 1 - np.corrcoef(means)
    scores = np.asarray(scores, dtype=float)
    return mantel(apart, np.abs(scores[:, None] - scores), n_permutations, seed, alternative="greater")


def standardised(x: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and norm 1, so that inner products are correlations; NaN for a constant row."""
    centred = np.asarray(x, dtype=np.float64) - np.mean(x, axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, norm, out=np.full_like(centred, np.nan), where=norm > 0)
