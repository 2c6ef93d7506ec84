"""What series look like in time: autocovariance, spectrum and variance, of data and of what a model makes.

All come from the autocovariance at lag l, over pairs of frames of one run that both count:

    c(l) = mean over voxels and pairs of (x_t − x̄_run)(x_{t+l} − x̄_run)
    S(f) = 2Δt · [c(0) + 2 Σ_l w(l) c(l) cos 2πfl Δt],   one-sided; w Parzen's window (Blackman and Tukey 1958)

So no censored frame is ever read, and runs are not joined across their borders.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pydra_vae.stats.chunks import frame_weights, row_chunks

MAX_LAG = 64
N_FREQUENCIES = 65
QUANTILES = np.linspace(0.05, 0.95, 19)


def centred(x: np.ndarray, used: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """Series with each run's mean over the used frames taken out, and 0 at the others, (k, T) float64."""
    out, stop = np.zeros(x.shape), 0
    for length in lengths:
        run = slice(stop, stop + int(length))
        stop = run.stop
        frames = np.flatnonzero(used[run]) + run.start
        if frames.size:
            part = np.asarray(x[:, frames], dtype=np.float64)
            out[:, frames] = part - part.mean(axis=1, keepdims=True)
    return out


def autocovariance(
    x: np.ndarray, weights: np.ndarray | None = None, lengths: Sequence[int] | None = None, max_lag: int = MAX_LAG
) -> tuple[np.ndarray, np.ndarray]:
    """Mean autocovariance over voxels, and the variance of each voxel.

    Parameters
    ----------
    x : (K, T) array
        Runs joined along time.
    weights : (T,) array, optional
        Frames of weight 0 are left out of every pair.
    lengths : sequence of int, optional
        Frames of each run.
    max_lag : int
        Lowered to a third of the shortest run.

    Returns
    -------
    covariance : (L + 1,) float64 array
        NaN at a lag for which there is no pair.
    variance : (K,) float64 array

    Examples
    --------
    >>> covariance, variance = autocovariance(np.tile([1.0, -1.0], (1, 6)))
    >>> covariance.round(6).tolist(), variance.tolist()
    ([1.0, -1.0, 1.0, -1.0, 1.0], [1.0])
    """
    used = frame_weights(weights, x.shape[1])
    lengths = [x.shape[1]] if lengths is None else [int(n) for n in lengths]
    max_lag = min(max_lag, min(lengths) // 3)
    bounds = np.cumsum([0, *lengths])
    runs = [slice(a, b) for a, b in pairwise(bounds)]
    pairs = sum(_products(used[None, run].astype(float), max_lag) for run in runs)
    total, variance = np.zeros(max_lag + 1), np.empty(len(x))
    for rows in row_chunks(*x.shape):
        block = centred(x[rows], used, lengths)
        variance[rows] = (block**2).sum(axis=1) / used.sum()
        total += sum(_products(block[:, run], max_lag) for run in runs)
    pairs = np.round(pairs)
    return np.divide(total / len(x), pairs, out=np.full(max_lag + 1, np.nan), where=pairs > 0), variance


def spectrum(covariance: np.ndarray, t_r: float = 1.0, n: int = N_FREQUENCIES) -> tuple[np.ndarray, np.ndarray]:
    """One-sided power spectral density of a mean autocovariance.

    Parameters
    ----------
    covariance : (L + 1,) array
        At lags 0 … L; its NaN count as 0.
    t_r : float
        Δt in seconds; 1 for frequencies in cycles a frame.
    n : int
        Frequencies from 0 to Nyquist's.

    Returns
    -------
    frequency : (n,) array
        In Hz.
    power : (n,) array
        In squared units of the series per Hz; it integrates to the variance.

    Examples
    --------
    >>> frequency, power = spectrum(np.array([2.0, 0, 0]), t_r=0.5)
    >>> float(frequency[-1]), float(power[0])
    (1.0, 2.0)
    """
    lag = np.arange(len(covariance))
    frequency = np.linspace(0, 0.5 / t_r, n)
    terms = _parzen(lag / len(covariance)) * np.nan_to_num(covariance) * np.where(lag == 0, 1, 2)
    # the true spectrum is not negative; a spectrum of pairs over gaps can be, by a rounding
    density = np.cos(2 * np.pi * np.outer(frequency, lag) * t_r) @ terms
    return frequency, 2 * t_r * np.maximum(density, 0)


def _products(block, max_lag) -> np.ndarray:
    """Σ over rows and t of x_t x_{t+l} for l = 0 … max_lag, by FFT."""
    from scipy.fft import next_fast_len, rfft

    length = block.shape[1]
    size = next_fast_len(length + max_lag, real=True)
    power = (np.abs(rfft(block, size, axis=1)) ** 2).sum(axis=0)
    return np.fft.irfft(power, size)[: max_lag + 1]


def _parzen(u) -> np.ndarray:
    return np.where(u <= 0.5, 1 - 6 * u**2 + 6 * u**3, 2 * np.maximum(1 - u, 0) ** 3)
