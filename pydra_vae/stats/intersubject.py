"""Intersubject correlation: what persons share who heard the same story (Hasson et al. 2004, Science 303:1634)."""

from collections.abc import Callable, Sequence

import numpy as np

from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.group_tests import standardised

CHUNK_BYTES = 16 * 2**20

Series = np.ndarray | Callable[[np.ndarray], np.ndarray]


def intersubject_correlation(
    series: Sequence[Series], rows: np.ndarray, persons: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each person with the mean of all others, voxel by voxel, averaged over persons.

    Parameters
    ----------
    series : sequence of S arrays (K_s, T), or functions from row numbers to (k, T)
        May be memory-mapped; read once.
    rows : (S, K) int array
        Rows of each that are the same places.
    persons : (S,) int array
        From 0. Recordings of one person are averaged and never correlated with each other.
    used : (T,) bool array
        Frames that count in every recording.

    Returns
    -------
    r : (K,) float64 array
        NaN where a voxel is constant in some recording.
    shifted : (K,) float64 array
        The control: persons shifted in time against each other, round the end, as far apart as they can be.
    """
    frames, n = np.flatnonzero(used), int(persons.max()) + 1
    r, shifted = np.empty(rows.shape[1]), np.empty(rows.shape[1])
    for part in row_chunks(rows.shape[1], n * len(used), CHUNK_BYTES):
        z = np.zeros((n, part.stop - part.start, len(frames)))
        for one, own, person in zip(series, rows[:, part], persons, strict=True):
            z[person] += standardised(_rows(one, own)[:, frames]) / (persons == person).sum()
        r[part] = _with_others(z)
        for person in range(n):
            z[person] = np.roll(z[person], person * len(frames) // n, axis=-1)
        shifted[part] = _with_others(z)
    return r, shifted


def _with_others(z) -> np.ndarray:
    """Mean over persons of their correlation with the others, (k,), of mean standardised series (n, k, T).

    A person's mean over recordings of z · others is own · others: no recording is needed once they are averaged.
    """
    total, r = z.sum(axis=0), np.zeros(z.shape[1])
    for own in z:
        others = total - own
        norm = np.linalg.norm(others, axis=-1)
        r += np.einsum("kt,kt->k", own, others) / np.where(norm > 0, norm, np.nan)
    return r / len(z)


def _rows(series, rows) -> np.ndarray:
    return np.asarray(series(rows) if callable(series) else series[rows], dtype=np.float64)
