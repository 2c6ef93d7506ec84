"""Maps of latents whose values over time are known, and whether those courses follow a task.

The map of a latent is the regression of the data on its course, as in DVAE (Qiang et al. 2020). Each latent is taken by
itself: with all in one regression (as in the second stage of dual regression) a VAE's latents, whose courses correlate,
share what they have in common in arbitrary parts. Of six planted networks the best maps had a mean |r| of .60 each by
itself and .48 jointly (8 latents, 240 frames); with the task's map of a real run it was .78 against .40. Maps of PCA
and ICA are the same both ways. Divided by its standard error a map is a z value for drawing and comparing; no p is read
from it, as frames are not independent.

Whether a course follows a condition is tested by shifting the regressors in a circle within each run: that keeps their
own autocorrelation, which a test for independent frames would not. Where blocks come at regular times, a shift by whole
periods fits again, so that p of the sum of all conditions stays above one over the frames of a period.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BLOCK = 4096  # voxels at a time


class Maps(NamedTuple):
    """Regression of the data on courses.

    Attributes
    ----------
    beta : (k, V) float64 array
        What one unit of each latent adds.
    z : (k, V) float64 array
        In units of its standard error; 0 where the data do not vary.
    """

    beta: np.ndarray
    z: np.ndarray


def maps_of_each(x: np.ndarray, courses: np.ndarray, rows: np.ndarray | None = None) -> Maps:
    """Regress every voxel on one course after the other; as `regression_maps`."""
    maps = [regression_maps(x, courses[:, [i]], rows) for i in range(courses.shape[1])]
    return Maps(np.vstack([m.beta for m in maps]), np.vstack([m.z for m in maps]))


def regression_maps(x: np.ndarray, courses: np.ndarray, rows: np.ndarray | None = None) -> Maps:
    """Regress every voxel on all courses together and a constant.

    Parameters
    ----------
    x : (T, V) array
        Frames; may be memory-mapped.
    courses : (T, k) array
    rows : (m,) int array, optional
        Frames to fit on, such as the training frames; all by default.

    Raises
    ------
    ValueError
        If there are too few frames for so many courses.

    Examples
    --------
    >>> t = np.arange(8.0)
    >>> regression_maps(np.outer(t % 3, [1, -2]), (t % 3)[:, None]).beta.round(6).ravel().tolist()
    [1.0, -2.0]
    """
    rows = np.arange(len(x)) if rows is None else rows
    z = np.asarray(courses, dtype=np.float64)[rows]
    design = np.column_stack([np.ones(len(z)), z])
    free = len(design) - np.linalg.matrix_rank(design)
    if free < 1:
        raise ValueError(f"{len(z)} frames cannot tell {z.shape[1]} courses apart: give more frames or fewer latents")
    inverse = np.linalg.pinv(design)
    error = np.sqrt(np.diag(inverse @ inverse.T))[1:, None]
    beta, size = np.empty((z.shape[1], x.shape[1])), np.empty(x.shape[1])
    for start in range(0, x.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        y = np.asarray(x[:, part], dtype=np.float64)[rows]
        weights = inverse @ y
        beta[:, part] = weights[1:]
        size[part] = np.sqrt(((y - design @ weights) ** 2).sum(axis=0) / free)
    scale = error * size
    # What rounding leaves of an exact fit or of a constant voxel is no noise to divide by.
    meant = scale > 1e-9 * np.abs(beta).max(initial=0)
    return Maps(beta, np.divide(beta, scale, out=np.zeros_like(beta), where=meant))


class TaskFit(NamedTuple):
    """Courses against regressors.

    Attributes
    ----------
    r : (k, n) array
        Correlation over all frames; NaN where one of the two is constant.
    p : (k, n) array
        Two-sided, of each pair alone.
    p_any : (k, n) array
        Against the largest |r| of the k courses under each shift: pays for choosing the best of them.
    chance : (n,) array
        Mean over the shifts of the largest |r| of the k courses.
    n_shifts : int
    """

    r: np.ndarray
    p: np.ndarray
    p_any: np.ndarray
    chance: np.ndarray
    n_shifts: int


def shift_test(
    courses: np.ndarray,
    regressors: Sequence[np.ndarray],
    kept: Sequence[np.ndarray],
    n_shifts: int = 1000,
    seed: int = 0,
) -> TaskFit:
    """Correlate courses with regressors, against regressors shifted within each run.

    Parameters
    ----------
    courses : (T, k) array
        Of the frames kept, run after run.
    regressors : sequence of (T_run, n) arrays
        Of every recorded frame of each run.
    kept : sequence of int arrays
        Which frames of each run the courses have.
    n_shifts : int
        At most; there are only as many as the longest run has other places.
    seed : int
        Of the shifts, which are shares of each run's length, the same in all runs.
    """
    longest = max(len(values) for values in regressors)
    n = min(n_shifts, longest - 1)
    shares = (1 + np.sort(np.random.default_rng(seed).permutation(longest - 1)[:n])) / longest
    z = _unit(np.asarray(courses, dtype=np.float64))
    every = []
    for share in (0.0, *shares):
        moved = [np.roll(g, round(share * len(g)), axis=0)[rows] for g, rows in zip(regressors, kept, strict=True)]
        every.append(z.T @ _unit(np.concatenate(moved)))
    r, null = every[0], np.abs(np.array(every[1:]).reshape(n, *every[0].shape))
    largest = np.nanmax(np.nan_to_num(null, nan=-1.0), axis=1)
    found = np.abs(r)
    p = (1 + (null >= found - 1e-9).sum(axis=0)) / (1 + n)
    p_any = (1 + (largest[:, None] >= found - 1e-9).sum(axis=0)) / (1 + n)
    known = np.isfinite(r)
    chance = largest.mean(axis=0) if n else np.full(r.shape[1], np.nan)
    return TaskFit(r, np.where(known, p, np.nan), np.where(known, p_any, np.nan), chance, n)


def _unit(values) -> np.ndarray:
    """Columns of mean 0 and length 1; NaN for a constant one."""
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    tiny = 1e-9 * np.sqrt(len(values)) * np.maximum(np.abs(values).max(axis=0), 1e-30)
    return centred / np.where(length > tiny, length, np.nan)
