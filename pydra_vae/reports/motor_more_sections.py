"""Further sections of the motor page: controls of the factors, and what was planted."""

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.reports.formats import fixed, number
from pydra_vae.reports.group_findings import POINT, Finding
from pydra_vae.reports.group_tables import in_order
from pydra_vae.reports.group_words import findings, table_of
from pydra_vae.reports.motor_claims import map_rows, readings
from pydra_vae.reports.motor_maps import shown_maps
from pydra_vae.reports.motor_tables import ICA, OURS, PCA, Key, MotorTables, subtask_name, subtasks_of, title_of
from pydra_vae.stats.surface_maps import top_correlation


def controls(tables: MotorTables) -> list[str]:
    """Clock, agreement between seeds, restarts of ICA, single recordings."""
    return [part for make in (_clock, _consistency, _stability, _recordings) for part in make(tables)]


def _name_column(table: pd.DataFrame) -> str:
    return next((name for name in ("model", "participant_id") if name in table), "")


def _clock(tables: MotorTables) -> list[str]:
    if (table := tables("clock")) is None:
        return []
    name = _name_column(table)
    shown = [
        [*([str(row[name])] if name else []), str(row["check"]), *(_value(row[c]) for c in ("value", "expected"))]
        for row in table.to_dict("records")
    ]
    heads = [*(["Model"] if name else []), "Check", "Found", "Expected"]
    note = (
        "A recurrent encoder could count frames instead of reading them: inputs that are rolled in time must roll the "
        "factors, and without input there must be no task."
    )
    made = table_of(heads, shown, text=tuple(range(len(heads) - 2)), caption="Do factors carry a clock?")
    return [made, f'<p class="note">{note}</p>']


def _value(value) -> str:
    """A number, or words as they stand."""
    return value if isinstance(value, str) else number(value)


def _consistency(tables: MotorTables) -> list[str]:
    if (table := tables("consistency")) is None:
        return []
    shown, above = [], []
    for model, k in in_order(zip(table["model"], table["k"], strict=True)):
        found = table[(table["model"] == model) & (table["k"] == k)]
        r, null = (float(pd.to_numeric(found[c], errors="coerce").mean()) for c in ("matched_r", "null"))
        above.append(r > null + POINT)
        shown.append([str(model), number(k), number(len(found)), fixed(r), fixed(null)])
    said = f"Another seed finds factors that agree beyond chance in {sum(above)} of {len(above)} rows."
    heads = ["Model", "k", "Pairs|of seeds", "Matched r|mean size", "Shifted in time"]
    return [
        table_of(heads, shown, caption="Does another seed find the same factors?"),
        findings({}, extra=[Finding(said)]),
    ]


def _stability(tables: MotorTables) -> list[str]:
    if (table := tables("stability")) is None:
        return []
    name = _name_column(table)
    groups = table.groupby(name, sort=False) if name else [("ICA", table)]
    shown = []
    for model, found in groups:
        similar = pd.to_numeric(found["similarity"], errors="coerce")
        converged = pd.to_numeric(found["converged"], errors="coerce").sum() if "converged" in found else np.nan
        shown.append([str(model), number(len(found)), number(converged), fixed(similar.mean()), fixed(similar.min())])
    heads = ["ICA", "Starts", "Converged", "r with the kept one|mean", "smallest"]
    return [table_of(heads, shown, caption="Do restarts of ICA end in the same components?")]


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
    caption = f"The average flatters: the same factors in single test recordings, k = {k}"
    return [table_of(heads, shown, caption=caption)]


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
    return [table_of(heads, shown, caption=caption)]
