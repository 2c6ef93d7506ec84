"""Sections of the motor page on weight sharing (Figure 1A) and on what the fits reached."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.reports import motor_figures_fits as draw
from pydra_vae.reports.formats import count, fixed, listed, number
from pydra_vae.reports.group_findings import Claim
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.motor_claims import parts_of
from pydra_vae.reports.motor_figures_scores import CURVE
from pydra_vae.reports.motor_maps import clusters
from pydra_vae.reports.motor_tables import MotorTables
from pydra_vae.reports.pages import figure, render

SHOWN_CONFIGS = 4
COLUMNS = {
    "r2_train": ("R²|training", partial(fixed, decimals=3)),
    "r2_test": ("R²|test", partial(fixed, decimals=3)),
    "pca_r2_test": ("R² of PCA|test", partial(fixed, decimals=3)),
    "kl": ("KL|nats", fixed),
    "tc": ("TC|nats", fixed),
    "factor_r": ("r|of factors", fixed),
    "mean_log_sigma": ("log σ|mean", fixed),
    "active_units": ("Active|factors", number),
    "best_step": ("Best step", number),
}


def sharing(tables: MotorTables, found: dict[str, Claim]) -> list[str]:
    """Figure 1A, and what the weight sharing saves and costs."""
    files = tables.files
    drawn = clusters(tables)
    caption = (
        "Figure 1A again: the clusters that share their weights, the left hemisphere's and the right's by themselves; "
        "colours mean nothing. Structural clusters follow distances along the surface, functional ones correlations of "
        "training recordings, random ones are their control."
    )
    shown = f"<figure class='wide'>{drawn}<figcaption>{caption}</figcaption></figure>" if drawn else ""
    said = findings(found, "sharing", "bias", "parameters")
    paths = dict(zip(files.config_names, files.configs, strict=True))
    labels = tables.picked(list(paths), SHOWN_CONFIGS, ("linear", "unshared hemispheres"))
    counts = {label: parts for label in labels if (parts := parts_of(read_json(paths[label])))}
    fragments = [said, shown, cluster_table(tables)]
    if counts:
        text = "Parameters by part, with biases, on a logarithmic axis."
        fragments.append(figure(draw.parameters_by_part(counts), text))
    return fragments


def cluster_table(tables: MotorTables) -> str:
    """Sizes, contiguity and padding of each clustering."""
    shown = []
    for name, path in zip(tables.files.cluster_names, tables.files.clusters_info, strict=False):
        info = read_json(path)
        sizes = [number(info.get(f"size_{what}")) for what in ("min", "median", "max")]
        contiguous = info.get("contiguous_share")
        share = f"{fixed(100 * contiguous, 0)} %" if contiguous is not None else fixed(None)
        shown.append([name[:1].upper() + name[1:], number(info.get("n_clusters")), *sizes, share,
                      number(info.get("strays")), fixed(info.get("padding"))])  # fmt: skip
    heads = [
        "Clusters",
        "n|a hemisphere",
        "Vertices|smallest",
        "median",
        "largest",
        "In one piece",
        "Strays",
        "Padding|M·C/n",
    ]
    return table_of(heads, shown)


def fits(tables: MotorTables, found: dict[str, Claim]) -> list[str]:
    """What the fits reached, and what β does inside them."""
    table = tables("fits")
    if table is None:
        return []
    fragments = [findings(found, "disentangled"), _learning(tables, table)]
    both = pd.concat([t for t in (table, tables("sweep")) if t is not None], ignore_index=True)
    caption = (
        "Means over seeds. The total correlation is blind where posteriors are sharp, so that the correlation of the "
        "factors and the width of the posteriors (log σ) stand beside it."
    )
    few = pd.to_numeric(both.get("beta"), errors="coerce").nunique() < CURVE
    inside = figure(draw.fits_over_beta(both), caption)
    fragments.append(folded("What β changes inside the fits", inside) if few else inside)
    means = _means(table, [name for name in COLUMNS if name in table])
    chosen = {(c.model, c.k): c.beta for k in tables.sizes for c in tables.all_chosen(k)}
    first = np.zeros(len(means), dtype=bool)
    for i, row in enumerate(means.to_dict("records")):
        beta = row.get("beta")
        first[i] = _same(beta, chosen.get((row["model"], row["k"]), beta))
    fragments += [_fit_table(means[first]), folded("Fits at other β", _fit_table(means[~first]))]
    if collapsed := [row for row in table.to_dict("records") if row.get("collapsed") in (1, True, "True", "true")]:
        text = f"{listed(dict.fromkeys(map(_fit_name, collapsed)))}: nothing can be read from their factors."
        title = f"{count(len(collapsed), 'fit')} collapsed"
        fragments.insert(0, render("failed.html", items=[(title, text)]))
    return fragments


def _learning(tables: MotorTables, table: pd.DataFrame) -> str:
    """Learning curves beside PCA."""
    files = tables.files
    histories = {label: read_table(path) for label, path in zip(files.config_names, files.histories, strict=False)}
    pca = {}
    if "pca_r2_test" in table:
        means = pd.to_numeric(table["pca_r2_test"], errors="coerce").groupby(table["k"]).mean().dropna()
        pca = {int(k): float(r2) for k, r2 in means.items()}
    caption = (
        "R² of the validation recordings while the models are fitted, a line a seed; PCA's of as many components, "
        "on the test recordings. The learning rate falls to 0 over the steps that were given, so that curves flatten "
        "at their end: more steps may reach more."
    )
    return figure(draw.learning_curves(histories, pca), caption)


def _same(beta, other) -> bool:
    """Whether two β are the same; n/a is like n/a."""
    beta, other = (np.nan if value is None else float(value) for value in (beta, other))
    return bool(np.isclose(beta, other, equal_nan=True))


def _fit_table(means: pd.DataFrame) -> str:
    """A row a family, k and β."""
    columns = [name for name in COLUMNS if name in means and means[name].notna().any()]
    shown = [[_fit_name(row), *(COLUMNS[c][1](row[c]) for c in columns)] for row in means.to_dict("records")]
    return table_of(["Fit|mean over seeds", *(COLUMNS[c][0] for c in columns)], shown, text=())


def _fit_name(row: dict) -> str:
    """A fit as a table's first column has it; the seed is left out."""
    beta = row.get("beta", np.nan)
    return f"{row['model']}, k = {int(row['k'])}" + (f", β = {beta:g}" if np.isfinite(beta) else "")


def _means(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Means over seeds, of each model, k and β."""
    keys = [name for name in ("model", "k", "beta") if name in table]
    numbers = table[keys].join(table[list(columns)].apply(pd.to_numeric, errors="coerce"))
    return numbers.groupby(keys, dropna=False, sort=False)[list(columns)].mean().reset_index()
