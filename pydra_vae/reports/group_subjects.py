"""The subjects of a group report: errors, tSNR and warnings of each beside the controls."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import fixed, model_name, number, signed
from pydra_vae.reports.pages import figure
from pydra_vae.stats.tests import signed_rank

# Close points stand one above the other
DODGE = {"cvae": 0.0, "pca": -0.16, "pca-larger": 0.16, "shrinkage": 0.16, "voxel mean": 0.0}
SHOWN = ("cvae", "pca", "pca-larger", "shrinkage", "voxel mean")


def _kinds(models) -> dict[str, str]:
    """Kind of control (as its colour is called) to the name that it has in these tables."""
    found = {}
    for model in models:
        if model in ("cvae", "shrinkage", "voxel mean"):
            found[model] = model
        elif model.startswith("pca-"):
            found["pca" if "=" in model else "pca-larger"] = model
    return {kind: found[kind] for kind in SHOWN if kind in found}


def _column(table, split, model, name) -> pd.Series:
    """One figure of a model, by subject."""
    rows = table[(table["split"] == split) & (table["model"] == model)]
    return rows.set_index("participant_id")[name].astype(float) if name in rows else pd.Series(dtype=float)


def subjects_figure(table, splits) -> str:
    """Errors and tSNR gain of every subject; a ``<figure>``."""
    panels = [
        (f"MSE on test voxels, {s} split", s, "mse_test", ("cvae", "pca", "pca-larger", "voxel mean")) for s in splits
    ]
    if splits and "gain_mean" in table:
        panels.append(("tSNR gain (%)", splits[0], "gain_mean", ("cvae", "pca", "pca-larger", "shrinkage")))
    labels = list(dict.fromkeys(table["participant_id"]))
    if not panels or not labels:
        return ""
    kinds = _kinds(table["model"].dropna().unique())
    with drawing.style("group"):
        height = 0.3 * len(labels) + 1.35
        drawn = Figure(figsize=(drawing.WIDTH, height), layout="constrained")
        axes = np.atleast_1d(drawn.subplots(1, len(panels), sharey=True))
        y = pd.Series(np.arange(len(labels))[::-1], index=labels)
        for ax, (title, split, column, shown) in zip(axes, panels, strict=True):
            ax.xaxis.set_major_locator(MaxNLocator(4))
            for kind in reversed([k for k in shown if k in kinds]):
                values = _column(table, split, kinds[kind], column)
                size, name = 9 if kind == "cvae" else 6.5, model_name(kinds[kind])
                look = {"ms": size, "color": drawing.MODEL_COLOURS[kind], "mec": drawing.INK, "mew": 0.5}
                ax.plot(values, y[values.index] + DODGE[kind], "o", label=name, **look)
            ax.set_title(title)
            ax.grid(True, axis="both")
            ax.tick_params(axis="y", length=0)
        axes[0].set_yticks(y.to_numpy(), labels)
        axes[0].set_ylim(-0.6, len(labels) - 0.4)
        _legend(drawn, axes, kinds)
        text = "Error and tSNR gain of every subject, beside the controls"
        caption = "Errors: left is better. A gain in tSNR that shrinkage has as well is no denoising."
        return figure(drawing.svg(drawn, "group", text), caption)


def _legend(drawn, axes, kinds) -> None:
    handles: dict[str, object] = {}
    for ax in axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    order = [model_name(model) for model in kinds.values() if model_name(model) in handles]
    drawn.legend([handles[n] for n in order], order, loc="outside lower center", ncols=len(order))


COLUMNS = ("mse_test", "r2", "variance_ratio", "gain_mean", "r_clean_mean")
HEADS = {
    "mse_test": "MSE",
    "r2": "R²",
    "variance_ratio": "Variance ratio",
    "gain_mean": "tSNR gain",
    "r_clean_mean": "r planted",
}
FORMATS = {
    "mse_test": number,
    "gain_mean": lambda v: f"{signed(v)} %",
    "r2": lambda v: fixed(v, 3),
    "variance_ratio": lambda v: fixed(v, 3),
    "r_clean_mean": lambda v: fixed(v, 3),
}


def subject_rows(table, split, report) -> tuple[list, list, list | None]:
    """Heads, one row a subject, and the mean row of more than one."""
    kinds = _kinds(table["model"].dropna().unique())
    wanted = [(c, k) for c in COLUMNS for k in ("cvae", "pca") if k in kinds and c in table]
    wanted = [(c, k) for c, k in wanted if not (c == "variance_ratio" and k == "pca")]
    series = {(c, k): _column(table, split, kinds[k], c) for c, k in wanted}
    series = {key: values for key, values in series.items() if values.notna().any()}
    heads = [(HEADS[c], model_name(kinds[k]).partition(" =")[0]) for c, k in series]
    labels = list(dict.fromkeys(table.loc[table["split"] == split, "participant_id"]))
    rows = [
        {
            "label": label,
            "link": report.links.get(label, ""),
            "warnings": _counted(report.warnings.get(label)),
            "cells": [FORMATS[c](values.get(label, np.nan)) for (c, _), values in series.items()],
        }
        for label in labels
    ]
    if len(labels) < 2:
        return heads, rows, None
    return heads, rows, [FORMATS[c](values.mean()) for (c, _), values in series.items()]


def _counted(warnings) -> dict | None:
    if warnings is None:
        return None
    return {
        "n": len(warnings),
        "strong": sum(w["severity"] != "mild" for w in warnings),
        "text": "; ".join(w["code"].replace("_", " ") for w in warnings),
    }


def subject_tests(table, splits) -> list[str]:
    """CVAE against PCA over subjects, which are independent of each other as voxels are not."""
    kinds, texts = _kinds(table["model"].dropna().unique()), []
    for split in splits if "pca" in kinds else ():
        pair = pd.concat([_column(table, split, kinds[k], "mse_test") for k in ("pca", "cvae")], axis=1).dropna()
        if len(pair) < 2:
            continue
        before, after = pair.to_numpy().T
        test, change = signed_rank(before, after), 100 * (after / before - 1)
        better = int((after < before).sum())
        texts.append(
            f"{split.capitalize()} split: the CVAE's error is below that of {model_name(kinds['pca'])} in {better} "
            f"of {len(pair)} "
            f"subjects (mean change {signed(change.mean())} %; Wilcoxon's signed-rank test over subjects: p = "
            f"{number(10**test.log10_p, 2)})."
        )
    return texts
