"""Intersubject correlation: what persons share who heard the same story (Hasson et al. 2004, Science 303:1634)."""

from collections.abc import Callable, Sequence

import numpy as np

from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.group_tests import standardised

CHUNK_BYTES = 64 * 2**20

Series = np.ndarray | Callable[[np.ndarray], np.ndarray]


def intersubject_correlation(
    series: Sequence[Series], rows: np.ndarray, persons: np.ndarray, used: np.ndarray, shifted: bool = False
) -> np.ndarray:
    """Correlation of each person with the mean of all others, voxel by voxel, averaged over persons.

    Parameters
    ----------
    series : sequence of S arrays (K_s, T), or functions from row numbers to (k, T)
        May be memory-mapped.
    rows : (S, K) int array
        Rows of each that are the same places.
    persons : (S,) int array
        From 0. Recordings of one person are averaged and never correlated with each other.
    used : (T,) bool array
        Frames that count in every recording.
    shifted : bool
        Shift persons in time against each other, round the end, as far apart as they can be: the control.

    Returns
    -------
    r : (K,) float64 array
        NaN where a voxel is constant in some recording.
    """
    frames, n = np.flatnonzero(used), int(persons.max()) + 1
    r = np.empty(rows.shape[1])
    for part in row_chunks(rows.shape[1], len(series) * len(used), CHUNK_BYTES):
        x = np.stack([_rows(one, own[part])[:, frames] for one, own in zip(series, rows, strict=True)])
        z = standardised(x.reshape(-1, len(frames))).reshape(x.shape)
        if shifted:
            offsets = persons * len(frames) // n
            z = np.stack([np.roll(one, offset, axis=-1) for one, offset in zip(z, offsets, strict=True)])
        r[part] = _with_others(z, persons, n)
    return r


def _with_others(z, persons, n) -> np.ndarray:
    member = np.eye(n)[persons]
    own = np.einsum("sn,skt->nkt", member / member.sum(axis=0), z)
    others = own.sum(axis=0) - own
    norm = np.linalg.norm(others, axis=-1)
    by_recording = np.einsum("skt,skt->sk", z, others[persons]) / np.where(norm > 0, norm, np.nan)[persons]
    return ((member / member.sum(axis=0)).T @ by_recording).mean(axis=0)


def _rows(series, rows) -> np.ndarray:
    return np.asarray(series(rows) if callable(series) else series[rows], dtype=np.float64)
