"""Further sections of the motor page: controls of the factors, and what was planted."""

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.reports.formats import count, fixed, number
from pydra_vae.reports.group_findings import POINT, Finding
from pydra_vae.reports.group_tables import in_order
from pydra_vae.reports.group_words import findings, folded, table_of
from pydra_vae.reports.motor_claims import map_rows, readings
from pydra_vae.reports.motor_maps import shown_maps
from pydra_vae.reports.motor_tables import ICA, OURS, PCA, Key, MotorTables, subtask_name, subtasks_of, title_of
from pydra_vae.stats.surface_maps import top_correlation

MANY = 12  # rows above which a table is folded
ALIKE_RESTARTS = 0.9  # r of components above which two starts of ICA are called alike


def controls(tables: MotorTables) -> list[str]:
    """Clock, agreement between seeds, restarts of ICA, single recordings."""
    return [part for make in (_clock, _consistency, _stability, _recordings) for part in make(tables)]


def _fit_names(table: pd.DataFrame, seeds: bool = False) -> list[str]:
    """Which fit each row of a gathered table belongs to: "TI-VAE-S, k = 8, β = 1"; "" where it does not say."""
    seeds = seeds and "seed" in table and table["seed"].nunique() > 1
    labels = table["model"] if "model" in table else table.get("participant_id", pd.Series("", table.index))
    names = []
    for label, row in zip(labels.fillna("").astype(str), table.to_dict("records"), strict=True):
        told = Key.parse(label).where
        more = [f"{shown} = {row[name]:g}" for name, shown in (("k", "k"), ("beta", "β"))
                if name not in told and np.isfinite(row.get(name, np.nan))]  # fmt: skip
        more += [f"seed {row['seed']:g}"] if seeds else []
        names.append(", ".join(part for part in (title_of(label), *more) if part))
    return names


def _clock(tables: MotorTables) -> list[str]:
    if (table := tables("clock")) is None:
        return []
    shown = []
    for name, row in zip(_fit_names(table, seeds=True), table.to_dict("records"), strict=True):
        tolerance = f" ± {number(row['tolerance'])}" if np.isfinite(row.get("tolerance", np.nan)) else ""
        passed = {"True": "yes", "False": "no", "1": "yes", "0": "no"}.get(str(row.get("passed")), "")
        shown.append([name, str(row["check"]), number(row["value"]), f"{number(row['expected'])}{tolerance}", passed])
    judged = [line[-1] for line in shown if line[-1]]
    note = (
        "A recurrent encoder could count frames instead of reading them: inputs that are rolled in time must roll the "
        "factors, and without input there must be no task."
    )
    said = f" {judged.count('yes')} of {count(len(judged), 'check')} hold." if judged else ""
    heads = ["Model", "Check", "Found", "Expected", "Holds"]
    made = table_of(heads, shown, text=(0, 1), caption="" if len(shown) > MANY else "Do factors carry a clock?")
    if len(shown) > MANY:
        made = f"<h3>Do factors carry a clock?</h3>{folded('All checks', made)}"
    return [made, f'<p class="note">{note}{said}</p>']


def _consistency(tables: MotorTables) -> list[str]:
    if (table := tables("consistency")) is None:
        return []
    table = table.assign(fit=_fit_names(table))
    shown, above = [], []
    for name in in_order(table["fit"]):
        found = table[table["fit"] == name]
        r, null = (float(pd.to_numeric(found[c], errors="coerce").mean()) for c in ("matched_r", "null"))
        above.append(r > null + POINT)
        shown.append([name, number(len(found)), fixed(r), fixed(null)])
    said = f"Factors of two seeds agree beyond chance for {sum(above)} of {count(len(above), 'model')}."
    heads = ["Model", "Pairs|of seeds", "Matched r|mean size", "Shifted in time"]
    made = table_of(heads, shown, caption="Does another seed find the same factors?")
    return [made, findings({}, extra=[Finding(said)])]


