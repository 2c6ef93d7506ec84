"""Sections of the structural page on latents: traversals, correlations, other maps, dimension, shells."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.reports import structural_figures_latents as draw
from pydra_vae.reports.brains import robust_limit, robust_range
from pydra_vae.reports.formats import count, fixed, number
from pydra_vae.reports.group_findings import Claim
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.pages import figure
from pydra_vae.reports.structural_claims_latents import CONTROLS, is_ours, is_pca, space_rows
from pydra_vae.reports.structural_slices import Line, Scale, picture
from pydra_vae.reports.structural_tables import StructuralTables, numbers, true, value

LATENTS = 8  # whose maps are shown
WALKS = 5  # that are shown step by step
SCATTERS = 3
MEASURED = 7  # columns of the table of maps
TOP = 15  # correlations that are listed
COLUMNS = 18  # of a heat map
ORDER = ("PCA", "VAE", "MDS", "LLE", "Isomap", "random", "images")


def latents(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """What each latent does to the image, how much it carries, and what it goes with."""
    table = tables("traversal_table")
    said = findings(found, "single", "combination")
    shares = "" if table is None else figure(draw.shares(table), _share_caption(table))
    return [said, *_effects(tables, table), shares, *_walks(tables, table), *_correlated(tables), *_scatter(tables)]


def _share_caption(table: pd.DataFrame) -> str:
    text = (
        "Share of the decoded images' variance when one latent alone varies and the others stay at their mean (shares "
        "need not sum to 100 %), and the latent's KL: what it holds of an image, in nats."
    )
    return text + (
        " Latents are counted from 0 as in all tables; here the largest share comes first." if len(table) else ""
    )


def _order(table: pd.DataFrame | None, n: int) -> list[int]:
    """Latents, those of the largest share first."""
    if table is None:
        return list(range(n))
    by = -numbers(table, "variance_share")
    ranked = [int(float(table["latent"].iloc[i])) for i in np.argsort(by, kind="stable")]
    return [z for z in ranked if z < n]


def _effects(tables: StructuralTables, table: pd.DataFrame | None) -> list[str]:
    """The change per standard deviation of each latent on slices."""
    effects = tables.array("effects")
    if effects is None or tables.space is None:
        return []
    slicer, chosen = tables.slicer, _drawn_latents(tables, _order(table, len(effects)))
    limit = robust_limit(*(np.asarray(effects[z]) for z in chosen), quantile=0.99)
    scale = Scale((-limit, limit), "RdBu_r", tables.unit, over=True)
    lines = [slicer.row(effects[z], f"{draw.latent_name(z)}{_share(table, z)}", scale) for z in chosen]
    left_out = len(effects) - len(chosen)
    rest = f" {count(left_out, 'other latent')} {'is' if left_out == 1 else 'are'} not drawn." if left_out else ""
    caption = (
        "Change of the decoded image for one standard deviation of each latent, on the mean training image: red more, "
        f"blue less; below its name the latent's share of the variance. The sign of a latent means nothing.{rest} "
        "Left is left; heights in mm."
    )
    return [figure(picture(lines, slicer.titles(), "Change of the image with each latent"), caption)]


def _drawn_latents(tables: StructuralTables, order: Sequence[int]) -> list[int]:
    """Latents of the largest shares, and those that the scatter plots show."""
    shown = list(dict.fromkeys(at for at, _ in _followed(tables) if at in order))
    kept = [*shown, *(z for z in order if z not in shown)][:LATENTS]
    return [z for z in order if z in kept]


def _share(table: pd.DataFrame | None, z: int) -> str:
    if table is None:
        return ""
    here = table[pd.to_numeric(table["latent"], errors="coerce") == z]
    share = 100 * value(here.iloc[0], "variance_share") if len(here) else np.nan
    return f"\n{fixed(share, 1)} %" if np.isfinite(share) else ""


def _walks(tables: StructuralTables, table: pd.DataFrame | None) -> list[str]:
    """Decoded steps along some latents, at the slice where each does most."""
    walks, steps, effects = tables.array("traversals"), tables("traversal_steps"), tables.array("effects")
    if walks is None or steps is None or tables.space is None:
        return []
    slicer = tables.slicer
    scale = Scale((0.0, robust_range(np.asarray(walks[:: max(len(walks) // 8, 1)]))[1]), "gray", tables.unit)
    lines, titles = [], []
    known = steps["latent"].nunique()
    for z in _order(table, known)[:WALKS]:
        part = steps[pd.to_numeric(steps["latent"], errors="coerce") == z].sort_values("step")
        images = np.asarray(walks[part["row"].to_numpy(dtype=int)])
        at = slicer.most(effects[z] if effects is not None else images[-1] - images[0])
        titles = [f"{'−' if v < 0 else '+' if v > 0 else ''}{abs(v):.2g} SD" for v in numbers(part, "value_sd")]
        lines.append(
            Line([slicer.cut(x, at, scale) for x in images], f"{draw.latent_name(z)}\nat {slicer.height(at)}", scale)
        )
    if len({len(line.cells) for line in lines}) != 1:
        return []
    caption = (
        "The latents of the largest shares, each by itself from low to high in standard deviations of the training "
        "images, the others at their mean, at the slice where it changes most (height in mm)."
    )
    return [figure(picture(lines, titles, "Traversals of the latents"), caption)]


def columns_of(table: pd.DataFrame) -> list[str]:
    """Covariates, then regions, those with the strongest correlation first; at most so many."""
    size = table.assign(size=np.abs(numbers(table, "r"))).dropna(subset=["size"])
    kinds = [rows(size, kind=kind) for kind in ("covariate", "region")] if "kind" in size else [size]
    ranked = [part.groupby("with")["size"].max().sort_values(ascending=False, kind="stable") for part in kinds]
    names = [name for part in ranked for name in part.index]
    return names if len(names) <= COLUMNS else [n for part in ranked for n in part.index[: COLUMNS // len(ranked)]]


def _correlated(tables: StructuralTables) -> list[str]:
    """Heat maps of the correlations, the VAE's open and its controls folded, and the strongest as a table."""
    table = tables("correlations")
    if table is None:
        return []
    columns = columns_of(table)
    models = in_order(table["model"])
    ours = next((m for m in models if is_ours(m)), models[0])
    caption = (
        "Pearson's r of each latent with covariates and regional volumes, one image a person; a dot where q is below "
        "0.05 (Benjamini-Hochberg over all of a model's latents and columns). Of a category with two values, r counts "
        "towards the second."
    )
    left_out = table["with"].nunique() - len(columns)
    if left_out > 0:
        caption += f" {count(left_out, 'column')} with weaker or no correlations are not drawn."
    fragments = [figure(draw.correlations(table, ours, columns), caption), _strongest(table, models)]
    others = "".join(
        figure(draw.correlations(table, m, columns), f"The same for {escape(m)}.") for m in models if m != ours
    )
    return [*fragments, folded("The same for controls", others)]


