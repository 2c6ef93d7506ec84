"""Independent components from a fixed start and seeded restarts.

x is white data of k rows, s = W x are the sources. Infomax maximises the likelihood of a density of the sources
(Bell & Sejnowski 1995; standard: super-Gaussian ones), extended Infomax lets each source be sub- or super-Gaussian
(Lee, Girolami & Sejnowski 1999, the paper's "InfoMax ICA"); both by Picard's quasi-Newton steps (Ablin, Cardoso &
Gramfort 2018), which find the same optimum as the stochastic gradient of those papers. FastICA (Hyvärinen 1999)
maximises negentropy under orthogonality.

Objectives have several optima, and which one a start finds decides the factors. So the first start is the principal
components themselves (W = I), the others are random rotations by seed, the best objective is kept, and how much each
start agrees with it is reported.
"""

import warnings
from typing import NamedTuple

import numpy as np

METHODS = ("infomax-extended", "infomax", "fastica", "pca")
MAX_ITERATIONS = 1000
TOLERANCE = 1e-6  # of Picard's gradient
FASTICA_ITERATIONS, FASTICA_TOLERANCE = 200, 1e-4  # of the change of a row; it nears its optimum much more slowly
_LOG_COSH_OF_NORMAL = 0.37456  # E[log cosh ν], ν standard normal: the reference of negentropy
_LOG_INTEGRAL_SUPER, _LOG_INTEGRAL_SUB = -0.29940, 0.5  # log E[1/cosh ν], log E[cosh ν]


class Start(NamedTuple):
    """One start.

    Attributes
    ----------
    restart : int
        0 is the fixed one.
    iterations : int
    converged : bool
    objective : float
        Lower is better: mean negative log-likelihood of a time point or vertex up to a constant (Infomax), minus the
        summed negentropies (FastICA).
    similarity : float
        Mean |r| of its sources with those of the start kept, matched one to one.
    kept : bool
    """

    restart: int
    iterations: int
    converged: bool
    objective: float
    similarity: float
    kept: bool


def unmix(x: np.ndarray, method: str = "infomax-extended", n_restarts: int = 3, seed: int = 0):
    """Unmix white data.

    Parameters
    ----------
    x : (k, n) array
        Rows of mean 0, variance 1 and no correlation (`whiten`).
    method : {"infomax-extended", "infomax", "fastica", "pca"}
        pca leaves the data as they are.
    n_restarts : int
        Random starts beside the fixed one.
    seed : int
        Of the random starts.

    Returns
    -------
    w : (k, k) float64 array
        Sources are w @ x, each of variance 1.
    starts : list of Start
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    k = len(x)
    if method == "pca" or k == 1:
        return np.eye(k), [Start(0, 0, True, np.nan, 1.0, True)]
    rng = np.random.default_rng(seed)
    first = [np.eye(k)] + [np.linalg.qr(rng.normal(size=(k, k)))[0] for _ in range(n_restarts)]
    found = [(_fastica if method == "fastica" else _picard)(x, w, method) for w in first]
    objectives = np.array([_objective(w @ x, w, method) for w, *_ in found])
    kept = int(objectives.argmin())
    units = [_unit(w) for w, *_ in found]
    starts = [
        Start(i, iterations, converged, float(objectives[i]), matched_r(unit, units[kept]), i == kept)
        for i, (unit, (_, iterations, converged)) in enumerate(zip(units, found, strict=True))
    ]
    return units[kept], starts


def whiten(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre and decorrelate rows, as near to the rows themselves as can be for uncorrelated ones.

    Parameters
    ----------
    x : (k, n) array

    Returns
    -------
    white : (k, n) float64 array
        transform @ (x − mean).
    transform : (k, k) float64 array
    mean : (k, 1) float64 array

    Raises
    ------
    ValueError
        If the rows span fewer than k dimensions.
    """
    x = np.asarray(x, dtype=np.float64)
    mean = x.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh((x - mean) @ (x - mean).T / x.shape[1])
    rank = int((values > 1e-10 * values.max(initial=0)).sum())
    if rank < len(x):
        raise ValueError(
            f"{len(x)} components were asked for but the data vary in {rank} dimensions only: ask for at most {rank}"
        )
    transform = (vectors / np.sqrt(values)) @ vectors.T  # symmetric: keeps principal components as they are
    return transform @ (x - mean), transform, mean


def matched_r(a: np.ndarray, b: np.ndarray) -> float:
    """Mean |r| of two sets of sources of the same white data, matched one to one so that it is largest.

    Parameters
    ----------
    a, b : (k, k) arrays
        Unmixing matrices with rows of length 1: correlations of their sources are products of their rows.
    """
    from scipy.optimize import linear_sum_assignment

    r = np.abs(a @ b.T)
    return float(np.clip(r[linear_sum_assignment(-r)].mean(), 0, 1))


class Model(NamedTuple):
    """Linear factors: x ≈ mean + factors @ maps.

    Attributes
    ----------
    turn : (k, k) float64 array
        From scores on the first k principal components to factors: factors = scores @ turn.
    maps : (k, V) float64 array
        What one unit of a factor adds to each vertex; factors come in the order of the variance that they add.
    starts : list of Start
    """

    turn: np.ndarray
    maps: np.ndarray
    starts: list[Start]


