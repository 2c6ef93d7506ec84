"""Figures of many fits: latent size, other subjects' models, KL and its relatives, models of several subjects."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import number
from pydra_vae.reports.group_sentences_across import KINDS
from pydra_vae.reports.group_tables import by_subject, in_order, matrix_of, rows
from pydra_vae.reports.strips import Strip, colour_bar, draw_matrix, draw_strips, mark, short_labels

PAPER_SIZE, NEAR_COLOUR = 9, "#2f9e78"
MODELS = {"cvae": "CVAE", "pca": "PCA"}
KIND_COLOURS = {"shared_decoder": "#2f9e78", "subject_decoders": "#9a6fb0", "pooled": "#c8553d"}
MEMBERS = {"independent": "o", "training": "o", "joined": "s", "zero-shot": "^"}
MEMBER_NAMES = {
    "independent": "its own",
    "training": "trained on",
    "joined": "joined later",
    "zero-shot": "new, nothing fitted",
}
CELLS_WITH_TEXT = 8  # rows of a matrix up to which its cells hold their value


def size_curves(curve: pd.DataFrame, choice: dict[str, Any]) -> str:
    """Error against latent size for CVAE and PCA, and how often each size is chosen; an ``<svg>``."""
    shares = {int(size): float(share) for size, share in choice.get("shares", {}).items()}
    with drawing.style("sizes"):
        figure = Figure(figsize=(drawing.WIDTH, 4.0), layout="constrained")
        widths = [2.1, 1] if shares else [1]
        axes = np.atleast_1d(figure.subplots(1, len(widths), width_ratios=widths))
        left = axes[0]
        chosen, near = choice.get("size"), choice.get("near_size")
        if chosen is not None and choice.get("low") is not None:
            pad = 0.12
            left.axvspan(
                choice["low"] - pad, choice["high"] + pad, color=drawing.GRID, lw=0, label="interval of the choice"
            )
        if chosen is not None:
            left.axvline(chosen, color=drawing.INK, lw=1.6, label=f"chosen: {chosen}")
        if near is not None:
            _near(left, choice)
        left.axvline(PAPER_SIZE, color=drawing.RESIDUAL, lw=1.6, ls=(0, (2, 2)), label=f"the paper's: {PAPER_SIZE}")
        for model, name in MODELS.items():
            found = rows(curve, model=model).sort_values("latent_dim")
            colour = drawing.MODEL_COLOURS[model]
            left.fill_between(found["latent_dim"], found["mse_low"], found["mse_high"], color=colour, alpha=0.22, lw=0)
            left.plot(
                found["latent_dim"], found["mse_mean"], "o-", color=colour, ms=6, mec=drawing.INK, mew=0.5, label=name
            )
        left.set(xlabel="Latent dimensions", ylabel="MSE on test voxels", title="Error by latent size")
        left.set_xticks(sorted(curve["latent_dim"].unique()))
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9.5)
        if shares:
            _shares(axes[1], shares, choice)
        return drawing.svg(figure, "sizes", "Error on held-out voxels against latent size, with PCA at each size")


def _near(axes, choice: dict[str, Any]) -> None:
    """The smallest size near the largest one's error, with its interval."""
    near, low, high = (choice.get(name) for name in ("near_size", "near_low", "near_high"))
    interval = f" ({low} to {high})" if low is not None and low < high else ""
    name = f"within {100 * choice['near_within']:.0f} % of the largest: {near}{interval}"
    axes.axvline(near, color=NEAR_COLOUR, lw=2, ls=(0, (1, 1.2)), label=name)
    if interval:
        axes.axvspan(low, high, color=NEAR_COLOUR, alpha=0.12, lw=0)


