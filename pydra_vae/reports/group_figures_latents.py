"""Figures of what latents hold: correlations, views by network, maps beside gradients, smoothness, separability."""

import io
import re

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.brains import Row, Space, side_by_side
from pydra_vae.reports.drawing import space_colour
from pydra_vae.reports.formats import fixed, space_name
from pydra_vae.reports.group_tables import by_subject, in_order, mean_of, rows
from pydra_vae.reports.networks import network_colours, network_name
from pydra_vae.reports.strips import Strip, draw_matrix, draw_strips, mark

SPACES = (
    "cvae", "cvae, rotated", "cvae, gaussian", "cvae whitened", "pca", "pca whitened", "pca-16", "ica", "diffusion",
    "raw", "raw series", "mm", "raw distance mm", "labels shuffled",
)  # fmt: skip
LIMIT = 0.3  # the paper's
MATRICES = 4  # subjects whose correlations are shown
MAP_LIMIT = 2.5  # standard deviations
VIEWS = {"pca": "PCA", "ica": "ICA", "tsne": "t-SNE", "umap": "UMAP"}
SLICES = 4  # of each map, where two stand side by side


def correlations(table: pd.DataFrame, structure: pd.DataFrame | None) -> str:
    """Correlations of the CVAE's latents for some subjects, and the largest of every subject; an ``<svg>``."""
    found = rows(table, space="cvae")
    labels = in_order(found["participant_id"])[:MATRICES]
    if not labels:
        return ""
    largest = structure if structure is not None else _largest(table)
    spaces = [s for s in in_order(largest["space"], SPACES) if len(by_subject(largest, "max_abs_r", space=s))]
    strips = strips_of(largest, "max_abs_r", spaces)
    with drawing.style("correlations"):
        figure = Figure(figsize=(drawing.WIDTH, 4.3), layout="constrained")
        top, below = figure.subfigures(2, 1, height_ratios=[2.3, 0.28 * len(strips) + 0.9])
        axes = np.atleast_1d(top.subplots(1, max(len(labels), 3)))
        for ax in axes[len(labels) :]:
            ax.set_visible(False)
        for ax, label in zip(axes, labels, strict=False):
            shown = _correlation_matrix(ax, found, label)
        bar = top.colorbar(shown, ax=list(axes), shrink=0.7, ticks=[-1, -LIMIT, 0, LIMIT, 1])
        bar.outline.set_visible(False)
        ax = below.subplots()
        draw_strips(ax, strips)
        mark(ax, LIMIT)
        ax.text(LIMIT, -0.66, " paper: all below 0.3", fontsize=9.5, va="bottom")
        ax.set_xlim(left=0)
        ax.set_xlabel("Largest |r| of two dimensions, a dot a subject")
        return drawing.svg(figure, "correlations", "Correlations of latent dimensions, and the largest of each subject")


def strips_of(table: pd.DataFrame, column: str, spaces: list[str]) -> list[Strip]:
    """One row a space; hollow dots for those that are made of another one."""
    return [
        Strip(space_name(s), by_subject(table, column, space=s), space_colour(s), hollow="," in s or "whitened" in s)
        for s in spaces
    ]


def _largest(table: pd.DataFrame) -> pd.DataFrame:
    sizes = table.assign(max_abs_r=table["r"].astype(float).abs())
    return sizes.groupby(["participant_id", "space"], sort=False)["max_abs_r"].max().reset_index()


def _correlation_matrix(ax, found: pd.DataFrame, label: str):
    pairs = rows(found, participant_id=label)
    n = int(max(pairs["first"].max(), pairs["second"].max()))
    matrix = np.eye(n)
    i, j = pairs["first"].to_numpy(int) - 1, pairs["second"].to_numpy(int) - 1
    matrix[i, j] = matrix[j, i] = pairs["r"]
    names = [f"z{k + 1}" for k in range(n)]
    shown = draw_matrix(ax, matrix, matplotlib.colormaps["RdBu_r"], Normalize(-1, 1), (names, names))
    ax.set_xticks([])
    ax.tick_params(labelsize=8.5)
    ax.set_title(label)
    return shown


def views(table: pd.DataFrame) -> str:
    """Planar views of one latent space, a dot a voxel in the colour of its network; an ``<svg>``."""
    names = in_order(table["view"], VIEWS)
    networks = sorted({str(n) for n in table["network"].dropna()} - {""})
    colours = network_colours(networks)
    with drawing.style("views"):
        figure = Figure(figsize=(drawing.WIDTH, 4.6 if len(names) < 3 else 7.6), layout="constrained")
        count = (1, 2) if len(names) < 3 else (2, 2)
        axes = np.ravel(figure.subplots(*count))
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        for ax, name in zip(axes, names, strict=False):
            _view(ax, rows(table, view=name), colours, VIEWS.get(name, name))
        handles = [Line2D([], [], ls="", marker="o", ms=7, color=colours[n], label=network_name(n)) for n in networks]
        if handles:
            figure.legend(
                handles=handles, loc="outside right center", fontsize=9.5, handletextpad=0.2, labelspacing=0.35
            )
        return smaller(drawing.svg(figure, "views", "Views of the latent space, voxels coloured by network"))


def _view(ax, found: pd.DataFrame, colours: dict[str, str], title: str) -> None:
    names = found["network"].fillna("").astype(str)
    shade = [colours.get(name, drawing.INPUT) for name in names]
    # networks drawn in turns, so that none covers the others
    order = np.argsort(np.arange(len(found)) * 7919 % max(len(found), 1), kind="stable")
    x, y = (found[c].to_numpy(dtype=float)[order] for c in ("x", "y"))
    ax.scatter(x, y, s=11, c=np.array(shade)[order], lw=0, alpha=0.85, rasterized=True)
    for set_limits, values in ((ax.set_xlim, x), (ax.set_ylim, y)):
        low, high = np.quantile(values, [0.003, 0.997])
        set_limits(low - 0.05 * (high - low), high + 0.05 * (high - low))
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)