def fit_ica(
    components: np.ndarray,
    scores: np.ndarray,
    train: np.ndarray,
    method: str = "infomax-extended",
    independence: str = "temporal",
    n_restarts: int = 3,
    seed: int = 0,
) -> Model:
    """Independent components in the span of principal components.

    Temporal: time courses are independent, time points are the samples. Spatial: maps are, and vertices are the
    samples; courses follow from the maps by least squares. Factors have variance 1 over `train`, and the largest entry
    of each map is positive.

    Parameters
    ----------
    components : (k, V) array
        Principal components, orthonormal rows.
    scores : (n, k) array
        Scores whose time points are unmixed (temporal): of recordings under one another, or of their mean.
    train : (m, k) array
        Scores of the training recordings, for the factors' scale.
    method : {"infomax-extended", "infomax", "fastica", "pca"}
    independence : {"temporal", "spatial"}
    n_restarts, seed : int
        As in `unmix`.
    """
    if independence not in ("temporal", "spatial"):
        raise ValueError(f"unknown independence {independence!r}: choose temporal or spatial")
    components = np.asarray(components, dtype=np.float64)
    if method == "pca":
        whiten(np.transpose(scores))  # for its complaint about too many components
        turn, starts = np.eye(len(components)), unmix(np.eye(1), "pca")[1]
    elif independence == "temporal":
        white, transform, _ = whiten(np.transpose(scores))
        w, starts = unmix(white, method, n_restarts, seed)
        turn = (w @ transform).T
    else:
        whiten(np.transpose(scores))
        white, transform, _ = whiten(components)
        w, starts = unmix(white, method, n_restarts, seed)
        turn = np.linalg.inv(w @ transform)
    turn, maps = scaled(turn, components, train)
    order = np.argsort(-(maps**2).sum(axis=1), kind="stable")
    return Model(turn[:, order], maps[order], starts)


def scaled(turn: np.ndarray, loadings: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn factors, give them variance 1 and their maps a positive peak.

    Parameters
    ----------
    turn : (k, k) array
        Regular; new factors are old @ turn.
    loadings : (k, V) array
        Maps of the old factors.
    train : (m, k) array
        Old factors of the training recordings.

    Returns
    -------
    turn : (k, k) array
    maps : (k, V) array
        Of the new factors: old @ loadings = new @ maps.
    """
    size = (np.asarray(train, dtype=np.float64) @ turn).std(axis=0)
    turn = turn / np.where(size > 0, size, 1)
    maps = np.linalg.solve(turn, loadings)
    peak = maps[np.arange(len(maps)), np.abs(maps).argmax(axis=1)]
    sign = np.where(peak < 0, -1.0, 1.0)
    return turn * sign, maps * sign[:, None]


def _picard(x, w_init, method):
    """Picard from the given start: unmixing, iterations, whether the gradient reached the tolerance."""
    from picard import picard

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, w, _, iterations = picard(
            x, ortho=False, extended=method == "infomax-extended", whiten=False, centering=False, w_init=w_init,
            max_iter=MAX_ITERATIONS, tol=TOLERANCE, return_n_iter=True,
        )  # fmt: skip
    return w, int(iterations), not any("converge" in str(warning.message) for warning in caught)


def _fastica(x, w_init, method):
    """FastICA from the given start: unmixing, iterations, whether it converged."""
    from sklearn.decomposition import fastica
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, w, _, iterations = fastica(
            x.T, whiten=False, fun="logcosh", w_init=w_init, max_iter=FASTICA_ITERATIONS, tol=FASTICA_TOLERANCE,
            return_n_iter=True,
        )  # fmt: skip
    return w, int(iterations), not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def _objective(y, w, method) -> float:
    """What the start reached; lower is better. `y` are the sources as found, before they are scaled."""
    log_cosh = (np.abs(y) + np.log1p(np.exp(-2 * np.abs(y))) - np.log(2)).mean(axis=1)
    if method == "fastica":
        return float(-((log_cosh - _LOG_COSH_OF_NORMAL) ** 2).sum())
    if method == "infomax":
        # density ∝ 1/cosh y, as Picard's
        return float(log_cosh.sum() - np.linalg.slogdet(w)[1])
    tanh = np.tanh(y)
    # Lee et al. 1999: which of the two densities ∝ exp(−y²/2) cosh^∓1 y holds, super- or sub-Gaussian. Their integrals
    # differ: without them a start would win by the mere number of its sub-Gaussian sources.
    is_super = (1 - tanh**2).mean(axis=1) * (y**2).mean(axis=1) > (y * tanh).mean(axis=1)
    log_density = np.where(is_super, -log_cosh - _LOG_INTEGRAL_SUPER, log_cosh - _LOG_INTEGRAL_SUB)
    return float((y**2 / 2).mean(axis=1).sum() - log_density.sum() - np.linalg.slogdet(w)[1])


def _unit(w) -> np.ndarray:
    """Rows of length 1: sources of white data then have variance 1."""
    return w / np.linalg.norm(w, axis=1, keepdims=True)
