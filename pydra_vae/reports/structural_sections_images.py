"""The structural page's section on new images: drawn ones beside the data's statistics, and ways between persons."""

import numpy as np
import pandas as pd

from pydra_vae.reports import structural_figures_latents as draw
from pydra_vae.reports.brains import robust_range
from pydra_vae.reports.formats import fixed
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.group_words import folded, table_of
from pydra_vae.reports.pages import figure
from pydra_vae.reports.structural_slices import Line, Scale, picture
from pydra_vae.reports.structural_tables import StructuralTables, numbers

MEASURES = (
    ("voxel_variance_ratio", "Variance of voxels,\nover the images'"),
    ("voxel_mean_error", "Error of the\nmean image (SD)"),
    ("spectrum_distance", "Distance of\nthe spectra"),
    ("nearest_image", "Distance to the\nnearest image"),
)
# of DrawVolumes, as readers know them
SOURCES = {
    "data": "unseen images",
    "reconstruction": "their reconstructions",
    "prior": "prior",
    "gmm": "Gaussian mixture",
    "gaussian": "one Gaussian",
    "pca-gaussian": "PCA, Gaussian",
}


def draws(tables: StructuralTables) -> list[str]:
    """Images drawn from the model beside the data's statistics, and ways between persons."""
    table, made = tables("draws"), []
    if table is not None:
        table = table.assign(source=[SOURCES.get(str(name), str(name)) for name in table["source"]])
        caption = (
            "Images drawn from the prior and from densities fitted to the latents (decoded), beside unseen images, "
            "their reconstructions, and draws from a Gaussian of PCA's scores; all against the training images. "
            "Unseen images show what chance alone gives: no draw is expected to be nearer. Decoded images lack the "
            "noise of images, so that their variance is lower."
        )
        made += [figure(draw.spectrum_bars(table, MEASURES), caption), _draw_table(table)]
    return [*made, *_drawn(tables), *_ways(tables)]


def _draw_table(table: pd.DataFrame) -> str:
    columns = {"n": ("n", 0), "mean": ("Mean", 4), "sd": ("SD", 4), "total": ("Total|ml", 0), "total_sd": ("±|ml", 0),
               "voxel_mean_error": ("Mean image|error, SD", 2), "voxel_variance_ratio": ("Variance|ratio", 2),
               "variance_map_r": ("r|variance maps", 2), "spectrum_distance": ("Spectrum|distance", 2),
               "out_of_range": ("Beyond all|training values", 4), "nearest_image": ("Nearest|image", 2),
               "novelty": ("Nearest|latent", 2)}  # fmt: skip
    known = {c: v for c, v in columns.items() if c in table and np.isfinite(numbers(table, c)).any()}
    values = {c: numbers(table, c) for c in known}
    shown = [[str(s), *(fixed(values[c][i], known[c][1]) for c in known)] for i, s in enumerate(table["source"])]
    return folded("All statistics", table_of(["Source", *(head for head, _ in known.values())], shown, marked=0))


def _drawn(tables: StructuralTables) -> list[str]:
    images, table = tables.array("drawn"), tables("drawn_table")
    if images is None or table is None or tables.space is None:
        return []
    slicer = tables.slicer
    scale = Scale((0.0, robust_range(np.asarray(images))[1]), "gray", tables.unit)
    lines = []
    for source in in_order(table["source"]):
        part = rows(table, source=source)
        at = part["row"].to_numpy(dtype=int) if "row" in part else part.index.to_numpy()
        cells = [slicer.cut(images[i], slicer.middle, scale) for i in at[:6]]
        lines.append(Line(cells, SOURCES.get(str(source), str(source)).replace(" ", "\n", 1), scale))
    n = max(len(line.cells) for line in lines)
    lines = [Line([*line.cells, *[None] * (n - len(line.cells))], line.label, line.scale) for line in lines]
    caption = f"Images of no real person, drawn from each density, at {slicer.height(slicer.middle)} mm."
    return [figure(picture(lines, [], "Drawn images"), caption)]


def _ways(tables: StructuralTables) -> list[str]:
    images, table = tables.array("interpolation"), tables("interpolation_table")
    if images is None or table is None or tables.space is None:
        return []
    slicer, lines, titles = tables.slicer, [], []
    scale = Scale((0.0, robust_range(np.asarray(images))[1]), "gray", tables.unit)
    for pair in in_order(table["pair"]):
        part = rows(table, pair=pair).sort_values("row", kind="stable")
        shown = np.asarray(images[part["row"].to_numpy(dtype=int)])
        first = part.iloc[0]
        label = f"{first['label_a']}\nto\n{first['label_b']}" if "label_a" in part else f"Pair {pair}"
        lines.append(Line([slicer.cut(x, slicer.middle, scale) for x in shown], label, scale))
        kinds = part["kind"].tolist() if "kind" in part else ["decoded"] * len(part)
        titles = ["image" if kind == "image" else f"{fixed(100 * share, 0)} %" for kind, share in
                  zip(kinds, numbers(part, "share"), strict=True)]  # fmt: skip
    if len({len(line.cells) for line in lines}) != 1:
        return []
    caption = (
        "Images decoded along a straight line between the latents of the unseen persons who differ most, with their "
        "own images at both ends."
    )
    bent = numbers(table, "to_linear") if "to_linear" in table else np.array([np.nan])
    if np.isfinite(bent).any():
        caption += (
            f" A step differs from the blend of both ends by at most {fixed(100 * np.nanmax(bent), 0)} % of what the "
            "ends differ by: a linear decoder would give 0 %."
        )
    return [figure(picture(lines, titles, "Images between pairs of persons"), caption)]
