"""Errors of predicted visits: each method against carrying the last visit forward, over persons."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.group_tests import person_means, sign_flip

N_DRAWS = 2000


@dataclass(frozen=True)
class Ratio:
    """A method's error over another's.

    Attributes
    ----------
    mse : float
        Mean over visits.
    ratio, low, high : float
        Of the mean errors over persons; 95 % by drawing persons with replacement.
    p : float
        Two-sided, signs of the persons' differences flipped.
    n, n_persons : int
    """

    mse: float
    ratio: float
    low: float
    high: float
    p: float
    n: int
    n_persons: int


def compare(errors: np.ndarray, reference: np.ndarray, person: np.ndarray, seed: int = 0) -> Ratio:
    """Compare errors of visits, persons as the units.

    Parameters
    ----------
    errors, reference : (n,) arrays
        Mean squared error of each visit; visits without an error are left out.
    person : (n,) array

    Examples
    --------
    >>> found = compare(np.array([1.0, 1, 2]), np.array([2.0, 2, 4]), np.array(["a", "b", "c"]))
    >>> found.ratio, found.n_persons
    (0.5, 3)
    """
    known = np.isfinite(errors)
    if not known.any():
        return Ratio(*(float("nan"),) * 5, 0, 0)
    numbers = np.unique(person[known], return_inverse=True)[1]
    own, other = person_means(errors[known], numbers), person_means(reference[known], numbers)
    draws = np.random.default_rng(seed).multinomial(len(own), np.full(len(own), 1 / len(own)), size=N_DRAWS)
    low, high = np.quantile((draws @ own) / (draws @ other), [0.025, 0.975]) if len(own) > 1 else (np.nan, np.nan)
    p = sign_flip(own - other, seed=seed).p if (own != other).any() else float("nan")
    ratio = float(own.mean() / other.mean())
    return Ratio(float(errors[known].mean()), ratio, float(low), float(high), p, int(known.sum()), len(own))


def image_errors(
    truth: np.ndarray, predicted: Mapping[str, np.ndarray], regions: Mapping[str, np.ndarray]
) -> list[dict]:
    """Mean squared error of each predicted image in each region.

    Parameters
    ----------
    truth : (V,) array
    predicted : mapping of str to (V,) array
        By method.
    regions : mapping of str to (V,) bool array or slice

    Returns
    -------
    rows : list of dict
        method, region, mse.

    Examples
    --------
    >>> image_errors(np.zeros(2), {"a": np.array([1.0, 3])}, {"whole": slice(None)})
    [{'method': 'a', 'region': 'whole', 'mse': 5.0}]
    """
    rows = []
    for method, image in predicted.items():
        square = (np.asarray(image, dtype=float) - truth) ** 2
        rows += [
            {"method": method, "region": name, "mse": float(square[where].mean())} for name, where in regions.items()
        ]
    return rows


def most_changing(slope: np.ndarray, share: float = 0.1) -> np.ndarray:
    """(V,) bool: the share of the voxels whose slope is steepest.

    >>> most_changing(np.array([0.1, -3.0, 0.2, 0.0]), 0.25).tolist()
    [False, True, False, False]
    """
    n = max(1, round(share * len(slope)))
    chosen = np.zeros(len(slope), dtype=bool)
    chosen[np.argsort(-np.abs(slope), kind="stable")[:n]] = True
    return chosen
