"""Recordings that share a task's timing, and averages over them.

The paper averages the factors of all test subjects, which had one timing. Here recordings whose regressors agree form a
*design*; averages are made within a design and designs follow one another in time. One design is the paper's average;
two directions of encoding with timings of their own are two averages; a timing for each subject is the concatenation
over subjects.
"""

from dataclasses import dataclass

import numpy as np

AGREE = 0.95  # correlation above which two regressors are one: onsets that jitter by milliseconds stay together


def designs(regressors: np.ndarray, agree: float = AGREE) -> np.ndarray:
    """Number of the design of each recording, from 0 in the order in which they come; −1 without regressors.

    A recording joins the first design whose first recording has the same sub-tasks and correlates by at least `agree`
    in every one of them.

    Parameters
    ----------
    regressors : (S, T, n) array
        Of S recordings. A sub-task that a recording does not have is NaN (or 0) throughout; all NaN: no events known.
    agree : float

    Returns
    -------
    design : (S,) int array

    Examples
    --------
    >>> t = np.arange(40.0)
    >>> one, other = np.sin(t)[:, None], np.cos(t)[:, None]
    >>> designs(np.stack([one, other, 2 * one, np.full((40, 1), np.nan)])).tolist()
    [0, 1, 0, -1]
    """
    found, heads = np.full(len(regressors), -1), []
    for i, table in enumerate(regressors):
        unit, varies = _unit(table)
        if not varies.any():
            continue
        for number, (head, head_varies) in enumerate(heads):
            if (varies == head_varies).all() and ((unit * head).sum(axis=0) >= agree)[varies].all():
                found[i] = number
                break
        else:
            found[i] = len(heads)
            heads.append((unit, varies))
    return found


def _unit(table) -> tuple[np.ndarray, np.ndarray]:
    """Columns of mean 0 and length 1, 0 where nothing varies; and which vary."""
    centred = np.nan_to_num(np.asarray(table, dtype=np.float64))
    centred = centred - centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    varies = length > 1e-10 * max(1.0, np.abs(centred).max(initial=0))
    return centred / np.where(varies, length, 1), varies


@dataclass(frozen=True)
class Average:
    """Means over the recordings of one part, design by design.

    Attributes
    ----------
    design : (D,) int array
        Numbers of the designs.
    factors : (D, T, k) float64 array
        Mean factors, each of mean 0 over time.
    regressors : (D, T, n) float64 array
        Mean regressors, of mean 0 over time; a sub-task that the design lacks is 0.
    raw : (D, T, n) float64 array
        The same of the unfiltered regressors.
    members : (D,) int array
        Recordings averaged, design by design.
    scatter : (k, k) float64 array
        Products of the factors summed over time and single recordings, each of mean 0 over its time.
    """

    design: np.ndarray
    factors: np.ndarray
    regressors: np.ndarray
    raw: np.ndarray
    members: np.ndarray
    scatter: np.ndarray

    @property
    def n(self) -> int:
        """Recordings averaged."""
        return int(self.members.sum())


def average(
    factors: np.ndarray, regressors: np.ndarray, raw: np.ndarray, design: np.ndarray, chosen: np.ndarray
) -> Average:
    """Average the chosen recordings within each design.

    Parameters
    ----------
    factors : (S, T, k) array
    regressors, raw : (S, T, n) arrays
    design : (S,) int array
        Of `designs`; recordings of −1 have no part.
    chosen : (S,) bool array
    """
    numbers = np.unique(design[chosen & (design >= 0)])
    members = [np.flatnonzero(chosen & (design == number)) for number in numbers]

    def means(values):
        if not members:
            return np.zeros((0, *values.shape[1:]))
        kept = np.stack([np.nan_to_num(np.asarray(values[m], dtype=np.float64)).mean(axis=0) for m in members])
        return kept - kept.mean(axis=1, keepdims=True)

    sizes = np.array([len(m) for m in members], dtype=int)
    return Average(numbers, means(factors), means(regressors), means(raw), sizes, _scatter(factors, members))


def _scatter(factors, members) -> np.ndarray:
    total = np.zeros((factors.shape[2],) * 2)
    for row in (row for m in members for row in m):
        f = np.asarray(factors[row], dtype=np.float64)
        f = f - f.mean(axis=0)
        total += f.T @ f
    return total
