"""Which of many fitted models is best: reconstruction against the information that the latents hold, by a stated rule.

The R² of unseen images alone would choose the model with the weakest divergence, whose latents no longer resemble the
prior; the least information alone would choose a collapsed one. So the one-standard-error rule of Breiman et al. (1984)
is taken over to the KL: among the healthy trials, the least informed whose validation R² is within one standard error
(over persons) of the best. Where trials differ only in how they were trained, the KL says how far a training came, and
the best of them is taken. Test images have no part in either.
"""

from dataclasses import dataclass

import numpy as np

RULE = (
    "among the trials that are neither collapsed nor over-regularised, the one with the smallest KL whose validation "
    "R² is within one standard error (over persons) of the best"
)
INFORMATION = ("k", "beta", "mmd_weight")  # columns of what decides how much the latents may hold
RULE_OF_TRAINING = (
    "among the trials that are neither collapsed nor over-regularised, the one with the best validation R²: they "
    "differ in how they were trained, not in what their latents may hold, and a small KL would mean a short training"
)


@dataclass(frozen=True)
class Choice:
    """What the rule chose.

    Attributes
    ----------
    chosen, best : int
        Rows of the chosen trial and of that with the best validation R².
    threshold : float
        The R² that is still as good as the best.
    within : (n,) bool array
        Eligible trials at or above it.
    sentence : str
        The choice in words.
    """

    chosen: int
    best: int
    threshold: float
    within: np.ndarray
    sentence: str


def choose(r2: np.ndarray, error: np.ndarray, kl: np.ndarray, healthy: np.ndarray) -> Choice:
    """Choose among trials by `RULE`.

    Parameters
    ----------
    r2, error : (n,) arrays
        Validation R² and its standard error (NaN: 0).
    kl : (n,) array
        Nats an image; NaN where it means nothing: such a trial is chosen only where no other is within the threshold.
    healthy : (n,) bool array
        Neither collapsed nor over-regularised. Where none is, all are eligible, and the sentence says so.

    Raises
    ------
    ValueError
        When no trial has an R².

    >>> kl, healthy = np.array([80.0, 30, 1]), np.array([True, True, False])
    >>> choose(np.array([0.9, 0.89, 0.2]), np.full(3, 0.02), kl, healthy).chosen
    1
    """
    r2, kl, healthy = np.asarray(r2, float), np.asarray(kl, float), np.asarray(healthy, bool)
    scored = np.isfinite(r2)
    if not scored.any():
        raise ValueError(f"none of {len(r2)} trials has a validation R²: all of them failed")
    eligible = scored & healthy if (scored & healthy).any() else scored
    best = int(np.argmax(np.where(eligible, r2, -np.inf)))
    threshold = float(r2[best] - np.nan_to_num(np.asarray(error, float)[best]))
    within = eligible & (r2 >= threshold)
    # of equally informed trials the better one
    chosen = int(np.lexsort((-r2, np.where(np.isfinite(kl), kl, np.inf), ~within))[0])
    return Choice(chosen, best, threshold, within, _sentence(chosen, best, r2, kl, within, eligible, healthy & scored))


def pareto(r2: np.ndarray, kl: np.ndarray) -> np.ndarray:
    """Trials that no other beats in one of R² (higher) and KL (lower) while it is as good in the other, (n,) bool.

    >>> pareto(np.array([0.9, 0.8, 0.7, np.nan]), np.array([80.0, 20, 30, 1])).tolist()
    [True, True, False, False]
    """
    r2, kl = np.asarray(r2, float), np.asarray(kl, float)
    known = np.isfinite(r2) & np.isfinite(kl)
    as_good = known & (r2 >= r2[:, None]) & (kl <= kl[:, None])
    better = as_good & ((r2 > r2[:, None]) | (kl < kl[:, None]))
    return known & ~better.any(axis=1)


def _sentence(chosen, best, r2, kl, within, eligible, healthy) -> str:
    n = len(r2)
    if not healthy.any():
        start = f"none of {n} trials is healthy, so all were compared: widen the search. "
    else:
        start = f"{int(healthy.sum())} of {n} trials are healthy. "
    text = f"Trial {chosen + 1}: validation R² {r2[chosen]:.3f}"
    text += f", KL {kl[chosen]:.1f} nats" if np.isfinite(kl[chosen]) else ""
    if chosen == best:
        others = int(within.sum()) - 1
        beside = "1 other is" if others == 1 else f"{others or 'no'} others are"
        return f"{start}{text}, the best; {beside} within one standard error of it"
    return f"{start}{text}, within one standard error of the best, {r2[best]:.3f} of trial {best + 1}"
