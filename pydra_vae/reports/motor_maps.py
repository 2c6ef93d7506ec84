"""Maps of the motor page on inflated surfaces: Figure 3's homunculus and Figure 1A's clusters."""

import colorsys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.reports.cortex import Cortex
from pydra_vae.reports.formats import fixed
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.motor_claims import readings
from pydra_vae.reports.motor_tables import Key, MotorTables, subtask_name, subtasks_of
from pydra_vae.reports.pages import render
from pydra_vae.reports.surfaces import COOL, WARM, SurfaceView, picture, scaled

COLUMNS = 4  # models of the homunculus, at most
FACTORS = 8  # rows of it without sub-tasks, at most
QUANTILE = 0.995  # of |values|, that has the brightest colour
SMALLER = 3  # pixels of the views' buffer for one of a map, along each side
TOPS = ("r_top10", "r_top5", "r_top1")


@dataclass(frozen=True)
class Column:
    """Maps of one model, one a row of the figure.

    Attributes
    ----------
    title, note : str
    maps : dict
        Row to (V,) values.
    below : dict
        Row to the small print under its map.
    """

    title: str
    note: str
    maps: dict[str, np.ndarray]
    below: dict[str, str]


def homunculus(tables: MotorTables) -> str:
    """Figure 3: rows of sub-tasks, columns of models; HTML, or "" without maps and surfaces."""
    cortex = tables.cortex
    if cortex is None or not (tables.files.maps or tables.files.truth or tables.files.reference):
        return ""
    models = [_column(tables, cortex, label, path) for label, path in shown_maps(tables)]
    columns = [*_references(tables, cortex), *(column for column in models if column.maps)]
    rows = subtasks_of(tables("scores")) if tables("scores") is not None else []
    rows = rows or list(dict.fromkeys(name for column in columns for name in column.maps))[:FACTORS]
    columns = [column for column in columns if set(column.maps) & set(rows)]
    if not rows or not columns:
        return ""
    view = cortex.view.smaller(SMALLER)
    line = view.borders(cortex.inside)
    cells = [[_cell(cortex, view, line, column, row) for column in columns] for row in rows]
    return render(
        "homunculus.html",
        rows=[(subtask_name(row), line) for row, line in zip(rows, cells, strict=True)],
        columns=columns,
        bars=colour_bars(),
    )


def _cell(cortex: Cortex, view: SurfaceView, line: np.ndarray, column: Column, row: str) -> tuple[str, str]:
    values = column.maps.get(row)
    if values is None:
        return "", ""
    whole = cortex.whole(np.asarray(values, dtype=float))
    limit = float(np.nanquantile(np.abs(whole), QUANTILE))
    painted = view.paint(scaled(whole, limit), line)
    return picture(painted, f"{column.title}: {subtask_name(row)}", 0.5), column.below.get(row, "")


def shown_maps(tables: MotorTables) -> list[tuple[str, Path]]:
    """Labels and files of the maps that are shown."""
    paths = dict(zip(tables.files.map_models, tables.files.maps, strict=True))
    return [(label, paths[label]) for label in tables.picked(list(paths), COLUMNS)]


def _column(tables: MotorTables, cortex: Cortex, label: str, path: Path) -> Column:
    key, maps = Key.parse(label), cortex.load(path)
    rows = key.rows(tables("scores"))
    words = [f"{name} = {value:g}" for name, value in key.where.items()]
    note = ", ".join(words).replace("beta", "β")
    if not len(rows):
        return Column(key.model, note, {f"factor {i + 1}": values for i, values in enumerate(maps[:FACTORS])}, {})
    signed = readings(key.model)[0] == "signed"
    shown, below = {}, {}
    for row in rows.drop_duplicates("subtask").itertuples():
        if not np.isfinite(row.factor) or int(row.factor) >= len(maps):
            continue
        sign = row.sign if signed and np.isfinite(getattr(row, "sign", np.nan)) else 1
        shown[str(row.subtask)] = sign * maps[int(row.factor)]
        below[str(row.subtask)] = _agreement(tables, key, str(row.subtask)) or f"factor {int(row.factor) + 1}"
    return Column(key.model, note, shown, below)


def _agreement(tables: MotorTables, key: Key, subtask: str) -> str:
    """The r that the paper prints below a map; "" without a reference."""
    found = key.rows(tables("map_scores"))
    if not len(found):
        return ""
    found = found[(found["reading"] == readings(key.model)[0]) & (found["subtask"] == subtask)]
    values = found[list(TOPS)].astype(float).mean() if len(found) else pd.Series(dtype=float)
    return " · ".join(fixed(value) for value in values) if np.isfinite(values).any() else ""


def _references(tables: MotorTables, cortex: Cortex) -> list[Column]:
    """What was planted, or else the reference, by the names that their tables give."""
    files = tables.files
    for title, path, names in (
        ("Planted", files.truth, files.truth_names),
        ("Reference", files.reference, files.reference_names),
    ):
        if path is not None and names is not None:
            maps = cortex.load(path)
            labels = [str(name) for name in read_table(names)["name"]]
            return [Column(title, "", dict(zip(labels, maps, strict=False)), {})]
    return []


def colour_bars() -> dict[str, str]:
    """CSS gradients of the two halves of the colour scale, from 0 outwards."""

    def gradient(stops) -> str:
        return ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*(255 * c for c in stop)) for stop in stops)

    return {"warm": gradient(WARM), "cool": gradient(COOL[::-1])}


def clusters(tables: MotorTables) -> str:
    """Figure 1A: clusters on the surface, one picture a clustering; HTML, or ""."""
    files = tables.files
    cortex = tables.cortex
    if cortex is None or not files.clusters:
        return ""
    view, shown = cortex.view, []
    infos = [read_json(path) for path in files.clusters_info] or [{}] * len(files.clusters)
    for name, path, info in zip(files.cluster_names, files.clusters, infos, strict=True):
        labels = cortex.whole(cortex.load(path).astype(int), -1)
        share = info.get("contiguous_share")  # unknown of some
        scattered = share is not None and share < 0.5  # borders would hide them
        lines = view.borders(cortex.inside if scattered else labels + 1)
        painted = view.paint(cluster_colours(labels), lines, nearest=True)
        shown.append((name, picture(painted, f"Clusters, {name}", 0.5)))
    return render("clusters.html", pictures=shown)


def cluster_colours(labels: np.ndarray) -> np.ndarray:
    """(n, 4) colours of cluster numbers, neighbours in number far apart in hue; −1 has none."""
    numbers = np.arange(max(int(labels.max(initial=-1)) + 1, 1))
    # the golden ratio spreads hues evenly, however many there are
    colours = [colorsys.hls_to_rgb((0.618034 * i) % 1, (0.52, 0.66, 0.42)[i % 3], 0.62) for i in numbers]
    table = np.concatenate([np.c_[np.array(colours), np.full(len(colours), 0.92)], np.zeros((1, 4))])
    return table[labels]
