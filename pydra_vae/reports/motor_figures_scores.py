"""Figures of the motor page on scores: Figure 2A, and every family at one number of factors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pydra_vae.reports import drawing
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.motor_figures import ICA_COLOUR, PCA_COLOUR, TEMPORAL_COLOUR, model_colour
from pydra_vae.reports.motor_tables import BETA, ICA, OURS, PCA, MotorTables, is_temporal, kind_of
from pydra_vae.reports.strips import Strip, draw_strips, mark

CURVE = 4  # values of β that make a curve; fewer stand side by side


def scores_over_beta(tables: MotorTables) -> str:
    """Figure 2A: mean |r| with the sub-tasks against β, one panel a number of factors; an ``<svg>``, or ""."""
    results = tables.results
    curves = [m for m in tables.families(OURS, BETA) if rows(results, model=m)["beta"].notna().any()]
    sizes = [k for k in tables.sizes if any(len(rows(results, model=m, k=k)) for m in curves)]
    if not sizes:
        return ""
    shown = results[results["model"].isin(curves)]
    betas = sorted(shown["beta"].dropna().unique())
    if len(betas) < CURVE:
        return _side_by_side(tables, shown, sizes)
    with drawing.style("beta"):
        figure = Figure(figsize=(drawing.WIDTH, 3.7), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True))
        for ax, k in zip(axes, sizes, strict=True):
            for offset, model in enumerate(curves):
                _curve(ax, rows(shown, model=model, k=k), model, offset, betas)
            _levels(ax, tables, k)
            ax.set(title=f"k = {k}", xlabel="β")
            ax.set_xticks(betas if len(betas) < 8 else betas[:: len(betas) // 6 + 1])
            pad = 0.06 * (betas[-1] - betas[0] or 1)
            ax.set_xlim(betas[0] - pad, betas[-1] + pad)
        _finish(figure, axes)
        return drawing.svg(figure, "beta", "Scores against the weight β of the term for independence")


def _side_by_side(tables: MotorTables, shown: pd.DataFrame, sizes: Sequence[int]) -> str:
    """Figure 2A of few β: every family and β beside one another, a small dot a seed."""
    points = {k: _points(rows(shown, k=k)) for k in sizes}
    with drawing.style("beta"):
        figure = Figure(figsize=(drawing.WIDTH, 3.9), layout="constrained")
        widths = [len(found) + 0.6 for found in points.values()]
        axes = np.atleast_1d(figure.subplots(1, len(sizes), sharey=True, width_ratios=widths))
        for ax, (k, found) in zip(axes, points.items(), strict=True):
            for x, (model, beta) in enumerate(found):
                _seeds(ax, x, rows(shown, k=k, model=model, beta=beta)["r_test"].to_numpy(dtype=float), model)
            _levels(ax, tables, k)
            ax.set_title(f"k = {k}")
            ax.set_xticks(range(len(found)), [f"{model}\nβ = {beta:g}" for model, beta in found])
            ax.set_xlim(-0.8, len(found) - 0.2)
            ax.tick_params(axis="x", length=0)
            ax.grid(False, axis="x")
        _finish(figure, axes)
        return drawing.svg(figure, "beta", "Scores of each model at its weights β")


def _points(found: pd.DataFrame) -> list[tuple[str, float]]:
    """Families and β that were fitted: by family, β ascending."""
    known = {(str(m), float(b)) for m, b in zip(found["model"], found["beta"], strict=True) if np.isfinite(b)}
    families = in_order(found["model"], [m for m in in_order(found["model"]) if kind_of(m) == OURS])
    return sorted(known, key=lambda point: (families.index(point[0]), point[1]))


def _seeds(ax, x: float, r: np.ndarray, model: str) -> None:
    """Seeds as small dots, their mean as a large one with ± one standard deviation."""
    colour, square = model_colour(model), kind_of(model) == BETA
    mean, sd = float(r.mean()), float(r.std(ddof=1)) if len(r) > 1 else 0.0
    look = {"capsize": 3, "elinewidth": 1.4, "ms": 8, "mec": drawing.INK, "mew": 0.6}
    ax.errorbar([x], [mean], [sd], fmt="s" if square else "o", color=colour, **look)
    if len(r) > 1:
        ax.plot(np.full(len(r), x + 0.16), r, "o", ms=4, color=colour, alpha=0.75, mew=0)


def _finish(figure: Figure, axes) -> None:
    """The axis of scores, from 0, and one legend."""
    axes[0].set_ylabel("Mean |r| with the sub-tasks,\ntest average")
    axes[0].set_ylim(bottom=min(0, axes[0].get_ylim()[0]))
    handles = {name: h for ax in axes for h, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=7, fontsize=9.5)


def _curve(ax, found: pd.DataFrame, model: str, offset: int, betas: Sequence[float]) -> None:
    if not len(found):
        return
    by = found.groupby("beta")["r_test"]
    mean, sd = by.mean(), by.std(ddof=1).fillna(0)
    step = min(np.diff(betas), default=1.0)
    x = mean.index.to_numpy(dtype=float) + 0.06 * step * (offset - 1)  # bars beside each other
    colour = model_colour(model)
    look = {"capsize": 2.5, "elinewidth": 1.3, "ms": 6, "mec": drawing.INK, "mew": 0.5, "lw": 1.8}
    style = "s--" if kind_of(model) == BETA else "o-"
    ax.errorbar(x, mean, sd, fmt=style, color=colour, label=model, **look)


def _levels(ax, tables: MotorTables, k: int) -> None:
    """ICA, PCA and chance as lines: they have no β."""
    ica = tables.families(ICA)
    lines = [
        (tables.best(k, [m for m in ica if is_temporal(m)]), "best temporal ICA", TEMPORAL_COLOUR, (0, (5, 2))),
        (tables.best(k, ica), "best ICA", ICA_COLOUR, (0, (1, 1.2))),
        (tables.best(k, tables.families(PCA)), "PCA", PCA_COLOUR, (0, (3, 1, 1, 1))),
    ]
    for chosen, name, colour, dashes in lines:
        if chosen is not None and np.isfinite(chosen.mean):
            ax.axhline(chosen.mean, color=colour, lw=1.9, ls=dashes, label=name, zorder=1.5)
    ours = tables.chosen(tables.main, k) if tables.main else None
    if ours is not None and np.isfinite(chance := tables.chance(ours)):
        ax.axhspan(0, chance, color=drawing.GRID, lw=0, label="chance", zorder=0.4)


def variants(tables: MotorTables, k: int) -> str:
    """Every family at one number of factors, a dot a seed; an ``<svg>``."""
    found = [c for m in tables.families() if (c := tables.chosen(m, k)) is not None]
    if not found:
        return ""
    found = sorted(found, key=lambda c: -c.mean)
    strips = [Strip(c.model + _beta(c.beta), c.r, model_colour(c.model)) for c in found]
    with drawing.style("variants"):
        figure = Figure(figsize=(drawing.WIDTH, 0.3 * len(strips) + 0.8), layout="constrained")
        ax = figure.subplots()
        draw_strips(ax, strips)
        ours = tables.chosen(tables.main, k) if tables.main else None
        if ours is not None and np.isfinite(chance := tables.chance(ours)):
            mark(ax, chance)
            ax.text(chance, -0.62, " chance", fontsize=9.5, va="bottom")
        ax.set_xlim(left=min(0, ax.get_xlim()[0]))
        ax.set_xlabel(f"Mean |r| with the sub-tasks, test average, k = {k}")
        return drawing.svg(figure, "variants", f"Scores of every model with {k} factors")


def _beta(beta: float) -> str:
    return f", β = {beta:g}" if np.isfinite(beta) else ""
