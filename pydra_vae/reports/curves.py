"""Curves of one subject: learning, example voxels, tSNR by network, what the latents share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.networks import network_colours

FRAMES_SHOWN = 240  # of the example voxels: more could not be told apart on a projector


@dataclass(frozen=True)
class Example:
    """The series of one voxel, over the frames that are shown.

    Attributes
    ----------
    title : str
        Which voxel, and how well it is reconstructed.
    series, reconstruction : (F,) arrays
        Scaled units.
    """

    title: str
    series: np.ndarray
    reconstruction: np.ndarray


@dataclass(frozen=True)
class Times:
    """The frames that example voxels are shown at.

    Attributes
    ----------
    seconds : (F,) array
        Time, in `unit`.
    used : (F,) bool array
        Frames of weight 1.
    run_starts : list of float
        Where a new run begins, in `unit`.
    unit : str
        "Time (s)", or "Frame" where the TR is unknown.
    """

    seconds: np.ndarray
    used: np.ndarray
    run_starts: list[float]
    unit: str


def learning_curve(history, levels: dict[str, tuple[float, str]]) -> str:
    """Training and validation error over the steps; an ``<svg>``.

    Parameters
    ----------
    history : DataFrame
        step, train_mse, val_mse, best.
    levels : dict
        Name to (error, colour) of horizontal lines.
    """
    with drawing.style("learning"):
        figure = Figure(figsize=(drawing.WIDTH, 3.3), layout="constrained")
        axes = figure.subplots()
        step = history["step"].to_numpy()
        axes.plot(step, history["train_mse"], color=drawing.INPUT, lw=1.6, label="training voxels")
        axes.plot(step, history["val_mse"], color=drawing.MODEL_COLOURS["cvae"], lw=2.2, label="validation voxels")
        chosen = history[history["best"] == 1].iloc[-1]
        axes.plot(chosen["step"], chosen["val_mse"], "o", ms=8, mec=drawing.INK, mew=1.2,
                  color=drawing.MODEL_COLOURS["cvae"], label=f"best step, {int(chosen['step'])}", zorder=5)  # fmt: skip
        for name, (level, colour) in levels.items():
            axes.axhline(level, color=colour, ls=(0, (5, 2)), lw=1.6, label=name)
        curves = history[["train_mse", "val_mse"]].to_numpy(dtype=float)
        _limit_errors(axes, curves[np.isfinite(curves)], [level for level, _ in levels.values()])
        axes.set(xlabel="Optimiser step", ylabel="Mean squared error\n(scaled units)")
        axes.set_xlim(step.min(), max(step.max(), 1))
        figure.legend(loc="outside right center")
        return drawing.svg(figure, "learning", "Learning curve: error on training and validation voxels by step")


def _limit_errors(axes, curves, levels) -> None:
    """Show the whole descent on a logarithmic axis where it spans much, else close up."""
    low, high = min([*levels, curves.min()]), max([*levels, curves.max()])
    if high > 2 * low > 0:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.15, high * 1.15)
        few = high < 10 * low
        decades = [m * 10.0**e for e in range(-12, 12) for m in (1, 2, 5)]
        steps = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high) if few else decades
        ticks = [t for t in steps if low / 1.15 <= t <= high * 1.15]
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
    else:
        pad = 0.08 * (high - low or high or 1)
        axes.set_ylim(max(low - pad, 0), high + pad)


def example_voxels(examples: Sequence[Example], times: Times) -> str:
    """Input, reconstruction and residual of some voxels; an ``<svg>``."""
    with drawing.style("examples"):
        figure = Figure(figsize=(drawing.WIDTH, 2.05 * len(examples) + 0.5), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.02, hspace=0.01)
        grid = figure.add_gridspec(3 * len(examples) - 1, 1, height_ratios=([2.4, 1, 0.16] * len(examples))[:-1])
        span = _span(examples, times.used)
        shared = None
        for i, example in enumerate(examples):
            top = figure.add_subplot(grid[3 * i], sharex=shared)
            shared = shared or top
            below = figure.add_subplot(grid[3 * i + 1], sharex=shared)
            _draw_example(top, below, example, times, span)
            last = i == len(examples) - 1
            below.tick_params(labelbottom=last)
            if last:
                below.set_xlabel(times.unit)
        handles, names = shared.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names))
        return drawing.svg(figure, "examples", "Input, reconstruction and residual of three test voxels")


def _span(examples, used) -> float:
    """Half the height that every residual panel has, so that residuals compare."""
    residuals = np.concatenate([(e.series - e.reconstruction)[used] for e in examples])
    return float(np.quantile(np.abs(residuals), 0.995)) * 1.1 or 1.0


def _draw_example(top, below, example, times, span) -> None:
    t = times.seconds
    top.set_title(example.title, pad=4)
    top.plot(t, _holes(example.series, times.used), color=drawing.INPUT, lw=1.1, label="input")
    top.plot(t, _holes(example.reconstruction, times.used), color=drawing.MODEL_COLOURS["cvae"], lw=1.7,
             label="reconstruction")  # fmt: skip
    residual = _holes(example.series - example.reconstruction, times.used)
    (line,) = below.plot(t, residual, color=drawing.RESIDUAL, lw=0.9)
    top.plot([], [], color=line.get_color(), lw=1.2, label="residual")
    below.set_ylim(-span, span)
    step = t[1] - t[0] if len(t) > 1 else 1
    for axes in (top, below):
        for start in times.run_starts:
            axes.axvline(start, color=drawing.INK, lw=0.9, ls=":")
        for frame in np.flatnonzero(~times.used):
            axes.axvspan(t[frame] - step / 2, t[frame] + step / 2, color=drawing.GRID, lw=0)
        axes.set_xlim(t[0], t[-1])
        axes.yaxis.set_major_locator(MaxNLocator(3 if axes is top else 2))
    top.tick_params(labelbottom=False)


def _holes(values, used) -> np.ndarray:
    """Censored frames as gaps: they were interpolated, so there is nothing to see."""
    return np.where(used, values, np.nan)


def gain_by_network(parcels) -> str:
    """TSNR gain of each parcel, one line a network; an ``<svg>``, or "" without networks.

    Parameters
    ----------
    parcels : DataFrame
        network, gain (per cent), n.
    """
    parcels = parcels[parcels["network"].notna() & np.isfinite(parcels["gain"].astype(float))]
    if parcels["network"].nunique() < 2:
        return ""
    median = parcels.groupby("network")["gain"].median().sort_values()
    colours = network_colours(parcels["network"])
    with drawing.style("gain"):
        figure = Figure(figsize=(drawing.WIDTH, 0.27 * len(median) + 0.75), layout="constrained")
        axes = figure.subplots()
        for y, network in enumerate(median.index):
            gains = np.sort(parcels.loc[parcels["network"] == network, "gain"].to_numpy(dtype=float))
            spread = 0.27 * np.sin(np.arange(len(gains)) * 2.4)  # a fixed jitter
            axes.plot(gains, y + spread, "o", ms=5.5, color=colours[network], mec=drawing.INK, mew=0.4, alpha=0.9)
            axes.plot([median[network]] * 2, [y - 0.36, y + 0.36], color=drawing.INK, lw=1.8)
        low, high = parcels["gain"].min(), parcels["gain"].max()
        if min(abs(low), abs(high)) < high - low or low < 0 < high:
            axes.axvline(0, color=drawing.INK, lw=0.8)  # where it does not squeeze the points
        axes.set_yticks(range(len(median)), median.index)
        axes.set_ylim(-0.6, len(median) - 0.4)
        axes.grid(False, axis="y")
        axes.set_xlabel("tSNR gain of a parcel (%); bar: median of the network")
        return drawing.svg(figure, "gain", "tSNR gain of each parcel by network")


def latent_structure(latents: np.ndarray, networks: np.ndarray | None) -> str:
    """Correlations of the latents and, with networks, their mean in each; an ``<svg>``.

    Parameters
    ----------
    latents : (K, D) array
        Standardised over voxels.
    networks : (K,) array of str, or None
        "" for voxels of none.
    """
    n = latents.shape[1]
    names = [f"z{i + 1}" for i in range(n)]
    labels = [] if networks is None else sorted({name for name in networks if name})
    with drawing.style("latents"):
        figure = Figure(figsize=(drawing.WIDTH, 3.9 if labels else 3.4), layout="constrained")
        widths = [1, 1.75] if labels else [1, 1.4]
        left, right = figure.subplots(1, 2, width_ratios=widths)
        correlation = np.corrcoef(latents.T).reshape(n, n) if n > 1 else np.ones((1, 1))
        shown = left.imshow(np.nan_to_num(correlation), cmap="RdBu_r", vmin=-1, vmax=1)
        _matrix(left, names, names, "Correlation over voxels")
        figure.colorbar(shown, ax=left, shrink=0.7, ticks=[-1, 0, 1]).outline.set_visible(False)
        if labels:
            means = np.array([latents[networks == name].mean(axis=0) for name in labels]).T
            limit = float(np.abs(means).max()) or 1.0
            shown = right.imshow(means, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
            _matrix(right, labels, names, "Mean in each network (SD over voxels)")
            right.tick_params(axis="x", rotation=60, pad=7)
            for tick in right.get_xticklabels():
                tick.set(ha="right", rotation_mode="anchor")
            for x, colour in enumerate(network_colours(labels).values()):
                right.plot(x, n - 0.34, "s", color=colour, ms=7, clip_on=False)
            figure.colorbar(shown, ax=right, shrink=0.7, ticks=MaxNLocator(3)).outline.set_visible(False)
        else:
            _histograms(right, latents)
        return drawing.svg(figure, "latents", "Correlations of the latent dimensions")


def _matrix(axes, columns, rows, title) -> None:
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)


def _histograms(axes, latents) -> None:
    """Outlines of each latent's distribution."""
    edges = np.linspace(-4, 4, 49)
    for z in latents.T:
        density, _ = np.histogram(np.clip(z, -4, 4), edges, density=True)
        axes.plot((edges[1:] + edges[:-1]) / 2, density, lw=1.1, color=drawing.MODEL_COLOURS["cvae"], alpha=0.75)
    axes.set(xlabel="Standardised value", title="Distribution of each latent over voxels", yticks=[])
    axes.spines["left"].set_visible(False)
