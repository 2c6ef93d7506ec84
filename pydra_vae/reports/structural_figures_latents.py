"""Figures of the structural page on latents: their shares, correlations, scatter, views, dimensions and shells."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import fixed
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.strips import colour_bar, draw_matrix
from pydra_vae.reports.structural_figures_fits import PCA, VAE
from pydra_vae.reports.structural_tables import numbers, true

CATEGORIES = ("#3488d0", "#e07b1a", "#2f9e78", "#9a6fb0", "#c8553d", "#b59a1b")
SHORT = 14  # letters of a column's name


def shares(table: pd.DataFrame) -> str:
    """Share of the variance and KL of each latent, the largest first; an ``<svg>``."""
    share, kl = numbers(table, "variance_share"), numbers(table, "kl")
    order = np.argsort(-share, kind="stable")
    names = [latent_name(name) for name in table["latent"].to_numpy()[order]]
    both = np.isfinite(kl).any()
    with drawing.style("structural-shares"):
        figure = Figure(figsize=(drawing.WIDTH, 2.7), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, 2 if both else 1))
        axes[0].bar(range(len(names)), 100 * share[order], 0.7, color=VAE)
        axes[0].set_ylabel("Share of the variance (%)")
        if both:
            axes[1].bar(range(len(names)), kl[order], 0.7, color=VAE)
            axes[1].set_ylabel("KL (nats)")
        for ax in axes:
            ax.set_xticks(range(len(names)), names, fontsize=9.5 if len(names) <= 16 else 7.5)
            ax.tick_params(axis="x", length=0)
            ax.grid(False, axis="x")
        return drawing.svg(figure, "structural-shares", "Share of the variance and KL of each latent")


def latent_name(name) -> str:
    """A latent as readers know it, counted from 0 as in the tables and in the volumes of images.

    Examples
    --------
    >>> latent_name(0), latent_name("z3")
    ('z0', 'z3')
    """
    text = str(name)
    return f"z{int(float(text))}" if text.replace(".", "", 1).isdigit() else text


def correlations(table: pd.DataFrame, model: str, columns: Sequence[str]) -> str:
    """Correlations of one model's latents with covariates and regions, a dot where significant; an ``<svg>``."""
    found = rows(table, model=model)
    found = found[found["with"].isin(columns)]
    if not len(found):
        return ""
    latents = in_order(found["latent"])
    shape = (len(latents), len(columns))
    values, texts = np.full(shape, np.nan), np.full(shape, "", dtype=object)
    for row in found.to_dict("records"):
        at = latents.index(row["latent"]), list(columns).index(row["with"])
        values[at] = float(pd.to_numeric(row["r"], errors="coerce"))
        texts[at] = "•" if true(row.get("significant")) else ""
    name = f"structural-correlations-{''.join(c for c in str(model) if c.isalnum())}"
    with drawing.style(name):
        figure = Figure(figsize=(drawing.WIDTH, 0.3 * len(latents) + 1.6), layout="constrained")
        ax = figure.subplots()
        labels = [latent_name(latent) for latent in latents], [_short(column) for column in columns]
        limits = Normalize(-1, 1)
        shown = draw_matrix(ax, values, matplotlib.colormaps["RdBu_r"], limits, labels, texts, empty=False)
        ax.set_aspect("auto")
        for tick in ax.get_xticklabels():
            tick.set(
                **({"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if len(columns) > 6 else {"rotation": 0})
            )
        colour_bar(figure, shown, ax, "r", [-1, -0.5, 0, 0.5, 1])
        return drawing.svg(figure, name, f"Correlations of the latents of {model}")


def _short(name: str) -> str:
    name = str(name).replace("_", " ")
    return name if len(name) <= SHORT + 4 else f"{name[: SHORT + 3]}…"


def scatter(panels: Sequence[tuple[np.ndarray, np.ndarray, str, str]]) -> str:
    """Figure 3 of the tutorial: a score against a latent; an ``<svg>``.

    Parameters
    ----------
    panels : sequence of (latent values, scores, name of the latent, name of the score)
    """
    if not panels:
        return ""
    with drawing.style("structural-scatter"):
        figure = Figure(figsize=(drawing.WIDTH, 2.9), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, max(len(panels), 3)))
        for ax, (z, score, latent, name) in zip(axes, panels, strict=False):
            known = np.isfinite(z) & np.isfinite(score)
            r = np.corrcoef(z[known], score[known])[0, 1] if known.sum() > 2 else np.nan
            ax.plot(z[known], score[known], "o", ms=3.6, color=VAE, alpha=0.6, mew=0)
            if known.sum() > 2 and np.ptp(z[known]) > 0:
                line = np.polyfit(z[known], score[known], 1)
                ends = np.array([z[known].min(), z[known].max()])
                ax.plot(ends, np.polyval(line, ends), color=drawing.INK, lw=1.3)
            ax.set(xlabel=latent, ylabel=name, title=f"r = {fixed(r)}")
        for ax in axes[len(panels) :]:
            ax.axis("off")
        return drawing.svg(figure, "structural-scatter", "Scores against single latents")


def views(coordinates: dict[str, np.ndarray], colours: np.ndarray, name: str) -> str:
    """Images in two dimensions of each method, coloured by a covariate; an ``<svg>``.

    Parameters
    ----------
    coordinates : dict
        Method to its (n, 2) coordinates.
    colours : (n,) array
        Numbers, or words of a category; NaN or "" for unknown.
    name : str
        Of the covariate.
    """
    if not coordinates:
        return ""
    with drawing.style("structural-views"):
        figure = Figure(figsize=(drawing.WIDTH, 2.5 if len(coordinates) > 3 else 3.2), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(coordinates)))
        for ax, (method, xy) in zip(axes, coordinates.items(), strict=True):
            shown = _points(ax, np.asarray(xy, dtype=float), colours)
            ax.set_title(method)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_box_aspect(1)
        if shown is not None:
            bar = figure.colorbar(shown, ax=list(axes), shrink=0.7, aspect=18, pad=0.01)
            bar.outline.set_visible(False)
            bar.set_label(name)
        else:
            figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize=9.5, title=name)
        return drawing.svg(figure, "structural-views", f"Images in two dimensions of each method, coloured by {name}")


