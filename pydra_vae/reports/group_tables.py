"""The tables of a group report, read when a section first needs them, and the few figures that are drawn from them."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.reports.loaded import read_json

# Every table beside the metrics, by its name in GroupReport.
TABLES = (
    "sweep", "curve", "transfer", "structure", "correlations", "dimensions", "views", "matches", "separability",
    "pairs", "nulls", "template", "shared", "divergence", "outliers", "samples", "isc", "geometry", "tests", "mantel",
    "identification", "identification_matrix", "reliability", "surrogate", "latent_recovery",
)  # fmt: skip
NEEDED = {
    "sweep": "latent_dim mse_test pca_mse_test",
    "curve": "model latent_dim mse_mean mse_low mse_high",
    "transfer": "source target mse pca_mse reason",
    "structure": "participant_id space max_abs_r",
    "correlations": "participant_id space first second r",
    "dimensions": "participant_id space dimension morans_i p correlation_length_mm",
    "views": "view network x y",
    "matches": "participant_id latent gradient r p_spatial",
    "separability": "participant_id space silhouette knn_accuracy probe_accuracy chance variance_ratio",
    "pairs": "first second relation representation disparity r_distances",
    "nulls": "representation null measure observed low high",
    "template": "label representation disparity",
    "shared": "kind member mse_test price_percent disparity r_distances",
    "divergence": "participant_id setting mse_test pca_mse_test active_units knn_accuracy silhouette",
    "outliers": "participant_id kind detector auc n n_planted n_flagged",
    "samples": "participant_id quantity at data reconstruction samples",
    "isc": "network model isc",
    "geometry": "participant_id space r r_partial",
    "tests": "test measure n mean_difference effect p p_smallest",
    "mantel": "score measure r p p_smallest n",
    "identification": "method accuracy chance p p_smallest n self_r other_r",
    "identification_matrix": "first second r",
    "reliability": "participant_id measure model r",
    "surrogate": "participant_id mse_test pca_mse_test",
    "latent_recovery": "participant_id planted space r2",
}


class Tables:
    """What the steps found, by name.

    Parameters
    ----------
    files : reports.group.GroupReport, or the fields of another page
        Paths by name.
    needed : dict
        Columns that a table must have, by its name; a page's own.
    """

    def __init__(self, files, needed: dict[str, str] = NEEDED):
        self.files, self.needed = files, needed
        self._read = cache(self._load)

    def __call__(self, name: str) -> pd.DataFrame | None:
        """A table, or None where it was not made or has no row.

        Raises
        ------
        ValueError
            If a column is missing; the message names it and the file.
        """
        return self._read(name)

    def _load(self, name: str) -> pd.DataFrame | None:
        path = getattr(self.files, name)
        if path is None:
            return None
        table = read_table(path)
        if not len(table):
            return None
        missing = [column for column in self.needed[name].split() if column not in table]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(missing)} (it has {', '.join(table.columns)}): "
                f"give the table that belongs to {name}"
            )
        if name == "reliability":  # PCA of the CVAE's size has the name that it has in other tables
            same = table["model"].astype(str).str.contains("=", regex=False)
            table["model"] = table["model"].where(~same, "pca")
        return table

    def json(self, name: str) -> dict:
        """A JSON file; {} where it was not made."""
        return read_json(getattr(self.files, name))

    @property
    def metrics(self) -> pd.DataFrame:
        """Measures of all subjects and models."""
        tables = [read_table(path) for path in self.files.metrics]
        columns = ["participant_id", "split", "model"]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)

    @property
    def same_start(self) -> bool:
        """Whether every fit of a subject starts from the same components, so that two of them are alike by making."""
        return self.files.linear_skip == "pca"

    @property
    def floor_name(self) -> str:
        """The floor of an alignment, in a table's words."""
        return "same subject, other seed" + (" (same start)" if self.same_start else "")

    def given(self, *names: str) -> bool:
        """Whether all of these have a row."""
        return all(self(name) is not None for name in names)


def rows(table: pd.DataFrame, **where) -> pd.DataFrame:
    """The rows in which columns have these values."""
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def by_subject(table: pd.DataFrame, column: str, **where) -> pd.Series:
    """Mean of a column for each subject, over the rows that match; finite values only, in the table's order."""
    found = rows(table, **where)
    if column not in found or not len(found):
        return pd.Series(dtype=float)
    values = pd.to_numeric(found[column], errors="coerce")
    means = values.groupby(found["participant_id"], sort=False).mean()
    return means[np.isfinite(means)]


def mean_of(table: pd.DataFrame | None, column: str, **where) -> float:
    """Mean over subjects; NaN where nothing is known."""
    if table is None:
        return np.nan
    if "participant_id" in table:
        values = by_subject(table, column, **where)
    else:
        found = rows(table, **where)
        values = pd.to_numeric(found[column], errors="coerce").dropna() if column in found else []
    return float(values.mean()) if len(values) else np.nan


def paired(table: pd.DataFrame, column: str, key: str, names: Iterable[str]) -> list[np.ndarray]:
    """A column for each of these values of `key`, over the subjects that have all of them."""
    series = [by_subject(table, column, **{key: name}) for name in names]
    joined = pd.concat(series, axis=1, keys=range(len(series))).dropna()
    return [joined[i].to_numpy() for i in joined]


def better_linear(table: pd.DataFrame, column: str, spaces: Iterable[str]) -> str:
    """Which of these spaces has the highest mean; the first where nothing is known.

    PCA and its whitened form (or ICA, which only rotates that) hold the same information; the fair control of a
    measure that depends on the scale of the axes is the better of them.
    """
    first, *rest = spaces
    known = {space: mean_of(table, column, space=space) for space in (first, *rest)}
    known = {space: value for space, value in known.items() if np.isfinite(value)}
    return max(known, key=known.__getitem__, default=first)


def in_order(values: Iterable, first: Iterable[str] = ()) -> list:
    """Unique values, those of `first` first.

    Examples
    --------
    >>> in_order(["raw", "x", "cvae", "raw"], ("cvae", "pca", "raw"))
    ['cvae', 'raw', 'x']
    """
    found = list(dict.fromkeys(values))
    wanted = [name for name in first if name in found]
    return wanted + [name for name in found if name not in wanted]


def control_of(metrics: pd.DataFrame) -> str | None:
    """Name of the PCA of the CVAE's size in the metrics, such as "pca-9 = ica-9"."""
    names = [m for m in metrics["model"].dropna().unique() if m.startswith("pca-") and "=" in m]
    return names[0] if names else None


def matrix_of(table: pd.DataFrame, first: str, second: str, value: str) -> pd.DataFrame:
    """A square table of a long one, in the order in which labels are first seen."""
    labels = in_order([*table[first], *table[second]])
    wide = table.drop_duplicates([first, second]).pivot(index=first, columns=second, values=value)
    return wide.reindex(index=labels, columns=labels).astype(float)


def example_label(files, tables: Tables) -> str:
    """Label of the subject whose maps and views are shown."""
    if files.example:
        return files.example
    labels = tables.metrics["participant_id"].dropna()
    return str(labels.iloc[0]) if len(labels) else ""
