"""Figures of subjects against each other: alignment, identification, correlation between subjects, connectivity."""

from itertools import groupby

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.drawing import space_colour
from pydra_vae.reports.formats import fixed, space_name
from pydra_vae.reports.group_figures_latents import SPACES, strips_of
from pydra_vae.reports.group_tables import in_order, matrix_of, mean_of, rows
from pydra_vae.reports.networks import network_colours, network_name
from pydra_vae.reports.strips import Strip, colour_bar, draw_matrix, draw_strips, mark, short_labels

REPRESENTATIONS = ("cvae", "cvae whitened", "pca whitened", "diffusion")
RELATIONS = {
    "subjects": ("between subjects", "#3488d0"),
    "same person, other run": ("same person, other run", "#9a6fb0"),
    "same subject, other seed": ("same subject, other seed", "#2f9e78"),
}
FLOOR = "same subject, other seed"
NULLS = ("rotation", "parcel permutation", "spatial")
MEASURES = {
    "disparity": "Procrustes disparity (0: the same)",
    "r_distances": "r of parcel distances beyond mm (1: the same)",
}


def alignment(pairs: pd.DataFrame, nulls: pd.DataFrame | None) -> str:
    """Pairs of subjects, the floor of one subject's two fits, and nulls, by representation; an ``<svg>``."""
    representations = in_order(pairs["representation"], REPRESENTATIONS)
    groups = {name: _alignment_rows(pairs, nulls, name) for name in representations}
    n_rows = sum(len(found) + 1 for found in groups.values())
    with drawing.style("alignment"):
        figure = Figure(figsize=(drawing.WIDTH, 0.235 * n_rows + 0.8), layout="constrained")
        for ax, (measure, title) in zip(figure.subplots(1, 2, sharey=True), MEASURES.items(), strict=True):
            strips: list[Strip] = []
            for name, found in groups.items():
                strips.append(Strip(space_name(name), []))
                strips += [_aligned_strip(pairs, nulls, name, kind, value, measure) for kind, value in found]
            draw_strips(ax, strips)
            low, high = ax.get_xlim()
            ax.set_xlim(min(low, 0), max(high, 1.02))
            ax.set_xlabel(title)
        heads = set(np.cumsum([0, *(len(found) + 1 for found in groups.values())]).tolist())
        for y, label in enumerate(ax.figure.axes[0].get_yticklabels()):
            label.set_fontweight("bold" if y in heads else "normal")
        return drawing.svg(figure, "alignment", "Alignment of latent spaces between subjects, with floor and nulls")


def _alignment_rows(pairs, nulls, name) -> list[tuple[str, str]]:
    relations = in_order(rows(pairs, representation=name)["relation"], RELATIONS)
    found = [("relation", relation) for relation in relations]
    if nulls is not None:
        found += [("null", null) for null in in_order(rows(nulls, representation=name)["null"], NULLS)]
    return found


def _aligned_strip(pairs, nulls, name, kind, value, measure) -> Strip:
    if kind == "relation":
        text, colour = RELATIONS.get(value, (value, drawing.INPUT))
        values = rows(pairs, representation=name, relation=value)[measure].astype(float)
        return Strip(text, values, colour)
    found = rows(nulls, representation=name, null=value, measure=measure)
    interval = (float(found["low"].iloc[0]), float(found["high"].iloc[0])) if len(found) else None
    interval = interval if interval and np.isfinite(interval).all() else None
    observed = float(found["observed"].iloc[0]) if interval else None
    return Strip(f"null: {value}", [], RELATIONS["subjects"][1], interval, observed=observed)


