"""Figures of the motor page: scores over β, courses beside the task, trajectories, parameters, fits."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import fixed, number
from pydra_vae.reports.group_figures_latents import smaller
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.motor_tables import BETA, ICA, OURS, PCA, MotorTables, is_temporal, kind_of, subtask_name
from pydra_vae.reports.strips import Strip, draw_strips, mark

MODEL_COLOURS = {"TI-VAE-S": "#3488d0", "TI-VAE-F": "#2f9e78", "β-VAE-S": "#9a6fb0", "β-VAE-F": "#c77fb0"}
TEMPORAL_COLOUR, ICA_COLOUR, PCA_COLOUR = "#e07b1a", "#b59a1b", "#8a8a8a"
SUBTASK_COLOURS = {
    "left_hand": "#3488d0", "right_hand": "#7cc0f5", "left_foot": "#2f9e78", "right_foot": "#8fd3a8",
    "tongue": "#e0552d",
}  # fmt: skip
MORE_COLOURS = ("#9a6fb0", "#e0a91a", "#c77fb0", "#7a8450", "#b5651d")


def model_colour(model: str) -> str:
    """Colour of a family; controls are grey.

    Examples
    --------
    >>> model_colour("TI-VAE-S") == model_colour("linear")
    False
    """
    if model in MODEL_COLOURS:
        return MODEL_COLOURS[model]
    kind = kind_of(model)
    if kind == ICA:
        return TEMPORAL_COLOUR if is_temporal(model) else ICA_COLOUR
    return {OURS: "#3488d0", BETA: "#9a6fb0", PCA: PCA_COLOUR}.get(kind, drawing.INPUT)


def subtask_colours(names: Sequence[str]) -> dict[str, str]:
    """Colours of sub-tasks: hands blue, feet green, tongue red; others in turn."""
    unknown = [name for name in names if name not in SUBTASK_COLOURS]
    more = {name: MORE_COLOURS[i % len(MORE_COLOURS)] for i, name in enumerate(unknown)}
    return {name: SUBTASK_COLOURS.get(name) or more[name] for name in names}


def scores_over_beta(tables: MotorTables) -> str:
    """Figure 2A: mean |r| with the sub-tasks against β, one panel a number of factors; an ``<svg>``, or ""."""
    results = tables.results
    curves = [m for m in tables.families(OURS, BETA) if rows(results, model=m)["beta"].notna().any()]
    sizes = [k for k in tables.sizes if any(len(rows(results, model=m, k=k)) for m in curves)]
    if not sizes:
        return ""
    shown = results[results["model"].isin(curves)]
    betas = sorted(shown["beta"].dropna().unique())
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
        axes[0].set_ylabel("Mean |r| with the sub-tasks,\ntest average")
        axes[0].set_ylim(bottom=min(0, axes[0].get_ylim()[0]))
        handles = {name: h for ax in axes for h, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, fontsize=9.5)
        return drawing.svg(figure, "beta", "Scores against the weight β of the term for independence")


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


def courses(table: pd.DataFrame, models: Mapping[str, pd.DataFrame], t_r: float | None, subtasks: Sequence[str]) -> str:
    """Figure 2B: the chosen factor of some models beside the task's response, one panel a sub-task; an ``<svg>``.

    Parameters
    ----------
    table : DataFrame
        Any of the courses, for the response.
    models : mapping
        Name to courses of one fit.
    t_r : float or None
        Seconds; None: time is in frames.
    subtasks : sequence of str
    """
    scale = t_r or 1.0
    with drawing.style("courses"):
        figure = Figure(figsize=(drawing.WIDTH, 1.45 * len(subtasks) + 0.7), layout="constrained")
        figure.get_layout_engine().set(h_pad=0.03, hspace=0.02)
        axes = np.atleast_1d(figure.subplots(len(subtasks), 1, sharex=True))
        for ax, name in zip(axes, subtasks, strict=True):
            found = {m: _first_design(rows(t, subtask=name)) for m, t in models.items()}
            found = {m: t for m, t in found.items() if len(t)}
            response = next(iter(found.values()), _first_design(rows(table, subtask=name)))
            time = response["frame"].to_numpy(dtype=float) * scale
            ax.plot(time, response["regressor"], color=drawing.INK, lw=2.4, alpha=0.9, label="response (HRF)")
            numbers = []
            for m, t in found.items():
                ax.plot(t["frame"] * scale, t["factor_value"], color=model_colour(m), lw=1.4, label=m)
                numbers.append((m, _r(t["factor_value"], t["regressor"])))
            _numbers(ax, subtask_name(name), numbers)
            ax.yaxis.set_major_locator(MaxNLocator(3))
            if len(time):
                ax.set_xlim(time[0], time[-1])
        axes[-1].set_xlabel("Time (s)" if t_r else "Frame")
        handles = {name: h for ax in axes for h, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles, loc="outside upper right", ncols=len(handles), fontsize=9.5)
        return drawing.svg(figure, "courses", "Time courses of factors beside the task's haemodynamic response")


def _first_design(table: pd.DataFrame) -> pd.DataFrame:
    if "design" in table and len(table):
        table = table[table["design"] == table["design"].min()]
    return table.sort_values("frame")


def _r(a, b) -> float:
    a, b = (np.asarray(v, dtype=float) for v in (a, b))
    return float(np.corrcoef(a, b)[0, 1]) if len(a) > 2 and a.std() > 0 and b.std() > 0 else np.nan


def _numbers(ax, title: str, numbers: Sequence[tuple[str, float]]) -> None:
    """A panel's name, and r of each model in its colour, right of the panel."""
    look = {"transform": ax.transAxes, "va": "top"}
    ax.text(1.012, 1.0, title, fontweight="bold", fontsize=10.5, **look)
    for i, (model, r) in enumerate(numbers):
        ax.text(1.012, 0.78 - 0.19 * i, f"r = {fixed(r)}", color=model_colour(model), fontsize=10, **look)


