"""The paper's band-pass and linear detrend of a run, as one matrix over time.

Detrending, Butterworth filtering and the regression of confounds are linear in the series, so what
`nilearn.signal.clean` does to an identity matrix is what it does to any series: P = clean(I), then
P @ X. That is nilearn's result, at the cost of one product for all vertices of all runs of a length.

Two orders differ: nilearn removes the linear trend before it filters, the paper ("band-pass filtered
and then linearly detrended") after. The first is taken, since a trend would ring at the run's ends.
"""

from __future__ import annotations

import warnings

import numpy as np

# What is left of a series by rounding alone, as a share of its range before filtering.
ROUNDING = 1e-9
MIN_FRAMES = 34  # the fifth-order Butterworth band-pass is padded by 33 frames


def operator(
    n_frames: int,
    t_r: float | None,
    high_pass: float | None = 0.01,
    low_pass: float | None = 0.15,
    detrend: bool = True,
    confounds: np.ndarray | None = None,
) -> np.ndarray:
    """The matrix that filters a run.

    Parameters
    ----------
    n_frames : int
        Frames T of the run.
    t_r : float or None
        Repetition time, in seconds; needed with a filter.
    high_pass, low_pass : float or None
        Cut-offs in Hz, of nilearn's fifth-order Butterworth filter run forwards and backwards; None
        (or 0) for none.
    detrend : bool
        Whether to remove mean and linear trend first.
    confounds : (T, n) array, optional
        Regressors, filtered likewise and then regressed out.

    Returns
    -------
    p : (T, T) float64 array
        ``p @ x`` is the cleaned (T, V) series x.

    Raises
    ------
    ValueError
        If a cut-off does not suit the repetition time or the other cut-off, the run is too short,
        or the confounds leave nothing of it.

    Examples
    --------
    >>> ramp = np.arange(100.0)
    >>> bool(np.abs(operator(100, 0.72) @ ramp).max() < 1e-9)
    True
    """
    high_pass, low_pass = high_pass or None, low_pass or None
    check_band(n_frames, t_r, high_pass, low_pass)
    confounds = _checked(confounds, n_frames)
    from nilearn.signal import clean

    filtered = high_pass is not None or low_pass is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn's on its own coming defaults
        return clean(
            np.eye(n_frames),
            detrend=bool(detrend),
            standardize=None,
            standardize_confounds=True,
            confounds=confounds,
            filter="butterworth" if filtered else False,
            high_pass=high_pass,
            low_pass=low_pass,
            t_r=t_r,
            ensure_finite=False,
        )


def check_band(n_frames: int, t_r: float | None, high_pass: float | None, low_pass: float | None) -> None:
    """Raise ValueError unless the pass band suits the run."""
    if not (high_pass or low_pass):
        return
    if t_r is None or not t_r > 0:
        raise ValueError(f"a filter in Hz needs the repetition time in seconds, but it is {t_r}")
    nyquist = 0.5 / t_r
    for name, value in (("high-pass", high_pass), ("low-pass", low_pass)):
        if value is not None and not 0 < value < nyquist:
            raise ValueError(
                f"a {name} of {value:g} Hz is not to be had at TR = {t_r:g} s: it must lie between 0 and "
                f"{nyquist:.4g} Hz (half the sampling rate); choose another, or 0 for none"
            )
    if high_pass and low_pass and not high_pass < low_pass:
        raise ValueError(f"the high-pass ({high_pass:g} Hz) must lie below the low-pass ({low_pass:g} Hz)")
    if n_frames < MIN_FRAMES:
        raise ValueError(f"a run of {n_frames} frames cannot be filtered: at least {MIN_FRAMES} are needed")


def standardize(series: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """z-score each column, in place; columns of which only rounding is left become 0.

    Parameters
    ----------
    series : (T, V) float array
        Filtered; changed.
    spread : (V,) array
        Largest less smallest value of each column before the filter, which tells rounding from signal.

    Returns
    -------
    flat : (V,) bool array
        Columns set to 0.

    Examples
    --------
    >>> x = np.array([[0.0, 5.0], [2.0, 5.0]])
    >>> standardize(x, np.array([1.0, 0.0])).tolist(), x.tolist()
    ([False, True], [[-1.0, 0.0], [1.0, 0.0]])
    """
    deviation = series.std(axis=0)
    flat = ~(deviation > ROUNDING * np.maximum(spread, 0)) | ~(spread > 0)
    series -= series.mean(axis=0)
    series /= np.where(flat, 1, deviation)
    series[:, flat] = 0
    return flat


def _checked(confounds: np.ndarray | None, n_frames: int) -> np.ndarray | None:
    if confounds is None or np.size(confounds) == 0:
        return None
    confounds = np.asarray(confounds, np.float64)
    confounds = confounds[:, None] if confounds.ndim == 1 else confounds
    if len(confounds) != n_frames:
        raise ValueError(f"the confounds have {len(confounds)} rows but the run has {n_frames} frames")
    if not np.isfinite(confounds).all():
        raise ValueError("the confounds hold values that are not finite")
    if confounds.shape[1] >= n_frames - 2:
        raise ValueError(
            f"{confounds.shape[1]} confounds for {n_frames} frames leave nothing of the series: choose a smaller "
            "strategy (--confounds)"
        )
    return confounds
