"""Figures of outliers, new series, reliability, surrogates and of planted latents."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.drawing import space_colour
from pydra_vae.reports.formats import space_name
from pydra_vae.reports.group_figures_fits import log_axis
from pydra_vae.reports.group_further_claims import measure_name
from pydra_vae.reports.group_more_sentences import control_name, is_control
from pydra_vae.reports.group_tables import by_subject, in_order, rows
from pydra_vae.reports.strips import Strip, draw_strips, mark

DETECTORS = ("combined", "error", "density")
SAMPLED = {
    "data": ("data", drawing.INPUT, "-", 2.6),
    "reconstruction": ("reconstruction", drawing.MODEL_COLOURS["cvae"], (0, (4, 1.5)), 1.6),
    "samples": ("new series, CVAE", drawing.MODEL_COLOURS["cvae"], "-", 2.0),
    "pca_samples": ("new series, PCA", drawing.MODEL_COLOURS["pca"], "-", 1.6),
}
EDGE = -0.2  # smallest R² that is drawn at its place
QUANTITIES = {
    "spectrum": ("Spectrum", "Frequency", "Power (scaled units²)"),
    "autocorrelation": ("Autocorrelation", "Lag (frames)", "r"),
    "variance": ("Variance of a series", "Quantile over series", "Variance (scaled units²)"),
}


def outliers(table: pd.DataFrame) -> str:
    """Area under the ROC curve of each detector; an ``<svg>``, or "" where nothing was planted."""
    table = table[np.isfinite(pd.to_numeric(table["auc"], errors="coerce"))]
    if not len(table):
        return ""
    kinds = in_order(table["kind"], ("voxel", "frame"))
    low = min(0.45, float(table["auc"].astype(float).min()) - 0.02)
    most = max(rows(table, kind=k)["detector"].nunique() for k in kinds)
    with drawing.style("outliers"):
        figure = Figure(figsize=(drawing.WIDTH, 0.31 * most + 0.95), layout="constrained")
        for ax, kind in zip(np.atleast_1d(figure.subplots(1, len(kinds), sharex=True)), kinds, strict=True):
            found = rows(table, kind=kind)
            names = in_order(found["detector"], DETECTORS)
            draw_strips(ax, [_detector(found, name) for name in names])
            ax.set(title=f"Outlier {kind}s", xlabel="AUC (0.5: chance)")
            ax.set_xlim(low, 1.02)
            mark(ax, 0.5)
        return drawing.svg(figure, "outliers", "How well planted outliers are found, beside controls")


def _detector(found: pd.DataFrame, name: str) -> Strip:
    values = by_subject(found, "auc", detector=name)
    if is_control(name):
        shown = control_name(name)
        return Strip(shown, values, drawing.MODEL_COLOURS["pca"] if "pca" in name.lower() else drawing.INPUT)
    return Strip(name[0].upper() + name[1:], values, drawing.MODEL_COLOURS["cvae"])


def samples(table: pd.DataFrame, unit: str = "") -> str:
    """Spectrum, autocorrelation and variance of data, reconstructions and new series; an ``<svg>``.

    Parameters
    ----------
    table : DataFrame
        Of SampleSeries.
    unit : str
        Of its frequencies; "" where it is not known.
    """
    quantities = in_order(table["quantity"], QUANTITIES)
    with drawing.style("samples"):
        figure = Figure(figsize=(drawing.WIDTH, 3.5), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(quantities)))
        for ax, quantity in zip(axes, quantities, strict=True):
            found = common(rows(table, quantity=quantity))
            for column, (name, colour, dashes, width) in SAMPLED.items():
                if column in found:
                    ax.plot(found["at"], found[column], color=colour, ls=dashes, lw=width, label=name)
            title, x, y = QUANTITIES.get(quantity, (quantity, "", ""))
            ax.set(title=title, xlabel=x, ylabel=y)
            if quantity == "spectrum":
                ax.set_xlabel(f"{x} ({unit})" if unit else x)
                _log_log(ax, found)
            ax.xaxis.set_major_locator(MaxNLocator(5)) if quantity != "spectrum" else None
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        return drawing.svg(figure, "samples", "Spectrum, autocorrelation and variance of new series beside the data's")


def common(found: pd.DataFrame) -> pd.DataFrame:
    """Mean over the subjects that share the first one's frequencies, lags or quantiles."""
    first = rows(found, participant_id=found["participant_id"].iloc[0])["at"].to_numpy(dtype=float)
    alike = [
        part for _, part in found.groupby("participant_id", sort=False)
        if len(part) == len(first) and np.allclose(part["at"].to_numpy(dtype=float), first)
    ]  # fmt: skip
    columns = [c for c in SAMPLED if c in found]
    mean = np.mean([part[columns].to_numpy(dtype=float) for part in alike], axis=0)
    return pd.DataFrame(mean, columns=columns).assign(at=first).sort_values("at")


