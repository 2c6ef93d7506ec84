"""Figures of the structural page on fits: curves of training, fits beside each other, collapse, the search."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.strips import Strip, draw_strips, mark
from pydra_vae.reports.structural_tables import numbers
from pydra_vae.stats.collapse import (
    COLLAPSED_SWAP_RATIO,
    COLLAPSED_VARIANCE_RATIO,
    WEAK_SWAP_RATIO,
    WEAK_VARIANCE_RATIO,
)

VAE, PCA, PCA2, OTHER = (
    drawing.MODEL_COLOURS["cvae"], drawing.MODEL_COLOURS["pca"], drawing.MODEL_COLOURS["pca-larger"], "#2f9e78",
)  # fmt: skip
PARTS = {"mi": ("Mutual information", "#3488d0"), "tc": ("Total correlation", "#c8553d"),
         "dimension_wise": ("Dimension-wise KL", "#b59a1b")}  # fmt: skip
COLLAPSED = (COLLAPSED_VARIANCE_RATIO, COLLAPSED_SWAP_RATIO)
OVER_REGULARISED = (WEAK_VARIANCE_RATIO, WEAK_SWAP_RATIO)
SHADES = ("#3488d0", "#e07b1a", "#2f9e78", "#9a6fb0", "#c8553d", "#b59a1b", "#8a8a8a", "#c77fb0")
LINES = 8  # validation curves that can be told apart


def colour_of(name: str) -> str:
    """Colour of a fit or control by its name.

    Examples
    --------
    >>> colour_of("PCA-12") == PCA, colour_of("VAE") == VAE
    (True, True)
    """
    name = str(name)
    if name.upper().startswith("PCA"):
        return PCA
    if name.lower().startswith(("mean", "chance", "shuffled", "none")):
        return drawing.INPUT
    return VAE if name.startswith("VAE") else OTHER


def learning_curves(histories: Mapping[str, pd.DataFrame], levels: Mapping[str, float]) -> str:
    """Training and validation R² of the main fit, and the validation R² of all; an ``<svg>``, or "".

    Parameters
    ----------
    histories : mapping
        Label of a fit to its history: step, train_r2, val_r2; the main fit first.
    levels : mapping
        Name of a control to its R² of the test part.
    """
    curves = {name: t for name, t in histories.items() if {"step", "val_r2"} <= set(t)}
    curves = {name: t[np.isfinite(numbers(t, "val_r2"))] for name, t in curves.items()}
    curves = {name: t for name, t in list(curves.items())[:LINES] if len(t) > 1}
    if not curves:
        return ""
    with drawing.style("structural-learning"):
        figure = Figure(figsize=(drawing.WIDTH, 3.3), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True) if len(curves) > 1 else [figure.subplots()]
        _main_curve(axes[0], *next(iter(curves.items())), levels)
        values = [numbers(t, c) for t in curves.values() for c in ("train_r2", "val_r2")]
        top = np.nanmax([1e-3, *levels.values(), *(np.nanmax(v) for v in values if np.isfinite(v).any())])
        if len(curves) > 1:
            _all_curves(axes[1], curves)
        axes[0].set(ylim=(min(-0.02, -0.1 * top), min(1.12 * top, 1.02)), ylabel="R²")
        figure.legend(*_handles(axes), loc="outside right upper", fontsize=9.5)
        return drawing.svg(
            figure, "structural-learning", "R² of training and validation images while models are fitted"
        )


def _main_curve(ax, name: str, table: pd.DataFrame, levels: Mapping[str, float]) -> None:
    step = numbers(table, "step")
    ax.plot(step, numbers(table, "train_r2"), color=VAE, lw=1.8, ls=(0, (4, 2)), label="training images")
    ax.plot(step, numbers(table, "val_r2"), color=VAE, lw=2.2, label="validation images")
    for (level, r2), colour in zip(levels.items(), (PCA, PCA2), strict=False):
        ax.axhline(r2, color=colour, lw=1.8, ls=(0, (1, 1.2)), label=level)
    ax.set(xlabel="Step", title=name)
    ax.set_xlim(left=0)


def _all_curves(ax, curves: Mapping[str, pd.DataFrame]) -> None:
    for (name, table), colour in zip(curves.items(), SHADES, strict=False):
        ax.plot(numbers(table, "step"), numbers(table, "val_r2"), color=colour, lw=1.7, label=f"{name}, validation")
    ax.set(xlabel="Step", title="Validation images, every fit")
    ax.set_xlim(left=0)


def _handles(axes) -> tuple[list, list]:
    found = {name: handle for ax in axes for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    return list(found.values()), list(found)


def fits_beside(rows: Sequence[dict], panels: Sequence[tuple[str, str]]) -> str:
    """Every fit and control, a panel a measure, a dot a seed; an ``<svg>``, or "".

    Parameters
    ----------
    rows : sequence of dict
        name, and a list of values for each panel.
    panels : sequence of (key, title)
    """
    known = [(key, title) for key, title in panels if any(np.isfinite(row.get(key, [])).any() for row in rows)]
    if not known:
        return ""
    with drawing.style("structural-fits"):
        figure = Figure(figsize=(drawing.WIDTH, 0.3 * len(rows) + 0.9), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(known), sharey=True))
        for ax, (key, title) in zip(axes, known, strict=True):
            draw_strips(ax, [Strip(row["name"], row.get(key, []), colour_of(row["name"])) for row in rows])
            ax.set_xlabel(title)
            ax.margins(x=0.12)
            ax.xaxis.set_major_locator(MaxNLocator(4))
        return drawing.svg(figure, "structural-fits", "Every fit beside PCA and the mean image")


def collapse(rows: Sequence[dict]) -> str:
    """Variance ratio against swap ratio of every fit, with the zones of both verdicts; an ``<svg>``, or ""."""
    rows = [r for r in rows if np.isfinite([r["variance_ratio"], r["swap_ratio"]]).all()]
    if not rows:
        return ""
    x, y = (np.array([r[key] for r in rows], dtype=float) for key in ("variance_ratio", "swap_ratio"))
    with drawing.style("structural-collapse"):
        figure = Figure(figsize=(drawing.WIDTH, 3.6), layout="constrained")
        ax = figure.subplots()
        high = max(y.max() * 1.6, 4)
        right = max(1.05, x.max() * 1.1)
        for (ratio, swap), colour in ((OVER_REGULARISED, "#e0a01a"), (COLLAPSED, "#c8553d")):
            look = {"color": colour, "alpha": 0.16, "lw": 0}
            ax.fill_between([-0.05, right], 0.8, swap, **look)
            ax.fill_between([-0.05, ratio], swap, high, **look)
        for (ratio, swap), name in ((COLLAPSED, "collapsed"), (OVER_REGULARISED, "over-regularised")):
            ax.text(right * 0.99, swap * 0.97, name, ha="right", va="top", fontsize=9.5)
            mark(ax, ratio)
            ax.axhline(swap, color=drawing.INK, lw=1.1, ls=(0, (4, 2)), zorder=0.5)
        colours = [SHADES[i % len(SHADES)] for i in range(len(rows))]
        for row, a, b, colour in zip(rows, x, y, colours, strict=True):
            ax.plot(a, b, "o", ms=8, color=colour, mec=drawing.INK, mew=0.6, label=row["name"])
        figure.legend(loc="outside right upper", fontsize=9.5)
        ax.set_yscale("log")
        ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200) if t < high]
        ax.set_yticks(ticks, [f"{t}" for t in ticks])
        ax.minorticks_off()
        ax.set(xlim=(-0.05, right), ylim=(0.8, high), xlabel="Variance of reconstructions / of images, over persons",
               ylabel="Error with swapped codes / error")  # fmt: skip
        return drawing.svg(figure, "structural-collapse", "Verdicts on collapse of every fit")


def trade_off(trials: pd.DataFrame, chosen: int | None) -> str:
    """R² of validation images against information, and what the information is made of; an ``<svg>``, or "".

    Parameters
    ----------
    trials : DataFrame
        r2_validation, kl, mi, tc, dimension_wise; one row a trial.
    chosen : int, optional
        Row of the chosen trial.
    """
    kl, r2 = numbers(trials, "kl"), numbers(trials, "r2_validation")
    if not np.isfinite(kl * r2).any():
        return ""
    bad = trials["name"].to_numpy() == "bad" if "name" in trials else np.zeros(len(trials), bool)
    with drawing.style("structural-search"):
        figure = Figure(figsize=(drawing.WIDTH, 3.7), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        se = numbers(trials, "r2_validation_se")
        error = np.where(np.isfinite(se), se, 0)
        look = {"ls": "", "mec": drawing.INK, "mew": 0.5, "elinewidth": 1}
        for here, marker, colour, name in (
            (~bad, "o", VAE, "healthy trial"),
            (bad, "X", drawing.RESIDUAL, "collapsed or over-regularised"),
        ):
            if here.any():
                left.errorbar(kl[here], r2[here], error[here], fmt=marker, ms=7, color=colour, label=name, **look)
        if chosen is not None:
            left.plot(kl[chosen], r2[chosen], "o", ms=15, mfc="none", mec=drawing.INK, mew=1.8, label="chosen")
        if (kl[np.isfinite(kl)] > 0).all() and np.nanmax(kl) > 20 * np.nanmin(kl):
            left.set_xscale("log")
        left.set(xlabel="Information in the latents: KL (nats)", ylabel="R² of validation images")
        left.legend(loc="best", fontsize=9.5)
        _information(right, trials, chosen)
        return drawing.svg(figure, "structural-search", "Reconstruction against information of every trial")


def _information(ax, trials: pd.DataFrame, chosen: int | None) -> None:
    """The three parts of the KL as stacked bars, by KL ascending."""
    order = np.argsort(numbers(trials, "kl"), kind="stable")
    base = np.zeros(len(trials))
    for column, (name, colour) in PARTS.items():
        part = np.nan_to_num(numbers(trials, column))[order]
        ax.bar(range(len(order)), part, 0.75, bottom=np.where(part >= 0, base, 0), color=colour, label=name)
        base = base + np.maximum(part, 0)
    if chosen is not None:
        at = int(np.flatnonzero(order == chosen)[0])
        ax.plot(at, base[at] * 1.02, "v", color=drawing.INK, ms=7)
    ax.set(xlabel="Trials, by KL", ylabel="Nats")
    ax.set_xticks([])
    ax.grid(False, axis="x")
    ax.legend(loc="upper left", fontsize=9.5)
