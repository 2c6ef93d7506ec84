"""Figures of outliers, new series, reliability, surrogates and of planted latents."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.drawing import space_colour
from pydra_vae.reports.formats import space_name
from pydra_vae.reports.group_figures_fits import log_axis
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
QUANTITIES = {
    "spectrum": ("Spectrum", "Frequency (Hz)", "Power"),
    "autocorrelation": ("Autocorrelation", "Lag (frames)", "r"),
    "variance": ("Variance of a series", "Quantile over series", "Variance"),
}


def outliers(table: pd.DataFrame) -> str:
    """Area under the ROC curve of each detector; an ``<svg>``, or "" where nothing was planted."""
    table = table[np.isfinite(pd.to_numeric(table["auc"], errors="coerce"))]
    if not len(table):
        return ""
    kinds = in_order(table["kind"], ("voxel", "frame"))
    most = max(rows(table, kind=k)["detector"].nunique() for k in kinds)
    with drawing.style("outliers"):
        figure = Figure(figsize=(drawing.WIDTH, 0.31 * most + 0.95), layout="constrained")
        for ax, kind in zip(np.atleast_1d(figure.subplots(1, len(kinds), sharex=True)), kinds, strict=True):
            found = rows(table, kind=kind)
            names = in_order(found["detector"], DETECTORS)
            draw_strips(ax, [_detector(found, name) for name in names])
            ax.set(title=f"Outlier {kind}s", xlabel="AUC (0.5: chance)")
            low = min(0.45, float(found["auc"].astype(float).min()) - 0.02)
            ax.set_xlim(low, 1.02)
            mark(ax, 0.5)
        return drawing.svg(figure, "outliers", "How well planted outliers are found, beside controls")


def _detector(found: pd.DataFrame, name: str) -> Strip:
    values = by_subject(found, "auc", detector=name)
    if is_control(name):
        shown = control_name(name)
        return Strip(shown, values, drawing.MODEL_COLOURS["pca"] if "pca" in name.lower() else drawing.INPUT)
    return Strip(name[0].upper() + name[1:], values, drawing.MODEL_COLOURS["cvae"])


def samples(table: pd.DataFrame) -> str:
    """Spectrum, autocorrelation and variance of data, reconstructions and new series; an ``<svg>``."""
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
    if not len(positive):
        return
    ax.set_xscale("log")
    ax.set_xlim(positive.min(), positive.max())
    ticks = [
        t for t in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if positive.min() <= t <= positive.max()
    ]
    log_axis(ax.xaxis, ticks if len(ticks) < 6 else ticks[::2])


def reliability(table: pd.DataFrame) -> str:
    """Denoised maps of one half against the other raw half; an ``<svg>``."""
    measures = in_order(table["measure"])
    models = in_order(table["model"], ("raw", "smoothing", "cvae", "pca", "pca-16"))
    names = {"raw": "Raw", "glm": "Task maps (GLM)"}
    with drawing.style("reliability"):
        figure = Figure(figsize=(drawing.WIDTH, 0.33 * len(models) + 1.0), layout="constrained")
        for ax, measure in zip(np.atleast_1d(figure.subplots(1, len(measures), sharey=True)), measures, strict=True):
            found = rows(table, measure=measure)
            strips = [
                Strip(names.get(m, space_name(m)), by_subject(found, "r", model=m), space_colour(m)) for m in models
            ]
            draw_strips(ax, strips)
            raw = by_subject(found, "r", model="raw")
            if len(raw):
                mark(ax, float(raw.mean()))
            title = names.get(str(measure), str(measure)[0].upper() + str(measure)[1:])
            ax.set(title=title, xlabel="r with the other half's raw map")
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
    spaces = in_order(table["space"], ("cvae", "pca", "diffusion"))
    with drawing.style("recovery"):
        figure = Figure(figsize=(drawing.WIDTH, 0.31 * len(planted) + 1.0), layout="constrained")
        for ax, space in zip(
            np.atleast_1d(figure.subplots(1, len(spaces), sharey=True, sharex=True)), spaces, strict=True
        ):
            found = rows(table, space=space)
            names = [str(name).replace("_", " ") for name in planted]
            strips = [
                Strip(name, np.maximum(by_subject(found, "r2", planted=key), -0.2), space_colour(space))
                for name, key in zip(names, planted, strict=True)
            ]
            draw_strips(ax, strips)
            ax.set(title=space_name(space), xlabel="R² (linear, over parcels held out)", xlim=(-0.22, 1.02))
            mark(ax, 0)
        return drawing.svg(figure, "recovery", "How much of each planted latent is explained")
