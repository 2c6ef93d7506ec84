"""Temporal signal-to-noise ratio before and after a reconstruction.

tSNR = mean over time / standard deviation over time of a voxel, in each run on frames of weight 1,
then averaged over runs. It measures denoising only if the mean is that of the scanner and the
variance removed is noise: shrinking every voxel 5 % towards its mean gains 5.3 % without removing
any noise rather than signal. So it is never shown alone: R², the variance ratio, PCA and the
shrinkage control stand beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import frame_weights, row_chunks
from pydra_vae.stats.normalise import Scaling, restore_mean
from pydra_vae.stats.tests import SignedRank, signed_rank

# Below this fraction of the mean a standard deviation is float32 rounding and tSNR means nothing.
ROUNDING = 1e-6


def tsnr(x: np.ndarray, weights: np.ndarray | None = None, lengths: Sequence[int] | None = None) -> np.ndarray:
    """TSNR of each voxel.

    Parameters
    ----------
    x : (K, T) array
        Runs joined along time.
    weights : (T,) array, optional
    lengths : sequence of int, optional
        Frames of each run; one run by default.

    Returns
    -------
    tsnr : (K,) float64 array
        NaN where the series of a run does not vary.

    Examples
    --------
    >>> tsnr(np.array([[9.0, 11.0, 9.0, 11.0]])).tolist()
    [10.0]
    """
    used = frame_weights(weights, x.shape[1])
    runs = _runs(used, lengths)
    out = np.empty(x.shape[0])
    for rows in row_chunks(*x.shape):
        chunk = np.asarray(x[rows], dtype=np.float64)
        out[rows] = np.mean([_tsnr(chunk[:, frames]) for frames in runs], axis=0)
    return out


def tsnr_in_units(
    scaled: np.ndarray,
    scaling: Scaling,
    units: str,
    reconstruction: np.ndarray | Callable[[np.ndarray], np.ndarray] | None = None,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """TSNR of scaled series, or of their reconstruction with each voxel's mean restored; (K,).

    Parameters
    ----------
    scaled : (K, T) array
        May be memory-mapped.
    scaling : Scaling
        What made `scaled`.
    units : {"scanner", "scaled"}
        As `choose_units` settles them.
    reconstruction : (K, T) array, or a function of (k, T) rows, optional
        The input itself by default.
    weights : (T,) array, optional
    """
    out = np.empty(scaled.shape[0])
    for rows in row_chunks(*scaled.shape):
        series = np.asarray(scaled[rows], dtype=np.float64)
        if reconstruction is not None:
            decoded = reconstruction(series) if callable(reconstruction) else reconstruction[rows]
            series = restore_mean(decoded, series, weights, out=np.empty_like(series))
        if units == "scanner":
            series = scaling.invert(series, rows, out=np.empty_like(series), with_mean=True)
        out[rows] = tsnr(series, weights, scaling.lengths)
    return out


@dataclass(frozen=True)
class Gain:
    """Change of tSNR over voxels.

    Attributes
    ----------
    change : (K,) float64 array
        100 · (after / before − 1), in per cent; NaN where either is undefined.
    before_mean, after_mean : float
        Over the voxels where both are defined.
    mean, median : float
        Of `change`, in per cent.
    test : SignedRank
        Paired, over voxels (which are not independent of each other).
    n : int
        Voxels where both are defined.
    """

    change: np.ndarray
    before_mean: float
    after_mean: float
    mean: float
    median: float
    test: SignedRank
    n: int


def gain(before: np.ndarray, after: np.ndarray) -> Gain:
    """Change of tSNR from `before` to `after`, (K,) each."""
    both = np.isfinite(before) & np.isfinite(after) & (before != 0)
    change = np.full(np.shape(before), np.nan)
    change[both] = 100 * (after[both] / before[both] - 1)
    if not both.any():
        return Gain(change, *[np.nan] * 4, signed_rank(before, after), 0)
    return Gain(
        change=change,
        before_mean=float(before[both].mean()),
        after_mean=float(after[both].mean()),
        mean=float(change[both].mean()),
        median=float(np.median(change[both])),
        test=signed_rank(before[both], after[both]),
        n=int(both.sum()),
    )


def choose_units(units: str, method: str, residual: bool) -> str:
    """Settle the units of tSNR: "scanner" or "scaled".

    Parameters
    ----------
    units : {"auto", "scanner", "scaled"}
        "auto" is scanner units, or scaled ones for residuals.
    method : str
        Of the scaling. A z-scored series has mean 0, so its scaled tSNR is undefined.
    residual : bool
        Whether the data are residuals.

    Raises
    ------
    ValueError
        For scanner units of residuals, and for scaled units of z-scored series.
    """
    if units not in ("auto", "scanner", "scaled"):
        raise ValueError(f"unknown units of tSNR {units!r}: choose auto, scanner or scaled")
    if units == "auto":
        units = "scaled" if residual else "scanner"
    if units == "scanner" and residual:
        raise ValueError(
            "tSNR in scanner units is undefined: the data are residuals (their mean is about 0). "
            "Give a mean image to add to them, or ask for scaled units"
        )
    if units == "scaled" and method == "zscore":
        raise ValueError(
            "tSNR in scaled units is undefined for z-scored series, whose mean is 0. Use scanner "
            "units (for residuals: give a mean image), or another scaling"
        )
    return units


def _runs(used, lengths) -> list[slice | np.ndarray]:
    """The frames that count, run by run: indices, or a slice of whole runs, which copies nothing."""
    lengths = [used.size] if lengths is None else [int(n) for n in lengths]
    if sum(lengths) != used.size:
        raise ValueError(f"runs of {lengths} frames do not make up the {used.size} frames given")
    stops = np.cumsum(lengths)
    parts = [slice(int(stop) - n, int(stop)) for stop, n in zip(stops, lengths, strict=True)]
    for number, part in enumerate(parts):
        if used[part].sum() < 2:
            raise ValueError(f"run {number} has {used[part].sum()} usable frame(s): tSNR needs two")
    return [part if used[part].all() else part.start + np.flatnonzero(used[part]) for part in parts]


def _tsnr(x: np.ndarray) -> np.ndarray:
    mean, sd = x.mean(axis=1), x.std(axis=1)
    defined = sd > ROUNDING * np.abs(mean)
    return np.divide(mean, sd, out=np.full(len(x), np.nan), where=defined)