def _shares(axes, shares: dict[int, float], choice: dict[str, Any]) -> None:
    sizes, rest = sorted(shares), max(0.0, 1 - sum(shares.values()))
    colours = [drawing.MODEL_COLOURS["cvae"] if s == choice.get("size") else drawing.INPUT for s in sizes]
    heights, names = [100 * shares[s] for s in sizes], [str(s) for s in sizes]
    if rest > 0.0005:
        heights, names, colours = [*heights, 100 * rest], [*names, "none"], [*colours, drawing.GRID]
    axes.bar(range(len(names)), heights, color=colours, width=0.7)
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="Elbow at", ylabel="Resamples (%)", title="How often an elbow is found", ylim=(0, 105))
    axes.grid(False, axis="x")


def transfer_matrices(table: pd.DataFrame) -> tuple[str, list[tuple[str, str]]]:
    """Every model on every subject's data, CVAE beside PCA; an ``<svg>``, and the reasons of empty cells by letter."""
    values = {
        name: matrix_of(table, "source", "target", column) for name, column in (("CVAE", "mse"), ("PCA", "pca_mse"))
    }
    values = {name: matrix for name, matrix in values.items() if np.isfinite(matrix.to_numpy()).any()}
    if not values:
        return "", []
    reasons = table[table["mse"].isna() & table["reason"].notna()]
    letters = {reason: chr(97 + i) for i, reason in enumerate(in_order(reasons["reason"].astype(str)))}
    notes = {(row.source, row.target): letters[str(row.reason)] for row in reasons.itertuples()}
    joined = np.concatenate([matrix.to_numpy().ravel() for matrix in values.values()])
    joined = joined[np.isfinite(joined)]
    norm = LogNorm(joined.min(), max(joined.max(), joined.min() * 1.01))
    n = len(next(iter(values.values())))
    with drawing.style("transfer"):
        figure = Figure(figsize=(drawing.WIDTH, 4.6 if n > 4 else 3.4), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(values)))
        colours = matplotlib.colormaps["viridis"]
        for ax, (name, matrix) in zip(axes, values.items(), strict=True):
            labels = short_labels(matrix.index)
            texts = _cell_texts(matrix, notes)
            shown = draw_matrix(ax, matrix.to_numpy(), colours, norm, (labels, labels), texts)
            ax.set(title=name, xlabel="Data of", ylabel="Model of" if ax is axes[0] else "")
        colour_bar(figure, shown, list(axes), "MSE (log scale)", _log_ticks(norm.vmin, norm.vmax))
        text = "Error of every subject's data through every subject's model, for CVAE and PCA"
        return drawing.svg(figure, "transfer", text), [(letter, reason) for reason, letter in letters.items()]


