"""Figures of the structural page on what latents predict: regression, joint models, visits, networks, truth."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import fixed
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.strips import mark
from pydra_vae.reports.structural_figures_fits import VAE, colour_of
from pydra_vae.reports.structural_figures_latents import latent_name
from pydra_vae.reports.structural_tables import numbers

NOTHING = "none"  # features of the mean-only model
MARKS = {"mean": "|", "glm": "o", "svr": "s", "polynomial": "D", "spline": "^"}
MODELS = {"glm": "GLM", "svr": "SVR"}
SHADES = ("#3488d0", "#e07b1a", "#2f9e78", "#9a6fb0", "#b59a1b", "#8a8a8a")


def regression(table: pd.DataFrame, measures: Mapping[str, str]) -> str:
    """Accuracy of every model on every set of features, a panel a target; an ``<svg>``, or "".

    Parameters
    ----------
    table : DataFrame
        features, model, target and the measures; one row each.
    measures : mapping
        Target to the column that is shown of it.
    """
    targets = [t for t in in_order(table["target"]) if t in measures]
    if not targets:
        return ""
    features = sorted(in_order(table["features"]), key=lambda name: name == NOTHING)
    models = in_order(table["model"], MARKS)
    with drawing.style("structural-regression"):
        figure = Figure(figsize=(drawing.WIDTH, 0.42 * len(features) + 1.3), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, max(len(targets), 2), sharey=True))
        for ax, target in zip(axes, targets, strict=False):
            _accuracies(ax, rows(table, target=target), measures[target], features, models)
            ax.set_title(str(target).replace("_", " "))
        for ax in axes[len(targets) :]:
            ax.axis("off")
        found = {n: h for ax in axes for h, n in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(found.values(), found, loc="outside lower center", ncols=len(found), fontsize=9.5)
        return drawing.svg(figure, "structural-regression", "What latents predict, beside PCA and the mean")


def _accuracies(ax, table: pd.DataFrame, measure: str, features: Sequence[str], models: Sequence[str]) -> None:
    spread = np.linspace(-0.24, 0.24, len(models))
    for offset, model, colour in zip(spread, models, SHADES * 3, strict=False):
        for y, name in enumerate(features):
            values = numbers(rows(table, features=name, model=model), measure)
            values = values[np.isfinite(values)]
            look = {"color": colour, "mec": drawing.INK, "mew": 1.6 if model == "mean" else 0.5, "ls": ""}
            marker = MARKS.get(model, "o")
            label = MODELS.get(model, model) if not y else ""
            ax.plot(values, np.full(len(values), y + offset), marker, ms=7, label=label, **look)
    names = {"r2": "R², persons left out", "auc": "AUC, persons left out",
             "balanced_accuracy": "Balanced accuracy, persons left out"}  # fmt: skip
    mark(ax, 0.5 if measure == "auc" else 0)
    ax.set_xlabel(names.get(measure, measure))
    ax.set_yticks(range(len(features)), ["mean only" if name == NOTHING else name for name in features])
    ax.set_ylim(len(features) - 0.5, -0.5)
    ax.grid(False, axis="y")


def predicted(panels: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> str:
    """Predicted against observed values, a panel a set of features; an ``<svg>``, or ""."""
    panels = [(t, o, p) for t, o, p in panels if np.isfinite(o * p).any()][:4]
    if not panels:
        return ""
    with drawing.style("structural-predicted"):
        figure = Figure(figsize=(drawing.WIDTH, 3.0), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, max(len(panels), 3)))
        for i, (ax, (title, observed, values)) in enumerate(zip(axes, panels, strict=False)):
            ax.plot(observed, values, "o", ms=4, color=VAE, alpha=0.65, mew=0)
            ends = [np.nanmin(observed), np.nanmax(observed)]
            ax.plot(ends, ends, color=drawing.INK, lw=1.1, ls=(0, (4, 2)))
            ax.set(title=title, xlabel="Observed", ylabel="" if i else "Predicted, left out")
        for ax in axes[len(panels) :]:
            ax.axis("off")
        return drawing.svg(figure, "structural-predicted", "Predicted against observed values of held-out persons")


def age_gap(age: np.ndarray, before: np.ndarray, after: np.ndarray) -> str:
    """The gap between predicted and true age against age, before and after the correction; an ``<svg>``, or ""."""
    if not np.isfinite(before).any():
        return ""
    with drawing.style("structural-gap"):
        figure = Figure(figsize=(drawing.WIDTH, 2.9), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for ax, gap, title in ((axes[0], before, "Before the correction"), (axes[1], after, "After the correction")):
            known = np.isfinite(age) & np.isfinite(gap)
            r = np.corrcoef(age[known], gap[known])[0, 1] if known.sum() > 2 else np.nan
            ax.plot(age[known], gap[known], "o", ms=4, color=VAE, alpha=0.65, mew=0)
            ax.axhline(0, color=drawing.INK, lw=1)
            ax.set(xlabel="Age (years)", title=f"{title}: r with age {fixed(r)}")
        axes[0].set_ylabel("Predicted − true age (years)")
        return drawing.svg(figure, "structural-gap", "Gap between predicted and true age, before and after correction")


def importance(
    panels: Mapping[str, tuple[Sequence, np.ndarray, np.ndarray]],
    name: str = "structural-importance",
    unit: str = "Importance",
) -> str:
    """Importance of each latent, a panel a target; an ``<svg>``, or "".

    Parameters
    ----------
    panels : mapping
        Title to latents, their importance and its standard deviation.
    name, unit : str
        Of the figure and of its axis.
    """
    panels = dict(list(panels.items())[:4])
    if not panels:
        return ""
    with drawing.style(name):
        figure = Figure(figsize=(drawing.WIDTH, 2.6), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, max(len(panels), 2)))
        for ax, (title, (latents, values, sd)) in zip(axes, panels.items(), strict=False):
            error = sd if np.isfinite(sd).any() else None
            ax.bar(
                range(len(values)),
                values,
                0.7,
                yerr=error,
                color=VAE,
                error_kw={"elinewidth": 1, "capsize": 2, "ecolor": drawing.INK},
            )
            ax.set_xticks(range(len(values)), [latent_name(z) for z in latents], fontsize=8.5, rotation=90)
            ax.set_title(title)
            ax.grid(False, axis="x")
        axes[0].set_ylabel(unit)
        for ax in axes[len(panels) :]:
            ax.axis("off")
        return drawing.svg(figure, name, f"{unit} of each latent")


def beside(name: str, table: Mapping[str, Mapping[str, float]], unit: str, at: float = 0.0) -> str:
    """A row a question, a mark a method; an ``<svg>``, or "".

    Parameters
    ----------
    name : str
        Of the figure.
    table : mapping
        Row to the value of each of its methods.
    unit : str
        Of the axis.
    at : float
        What a line marks.
    """
    table = {row: {m: v for m, v in found.items() if np.isfinite(v)} for row, found in table.items()}
    table = {row: found for row, found in table.items() if found}
    if not table:
        return ""
    methods = in_order(m for found in table.values() for m in found)
    with drawing.style(name):
        figure = Figure(figsize=(drawing.WIDTH, 0.34 * len(table) + 0.9), layout="constrained")
        ax = figure.subplots()
        for i, (method, (colour, marker)) in enumerate(zip(methods, _looks(methods), strict=True)):
            known = [(found[method], y) for y, found in enumerate(table.values()) if method in found]
            x, y = np.array(known).T
            ax.plot(x, y, marker, ls="", ms=10 if marker == "|" else 7, color=colour, mec=drawing.INK if marker != "|"
                    else colour, mew=2 if marker == "|" else 0.5, label=method, zorder=3 - i / 99)  # fmt: skip
        mark(ax, at)
        ax.set_yticks(range(len(table)), list(table))
        ax.set_ylim(len(table) - 0.4, -0.6)
        ax.set_xlabel(unit)
        figure.legend(loc="outside right upper", fontsize=9.5)
        return drawing.svg(figure, name, unit)


def _looks(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Colour and marker of each method: a VAE's full, PCA's orange, a ceiling as a bar."""
    marks, seen, found = "osD^vP*X", {}, []
    for method in methods:
        colour = drawing.INPUT if method.startswith(("ceiling", "planted")) else colour_of(method)
        seen[colour] = seen.get(colour, -1) + 1
        bar = method.startswith("ceiling")
        found.append((drawing.INK if bar else colour, "|" if bar else marks[seen[colour] % len(marks)]))
    return found