def trajectories(embeddings: Mapping[str, pd.DataFrame], subtasks: Sequence[str]) -> str:
    """Figure 4: the average trajectory in the plane, one panel a model; an ``<svg>``."""
    colours = subtask_colours(subtasks)
    with drawing.style("trajectories"):
        columns = min(len(embeddings), 3)
        lines = -(-len(embeddings) // columns)
        figure = Figure(
            figsize=(drawing.WIDTH, 0.5 + lines * (drawing.WIDTH / max(columns, 2) * 0.92)), layout="constrained"
        )
        axes = np.ravel(figure.subplots(lines, max(columns, 2)))
        for ax in axes:
            ax.set_visible(False)
        for ax, (title, table) in zip(axes, embeddings.items(), strict=False):
            ax.set_visible(True)
            _trajectory(ax, table, colours)
            ax.set_title(fill(title, 36), fontsize=10)
        handles = [Line2D([], [], ls="", marker="o", ms=7, color=c, label=subtask_name(n)) for n, c in colours.items()]
        handles.append(Line2D([], [], ls="", marker="o", ms=7, color=drawing.INPUT, alpha=0.5, label="between blocks"))
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=9.5, handletextpad=0.2)
        return smaller(drawing.svg(figure, "trajectories", "Trajectories of the factors in the plane, by sub-task"))


def _trajectory(ax, table: pd.DataFrame, colours: Mapping[str, str]) -> None:
    for _, way in table.groupby("design") if "design" in table else [(0, table)]:
        way = way.sort_values("frame")
        ax.plot(way["x"], way["y"], color=drawing.INPUT, lw=0.7, alpha=0.45, zorder=1)
    blocks = table["block"].fillna("").astype(str)
    rest = table[~blocks.isin(list(colours))]
    ax.plot(rest["x"], rest["y"], "o", ms=3.6, color=drawing.INPUT, alpha=0.45, mew=0, zorder=2)
    from matplotlib.colors import to_rgba

    inside = table[blocks.isin(list(colours))]
    shades = [to_rgba(colours[b], o) for b, o in zip(inside["block"], inside["opacity"].astype(float), strict=True)]
    ax.scatter(inside["x"], inside["y"], s=34, c=shades, lw=0, zorder=3)
    ax.set(xticks=[], yticks=[])
    ax.set_aspect("equal", adjustable="datalim")
    ax.grid(False)


