"""How good predictions are, for many columns at once: R² against a baseline, area under the curve, accuracy."""

import numpy as np
from scipy.stats import rankdata


def r_squared(y: np.ndarray, predicted: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """1 − SSE/SSE(baseline) of each column; of 0/1 classes it is Brier's skill score.

    Parameters
    ----------
    y, predicted, baseline : (n,) or (n, B) arrays
        The baseline is what is predicted without the latents.

    Examples
    --------
    >>> y = np.array([1.0, 2, 3])
    >>> float(r_squared(y, y, np.full(3, 2.0))), float(r_squared(y, np.full(3, 2.0), np.full(3, 2.0)))
    (1.0, 0.0)
    """
    left, whole = ((y - predicted) ** 2).sum(axis=0), ((y - baseline) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, 1 - left / whole, np.nan)


def r_squared_error(y: np.ndarray, predicted: np.ndarray, baseline: np.ndarray, n: int = 500, seed: int = 0) -> float:
    """Standard error of R² by drawing persons with replacement."""
    draws = np.random.default_rng(seed).multinomial(len(y), np.full(len(y), 1 / len(y)), size=n)
    left, whole = draws @ (y - predicted) ** 2, draws @ (y - baseline) ** 2
    return float(np.std(1 - left[whole > 0] / whole[whole > 0]))


def area_under_curve(y: np.ndarray, score: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Share of pairs of the two classes that the score puts in order, (B,), the mean over folds.

    Scores of different folds come from different fits and are not compared.

    Parameters
    ----------
    y : (n,) or (n, B) array of 0 and 1
    score : (n, B) array
    fold : (n,) array

    Examples
    --------
    >>> area_under_curve(np.array([0, 0, 1, 1]), np.array([[0.1], [0.4], [0.3], [0.9]]), np.zeros(4)).tolist()
    [0.75]
    """
    y = np.broadcast_to(y if y.ndim == 2 else y[:, None], score.shape)
    areas = []
    for number in np.unique(fold):
        rows = fold == number
        ranks, one = rankdata(score[rows], axis=0), y[rows] > 0.5
        n1 = one.sum(axis=0)
        pairs = n1 * (rows.sum() - n1)
        above = (ranks * one).sum(axis=0) - n1 * (n1 + 1) / 2
        areas.append(np.divide(above, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))
    return np.nanmean(areas, axis=0) if np.isfinite(areas).any() else np.full(score.shape[1], np.nan)


def balanced_accuracy(y: np.ndarray, probability: np.ndarray, threshold: np.ndarray) -> float:
    """Mean share of each class that is told rightly; told "1" where the probability is above the threshold.

    The threshold is the share of class 1 among the training persons, so that rare classes are told at all.

    Examples
    --------
    >>> balanced_accuracy(np.array([0, 0, 1]), np.array([0.1, 0.4, 0.35]), np.full(3, 1 / 3))
    0.75
    """
    told = probability > threshold
    shares = [np.mean(told[y == value] == bool(value)) for value in (0, 1) if (y == value).any()]
    return float(np.mean(shares)) if len(shares) == 2 else float("nan")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; NaN where either does not vary.

    >>> correlation(np.array([1.0, 2, 3]), np.array([5.0, 5, 5]))
    nan
    """
    if len(a) < 2 or np.ptp(a) < 1e-9 * (1 + np.abs(a).max()) or np.ptp(b) < 1e-9 * (1 + np.abs(b).max()):
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
