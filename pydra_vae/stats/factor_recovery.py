"""How much of a planted (or any) quantity do features tell? A regression on all of them together, on unseen persons.

A single latent seldom is a planted factor: the model is free to mix them, so the best |r| of one latent says little.
Two regressions from all features are fitted to the training persons: ridge, and a kernel ridge with a Gaussian kernel
for what is a nonlinear function of them. Penalty (and the kernel's width) are chosen by the leave-one-out error, which
has a closed form: with ŷ = Hy, the left-out residual is (y_i − ŷ_i) / (1 − H_ii) (Allen 1974).
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.latent_correlations import correlation

PENALTIES = 10.0 ** np.arange(-4, 3.5, 0.5)  # of features of unit variance, over the number of persons
WIDTHS = (0.5, 1.0, 2.0, 4.0)  # of the kernel, over the median distance between persons
KINDS = ("linear", "kernel")
N_SHUFFLES = 100
MIN_PERSONS = 8


@dataclass(frozen=True)
class Recovery:
    """Of one quantity from one set of features.

    Attributes
    ----------
    r, r2 : float
        On unseen persons; r² counts against the mean of the training persons, and may be negative.
    single_r, latent : float, int
        |r| on unseen persons of the one feature with the highest |r| on the training persons, and which it is.
    chance_r : float
        95th percentile of |r| when the training persons' values are shuffled.
    n_train, n_test : int
    """

    r: float
    r2: float
    single_r: float
    latent: int
    chance_r: float
    n_train: int
    n_test: int


def recover(
    train: np.ndarray,
    y_train: np.ndarray,
    test: np.ndarray,
    y_test: np.ndarray,
    kind: str = "linear",
    n_shuffles: int = N_SHUFFLES,
    seed: int = 0,
) -> Recovery:
    """Predict a quantity of unseen persons from their features.

    Parameters
    ----------
    train, test : (n, k) and (m, k) arrays
        Features, standardised here by the training persons.
    y_train, y_test : (n,) and (m,) arrays
        The quantity; NaN where it is not known.
    kind : {"linear", "kernel"}
    n_shuffles : int
        For `chance_r`; the penalty stays.
    seed : int
        Of the shuffles.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = z @ [1, 2, -1]
    >>> found = recover(z[:150], y[:150], z[150:], y[150:])
    >>> round(found.r2, 3), found.latent, found.single_r < 0.95
    (1.0, 1, True)
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of regression {kind!r}: choose {' or '.join(KINDS)}")
    known, unseen = np.isfinite(y_train), np.isfinite(y_test)
    z, y, new, truth = (
        np.asarray(a, dtype=np.float64) for a in (train[known], y_train[known], test[unseen], y_test[unseen])
    )
    if len(y) < MIN_PERSONS or len(truth) < 3 or not y.std() > 0:
        return Recovery(np.nan, np.nan, np.nan, -1, np.nan, len(y), len(truth))
    single = np.nan_to_num(np.abs(correlation(z, y)))
    best = int(single.argmax())
    to_test = _smoother(z, new, y, kind)
    predicted = y.mean() + to_test @ (y - y.mean())
    rng = np.random.default_rng(seed)
    null = [_r(to_test @ rng.permutation(y - y.mean()), truth) for _ in range(n_shuffles)]
    total = np.sum((truth - y.mean()) ** 2)
    return Recovery(
        r=_r(predicted, truth),
        r2=float(1 - np.sum((truth - predicted) ** 2) / total) if total > 0 else np.nan,
        single_r=abs(_r(new[:, best], truth)),
        latent=best,
        chance_r=float(np.nanpercentile(np.abs(null), 95)) if np.isfinite(null).any() else np.nan,
        n_train=len(y),
        n_test=len(truth),
    )


def _smoother(z, new, y, kind) -> np.ndarray:
    """The matrix that turns centred training values into predictions for unseen persons, about the mean."""
    spread = z.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    new, z = (new - z.mean(axis=0)) / spread, (z - z.mean(axis=0)) / spread
    best = (np.inf, None)
    for kernel, crossed in _kernels(z, new, kind):
        values, vectors = np.linalg.eigh(kernel)
        projected = vectors.T @ (y - y.mean())
        for penalty in PENALTIES:
            shrunk = np.clip(values, 0, None) / (np.clip(values, 0, None) + penalty * len(y))
            # the mean is estimated too: 1/n of leverage
            leverage = (vectors**2) @ shrunk + 1 / len(y)
            left_out = (y - y.mean() - vectors @ (shrunk * projected)) / np.maximum(1 - leverage, 1e-6)
            error = np.sum(left_out**2)
            if error < best[0]:
                best = (error, (vectors, values, penalty, crossed))
    vectors, values, penalty, crossed = best[1]
    return crossed @ (vectors / (np.clip(values, 0, None) + penalty * len(y))) @ vectors.T


def _kernels(z, new, kind):
    """Kernels between training persons, centred, and from unseen to training persons."""
    if kind == "linear":
        yield z @ z.T, new @ z.T
        return
    among, across = (((a[:, None] - z) ** 2).sum(axis=2) for a in (z, new))
    median = np.median(among[np.triu_indices(len(z), 1)])
    for width in WIDTHS:
        gamma = 1 / (2 * width**2 * max(median, np.finfo(float).tiny))
        kernel, crossed = np.exp(-gamma * among), np.exp(-gamma * across)
        mean = kernel.mean(axis=0)
        yield (
            kernel - mean - mean[:, None] + mean.mean(),
            crossed - crossed.mean(axis=1, keepdims=True) - mean + mean.mean(),
        )


def _r(a, b) -> float:
    return float(correlation(a[:, None], b)[0])