def _strongest(table: pd.DataFrame, models: Sequence[str]) -> str:
    """The strongest correlation of each covariate, then of regions, ours beside the controls'."""
    found: list[tuple[bool, float, list[str]]] = []
    for column in in_order(table["with"]):
        cells, first = [], np.nan
        for model in models:
            part = rows(table, model=model, **{"with": column})
            size = np.abs(numbers(part, "r"))
            if not np.isfinite(size).any():
                size = np.sqrt(numbers(part, "eta2"))
            if not np.isfinite(size).any():
                cells.append(fixed(None))
                continue
            row = part.iloc[int(np.nanargmax(size))]
            star = " *" if true(row.get("significant")) else ""
            name = draw.latent_name(row["latent"]).replace("z", "PC" if is_pca(model) else "z")
            cells.append(f"{fixed(np.nanmax(size))} ({name}){star}")
            first = float(np.nanmax(size)) if not np.isfinite(first) else first
        region = "kind" in table and not len(rows(table, kind="covariate", **{"with": column}))
        found.append((region, -np.nan_to_num(first), [str(column).replace("_", " "), *cells]))
    shown = [cells for *_, cells in sorted(found, key=lambda row: row[:2])[:TOP]]
    heads = ["Covariate or region", *(f"{model}|strongest |r|" for model in models)]
    note = '<p class="note">* q below 0.05. Of a category of more than two values: the square root of η².</p>'
    return table_of(heads, shown, caption="The latent that goes most with each") + note if shown else ""