def identification(matrix: pd.DataFrame, table: pd.DataFrame) -> str:
    """Each first half against each second half, and how far a subject's own stands out; an ``<svg>``."""
    square = matrix_of(matrix, "first", "second", "r")
    values, labels = square.to_numpy(), short_labels(square.index)
    own = np.eye(len(values), dtype=bool)
    low, high = np.nanmin(values), np.nanmax(values)
    norm = Normalize(low - 0.05 * (high - low), high)
    texts = np.vectorize(lambda v: fixed(v))(values) if len(values) <= 8 else None
    with drawing.style("identification"):
        figure = Figure(figsize=(drawing.WIDTH, 4.1), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
        shown = draw_matrix(left, values, matplotlib.colormaps["viridis"], norm, (labels, labels), texts)
        found = np.nanargmax(values, axis=1)
        left.plot(found, range(len(values)), "s", ms=12 if len(values) > 8 else 26, mfc="none", mec="#ffffff", mew=1.6)
        left.set(title="r of parcel distances", xlabel="Second half of", ylabel="First half of")
        colour_bar(figure, shown, left, "")
        strips = [
            Strip("own other half", values[own], RELATIONS["same subject, other seed"][1]),
            Strip("others' halves", values[~own], RELATIONS["subjects"][1]),
        ]
        for row in table.itertuples():
            if str(row.method).startswith("control"):
                name = str(row.method).removeprefix("control: ")
                strips += [
                    Strip(f"{name}: own (mean)", [row.self_r], "none"),
                    Strip(f"{name}: others'", [row.other_r], "none"),
                ]
        draw_strips(right, strips)
        right.set_ylim(len(strips) + 0.1, -1.1)  # two rows would fill the height of the matrix
        right.set_xlabel("r of parcel distance matrices of the two halves")
        return drawing.svg(figure, "identification", "Similarity of each subject's first half with all second halves")


def intersubject(isc: pd.DataFrame, share: dict[str, float]) -> str:
    """Correlation between subjects by network, before and after denoising, and what was planted; an ``<svg>``."""
    networks = [n for n in in_order(isc["network"]) if n != "all"]
    models = [m for m in in_order(isc["model"], ("raw", "pca", "cvae")) if "shifted" not in m]
    shifted = {n: mean_of(isc, "isc", network=n, model="cvae (shifted)") for n in in_order(isc["network"])}
    value = {m: {n: mean_of(isc, "isc", network=n, model=m) for n in [*networks, "all"]} for m in models}
    networks = sorted(networks, key=lambda n: (share.get(n, value[models[-1]][n]), n), reverse=True)
    networks += ["all"] if "all" in set(isc["network"]) else []
    with drawing.style("isc"):
        figure = Figure(figsize=(drawing.WIDTH, 0.26 * len(networks) + 1.15), layout="constrained")
        ax = figure.subplots()
        for y, network in enumerate(networks):
            found = [value[m][network] for m in models if np.isfinite(value[m][network])]
            if len(found) > 1:
                ax.plot([min(found), max(found)], [y, y], color=drawing.INPUT, lw=1.2, zorder=1)
        for model in models:
            x = [value[model][n] for n in networks]
            look = {"ms": 8 if model == "cvae" else 6.5, "mec": drawing.INK, "mew": 0.5}
            ax.plot(x, range(len(networks)), "o", color=space_colour(model), label=space_name(model), **look)
        if np.isfinite(list(shifted.values())).any():
            x = [shifted[n] for n in networks]
            look = {"ms": 5, "mfc": "none", "mec": space_colour("cvae")}
            ax.plot(x, range(len(networks)), "o", label="CVAE, shifted in time", **look)
        if known := [n for n in networks if n in share]:
            x, y = [share[n] for n in known], [networks.index(n) for n in known]
            ax.plot(x, y, "|", ms=15, mew=2.4, color=drawing.RESIDUAL, label="planted share of the stimulus")
        names = ["All voxels" if n == "all" else network_name(n) for n in networks]
        ax.set_yticks(range(len(networks)), names)
        ax.set_ylim(len(networks) - 0.4, -0.6)
        ax.grid(False, axis="y")
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(left=min(0, ax.get_xlim()[0]))
        ax.set_xlabel("Correlation of a subject's series with the mean of the others")
        figure.legend(loc="outside upper right", ncols=5)
        return drawing.svg(figure, "isc", "Correlation between subjects by network, before and after denoising")


def planted_r(isc: pd.DataFrame, share: dict[str, float], model: str = "cvae") -> tuple[float, int]:
    """Correlation over networks of the found with the planted share, and the number of networks."""
    known = {n: mean_of(isc, "isc", network=n, model=model) for n in in_order(isc["network"]) if n in share}
    known = {n: v for n, v in known.items() if np.isfinite(v)}
    if len(known) < 3:
        return np.nan, len(known)
    return float(np.corrcoef(list(known.values()), [share[n] for n in known])[0, 1]), len(known)


def geometry(table: pd.DataFrame, matrices: dict[str, np.ndarray], networks: list[str] | None) -> str:
    """Connectivity beside nearness in latent space, and their correlation in every subject; an ``<svg>``."""
    spaces = in_order(table["space"], SPACES)
    strips = strips_of(table, "r", spaces)
    beyond = strips_of(table, "r_partial", spaces)
    with drawing.style("geometry"):
        shown = [name for name in ("fc", "cvae", "pca") if name in matrices]
        strip_height = 0.3 * len(spaces) + 0.75
        figure = Figure(figsize=(drawing.WIDTH, strip_height + (3.3 if shown else 0)), layout="constrained")
        if shown:
            top, figure_below = figure.subfigures(2, 1, height_ratios=[3.3, strip_height])
            _geometry_matrices(top, shown, matrices, networks)
        else:
            figure_below = figure
        left, right = figure_below.subplots(1, 2, sharey=True, sharex=True)
        for ax, found, title in ((left, strips, "r with connectivity"), (right, beyond, "r, distance in mm removed")):
            draw_strips(ax, found)
            ax.set_title(title)
            mark(ax, 0)
            ax.xaxis.set_major_locator(MaxNLocator(6))
        return drawing.svg(figure, "geometry", "Functional connectivity beside nearness of parcels in latent space")


def _geometry_matrices(figure, shown, matrices, networks) -> None:
    titles = {"fc": "Functional connectivity", "cvae": "Nearness, CVAE", "pca": "Nearness, PCA"}
    order = np.arange(len(matrices[shown[0]]))
    if networks and len(networks) == len(order):
        order = np.argsort(np.array(networks), kind="stable")
    for ax, name in zip(figure.subplots(1, len(shown)), shown, strict=True):
        values = np.asarray(matrices[name], dtype=float)[np.ix_(order, order)]
        off = ~np.eye(len(values), dtype=bool)
        values = values if name == "fc" else -values
        values = np.where(off, values, np.nan)
        low, high = np.nanquantile(values, [0.02, 0.98])
        norm = Normalize(-max(abs(low), abs(high)), max(abs(low), abs(high))) if name == "fc" else Normalize(low, high)
        colours = matplotlib.colormaps["RdBu_r" if name == "fc" else "viridis"]
        draw_matrix(ax, values, colours, norm, ([], []), empty=False)
        ax.set_title(titles[name])
        if networks and len(networks) == len(order):
            _network_edge(ax, [networks[i] for i in order])


def _network_edge(ax, networks: list[str]) -> None:
    colours = network_colours(sorted(set(networks)))
    n = len(networks)
    width = 0.035 * n
    for network, rows_of in groupby(range(n), key=networks.__getitem__):  # one patch a network, as they are sorted
        first, *_, last = [*(rows := list(rows_of)), rows[-1]]
        place = (-0.5 - width, first - 0.5)
        ax.add_patch(matplotlib.patches.Rectangle(place, width, last - first + 1, color=colours[network], lw=0))
    ax.set_xlim(-0.5 - width, n - 0.5)
