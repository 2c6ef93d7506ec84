"""Sections of the structural page on repeated visits, functional networks and planted truth."""

import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import structural_figures_models as draw
from pydra_vae.reports.brains import robust_limit
from pydra_vae.reports.formats import count, fixed, number
from pydra_vae.reports.group_findings import Claim
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.pages import figure
from pydra_vae.reports.structural_claims_latents import best_model, is_pca, ours_of
from pydra_vae.reports.structural_claims_models import (
    METHODS,
    WHOLE,
    longitudinal_rows,
)
from pydra_vae.reports.structural_figures_latents import latent_name
from pydra_vae.reports.structural_slices import Scale, picture
from pydra_vae.reports.structural_tables import StructuralTables, numbers, text_column, value

NETWORKS = 6  # components of a model that are drawn
MODELS = 2  # whose components are shown unfolded
SHOWN = 2  # ages of each progression


def longitudinal(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Errors on the next visit, what each latent's slope is worth, and images along age."""
    scores = longitudinal_rows(tables)
    if not scores and tables("longitudinal_coefficients") is None:
        return []
    panels: dict[str, list[tuple]] = {}
    for row in sorted(scores, key=lambda row: row["region"] != ""):
        if row["method"] != "carry_forward":
            title = f"{row['region']} voxels".capitalize() if row["region"] else "Whole brain"
            panels.setdefault(title, []).append((_place(row), row["ratio"], row["low"], row["high"]))
    caption = (
        "Squared error on the next visit of persons who had no part in the fit, over that of carrying their last visit "
        "forward (1), with its 95 % interval over persons. A decoder loses detail that the last visit has, so that "
        "adding the decoded difference to that visit differs from decoding the prediction. Average slope: the same "
        "change for everybody. The ceiling decodes the latents of the next visit itself."
    )
    ratio = draw.intervals("structural-visits", panels, "Error, over the last visit's", 1.0)
    return [
        findings(found, "trajectory"),
        figure(ratio, caption),
        _visit_table(scores),
        *_frozen(tables),
        *_progression(tables),
        _slopes(tables),
    ]


def _place(row: dict) -> str:
    return METHODS.get(str(row["method"]), str(row["method"]).replace("_", " "))


def _visit_table(scores: list[dict]) -> str:
    shown = [
        [_place(row), row["region"] or "whole", number(value(row, "mse")), fixed(row["ratio"]),
         f"{fixed(row['low'])} to {fixed(row['high'])}", number(value(row, "p"), 2), number(value(row, "n")),
         fixed(value(row, "ratio_test"))]
        for row in scores
    ]  # fmt: skip
    heads = ["Prediction", "Voxels", "MSE", "Ratio|to the last visit", "Interval|95 %", "p|signs flipped", "n|visits",
             "Ratio|test persons"]  # fmt: skip
    return folded("Every prediction", table_of(heads, shown, text=(0, 1)))


def _frozen(tables: StructuralTables) -> list[str]:
    table = tables("longitudinal_frozen")
    if table is None or not np.isfinite(numbers(table, "loss")).any():
        return []
    found = {}
    for region in in_order(text_column(table, "region")):
        part = table[text_column(table, "region") == region]
        title = "Whole brain" if region in WHOLE else f"{region} voxels".capitalize()
        found[title] = (part["latent"].tolist(), numbers(part, "loss"), np.full(len(part), np.nan))
    caption = (
        "What the prediction loses, in units of the last visit's error, when one latent does not change: the impact "
        "of each latent's slope. Below 0: its slope does harm."
    )
    return [figure(draw.importance(found, "structural-frozen", "Loss, slope frozen"), caption)]


def _progression(tables: StructuralTables) -> list[str]:
    images, table = tables.array("progression"), tables("progression_table")
    if images is None or table is None or tables.space is None:
        return []
    slicer, changes, labels = tables.slicer, [], []
    for kind in in_order(text_column(table, "kind")):
        part = table[text_column(table, "kind") == kind]
        at, ages = part["row"].to_numpy(dtype=int), numbers(part, "age")
        if len(at) < 2:
            continue
        first = np.asarray(images[at[0]], dtype=float)
        for i in _ages(len(at)):
            changes.append(np.asarray(images[at[i]], dtype=float) - first)
            what = {"between": "Between,\n", "within": "Within,\n"}.get(kind, "")
            labels.append(f"{what}{_years(ages[0])} to {_years(ages[i])}\nyears")
    if not changes:
        return []
    limit = robust_limit(*changes, quantile=0.99)
    scale = Scale((-limit, limit), "RdBu_r", tables.unit, over=True)
    lines = [slicer.row(change, label, scale) for change, label in zip(changes, labels, strict=True)]
    caption = (
        "Decoded images along age: change against the first age, on the mean training image. Between: average persons "
        "of different ages at their first visit. Within: one person over the years that were observed; the two need "
        "not agree."
    )
    return [figure(picture(lines, slicer.titles(), "Progression along age"), caption)]


def _ages(n: int) -> list[int]:
    """Some of n ages after the first, evenly spaced up to the last."""
    return sorted({round((n - 1) * i / SHOWN) for i in range(1, SHOWN + 1)} - {0})


def _years(age: float) -> str:
    return fixed(age, 0 if abs(age) >= 20 else 1)


def _slopes(tables: StructuralTables) -> str:
    table = tables("longitudinal_coefficients")
    if table is None:
        return ""
    columns = {"slope_per_year": ("Slope|a year", 4), "se": ("±", 4), "p": ("p", -1), "q": ("q", -1),
               "sd_intercept": ("SD|of persons", 2), "sd_slope": ("SD|of their slopes", 4)}  # fmt: skip
    known = {c: v for c, v in columns.items() if c in table and np.isfinite(numbers(table, c)).any()}
    values = {c: numbers(table, c) for c in known}
    shown = [
        [latent_name(z), *(number(values[c][i], 2) if d < 0 else fixed(values[c][i], d) for c, (_, d) in known.items())]
        for i, z in enumerate(table["latent"])
    ]  # fmt: skip
    return folded(
        "Mixed model of each latent on age", table_of(["Latent", *(head for head, _ in known.values())], shown)
    )


def networks(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """Maps, courses and overlap of the components of each model."""
    files = tables.files
    overlap, best = tables("network_overlap"), tables("network_best")
    if not files.network_names and overlap is None:
        return []
    maps = [
        "".join(_network_maps(tables, str(name), np.load(path, mmap_mode="r"), best))
        for name, path in zip(files.network_names, files.network_maps, strict=False)
    ]
    said = [findings(found, "networks"), _fit_of_frames(tables)]
    more = folded("Components of the other models", "".join(maps[MODELS:]))
    return [*said, *maps[:MODELS], more, _overlap(best), *_courses(tables, best), _task(tables)]


def _fit_of_frames(tables: StructuralTables) -> str:
    table = tables("network_scores")
    if table is None:
        return ""
    row = table.iloc[0]
    k = int(value(row, "k"))
    beside = [f"PCA-{size} {fixed(value(row, c), 3)}" for size, c in ((k, "pca_r2_test"), (2 * k, "pca2_r2_test"))
              if np.isfinite(value(row, c))]  # fmt: skip
    text = f"Frames of unseen blocks: R² {fixed(value(row, 'r2_test'), 3)} with {count(k, 'latent')}" + (
        f"; {', '.join(beside)}" if beside else ""
    )
    return f"<p>{escape(text)}.</p>"


def _served(best: pd.DataFrame | None, name: str) -> dict[int, str]:
    """Component (from 0) to the network that it serves best."""
    if best is None or "component" not in best:
        return {}
    part = rows(best, model=name)
    part = part.assign(size=np.abs(numbers(part, "r"))).sort_values("size", ascending=False, kind="stable")
    served: dict[int, str] = {}
    for row in part.to_dict("records"):
        at = value(row, "component")
        if np.isfinite(at):
            served.setdefault(int(at) - 1, f"{row['network']}, r {fixed(row['r'])}")
    return served


def _network_maps(tables: StructuralTables, name: str, maps: np.ndarray, best: pd.DataFrame | None) -> list[str]:
    space = tables.network_space
    if space is None or not len(maps):
        return []
    if maps.shape[1] != int(np.count_nonzero(space.mask)):
        raise ValueError(
            f"the maps of {name} have {maps.shape[1]} voxels but the mask {int(np.count_nonzero(space.mask))}: give "
            "the mask of the recording (network_mask)"
        )
    slicer, served = tables.network_slicer, _served(best, name)
    chosen = [*served, *(i for i in range(len(maps)) if i not in served)][:NETWORKS]
    lines = []
    for i in chosen:
        shown = np.asarray(maps[i]) * (-1 if ", r −" in served.get(i, "") else 1)
        limit = robust_limit(shown, quantile=0.995)
        scale = Scale((-limit, limit), "RdBu_r", "z", over=True)
        label = f"{i + 1}" + (f"\n{served[i].replace('_', ' ').replace(', ', chr(10))}" if i in served else "")
        lines.append(slicer.row(shown, label.replace("r −", "r "), scale))
    caption = (
        f"{escape(name)}: components"
        + (", those first that agree best with a network" if served else "")
        + (", on the mean image" if space.background is not None else "")
        + "; each with its own scale. The sign of a component means nothing"
        + (": those that agree with a network are shown so that r is positive." if served else ".")
    )
    return [figure(picture(lines, slicer.titles(), f"Components of {name}"), caption)]


def _overlap(best: pd.DataFrame | None) -> str:
    """The component of each model that agrees most with each network, or map of the task."""
    if best is None:
        return ""
    shown = []
    for network in in_order(best["network"]):
        for row in rows(best, network=network).to_dict("records"):
            shown.append([str(network).replace("_", " "), str(row["model"]), number(value(row, "component")),
            fixed(value(row, "r")),
                          fixed(value(row, "dice")), number(value(row, "p_best"), 2), fixed(value(row, "r_all")),
                          fixed(value(row, "r_all_null"))])  # fmt: skip
    heads = ["Network", "Model", "Component", "r", "Dice", "p|random maps", "r|all components", "Random maps|r, all"]
    note = (
        "The component of each model that agrees most with a network; p against the largest |r| of random maps of the "
        "same smoothness with all components."
    )
    caption = "Overlap with known networks"
    if not np.isfinite(numbers(best, "p_best")).any():
        caption = "Agreement with the task's own maps"
        note = (
            "The component of each model that agrees most with a map. These maps are of the same recording, so that "
            "its components share something with them whatever the task: agreement is described, not tested. No known "
            "networks were given in the space of the runs (--networks-atlas); runs in native space fit no template."
        )
    return table_of(heads, shown, text=(0, 1), caption=caption) + f'<p class="note">{note}</p>'


def _courses(tables: StructuralTables, best: pd.DataFrame | None) -> list[str]:
    panels = []
    for name, path in zip(tables.files.network_names, tables.files.network_courses, strict=False):
        table = read_table(path)
        if not {"component", "frame", "value"} <= set(table) or not len(table):
            continue
        if "run" in table:
            table = rows(table, run=table["run"].iloc[0])
        served = _served(best, str(name))
        for i in list(dict.fromkeys([*served, *range(3)]))[:2]:
            course = table[numbers(table, "component") == i + 1].sort_values("frame")
            if len(course):
                panels.append(
                    (
                        f"{name}: component {i + 1}" + (f" ({served[i]})" if i in served else ""),
                        numbers(course, "value"),
                    )
                )
    caption = "Time courses of some components in the first run, in standard deviations; at most 200 frames."
    return [figure(draw.courses(panels[:6]), caption)]


def _task(tables: StructuralTables) -> str:
    table = tables("network_task")
    if table is None:
        return ""
    shown = []
    for condition in in_order(table["condition"]):
        for model in in_order(text_column(table, "model")):
            part = table[(table["condition"] == condition) & (text_column(table, "model") == model)]
            best = best_model(part.assign(size=np.abs(numbers(part, "r"))), "size")
            if best:
                shown.append([str(condition), model, number(value(best, "component")), fixed(value(best, "r")),
                              fixed(value(best, "chance")), number(value(best, "p_any"), 2)])  # fmt: skip
    heads = ["Condition", "Model", "Component", "r", "Chance|best of all", "p|shifts, of all"]
    return table_of(heads, shown, text=(0, 1), caption="Components and the task")


def planted(tables: StructuralTables, found: dict[str, Claim]) -> list[str]:
    """How much of the planted factors the features tell."""
    table = tables("recovery")
    if table is None:
        return []
    models = in_order(table["model"])
    main = ours_of(tables, models)
    known = [m for m in (main, *(m for m in models if is_pca(m))) if m]
    best = {
        target: {model: _planted_r(table, target, model) for model in models} for target in in_order(table["target"])
    }
    names = {main: f"VAE {main}".replace("VAE VAE", "VAE")}
    rows_of = {
        target.replace("_", " "): {names.get(m, m): r[m] for m in known} for target, r in best.items()
    }  # fmt: skip
    caption = (
        "r between a planted factor and its prediction from all latents or components together, on unseen persons; the "
        "better of a linear and a kernel regression. What was planted only in another modality should not be found."
    )
    drawn = draw.beside("structural-planted", rows_of, "r, unseen persons")
    return [findings(found, "combination"), figure(drawn, caption), _planted_table(table, models, best)]


def _planted_r(table: pd.DataFrame, target: str, model: str) -> float:
    """r of the better regression."""
    r = numbers(rows(table, target=target, model=model), "r")
    return float(np.nanmax(r)) if np.isfinite(r).any() else np.nan


def _planted_table(table: pd.DataFrame, models: list[str], best: dict[str, dict[str, float]]) -> str:
    """A row a factor, a column a fit; then the best single latent and the shuffled control of the first."""
    shown = []
    for target, r in best.items():
        first = rows(table, target=target, model=models[0]).iloc[0]
        shown.append([str(target).replace("_", " "), *(fixed(r[m]) for m in models),
                      fixed(value(first, "best_single_r")), fixed(value(first, "control_r"))])  # fmt: skip
    heads = ["Planted", *(f"{model}|r" for model in models), f"Best single|{models[0]}", f"Shuffled, 95 %|{models[0]}"]
    return folded("Every fit", table_of(heads, shown))
