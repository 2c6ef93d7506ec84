"""Figures of the motor page: colours of models and sub-tasks, courses beside the task, trajectories."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import fixed, glued
from pydra_vae.reports.group_figures_latents import smaller
from pydra_vae.reports.group_tables import rows
from pydra_vae.reports.motor_tables import BETA, ICA, OURS, PCA, is_temporal, kind_of, subtask_name

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
            ax.set_title(fill(glued(title), 36), fontsize=10)
        handles = [Line2D([], [], ls="", marker="o", ms=7, color=c, label=subtask_name(n)) for n, c in colours.items()]
        between = Line2D([], [], ls="", marker="o", ms=7, color=drawing.INPUT, alpha=0.5, label="between blocks")
        if handles:
            where = {"loc": "outside lower center", "ncols": 6}
            figure.legend(handles=[*handles, between], **where, fontsize=9.5, handletextpad=0.2)
        return smaller(drawing.svg(figure, "trajectories", "Trajectories of the factors in the plane, by sub-task"))


def _trajectory(ax, table: pd.DataFrame, colours: Mapping[str, str]) -> None:
    for _, way in table.groupby("design") if "design" in table else [(0, table)]:
        way = way.sort_values("frame")
        ax.plot(way["x"], way["y"], color=drawing.INPUT, lw=0.7, alpha=0.45, zorder=1)
    ax.set(xticks=[], yticks=[])
    ax.set_aspect("equal", adjustable="datalim")
    ax.grid(False)
    if not colours:  # no sub-tasks: time
        ax.scatter(table["x"], table["y"], s=24, c=table["frame"], cmap="viridis", lw=0, zorder=3)
        return
    blocks = table["block"].fillna("").astype(str)
    rest = table[~blocks.isin(list(colours))]
    ax.plot(rest["x"], rest["y"], "o", ms=3.6, color=drawing.INPUT, alpha=0.45, mew=0, zorder=2)
    from matplotlib.colors import to_rgba

    inside = table[blocks.isin(list(colours))]
    shades = [to_rgba(colours[b], o) for b, o in zip(inside["block"], inside["opacity"].astype(float), strict=True)]
    ax.scatter(inside["x"], inside["y"], s=34, c=shades, lw=0, zorder=3)


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
            ax.set_title(fill(glued(title), 36), fontsize=10)
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
