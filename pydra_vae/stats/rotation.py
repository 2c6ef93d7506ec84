"""Turning a model's factors after training: are they good axes of what they know?

A linear change of the factors loses nothing: new factors = factors @ R, new maps = R⁻¹ @ maps. R is chosen for
independent maps (spatial Infomax), independent courses (temporal Infomax), both extended, or simple maps (varimax).
"""

import numpy as np

from pydra_vae.stats.ica import Start, scaled, unmix, whiten

METHODS = ("spatial-infomax", "temporal-infomax", "varimax")
UNUSED = 1e-3  # of the largest standard deviation: factors below it are left as they are


def rotate(
    factors: np.ndarray, loadings: np.ndarray, method: str = "spatial-infomax", n_restarts: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[Start]]:
    """Find the change of factors.

    Parameters
    ----------
    factors : (m, k) array
        Of the training recordings, under one another.
    loadings : (k, V) array
        Signed maps: what a unit of each factor adds.
    method : {"spatial-infomax", "temporal-infomax", "varimax"}
    n_restarts, seed : int
        As in `ica.unmix`.

    Returns
    -------
    rotation : (k, k) float64 array
        New factors are factors @ rotation, each of variance 1 over the training recordings. Factors that hardly vary
        are left as they are.
    maps : (k, V) float64 array
    starts : list of Start
        Empty for varimax, which has one optimum in practice and starts from the factors.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    factors, loadings = np.asarray(factors, dtype=np.float64), np.asarray(loadings, dtype=np.float64)
    deviation = factors.std(axis=0)
    used = deviation > UNUSED * deviation.max(initial=0)
    rotation, maps, starts = np.eye(len(loadings)), loadings.copy(), []
    if used.any():
        turn, starts = _turn(factors[:, used], loadings[used], method, n_restarts, seed)
        rotation[np.ix_(used, used)], maps[used] = scaled(turn, loadings[used], factors[:, used])
    return rotation, maps, starts


def _turn(factors, loadings, method, n_restarts, seed):
    if method == "spatial-infomax":
        white, transform, _ = whiten(loadings)
        w, starts = unmix(white, "infomax-extended", n_restarts, seed)
        return np.linalg.inv(w @ transform), starts
    if method == "temporal-infomax":
        white, transform, _ = whiten(factors.T)
        w, starts = unmix(white, "infomax-extended", n_restarts, seed)
        return (w @ transform).T, starts
    scale = factors.std(axis=0)  # maps of factors of variance 1, else the unit of a factor would weigh its map
    return varimax((loadings * scale[:, None]).T) / scale[:, None], []


def varimax(loadings: np.ndarray, max_sweeps: int = 100) -> np.ndarray:
    """Rotation R for which the squared entries of loadings @ R vary most in each column, (k, k).

    Kaiser's planar rotations (1958, Psychometrika 23:187), pair by pair, each with its angle in closed form. The
    iteration by singular values that is met more often can step over the optimum and back for ever.

    Parameters
    ----------
    loadings : (V, k) array

    Examples
    --------
    >>> turned = np.kron(np.eye(2), np.ones((5, 1))) @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    >>> np.abs(turned @ varimax(turned)).round(6)[[0, 5]].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    turned = np.array(loadings, dtype=np.float64)
    rotation = np.eye(turned.shape[1])
    for _ in range(max_sweeps):
        angles = [_turn_pair(turned, rotation, i, j) for j in range(1, len(rotation)) for i in range(j)]
        if np.abs(angles).max(initial=0) < 1e-9:
            break
    return rotation


def _turn_pair(turned, rotation, i, j) -> float:
    """Turn two columns, in place, by the angle that is best for them."""
    x, y = turned[:, i], turned[:, j]
    u, v = x**2 - y**2, 2 * x * y
    a, b, n = u.sum(), v.sum(), len(u)
    angle = np.arctan2(2 * (u @ v) - 2 * a * b / n, u @ u - v @ v - (a**2 - b**2) / n) / 4
    plane = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for array in (turned, rotation):
        array[:, [i, j]] = array[:, [i, j]] @ plane
    return float(angle)