def smaller(svg: str) -> str:
    """The same drawing with its embedded pictures as WebP instead of PNG."""
    import base64

    from PIL import Image

    def convert(found: re.Match) -> str:
        image = Image.open(io.BytesIO(base64.b64decode("".join(found[1].split()))))
        buffer = io.BytesIO()
        image.save(buffer, format="webp", quality=88, method=4)
        return f'"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"'

    return re.sub(r'"data:image/png;base64,([^"]+)"', convert, svg)


def maps(latents: np.ndarray, gradients: np.ndarray, best: pd.DataFrame | None, space: Space) -> str:
    """Each latent beside the gradient that is most like it; an ``<img>``.

    Parameters
    ----------
    latents, gradients : (K, D), (K, n) arrays
    best : DataFrame or None
        latent, gradient, r, p of each latent's best gradient; None: by order.
    space : Space
    """
    z, g = standardise(latents), standardise(gradients)
    left, right = [], []
    for i in range(z.shape[1]):
        found = None if best is None else rows(best, latent=i + 1)
        at = min(i, g.shape[1] - 1) if found is None or not len(found) else int(found["gradient"].iloc[0]) - 1
        r = np.corrcoef(z[:, i], g[:, at])[0, 1]
        flip = -1 if r < 0 else 1  # the sign of a gradient means nothing
        star = ""
        if found is not None and len(found):
            r, star = float(found["r"].iloc[0]), _significant(found["p"].iloc[0])
        limits = (-MAP_LIMIT, MAP_LIMIT)
        left.append(Row(z[:, i], f"z{i + 1}", limits, "RdBu_r", "SD"))
        right.append(Row(flip * g[:, at], f"gradient {at + 1}\n|r| {fixed(abs(r))}{star}", limits, "RdBu_r", "SD"))
    columns = {"Latent dimensions (CVAE)": left, "The most similar diffusion gradient": right}
    return side_by_side(columns, space, SLICES, "Latent dimensions beside diffusion gradients")


def _significant(p) -> str:
    return " *" if p is not None and np.isfinite(p) and p < 0.05 else ""


def standardise(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; 0 for a constant one."""
    values = np.asarray(values, dtype=np.float64)
    sd = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(sd > 0, sd, 1)


def best_gradients(matches: pd.DataFrame, label: str | None = None) -> pd.DataFrame:
    """For each latent (of a subject) the gradient of the largest |r|, and its p against random maps' best."""
    found = matches if label is None else rows(matches, participant_id=label)
    p = "p_best" if "p_best" in found else "p_spatial"
    found = found.assign(size=found["r"].astype(float).abs(), p=found[p].astype(float))
    found = found.sort_values(["participant_id", "latent", "size"], ascending=[True, True, False], kind="stable")
    return found.drop_duplicates(["participant_id", "latent"])


def smoothness(dimensions: pd.DataFrame | None, structure: pd.DataFrame | None) -> str:
    """Moran's I, correlation length and intrinsic dimension by space; an ``<svg>``."""
    panels = [
        (dimensions, "morans_i", "Moran's I of the maps"),
        (dimensions, "correlation_length_mm", "Correlation length (mm)"),
        (structure, "twonn", "Dimension (TwoNN)"),
        (structure, "participation_ratio", "Participation ratio"),
    ]
    panels = [(t, c, name) for t, c, name in panels if t is not None and c in t and np.isfinite(mean_of(t, c))]
    if not panels:
        return ""
    spaces = in_order([s for table, column, _ in panels for s in table.loc[table[column].notna(), "space"]], SPACES)
    with drawing.style("smoothness"):
        figure = Figure(figsize=(drawing.WIDTH, 0.34 * len(spaces) + 0.95), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for ax, (table, column, title) in zip(axes, panels, strict=True):
            draw_strips(ax, strips_of(table, column, spaces))
            ax.set_title(title)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            if column == "morans_i":
                mark(ax, 0)
            ax.set_xlim(left=min(0, ax.get_xlim()[0]) if column == "morans_i" else 0)
        return drawing.svg(figure, "smoothness", "Smoothness and intrinsic dimension of latents, PCA and gradients")


def separability(table: pd.DataFrame) -> str:
    """How well networks are told apart in each space; an ``<svg>``."""
    panels = (
        ("knn_accuracy", "k-NN accuracy"), ("probe_accuracy", "Linear probe, accuracy"), ("silhouette", "Silhouette"),
        ("variance_ratio", "Variance between / within"),
    )  # fmt: skip
    spaces = in_order(table["space"], SPACES)
    chance = mean_of(table, "chance")
    with drawing.style("separability"):
        figure = Figure(figsize=(drawing.WIDTH, 0.34 * len(spaces) + 0.95), layout="constrained")
        for i, (ax, (column, title)) in enumerate(zip(figure.subplots(1, 4, sharey=True), panels, strict=True)):
            draw_strips(ax, strips_of(table, column, spaces))
            ax.set_title(title)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            if i < 2 and np.isfinite(chance):
                mark(ax, chance)
                ax.set_xlim(left=0)
            elif column == "silhouette":
                mark(ax, 0)
            else:
                ax.set_xlim(left=0)
        return drawing.svg(
            figure, "separability", "Separability of networks in raw series, PCA, ICA, diffusion and CVAE"
        )