def _points(ax, xy: np.ndarray, colours: np.ndarray):
    """Points; returns what a colour bar needs, or None of a category."""
    try:
        values = np.asarray(colours, dtype=float)
    except ValueError:
        for word, colour in zip(in_order(str(c) for c in colours), CATEGORIES * 9, strict=False):
            here = np.array([str(c) == word for c in colours])
            ax.plot(xy[here, 0], xy[here, 1], "o", ms=3.5, color=colour, alpha=0.75, mew=0, label=word or "unknown")
        return None
    return ax.scatter(xy[:, 0], xy[:, 1], c=values, s=13, cmap="viridis", lw=0, alpha=0.85)


def dimensions(found: Sequence[dict]) -> str:
    """Intrinsic dimension of each space with its interval, controls hollow; an ``<svg>``, or ""."""
    found = [row for row in found if np.isfinite(row["twonn"])]
    if not found:
        return ""
    with drawing.style("structural-dimension"):
        figure = Figure(figsize=(drawing.WIDTH, 0.32 * len(found) + 0.9), layout="constrained")
        ax = figure.subplots()
        for y, row in enumerate(found):
            low, high = (row[c] if np.isfinite(row[c]) else row["twonn"] for c in ("lower", "upper"))
            colour = drawing.INPUT if row["control"] else VAE
            error = [[row["twonn"] - low], [high - row["twonn"]]]
            ax.errorbar(row["twonn"], y, xerr=np.maximum(error, 0), fmt="o", ms=7, color=colour, capsize=3,
                        mfc="none" if row["control"] else colour, label="TwoNN" if not y else "")  # fmt: skip
            if np.isfinite(row["participation_ratio"]):
                ax.plot(row["participation_ratio"], y, "|", ms=13, mew=2, color=drawing.INK,
                        label="participation ratio" if not y else "")  # fmt: skip
        ax.set_yticks(range(len(found)), [row["name"] for row in found])
        ax.set_ylim(len(found) - 0.4, -0.6)
        ax.set_xlim(left=0)
        ax.grid(False, axis="y")
        ax.set_xlabel("Dimensions")
        figure.legend(loc="outside right upper", fontsize=9.5)
        return drawing.svg(figure, "structural-dimension", "Intrinsic dimension of each space beside its controls")


def spectrum_bars(table: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> str:
    """Statistics of drawn images, a panel a measure, a bar a source; an ``<svg>``, or ""."""
    known = [(column, title) for column, title in columns if np.isfinite(numbers(table, column)).any()]
    if not known:
        return ""
    names = [str(source) for source in table["source"]]
    with drawing.style("structural-draws"):
        figure = Figure(figsize=(drawing.WIDTH, 0.28 * len(names) + 0.9), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(known), sharey=True))
        for ax, (column, title) in zip(axes, known, strict=True):
            values = np.nan_to_num(numbers(table, column))
            look = [
                drawing.INPUT if name in ("data", "unseen images") else PCA if name.startswith("pca") else VAE
                for name in names
            ]
            ax.barh(range(len(names)), values, 0.62, color=look)
            ax.set_xlabel(title)
            ax.set_yticks(range(len(names)), names)
            ax.set_ylim(len(names) - 0.4, -0.6)
            ax.grid(False, axis="y")
            ax.locator_params(axis="x", nbins=4)
        return drawing.svg(figure, "structural-draws", "Statistics of drawn images beside those of the data")