def distances(tables: Mapping[str, pd.DataFrame], subtasks: Sequence[str]) -> str:
    """Distances between sub-tasks in the space of all factors, one matrix a model; an ``<svg>``."""
    import matplotlib
    from matplotlib.colors import Normalize

    from pydra_vae.reports.strips import colour_bar, draw_matrix

    names = [subtask_name(name) for name in subtasks]
    matrices = {title: _square(table, subtasks) for title, table in tables.items()}
    limit = max((np.nanmax(m) for m in matrices.values() if np.isfinite(m).any()), default=1.0)
    with drawing.style("distances"):
        figure = Figure(figsize=(drawing.WIDTH, 3.5), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, max(len(matrices), 2)))
        for ax in axes[len(matrices) :]:
            ax.set_visible(False)
        for i, (ax, (title, m)) in enumerate(zip(axes, matrices.items(), strict=False)):
            texts = np.array([[fixed(v) if np.isfinite(v) else "" for v in row] for row in m])
            colours, norm = matplotlib.colormaps["viridis_r"], Normalize(0, limit)
            shown = draw_matrix(ax, m, colours, norm, (names if i == 0 else [""] * len(names), names), texts, False)
            ax.set_title(fill(title, 36), fontsize=10)
        colour_bar(figure, shown, list(axes[: len(matrices)]), "Distance (1: mean of pairs)")
        return drawing.svg(figure, "distances", "Distances between sub-tasks in the space of the factors")


def _square(table: pd.DataFrame, subtasks: Sequence[str]) -> np.ndarray:
    column = "relative" if "relative" in table else "distance"
    values = pd.to_numeric(table[column], errors="coerce")
    values = values / (values.mean() if column == "distance" else 1)
    matrix = np.full((len(subtasks),) * 2, np.nan)
    for a, b, value in zip(table["first"], table["second"], values, strict=True):
        if a in subtasks and b in subtasks:
            i, j = subtasks.index(a), subtasks.index(b)
            matrix[i, j] = matrix[j, i] = value
    return matrix


def fits_over_beta(table: pd.DataFrame) -> str:
    """What β changes inside a fit: R², total correlation, correlation of factors, width of posteriors; an ``<svg>``."""
    panels = (("r2_test", "R², test"), ("tc", "Total correlation (nats)"), ("factor_r", "|r| between factors"),
              ("mean_log_sigma", "Mean log σ"))  # fmt: skip
    table = table.assign(beta=pd.to_numeric(table["beta"], errors="coerce")) if "beta" in table else table.head(0)
    table = table[table["model"].map(kind_of).isin([OURS, BETA]) & table["beta"].notna()] if len(table) else table
    panels = [p for p in panels if p[0] in table and np.isfinite(pd.to_numeric(table[p[0]], errors="coerce")).any()]
    if not panels or table["beta"].nunique() < 2:
        return ""
    with drawing.style("inside"):
        figure = Figure(figsize=(drawing.WIDTH, 3.0), layout="constrained")
        for ax, (column, title) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            for model, k in in_order(zip(table["model"], table["k"], strict=True)):
                by = rows(table, model=model, k=k).groupby("beta")[column]
                label = f"{model}, k = {int(k)}"
                dashes = "-" if k == table["k"].min() else (0, (4, 1.5))
                ax.plot(by.mean(), "o", ls=dashes, color=model_colour(model), ms=5, lw=1.6, label=label)
            ax.set(xlabel="β", title=title)
            ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            ax.yaxis.set_major_locator(MaxNLocator(4))
        handles, names = ax.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 4), fontsize=9.5)
        return drawing.svg(figure, "inside", "What β changes in the fits")


def parameters_by_part(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Numbers of parameters by part on a logarithmic axis, one group a model; an ``<svg>``."""
    names = in_order(part for parts in counts.values() for part in parts)
    with drawing.style("parameters"):
        figure = Figure(figsize=(drawing.WIDTH, 0.28 * len(names) + 1.0), layout="constrained")
        ax = figure.subplots()
        height = 0.8 / len(counts)
        for i, (model, parts) in enumerate(counts.items()):
            y = np.array([names.index(part) for part in parts]) + height * (i - (len(counts) - 1) / 2)
            colour = model_colour(model.partition(" k=")[0])
            ax.barh(y, list(parts.values()), height, color=colour, label=f"{model}: {number(sum(parts.values()))}")
        ax.axvline(44_000, color=drawing.RESIDUAL, lw=1.6, ls=(0, (2, 2)), label="the paper's 44k")
        ax.set_yticks(range(len(names)), [_part_name(name) for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xscale("log")
        ax.grid(False, axis="y")
        ax.set_xlabel("Parameters")
        figure.legend(loc="outside right center", fontsize=9.5)
        return drawing.svg(figure, "parameters", "Parameters of the models by part")


def _part_name(name: str) -> str:
    """A part of a model as readers know it: "GRU", "Encoder mixers"."""
    words = " ".join(word.upper() if word == "gru" else word for word in str(name).replace("_", " ").split())
    return words[:1].upper() + words[1:]
