"""Walk through a big voxels × time matrix a few rows at a time.

A masked 2 mm subject is 731 MB in float32; matrices are memory-mapped, and everything in `stats`
reads them in blocks of rows so that only one block lies in memory in double precision.
"""

from collections.abc import Iterator

import numpy as np

# Of float64: 400 rows of 1,310 frames. Small enough that what is computed from a block stays in a processor's cache and
# in memory that the process has already: blocks of 32 MB take twice the time.
CHUNK_BYTES = 4 * 2**20


def row_chunks(n_rows: int, n_columns: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[slice]:
    """Slices that cover the rows of an (n_rows, n_columns) matrix in order.

    Examples
    --------
    >>> list(row_chunks(5, 1000, chunk_bytes=16_000))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, int(chunk_bytes // (8 * max(1, n_columns))))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def frame_weights(weights, n_frames: int) -> np.ndarray:
    """Frame weights as booleans: which frames count.

    Parameters
    ----------
    weights : (T,) array or None
        1 for a frame that counts, 0 for one that was censored; None for all ones.
    n_frames : int
        T.

    Returns
    -------
    used : (T,) bool array

    Raises
    ------
    ValueError
        When the length differs from T, a weight is neither 0 nor 1, or none is 1.
    """
    if weights is None:
        return np.ones(n_frames, dtype=bool)
    weights = np.asarray(weights)
    if weights.shape != (n_frames,):
        raise ValueError(
            f"there are {n_frames} frames but the frame weights have the shape {weights.shape}: "
            "give one weight for each frame"
        )
    used = weights.astype(bool)
    if not np.array_equal(used.astype(float), weights.astype(float)):
        raise ValueError("frame weights must be 0 or 1: use 0 for frames to leave out")
    if not used.any():
        raise ValueError("all frames have weight 0: nothing is left to compute on")
    return used


def columns_of(used: np.ndarray) -> slice | np.ndarray:
    """What selects the used frames of a matrix: a slice, which copies nothing, where all are used.

    Examples
    --------
    >>> columns_of(np.array([True, True])), columns_of(np.array([False, True]))
    (slice(None, None, None), array([1]))
    """
    return slice(None) if used.all() else np.flatnonzero(used)