def _stability(tables: MotorTables) -> list[str]:
    if (table := tables("stability")) is None:
        return []
    shown, alike = [], 0
    for model, found in table.assign(fit=_fit_names(table)).groupby("fit", sort=False):
        if len(found) < 2:  # PCA has one start
            continue
        others = found[found["kept"].astype(str) != "True"] if "kept" in found else found
        similar = pd.to_numeric(others["similarity"], errors="coerce")
        alike += bool(similar.min() > ALIKE_RESTARTS)
        done = found["converged"].astype(str).isin(["1", "1.0", "True"]).sum() if "converged" in found else np.nan
        shown.append([str(model), number(len(found)), number(float(done)), fixed(similar.mean()), fixed(similar.min())])
    heads = ["ICA", "Starts", "Converged", "r with the kept one|mean", "smallest"]
    title = "Do restarts of ICA end in the same components?"
    if not shown:
        return []
    said = findings({}, extra=[Finding(
        f"All starts end in the same components (r > {ALIKE_RESTARTS:g}) for {alike} of "
        f"{count(len(shown), 'decomposition')}."
    )])  # fmt: skip
    made = table_of(heads, shown)
    return [f"<h3>{title}</h3>", said, folded("All variants", made) if len(shown) > MANY else made]


def _recordings(tables: MotorTables) -> list[str]:
    table = tables("subjects")
    if table is None or not tables.size:
        return []
    k = tables.size
    models = [*tables.families(OURS), *tables.families(ICA, PCA)]
    chosen = [c for m in models if (c := tables.chosen(m, k)) is not None]
    shown = []
    for c in sorted(chosen, key=lambda c: -c.mean):
        found = map_rows(table, c)
        means = pd.to_numeric(found["r"], errors="coerce").groupby(found["label"]).mean()
        if len(means):
            shown.append([c.model, number(len(means)), fixed(c.mean), fixed(means.mean()), fixed(means.std(ddof=1)),
                          fixed(means.min()), fixed(means.max())])  # fmt: skip
    heads = ["Model", "Recordings", "r|test average", "r|mean of recordings", "SD", "smallest", "largest"]
    title = f"The average flatters: the same factors in single test recordings, k = {k}"
    made = folded("All models", table_of(heads, shown))
    return [f"<h3>{title}</h3>{made}"] if made else []


def planted(tables: MotorTables) -> list[str]:
    """Agreement of the shown maps with the planted ones; for simulated data."""
    files, scores = tables.files, tables("scores")
    if not files.simulated or files.truth is None or files.truth_names is None or scores is None:
        return []
    truth = dict(zip(map(str, read_table(files.truth_names)["name"]), np.load(files.truth), strict=False))
    names = subtasks_of(scores)
    shown = []
    for label, path in shown_maps(tables):
        found, maps = Key.parse(label).rows(scores).drop_duplicates("subtask").set_index("subtask"), np.load(path)
        root = np.abs if readings(Key.parse(label).model)[0] == "signed" else np.sqrt
        r = [
            top_correlation(root(maps[int(found.loc[name, "factor"])]), truth[name])
            if name in truth and name in found.index and np.isfinite(found.loc[name, "factor"])
            else np.nan
            for name in names
        ]
        if np.isfinite(r).any():
            shown.append([title_of(label), *map(fixed, r), fixed(float(np.nanmean(r)))])
    heads = ["Model", *map(subtask_name, names), "Mean"]
    caption = "r of the shown maps, as amplitudes, with the planted ones, over the whole region"
    note = (
        "Planted: a patch for each limb in the opposite hemisphere, for the tongue in both; each subject has delays, "
        "amplitudes and places of its own, nuisance networks, smooth and white noise. The sizes of signal and noise "
        "were set so that PCA explains about a fifth of the variance, and PCA and ICA of eight components score about "
        "0.4 to 0.8: where these end up is no independent finding. No VAE was fitted to set them."
    )
    return [table_of(heads, shown, caption=caption), f'<p class="note">{note}</p>']