def intervals(name: str, panels: Mapping[str, Sequence[tuple]], unit: str, at: float) -> str:
    """Rows of a value with its interval, a panel a region; an ``<svg>``, or "".

    Parameters
    ----------
    panels : mapping
        Title to (row, value, low, high); limits may be NaN. All have the rows of the first.
    at : float
        What a line marks, such as 1 for a ratio.
    """
    panels = {title: [row for row in found if np.isfinite(row[1])] for title, found in panels.items()}
    names = in_order(row[0] for found in panels.values() for row in found)
    if not names:
        return ""
    with drawing.style(name):
        figure = Figure(figsize=(drawing.WIDTH, 0.34 * len(names) + 1.0), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for ax, (title, found) in zip(axes, panels.items(), strict=True):
            for row, value, low, high in found:
                error = np.array([[value - low if np.isfinite(low) else 0], [high - value if np.isfinite(high) else 0]])
                ax.errorbar(value, names.index(row), xerr=np.maximum(error, 0), fmt="o", ms=7, capsize=3,
                            color=colour_of(row), mec=drawing.INK, mew=0.5)  # fmt: skip
            mark(ax, at)
            ax.grid(False, axis="y")
            ax.set(xlabel=unit, title=title)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        return drawing.svg(figure, name, unit)


def courses(panels: Sequence[tuple[str, np.ndarray]], frames: int = 200) -> str:
    """Standardised time courses of some components, below one another; an ``<svg>``, or ""."""
    if not panels:
        return ""
    with drawing.style("structural-courses"):
        figure = Figure(figsize=(drawing.WIDTH, 0.75 * len(panels) + 0.5), layout="constrained")
        axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
        for ax, (title, values) in zip(axes, panels, strict=True):
            shown = np.asarray(values[:frames], dtype=float)
            sd = shown.std() or 1.0
            ax.plot((shown - shown.mean()) / sd, color=colour_of(title.partition(":")[0]), lw=1.3)
            ax.set_yticks([])
            ax.set_title(title, fontsize=9.5, pad=2)
            ax.spines["left"].set_visible(False)
        axes[-1].set_xlabel("Frame")
        return drawing.svg(figure, "structural-courses", "Time courses of components")
