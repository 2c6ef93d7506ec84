"""Figures of the motor page on fits: learning curves, what β changes inside a fit, parameters by part."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pydra_vae.reports import drawing
from pydra_vae.reports.formats import number
from pydra_vae.reports.group_tables import in_order, rows
from pydra_vae.reports.motor_figures import PCA_COLOUR, model_colour
from pydra_vae.reports.motor_tables import BETA, OURS, Key, kind_of, title_of

# Of controls: grey in all other figures, where their names stand beside them
CONTROL_COLOURS = {"linear": "#8a8a8a", "random clusters": "#b5651d", "unshared hemispheres": "#c77fb0"}
DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (3, 1, 1, 1)))  # of numbers of factors, ascending


def learning_curves(histories: Mapping[str, pd.DataFrame], pca: Mapping[int, float]) -> str:
    """R² of the validation part against steps, a line a fit, beside PCA's; an ``<svg>``, or "" without any.

    Parameters
    ----------
    histories : mapping
        Label of a fit ("TI-VAE-S k=8 beta=1 seed=0") to its history: step, val_r2.
    pca : mapping
        Number of components to PCA's R², of the test part.
    """
    curves = {label: t.dropna(subset=["val_r2"]) for label, t in histories.items() if {"step", "val_r2"} <= set(t)}
    curves = {label: t for label, t in curves.items() if len(t) > 1}
    if not curves:
        return ""
    sizes = sorted({*pca, *(int(Key.parse(label).where.get("k", 0)) for label in curves)})
    with drawing.style("learning"):
        figure = Figure(figsize=(drawing.WIDTH, 3.1), layout="constrained")
        ax = figure.subplots()
        for label, table in curves.items():
            key = Key.parse(label)
            name, dashes = title_of(label), DASHES[sizes.index(int(key.where.get("k", 0))) % len(DASHES)]
            # β = 0 is the control of the term
            faint = kind_of(key.model) == OURS and key.where.get("beta", 1.0) == 0
            look = {"color": _colour(key.model), "ls": dashes, "lw": 1.5, "alpha": 0.5 if faint else 0.95}
            ax.plot(table["step"], table["val_r2"].astype(float), label=name, **look)
        for k, r2 in sorted(pca.items()):
            ax.axhline(r2, color=PCA_COLOUR, lw=2.2, ls=DASHES[sizes.index(k) % len(DASHES)], label=f"PCA, k = {k}")
        best = max([*pca.values(), *(t["val_r2"].astype(float).max() for t in curves.values())])
        ax.set(xlabel="Step", ylabel="R² of the validation part", ylim=(min(-0.02, -0.1 * best), 1.12 * best))
        ax.set_xlim(left=0)
        handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles, loc="outside right upper", fontsize=9.5)
        return drawing.svg(figure, "learning", "R² of the validation part while the models are fitted")


def _colour(model: str) -> str:
    return CONTROL_COLOURS.get(model) or model_colour(model)


def fits_over_beta(table: pd.DataFrame) -> str:
    """What β changes inside a fit: R², total correlation, correlation of factors, width of posteriors; an ``<svg>``."""
    panels = (("r2_test", "R², test"), ("tc", "Total correlation (nats)"), ("factor_r", "|r| between factors"),
              ("mean_log_sigma", "Mean log σ"))  # fmt: skip
    table = table.assign(beta=pd.to_numeric(table["beta"], errors="coerce")) if "beta" in table else table.head(0)
    table = table[table["model"].map(kind_of).isin([OURS, BETA]) & table["beta"].notna()] if len(table) else table
    panels = [p for p in panels if p[0] in table and np.isfinite(pd.to_numeric(table[p[0]], errors="coerce")).any()]
    if not panels or table["beta"].nunique() < 2:
        return ""
    sizes = sorted(table["k"].unique())
    with drawing.style("inside"):
        figure = Figure(figsize=(drawing.WIDTH, 3.0), layout="constrained")
        for ax, (column, title) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            for model, k in in_order(zip(table["model"], table["k"], strict=True)):
                by = rows(table, model=model, k=k).groupby("beta")[column]
                label = f"{model}, k = {int(k)}"
                dashes = DASHES[sizes.index(k) % len(DASHES)]
                ax.plot(by.mean(), "o", ls=dashes, color=model_colour(model), ms=5, lw=1.6, label=label)
            ax.set(xlabel="β", title=title)
            ax.margins(0.12)
            ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            ax.yaxis.set_major_locator(MaxNLocator(4))
        handles, names = ax.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 4), fontsize=9.5)
        return drawing.svg(figure, "inside", "What β changes in the fits")


def parameters_by_part(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Numbers of parameters by part on a logarithmic axis, one group a model; an ``<svg>``.

    Parameters
    ----------
    counts : mapping
        Label of a fit to its parts and their numbers.
    """
    names = in_order(part for parts in counts.values() for part in parts)
    with drawing.style("parameters"):
        figure = Figure(figsize=(drawing.WIDTH, 0.28 * len(names) + 1.0), layout="constrained")
        ax = figure.subplots()
        height = 0.8 / len(counts)
        for i, (label, parts) in enumerate(counts.items()):
            y = np.array([names.index(part) for part in parts]) + height * (i - (len(counts) - 1) / 2)
            name = f"{title_of(label)}: {number(sum(parts.values()))}"
            ax.barh(y, list(parts.values()), height, color=_colour(Key.parse(label).model), label=name)
        ax.axvline(44_000, color=drawing.RESIDUAL, lw=1.6, ls=(0, (2, 2)), label="the paper's 44k")
        ax.set_yticks(range(len(names)), [_part_name(name) for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xscale("log")
        ax.grid(False, axis="y")
        ax.set_xlabel("Parameters")
        figure.legend(loc="outside right center", fontsize=9.5)
        return drawing.svg(figure, "parameters", "Parameters of the models by part")


def _part_name(name: str) -> str:
    """A part of a model as readers know it: "GRU", "Encoder mixers"."""
    words = " ".join(word.upper() if word == "gru" else word for word in str(name).replace("_", " ").split())
    return words[:1].upper() + words[1:]