def _cell_texts(matrix: pd.DataFrame, notes: dict[tuple[str, str], str]) -> np.ndarray:
    few = len(matrix) <= CELLS_WITH_TEXT
    return np.array([
        [notes.get((a, b), "") if np.isnan(value) else number(value, 2 if len(matrix) > 4 else 3) if few else ""
         for b, value in row.items()]
        for a, row in matrix.iterrows()
    ])  # fmt: skip


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers within a range, at least two."""
    wanted = [m * 10.0**e for e in range(-9, 9) for m in (1, 1.5, 2, 3, 5, 7)]
    inside = [t for t in wanted if low <= t <= high]
    return inside if len(inside) > 1 else [low, high]


def divergence(table: pd.DataFrame) -> str:
    """Error, active units and separability for each setting of the KL term; an ``<svg>``."""
    settings = in_order(table["setting"], ("no KL",))
    relative = table.assign(against=100 * (table["mse_test"] / table["pca_mse_test"] - 1))
    panels = (
        ("against", "MSE against PCA (%)", 0.0), ("active_units", "Active units", None),
        ("knn_accuracy", "k-NN accuracy, networks", None), ("silhouette", "Silhouette, networks", None),
    )  # fmt: skip
    panels = [p for p in panels if np.isfinite(pd.to_numeric(relative[p[0]], errors="coerce")).any()]
    with drawing.style("divergence"):
        height = 0.31 * len(settings) + 0.95
        figure = Figure(figsize=(drawing.WIDTH, height), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for ax, (column, title, line) in zip(axes, panels, strict=True):
            strips = [Strip(_setting(s), by_subject(relative, column, setting=s), _setting_colour(s)) for s in settings]
            draw_strips(ax, strips)
            ax.set_title(title)
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=column == "active_units"))
            if column == "active_units":
                ax.set_xlim(0, relative[column].astype(float).max() + 1)
            if line is not None:
                mark(ax, line, label="PCA")
            else:
                mark(ax, np.nanmean(by_subject(relative, column, setting=settings[0])))
        return drawing.svg(figure, "divergence", "Error, active units and separability by weight of the KL term")


def _setting(name: str) -> str:
    return {"no KL": "No KL (paper)", "": "Default"}.get(name, name)


def _setting_colour(name: str) -> str:
    if name.startswith("MMD"):
        return "#2f9e78"
    return drawing.INPUT if name == "no KL" else drawing.MODEL_COLOURS["cvae"] if "," not in name else "#9a6fb0"


def shared_models(table: pd.DataFrame) -> str:
    """What shared models cost and what they gain; an ``<svg>``."""
    table = table[table["disparity"].notna() | table["r_distances"].notna()]  # PCA's rows have a price only
    panels = (("disparity", "Procrustes disparity between subjects"), ("r_distances", "r of parcel distance matrices"))
    with drawing.style("shared"):
        figure = Figure(figsize=(drawing.WIDTH, 3.9), layout="constrained")
        for ax, (column, title) in zip(figure.subplots(1, 2), panels, strict=True):
            for row in table.itertuples():
                colour = KIND_COLOURS.get(row.kind, drawing.INPUT)
                look = {"ms": 11, "color": colour, "mec": drawing.INK, "mew": 0.8}
                ax.plot(row.price_percent, getattr(row, column), MEMBERS.get(row.member, "D"), **look)
            apart = rows(table, kind="independent")[column].astype(float)
            if len(apart) and np.isfinite(apart.iloc[0]):
                ax.axhline(apart.iloc[0], color=drawing.INK, lw=1, ls=(0, (4, 2)), zorder=0.5)
            mark(ax, 0)
            ax.margins(0.12)
            _price_axis(ax, table["price_percent"].astype(float))
            better = "lower" if column == "disparity" else "higher"
            ax.set(xlabel="Price: MSE against independent models (%)", title=f"{title} ({better} is better)")
        _shared_legend(figure, table)
        return drawing.svg(figure, "shared", "Error of shared models against what they gain in alignment")


def _price_axis(axes, price: pd.Series) -> None:
    """Linear near 0 and logarithmic beyond, where one price would hide the differences of the others."""
    if not price.max() > 6 * max(price.median(), 1):
        return
    axes.set_xscale("symlog", linthresh=10, linscale=1.5)
    ticks = [t for t in (-10, 0, 2, 5, 10, 20, 50, 100, 200, 500) if min(price.min(), 0) <= t <= 1.3 * price.max()]
    axes.set_xlim(min(price.min(), 0) - 1, 1.4 * price.max())
    log_axis(axes.xaxis, ticks)


def kind_name(kind: str) -> str:
    """A kind of shared model as readers know it.

    Examples
    --------
    >>> kind_name("subject_decoders")
    'A decoder for each subject'
    """
    name = KINDS.get(kind, kind.replace("_", " "))
    return name[:1].upper() + name[1:]


def _shared_legend(figure, table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    def handle(marker: str, colour: str, text: str) -> Line2D:
        return Line2D([], [], ls="", marker=marker, color=colour, mec=drawing.INK, mew=0.8, ms=9, label=text)

    kinds = in_order(table["kind"].astype(str), ("independent",))
    members = [m for m in in_order(table["member"].astype(str), MEMBERS) if m != "independent"]
    handles = [handle("o", KIND_COLOURS.get(kind, drawing.INPUT), kind_name(kind)) for kind in kinds]
    handles += [handle(MEMBERS.get(m, "D"), "none", MEMBER_NAMES.get(m, m)) for m in members]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), fontsize=9.5)


def log_axis(axis, ticks: Sequence[float]) -> None:
    """Few round labels on a logarithmic axis."""
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
