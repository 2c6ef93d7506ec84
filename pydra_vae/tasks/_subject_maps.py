"""SubjectMaps: which recordings and factors, and where a recording's series follow its factors."""

import numpy as np

from pydra_vae.tasks._recordings import Split


def chosen_factors(factor, k: int) -> np.ndarray:
    """Numbers of the factors; those that are not there are refused."""
    which = np.arange(k) if factor is None else np.asarray(factor, dtype=np.int64)
    if len(which) == 0 or which.min() < 0 or which.max() >= k:
        raise ValueError(f"factors {', '.join(map(str, which)) or '(none)'} were asked for: there are 0 to {k - 1}")
    return which


def chosen_recordings(split: Split, labels, n_recordings: int) -> np.ndarray:
    """Numbers of the recordings: by label, or the first of the test."""
    if labels is None:
        return split.rows("test")[:n_recordings]
    unknown = [label for label in labels if label not in set(split.label)]
    if unknown:
        raise ValueError(f"no recording is labelled {', '.join(unknown)}: there are {', '.join(split.label[:20])}")
    return np.array([np.flatnonzero(split.label == label)[0] for label in labels])


def regression_maps(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Weights of a recording's series (T, V) on its standardised factors (T, k), all at once, (k, V) float32.

    A factor that does not vary has weights 0.

    Examples
    --------
    >>> t = np.array([[1.0, 0], [-1, 0], [0, 0], [0, 0]])
    >>> regression_maps(3 * t[:, :1], t).round(3).tolist()
    [[2.121000051498413], [0.0]]
    """
    z = np.asarray(z, dtype=np.float64)
    z, scale = z - z.mean(axis=0), z.std(axis=0)
    used = scale > 1e-6 * max(scale.max(), np.finfo(float).tiny)
    weights = np.linalg.pinv(np.where(used, z / np.where(used, scale, 1), 0))
    x = np.asarray(x, dtype=np.float32)
    return (weights.astype(np.float32) @ (x - x.mean(axis=0))).astype(np.float32)
