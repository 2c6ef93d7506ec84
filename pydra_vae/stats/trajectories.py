"""The way of the factors through their space: where each sub-task lies, and whether its frames keep together.

Frames are labelled by the block in which they fall (the paper's Fig. 4), or by the block some seconds before, because
the response is late. Neighbouring frames are alike whatever the task does, so labels are compared with the same
labels shifted in time, round the end, within each run (design).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

RAMP = 5  # frames over which the paper's points fade in and out


def opacities(blocks: np.ndarray, ramp: int = RAMP, faintest: float = 0.5) -> np.ndarray:
    """The paper's opacity of each frame: over the first and the last five of a block it grows from 0.5 to 1 and falls.

    Parameters
    ----------
    blocks : (T,) str array
        Sub-task of each frame of one run, "" between blocks (opacity 1).

    Examples
    --------
    >>> opacities(np.array(["", *["tongue"] * 11, ""])).tolist()
    [1.0, 0.5, 0.625, 0.75, 0.875, 1.0, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 1.0]
    """
    blocks, found = np.asarray(blocks), np.ones(len(blocks))
    edges = [0, *(np.flatnonzero(blocks[1:] != blocks[:-1]) + 1), len(blocks)]
    for first, last in pairwise(edges):
        if last > first and blocks[first]:
            into = np.arange(last - first)
            near = np.minimum(into, into[::-1])  # frames from the nearer end
            found[first:last] = np.minimum(1, faintest + (1 - faintest) * near / max(ramp - 1, 1))
    return found


def delayed(blocks: np.ndarray, frames: int) -> np.ndarray:
    """Labels that come so many frames later; the first ones are "".

    Examples
    --------
    >>> delayed(np.array(["a", "b", "", ""]), 1).tolist()
    ['', 'a', 'b', '']
    """
    blocks = np.asarray(blocks)
    return np.concatenate([np.full(min(frames, len(blocks)), "", blocks.dtype), blocks[: max(len(blocks) - frames, 0)]])


def shifted(labels: list[np.ndarray], n: int, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    """Labels of all runs shifted in time by the same number of frames, each round its own end.

    Parameters
    ----------
    labels : list of (T,) arrays
        One a design.
    n : int
        At most so many; each shift of 1 … T − 1 frames comes at most once.
    """
    steps = np.arange(1, len(labels[0]))
    for step in steps if len(steps) <= n else np.sort(rng.choice(steps, n, replace=False)):
        yield [np.roll(one, step) for one in labels]


def silhouette(x: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw 1987) of the labelled frames; NaN with fewer than two sub-tasks.

    Parameters
    ----------
    x : (T, k) array
    labels : (T,) str array
        Frames labelled "" do not count.

    Examples
    --------
    >>> x = np.array([[0.0], [0], [9], [9], [4]])
    >>> silhouette(x, np.array(["a", "a", "b", "b", ""]))
    1.0
    """
    used = labels != ""
    return _silhouette(_pairwise(x[used]), labels[used])


def _silhouette(distances, labels) -> float:
    names, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return float("nan")
    members = np.eye(len(names))[which]
    sums = distances @ members  # (T, names) summed distance to each sub-task's frames
    own = sums[np.arange(len(which)), which] / np.maximum(counts[which] - 1, 1)
    other = np.where(members > 0, np.inf, sums / counts).min(axis=1)
    largest = np.maximum(own, other)
    value = np.where((counts[which] > 1) & (largest > 0), (other - own) / np.where(largest > 0, largest, 1), 0)
    return float(value.mean())


def _pairwise(x) -> np.ndarray:
    from scipy.spatial.distance import cdist

    x = np.asarray(x, dtype=np.float64)
    return cdist(x, x)


def silhouette_test(x: np.ndarray, labels: list[np.ndarray], n_permutations: int = 500, seed: int = 0) -> dict:
    """Do frames of one sub-task keep together more than frames at the same intervals elsewhere in the run?

    Parameters
    ----------
    x : (T, k) array
        Frames of all designs, one after the other.
    labels : list of (T_d,) str arrays
        One a design; together T.

    Returns
    -------
    found : dict
        value, null_mean, null_sd, p = (1 + shifts with at least that value) / (1 + shifts).
    """
    distances, joined = _pairwise(x), np.concatenate(labels)

    def value(names):
        used = np.flatnonzero(names != "")
        return _silhouette(distances[np.ix_(used, used)], names[used])

    found = value(joined)
    rng = np.random.default_rng(seed)
    null = np.array([value(np.concatenate(moved)) for moved in shifted(labels, n_permutations, rng)])
    if np.isnan(found) or not len(null):
        return {"value": found, "null_mean": np.nan, "null_sd": np.nan, "p": np.nan}
    p = (1 + np.sum(null >= found - 1e-12)) / (1 + len(null))
    return {"value": found, "null_mean": float(null.mean()), "null_sd": float(null.std()), "p": float(p)}


def centroid_distances(x: np.ndarray, labels: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names of the sub-tasks (sorted) and the distances between the means of their frames, (n, n).

    Examples
    --------
    >>> names, distances = centroid_distances(np.array([[0.0], [2], [9], [7]]), np.array(["a", "a", "b", ""]))
    >>> names, distances.tolist()
    (['a', 'b'], [[0.0, 8.0], [8.0, 0.0]])
    """
    names = sorted(set(labels[labels != ""].tolist()))
    x = np.asarray(x, dtype=np.float64)
    means = np.array([x[labels == name].mean(axis=0) for name in names]).reshape(len(names), x.shape[1])
    return names, _pairwise(means)


def distance_test(x: np.ndarray, labels: list[np.ndarray], n_permutations: int = 500, seed: int = 0) -> list[dict]:
    """Distances between sub-tasks in the factors' space, and which of them lie closer than shifted labels would.

    Returns
    -------
    rows : list of dict
        One a pair: first, second, distance (in units of the factors), relative (divided by the mean over pairs, so
        that models can be compared), null_mean (of relative), p_closer.
    """
    joined = np.concatenate(labels)
    names, distances = centroid_distances(x, joined)
    if len(names) < 2:
        return []
    at = np.triu_indices(len(names), 1)
    values, null = distances[at], []
    for moved in shifted(labels, n_permutations, np.random.default_rng(seed)):
        drawn = centroid_distances(x, np.concatenate(moved))[1][at]
        null.append(drawn / drawn.mean() if drawn.mean() > 0 else np.ones(len(drawn)))
    relative, null = values / (values.mean() or 1.0), np.array(null).reshape(-1, len(values))
    closer = (1 + (null <= relative + 1e-12).sum(axis=0)) / (1 + len(null))
    means = null.mean(axis=0) if len(null) else np.full(len(values), np.nan)
    return [
        {"first": names[i], "second": names[j], "distance": values[n], "relative": relative[n], "null_mean": means[n],
         "p_closer": closer[n]}
        for n, (i, j) in enumerate(zip(*at, strict=True))
    ]  # fmt: skip
