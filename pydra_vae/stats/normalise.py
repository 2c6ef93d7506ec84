"""Scaling of voxel time series before a model sees them, and back to scanner units after.

The paper writes only that series were "normalized to [0, 1] using MinMaxScaler". Applied to a
matrix voxels × time, that class scales every *time point* over voxels; scaling each voxel over time
is the transpose. The two differ about 45-fold in mean squared error, so the method is a choice
(`METHODS`) and its parameters are kept:

    x_scaled = (x + mean − baseline[run] − offset) / scale

`mean` is a mean image, given for residual data so that their tSNR in scanner units is defined; without one it is
absent. `baseline` is the mean of a voxel within a run minus its mean over all runs, over the frames of
weight 1: scanners change their gain between runs, and a step in the series is no signal.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks
from pydra_vae.stats.moments import Moments, checked_frames, joined_chunks, moments

METHODS = ("minmax", "minmax_timepoint", "global", "zscore")
RESIDUAL_MEAN_TO_SD = 1.0


@dataclass(frozen=True)
class Scaling:
    """An invertible scaling of the voxels that are kept.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    offset, scale : float64 arrays, broadcastable to (K, T)
        (K, 1) by voxel, (1, T) by time point, (1, 1) global.
    baseline : (K, R) float64 array
        Run mean − mean over all runs, in scanner units; zeros when runs were not matched.
    kept : (V,) bool array
        Voxels of the mask that are finite and vary in every run; K of them.
    lengths : (R,) int64 array
        Frames of each run; T is their sum.
    mean : (K,) float64 array or None
        The mean image's values, where one was added to residual data.
    residual : bool
        Whether the data, with their mean image, are residuals (mean ≈ 0), so that tSNR in scanner units is undefined.
    n_constant, n_not_finite : int
        How many voxels were dropped, and why.
    """

    method: str
    offset: np.ndarray
    scale: np.ndarray
    baseline: np.ndarray
    kept: np.ndarray
    lengths: np.ndarray
    mean: np.ndarray | None = None
    residual: bool = False
    n_constant: int = 0
    n_not_finite: int = 0

    @classmethod
    def fit(
        cls,
        runs: Sequence[np.ndarray],
        weights: Sequence[np.ndarray] | None = None,
        method: str = "minmax",
        match_baselines: bool = True,
        mean: np.ndarray | None = None,
    ) -> "Scaling":
        """Find the scaling on frames of weight 1; two passes over the data at most.

        Parameters
        ----------
        runs : sequence of (V, T_r) arrays
            Scanner units; may be memory-mapped, and may hold NaN, inf and constant voxels.
        weights : sequence of (T_r,) arrays, optional
            1 for frames that count, 0 for censored ones; all ones by default.
        method : {"minmax", "minmax_timepoint", "global", "zscore"}
        match_baselines : bool
            Give every run the same mean in each voxel.
        mean : (V,) array, optional
            Mean image to add to residual data; `apply` adds it too, `invert` takes it back.

        Raises
        ------
        ValueError
            When no voxel is left, when runs have different numbers of voxels, when a run has
            fewer than two usable frames, or when the method is unknown.
        """
        if method not in METHODS:
            raise ValueError(f"unknown scaling {method!r}: choose one of {', '.join(METHODS)}")
        used = checked_frames(runs, weights)
        by_run = [moments(run, frames, mean) for run, frames in zip(runs, used, strict=True)]
        finite = np.all([m.finite for m in by_run], axis=0)
        kept = finite & np.all([m.varies for m in by_run], axis=0)
        if not kept.any():
            raise ValueError(
                f"none of the {kept.size} voxels can be used ({int((~finite).sum())} hold NaN or "
                f"infinite values, {int((finite & ~kept).sum())} are constant over time): "
                "is this the preprocessed BOLD series, and does the mask fit it?"
            )
        n = np.array([frames.sum() for frames in used], dtype=float)
        joined, baseline = _join([m.select(kept) for m in by_run], n, match_baselines)
        added = None if mean is None else np.asarray(mean, dtype=np.float64)[kept]
        if method == "minmax_timepoint":
            offset, scale = _range_of_time_points(runs, kept, baseline, added)
        else:
            offset, scale = _offset_and_scale(method, joined)
        return cls(
            method=method,
            offset=offset,
            scale=scale,
            baseline=baseline,
            kept=kept,
            lengths=np.array([run.shape[1] for run in runs], dtype=np.int64),
            mean=added,
            residual=_is_residual(joined),
            n_constant=int((finite & ~kept).sum()),
            n_not_finite=int((~finite).sum()),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(K, T) of the scaled matrix."""
        return int(self.kept.sum()), int(self.lengths.sum())

    def frames_of(self, run: int) -> slice:
        """Columns of one run in the joined matrix."""
        stop = int(self.lengths[: run + 1].sum())
        return slice(stop - int(self.lengths[run]), stop)

    def apply(self, runs: Sequence[np.ndarray], out: np.ndarray | None = None) -> np.ndarray:
        """Scale and join runs.

        Parameters
        ----------
        runs : sequence of (V, T_r) arrays
            The runs that were fitted, or others of the same lengths.
        out : (K, T) array, optional
            Where to write, e.g. an open `.npy` memory map; else a new float32 array.

        Returns
        -------
        scaled : (K, T) array
        """
        lengths = [run.shape[1] for run in runs]
        if lengths != self.lengths.tolist():
            raise ValueError(
                f"the runs have {lengths} frames but the scaling was made for "
                f"{self.lengths.tolist()}: give the same runs in the same order"
            )
        n_voxels = {run.shape[0] for run in runs} - {self.kept.size}
        if n_voxels:
            raise ValueError(
                f"a run has {n_voxels.pop()} voxels but the scaling was made for "
                f"{self.kept.size}: was another mask used?"
            )
        if out is None:
            out = np.empty(self.shape, dtype=np.float32)
        for rows, chunk in joined_chunks(runs, self.kept):
            if self.mean is not None:
                chunk += self.mean[rows, None]
            self._add_baseline(chunk, rows, -1)
            chunk -= _part(self.offset, rows)
            chunk /= _part(self.scale, rows)
            out[rows] = chunk
        return out

    def invert(
        self,
        scaled: np.ndarray,
        rows: slice = slice(None),
        run: int | None = None,
        out: np.ndarray | None = None,
        with_mean: bool = False,
    ) -> np.ndarray:
        """Return scaled series to the units of the runs that were given, run baselines included.

        Parameters
        ----------
        scaled : (k, T) or (k, T_run) array
            All of the kept voxels or those of `rows`; all frames, or those of `run`.
        rows : slice
            Which of the K kept voxels `scaled` holds.
        run : int, optional
            Which run `scaled` holds; by default all, joined.
        out : array, optional
            Where to write, of the shape of `scaled`; else a new float32 array.
        with_mean : bool
            Leave the mean image, if there is one, in: scanner units with their mean instead of residuals.
        """
        frames = slice(0, self.shape[1]) if run is None else self.frames_of(run)
        first, stop, step = rows.indices(self.shape[0])
        wanted = (len(range(first, stop, step)), frames.stop - frames.start)
        if np.shape(scaled) != wanted:
            raise ValueError(
                f"the scaled series have the shape {np.shape(scaled)} but the scaling needs "
                f"{wanted}: do they come from the same runs and mask?"
            )
        if out is None:
            out = np.empty(wanted, dtype=np.float32)
        index = np.arange(first, stop, step)
        for part in row_chunks(*wanted):
            voxels = index[part]
            chunk = np.array(scaled[part], dtype=np.float64)
            chunk *= _part(self.scale, voxels, frames)
            chunk += _part(self.offset, voxels, frames)
            self._add_baseline(chunk, voxels, run=run)
            if self.mean is not None and not with_mean:
                chunk -= self.mean[voxels, None]
            out[part] = chunk
        return out

    def unmask(self, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Values of the K kept voxels, (K,) or (K, n), at their places among the V of the mask."""
        values = np.asarray(values)
        full = np.full((self.kept.size, *values.shape[1:]), fill, dtype=values.dtype)
        full[self.kept] = values
        return full

    def _add_baseline(self, chunk: np.ndarray, rows, sign: int = 1, run: int | None = None) -> None:
        """Add the baselines of some voxels to their series, (k, T) or those of one run, in place."""
        if run is not None:
            chunk += sign * self.baseline[rows, run][:, None]
            return
        for r in range(len(self.lengths)):
            chunk[:, self.frames_of(r)] += sign * self.baseline[rows, r][:, None]

    def save(self, path: Path) -> Path:
        """Write the scaling as safetensors."""
        from safetensors.numpy import save

        arrays = {
            "offset": self.offset,
            "scale": self.scale,
            "baseline": self.baseline,
            "kept": self.kept.astype(np.uint8),
            "lengths": self.lengths.astype(np.int64),
            **({} if self.mean is None else {"mean": self.mean}),
        }
        facts = {
            "method": self.method,
            "residual": bool(self.residual),
            "n_constant": int(self.n_constant),
            "n_not_finite": int(self.n_not_finite),
        }
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        path = Path(path)
        # not `save_file`, which makes files that only their owner can read
        # one key: safetensors writes several in random order, and the same scaling must be the same bytes
        path.write_bytes(save(arrays, metadata={"scaling": json.dumps(facts)}))
        return path

    @classmethod
    def load(cls, path: Path) -> "Scaling":
        """Read a scaling that `save` wrote."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="numpy") as file:
                facts = json.loads((file.metadata() or {})["scaling"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            arrays["kept"] = arrays["kept"].astype(bool)
            return cls(**facts, **arrays)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is not a scaling file of pydra_vae ({error}): give the "
                "scaling.safetensors that Normalize wrote"
            ) from error


def is_residual(x: np.ndarray, weights: np.ndarray | None = None) -> bool:
    """Whether series are residuals: the mean of the median voxel is below one standard deviation.

    Parameters
    ----------
    x : (V, T) array
        Scanner units. NaN, inf and constant voxels are ignored.
    weights : (T,) array, optional

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(50, 100))
    >>> is_residual(noise), is_residual(noise + 100)
    (True, False)
    """
    found = moments(x, frame_weights(weights, x.shape[1]))
    return _is_residual(found.select(found.finite & found.varies))


def restore_mean(
    reconstruction: np.ndarray,
    scaled: np.ndarray,
    weights: np.ndarray | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Give every reconstructed voxel the temporal mean of its input.

    Autoencoders reconstruct the mean of a voxel about four times worse than PCA does, and the mean
    is known.

    Parameters
    ----------
    reconstruction, scaled : (K, T) arrays
    weights : (T,) array, optional
        Means are taken over frames of weight 1.
    out : (K, T) array, optional
        Where to write; may be `reconstruction` itself.

    Returns
    -------
    restored : (K, T) array
    """
    if reconstruction.shape != scaled.shape:
        raise ValueError(f"the reconstruction has the shape {reconstruction.shape} but the input {scaled.shape}")
    columns = columns_of(frame_weights(weights, scaled.shape[1]))
    if out is None:
        out = np.empty(scaled.shape, dtype=np.float32)
    for rows in row_chunks(*scaled.shape):
        decoded = np.asarray(reconstruction[rows], dtype=np.float64)
        wanted = np.asarray(scaled[rows], dtype=np.float64)[:, columns].mean(axis=1)
        out[rows] = decoded + (wanted - decoded[:, columns].mean(axis=1))[:, None]
    return out


def _join(by_run: list[Moments], n: np.ndarray, match_baselines: bool) -> tuple[Moments, np.ndarray]:
    """Moments of the joined runs, after subtraction of the baselines, and the (K, R) baselines."""
    means = np.stack([m.mean for m in by_run], axis=1)
    grand = means @ n / n.sum()
    baseline = means - grand[:, None] if match_baselines else np.zeros_like(means)
    within = np.stack([m.variance for m in by_run], axis=1)
    between = (means - baseline - grand[:, None]) ** 2
    joined = Moments(
        finite=by_run[0].finite,
        varies=by_run[0].varies,
        low=np.min([m.low - baseline[:, r] for r, m in enumerate(by_run)], axis=0),
        high=np.max([m.high - baseline[:, r] for r, m in enumerate(by_run)], axis=0),
        mean=grand,
        variance=(within + between) @ n / n.sum(),
    )
    return joined, baseline


def _offset_and_scale(method: str, m: Moments) -> tuple[np.ndarray, np.ndarray]:
    if method == "minmax":
        return m.low[:, None], (m.high - m.low)[:, None]
    if method == "zscore":
        return m.mean[:, None], np.sqrt(m.variance)[:, None]
    return m.low.min().reshape(1, 1), (m.high.max() - m.low.min()).reshape(1, 1)


def _is_residual(m: Moments) -> bool:
    """BOLD in scanner units has a mean of 10 to 200 standard deviations; GLM residuals have 0."""
    ratio = np.abs(m.mean) / np.sqrt(m.variance)
    return bool(ratio.size and np.median(ratio) < RESIDUAL_MEAN_TO_SD)


def _range_of_time_points(runs, kept, baseline, mean=None):
    """Minimum and range over voxels at every time point, as sklearn's MinMaxScaler has them."""
    lengths = [run.shape[1] for run in runs]
    low, high = np.full(sum(lengths), np.inf), np.full(sum(lengths), -np.inf)
    for rows, chunk in joined_chunks(runs, kept):
        if mean is not None:
            chunk += mean[rows, None]
        chunk -= np.repeat(baseline[rows], lengths, axis=1)
        if len(chunk):
            np.minimum(low, chunk.min(axis=0), out=low)
            np.maximum(high, chunk.max(axis=0), out=high)
    scale = high - low
    scale[scale == 0] = 1  # MinMaxScaler's rule for a constant feature
    return low[None], scale[None]


def _part(array: np.ndarray, rows, frames=slice(None)) -> np.ndarray:
    """Some voxels and frames of an array that may have one row, one column, or both."""
    array = array[rows] if array.shape[0] > 1 else array
    return array[:, frames] if array.shape[1] > 1 else array
