"""Confounds, drifts and censored frames of voxels × time, in place, a block of voxels at a time.

Censored frames are replaced by the line between their neighbours: the series keeps its length, and
nothing overshoots (nilearn's cubic spline does, at the ends). Regression goes through
`nilearn.signal.clean` on the frames that count; each voxel keeps its mean.
"""

from __future__ import annotations

import numpy as np

ROWS = 4096  # voxels at a time: 50 MB of float64 for 1,310 frames


def interpolate(series: np.ndarray, weights: np.ndarray) -> None:
    """Replace the frames of weight 0, in place.

    Parameters
    ----------
    series : (V, T) float array
        Changed.
    weights : (T,) array
        1 for frames that count, 0 for censored ones; before the first and after the last that
        counts, its value is held.

    Examples
    --------
    >>> series = np.array([[9.0, 2.0, 9.0, 4.0]])
    >>> interpolate(series, np.array([0, 1, 0, 1]))
    >>> series.tolist()
    [[2.0, 2.0, 3.0, 4.0]]
    """
    weights = np.asarray(weights, bool)
    if len(weights) != series.shape[1]:
        raise ValueError(f"there are {len(weights)} weights for {series.shape[1]} frames")
    good, bad = np.nonzero(weights)[0], np.nonzero(~weights)[0]
    if not len(good):
        raise ValueError("every frame is censored")
    if not len(bad):
        return
    after = np.searchsorted(good, bad)
    before, after = good[np.maximum(after - 1, 0)], good[np.minimum(after, len(good) - 1)]
    share = np.clip((bad - before) / np.maximum(after - before, 1), 0, 1).astype(series.dtype)
    series[:, bad] = series[:, before] * (1 - share) + series[:, after] * share


def clean(
    series: np.ndarray,
    weights: np.ndarray,
    regressors: np.ndarray | None = None,
    high_pass: float | None = None,
    t_r: float | None = None,
) -> None:
    """Regress confounds and slow drifts out of the frames that count, then interpolate; in place.

    Parameters
    ----------
    series : (V, T) float array
        Changed. Rows that are constant or not finite stay as they are.
    weights : (T,) array
        1 for frames that count, 0 for censored ones.
    regressors : (T, n) array, optional
        Confounds.
    high_pass : float, optional
        Cut-off of a discrete-cosine high-pass filter, in Hz.
    t_r : float, optional
        Repetition time in seconds; needed with `high_pass`.

    Raises
    ------
    ValueError
        If the filter has no effect or leaves nothing, or there are as many regressors as frames.
    """
    weights = np.asarray(weights, bool)
    n_regressors = 0 if regressors is None else np.shape(regressors)[1]
    if high_pass:
        n_regressors += _n_cosines(high_pass, t_r, series.shape[1])
    if n_regressors and n_regressors >= weights.sum() - 1:
        raise ValueError(
            f"{n_regressors} regressors for {weights.sum()} frames leave nothing of the series: choose a smaller "
            "--confounds strategy, or a lower --high-pass"
        )
    if not n_regressors and weights.all():
        return
    for rows in blocks(len(series)):
        finite, varies = usable(series[rows], weights)
        chunk = series[rows][finite & varies]
        if n_regressors and len(chunk):
            _regress(chunk, weights, regressors, high_pass, t_r)
        interpolate(chunk, weights)
        series[rows][finite & varies] = chunk


def usable(series: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which voxels are finite, and which vary over the frames that count.

    Returns
    -------
    finite, varies : (V,) bool arrays
    """
    weights = np.asarray(weights, bool)
    finite, varies = np.zeros((2, len(series)), bool)
    for rows in blocks(len(series)):
        chunk = series[rows] if weights.all() else series[rows][:, weights]
        finite[rows] = np.isfinite(chunk).all(axis=1)
        varies[rows] = finite[rows] & (chunk.max(axis=1) > chunk.min(axis=1))
    return finite, varies


def blocks(n_rows: int):
    """Slices over rows."""
    return (slice(first, min(first + ROWS, n_rows)) for first in range(0, n_rows, ROWS))


def _regress(chunk, weights, regressors, high_pass, t_r) -> None:
    from nilearn.signal import clean as nilearn_clean

    cleaned = nilearn_clean(
        chunk.T.astype(np.float64),
        confounds=None if regressors is None else np.asarray(regressors, np.float64),
        sample_mask=None if weights.all() else np.nonzero(weights)[0],
        detrend=False,
        standardize=None,
        standardize_confounds=True,  # centred over the frames that count, so the voxel's mean stays
        filter="cosine" if high_pass else False,
        high_pass=high_pass or None,
        t_r=t_r,
    )
    chunk[:, weights] = cleaned.T


def _n_cosines(high_pass: float, t_r: float | None, n_frames: int) -> int:
    if t_r is None:
        raise ValueError("a high-pass filter needs the repetition time")
    if high_pass * t_r >= 0.5:
        raise ValueError(
            f"a high-pass of {high_pass:g} Hz removes everything at TR = {t_r:g} s: it must be below {0.5 / t_r:g}"
        )
    n = int(np.floor(2 * n_frames * high_pass * t_r))
    if n == 0:
        raise ValueError(
            f"a high-pass of {high_pass:g} Hz has no effect on a run of {n_frames * t_r:g} s: it must be at least "
            f"{0.5 / (n_frames * t_r):.4g} Hz; leave --high-pass out"
        )
    return n