def _scatter(tables: StructuralTables) -> list[str]:
    """Figure 3: scores against the latents that go with them most."""
    table, covariates = tables("correlations"), tables("covariates")
    if table is None or covariates is None or tables.files.latents is None:
        return []
    z = np.load(tables.files.latents, mmap_mode="r")
    if len(z) != len(covariates):
        raise ValueError(
            f"{tables.files.latents} has {len(z)} rows but {tables.files.covariates} {len(covariates)}: give the "
            "files of one run of the workflow"
        )
    first = ~covariates["person"].duplicated().to_numpy()
    panels = [
        (np.asarray(z[first, at], dtype=float), numbers(covariates, column)[first], draw.latent_name(at),
         column.replace("_", " "))
        for at, column in _followed(tables)
    ]  # fmt: skip
    caption = (
        "Figure 3 of the tutorial again: covariates against the latent that goes with them most; a dot a person, "
        "first visits."
    )
    return [figure(draw.scatter(panels), caption)]


def _followed(tables: StructuralTables) -> list[tuple[int, str]]:
    """Covariates of many values that go most with a latent, and that latent; the strongest first."""
    table, covariates = tables("correlations"), tables("covariates")
    if table is None or covariates is None:
        return []
    first = ~covariates["person"].duplicated().to_numpy()
    own = table[[is_ours(m) for m in table["model"]]]
    own = rows(own, kind="covariate") if "kind" in own else own
    own = own.assign(size=np.abs(numbers(own, "r"))).dropna(subset=["size"])
    found = []
    for row in own.sort_values("size", ascending=False, kind="stable").drop_duplicates("with").to_dict("records"):
        if row["with"] in covariates:
            values = numbers(covariates, row["with"])[first]
            if np.isfinite(values).sum() > 2 and len(np.unique(values[np.isfinite(values)])) > 2:
                found.append((int(float(row["latent"])), str(row["with"])))
    return found[:SCATTERS]