def _log_log(ax, found: pd.DataFrame) -> None:
    at = found["at"].to_numpy(dtype=float)
    positive = at[at > 0]
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    log_axis(ax.yaxis, [10.0**e for e in range(-12, 12) if low <= 10.0**e <= high])
    if not len(positive):
        return
    ax.set_xscale("log")
    ax.set_xlim(positive.min(), positive.max())
    ticks = [
        t for t in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if positive.min() <= t <= positive.max()
    ]
    log_axis(ax.xaxis, ticks if len(ticks) < 6 else ticks[::2])


def reliability(found: dict[str, dict[str, np.ndarray]]) -> str:
    """Denoised maps of one half against the other raw half; an ``<svg>``.

    Parameters
    ----------
    found : dict
        Measure to model to r by subject.
    """
    models = in_order([m for series in found.values() for m in series], ("raw", "smoothing", "cvae", "pca", "pca-16"))
    across = min(len(found), 2)
    down = -(-len(found) // 2)
    with drawing.style("reliability"):
        figure = Figure(figsize=(drawing.WIDTH, down * (0.3 * len(models) + 0.8) + 0.3), layout="constrained")
        axes = np.ravel(figure.subplots(down, across, sharey=True, squeeze=False))
        for ax in axes[len(found) :]:
            ax.set_visible(False)
        for ax, (measure, series) in zip(axes, found.items(), strict=False):
            names = {"raw": "Raw"}
            draw_strips(ax, [Strip(names.get(m, space_name(m)), series.get(m, []), space_colour(m)) for m in models])
            if "raw" in series:
                mark(ax, float(series["raw"].mean()))
            ax.set_title(measure_name(measure))
            ax.xaxis.set_major_locator(MaxNLocator(5))
        figure.supxlabel("r with the other half's raw map", fontsize=10.5)
        return drawing.svg(figure, "reliability", "Reliability of denoised maps against the other half's raw maps")


def surrogate(on_surrogates: pd.Series, on_data: pd.Series, limit: float) -> str:
    """Gain over PCA on Gaussian surrogates beside that on the data, in per cent; an ``<svg>``."""
    strips = [Strip("Gaussian surrogate", 100 * on_surrogates, drawing.INPUT)]
    if len(on_data):
        strips.append(Strip("The data", 100 * on_data, drawing.MODEL_COLOURS["cvae"]))
    with drawing.style("surrogate"):
        figure = Figure(figsize=(drawing.WIDTH, 0.34 * len(strips) + 0.85), layout="constrained")
        ax = figure.subplots()
        draw_strips(ax, strips)
        mark(ax, 0)
        mark(ax, 100 * limit, (0, (1, 1)))
        ax.set_xlabel(
            "Gain over PCA of the same size (%); dashed: none; dotted: 1 %, above which a surrogate's gain is a leak"
        )
        return drawing.svg(figure, "surrogate", "Gain over PCA on Gaussian surrogates and on the data")


def recovery(table: pd.DataFrame) -> str:
    """Variance of each planted latent that a space explains; an ``<svg>``."""
    planted = in_order(table["planted"])
    spaces = in_order(table["space"], ("cvae", "pca", "pca-16", "diffusion", "mm"))
    with drawing.style("recovery"):
        figure = Figure(figsize=(drawing.WIDTH, 0.31 * len(planted) + 1.0), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(spaces), sharey=True, sharex=True))
        for ax, space in zip(axes, spaces, strict=True):
            found = rows(table, space=space)
            r2 = {key: np.maximum(by_subject(found, "r2", planted=key), EDGE) for key in planted}
            draw_strips(ax, [Strip(str(key).replace("_", " "), r2[key], space_colour(space)) for key in planted])
            ax.set(title=space_name(space), xlim=(EDGE - 0.02, 1.02))
            ax.xaxis.set_major_locator(MaxNLocator(3))
            mark(ax, 0)
        figure.supxlabel("R² (linear regression, on parcels held out)", fontsize=10.5)
        return drawing.svg(figure, "recovery", "How much of each planted latent is explained")