def embeddings(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """MDS, LLE, Isomap, PCA and the VAE beside one another."""
    table = tables("embeddings")
    fragments = [findings(found, "maps")]
    if table is not None:
        fragments += [*_views(tables), _map_table(table)]
    return fragments


def _views(tables: StructuralTables) -> list[str]:
    table, covariates = tables("embedding_table"), tables("covariates")
    if table is None or not {"x", "y", "label"} <= set(table):
        return []
    methods = in_order(table["method"], ORDER)
    coordinates = {str(m): rows(table, method=m)[["x", "y"]].to_numpy(dtype=float) for m in methods}
    labels = rows(table, method=methods[0])["label"].astype(str)
    name, colours = "part", rows(table, method=methods[0]).get("part", labels).astype(str).to_numpy()
    if covariates is not None and (column := _colouring(tables, covariates)):
        known = covariates.drop_duplicates("label").set_index(covariates["label"].astype(str).drop_duplicates())
        name, colours = (
            column.replace("_", " "),
            pd.to_numeric(known[column].reindex(labels), errors="coerce").to_numpy(),
        )
    caption = (
        "Persons in two dimensions of each map, which was fitted to the training persons and places the others. Axes, "
        "signs and scales mean nothing."
    )
    return [figure(draw.views(coordinates, colours, name), caption)]


def _colouring(tables: StructuralTables, covariates: pd.DataFrame) -> str:
    """The covariate that colours points: age, else the first of numbers."""
    named = [c for c in ("age", "age_years") if c in covariates]
    other = [c for c in covariates if c not in ("label", "person", "session", "time")]
    for column in [*named, *other]:
        if np.isfinite(numbers(covariates, column)).mean() > 0.5 and covariates[column].nunique() > 2:
            return column
    return ""


def _map_table(table: pd.DataFrame) -> str:
    table = rows(table, part="test") if "part" in table and (table["part"] == "test").any() else table
    columns = {"trustworthiness": "Trustworthiness", "continuity": "Continuity", "knn_overlap": "Neighbours|kept",
               "stress": "Stress"}  # fmt: skip
    columns |= {
        c: f"R² of {c.removeprefix('knn_r2_').replace('_', ' ')}|from neighbours"
        for c in table
        if c.startswith("knn_r2_")
    }
    known = [c for c in columns if c in table and np.isfinite(numbers(table, c)).any()][:MEASURED]
    values = {c: numbers(table, c) for c in known}
    shown, order, how = [], [str(m) for m in table["method"]], []
    for method in in_order(order, ORDER):
        i = order.index(method)
        name = {"random": "Random directions", "images": "Images themselves"}.get(method, method)
        cells = (fixed(values[c][i], 3 if c in ("trustworthiness", "continuity") else 2) for c in known)
        shown.append([name, number(numbers(table, "dims")[i]), *cells])
        placed = str(table["out_of_sample"].iloc[i]) if "out_of_sample" in table else ""
        how += [[name, placed]] if placed not in ("", "nan") and method not in ("random", "images") else []
    note = (
        "Over unseen persons, with neighbours looked for among the training persons. Controls: as many random "
        "directions, and the images themselves, which is the most that any map could keep."
    )
    marked = next((i for i, row in enumerate(shown) if row[0] == "VAE"), None)
    made = table_of(["Map", "Dimensions", *(columns[c] for c in known)], shown, marked=marked, text=(0,))
    placing = table_of(["Map", "Places unseen persons by"], how, text=(0, 1))
    return f'{made}<p class="note">{note}</p>' + folded("How each map places unseen persons", placing if how else "")


def dimension(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Intrinsic dimensions beside their controls, and the shell of appendix A."""
    table, shells = tables("dimension"), tables("shells")
    fragments = [findings(found, "manifold", "shell")]
    if table is not None:
        caption = (
            "Intrinsic dimension by the two nearest neighbours (TwoNN) with its 95 % interval, and by the "
            "participation ratio of the covariance. Hollow: controls, draws of a Gaussian of the same covariance and "
            "columns shuffled by themselves, with the range over draws."
        )
        fragments.append(figure(draw.dimensions(space_rows(table)), caption))
    return [*fragments, _shell_table(shells)] if shells is not None else fragments


def _shell_table(table: pd.DataFrame) -> str:
    columns = {"dims": ("Dimensions", 0), "radius_mean": ("Radius", 2), "radius_sd": ("±", 2), "sqrt_d": ("√d", 2),
               "expected_mean": ("Gaussian's|radius", 2), "expected_sd": ("±", 2), "shell_share": ("In the shell", 2),
               "shell_share_gaussian": ("Gaussian|in the shell", 2), "shell_share_ball": ("Ball|1 − (1 − ε/R)ⁿ", 2),
               "shell_share_printed": ("As printed|nε/R", 2)}  # fmt: skip
    known = {c: v for c, v in columns.items() if c in table and np.isfinite(numbers(table, c)).any()}
    values = {c: numbers(table, c) for c in known}
    shown = []
    for i, row in enumerate(table.to_dict("records")):
        kind = str(row.get("control") or "none")
        name = str(row["space"]) + ("" if kind in ("none", "nan") else f", {CONTROLS.get(kind, kind)}")
        shown.append([name, *(fixed(values[c][i], known[c][1]) for c in known)])
    note = (
        "Appendix A, with its slips mended: r² (not r) is the sum of squares; the share of a ball's volume in a shell "
        "is 1 − (1 − ε/R)ⁿ, for the printed nε/R exceeds 1; and a Gaussian gathers at √d. Any data with many "
        "independent directions do so: concentration by itself is no sign of a manifold. In the shell: "
        "a radius within 10 % of √d."
    )
    made = table_of(["Space", *(head for head, _ in known.values())], shown)
    return folded("Radii and shells of every space and control", f'{made}<p class="note">{note}</p>')
