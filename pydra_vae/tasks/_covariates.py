"""Covariates of the split's images: read, checked, one visit a person, one column as numbers or classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._recordings import Split


def read_covariates(path: Path, split: Split):
    """The table of Covariates, its rows checked against the split's."""
    table = read_table(path)
    if "label" not in table:
        raise ValueError(f"{path} has no column 'label': give the covariates.tsv of Covariates")
    labels = table["label"].astype(str).to_numpy()
    if len(labels) != len(split.label) or (labels != split.label).any():
        raise ValueError(
            f"{path} lists {len(labels)} images and the split {len(split.label)}, or in another order: "
            "give the covariates of the same images, in the order of the split"
        )
    return table


def check_columns(table, names: list[str], path: Path) -> None:
    """Raise ValueError where a column is missing, listing those that there are."""
    missing = [name for name in names if name not in table]
    if missing:
        there = ", ".join(name for name in table if name not in ("label", "person", "session"))
        raise ValueError(f"{path} has no column {', '.join(missing)}; it has {there or 'no covariates'}")


def is_number(column) -> bool:
    """Does a column hold numbers, and not words?"""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)


def first_visits(split: Split, table) -> np.ndarray:
    """Row of the first image of each person, in the order of the rows: by time or age where known, else as listed."""
    when = np.zeros(len(table))
    for name in ("age", "time"):  # the later one counts
        if name in table and is_number(table[name]) and table[name].notna().any():
            when = table[name].fillna(np.inf).to_numpy(dtype=float)
    first: dict[str, int] = {}
    for row in np.argsort(when, kind="stable"):
        first.setdefault(split.person[row], int(row))
    return np.sort(list(first.values()))


def load_features(path: Path, n_images: int) -> np.ndarray:
    """Latents of all images, (N, k) float64; ValueError where their number or a value is wrong."""
    values = np.asarray(load_array(path), dtype=float)
    if values.ndim != 2 or len(values) != n_images:
        raise ValueError(
            f"{path} has the shape {values.shape} but the split lists {n_images} images: "
            "give latents (images × k) of all of them"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{path} has values that are not finite: was the model's fit stable?")
    return values


@dataclass(frozen=True)
class Target:
    """A covariate that is to be predicted.

    Attributes
    ----------
    values : (N,) float array
        NaN where missing; classes are 0 and 1.
    classes : list of str
        Names of 0 and 1; empty for a number.
    """

    values: np.ndarray
    classes: list[str]

    @classmethod
    def of(cls, column, name: str, link: str) -> "Target":
        """Read a column: words, and numbers of two values, are classes; the logit link needs two of them."""
        known = column.dropna()
        words = not is_number(column)
        distinct = np.unique(known.astype(str) if words else known.to_numpy(dtype=float))
        if len(distinct) < 2:
            only = f"'{distinct[0]}' for all {len(known)} persons" if len(distinct) else "n/a for all persons"
            raise ValueError(f"the target {name} is {only}: choose one that differs between persons")
        if link == "logit" or (link == "auto" and (words or len(distinct) == 2)):
            if len(distinct) != 2:
                shown = ", ".join(map(str, distinct[:5]))
                raise ValueError(
                    f"the target {name} has {len(distinct)} values ({shown}{' …' if len(distinct) > 5 else ''}) and "
                    "the logit link tells two classes apart: join classes, or leave out persons"
                )
            one = (column.astype(str) if words else column) == distinct[1]
            values = np.where(column.notna(), one, np.nan)
            return cls(values, [f"{value:g}" if not words else str(value) for value in distinct])
        if words:
            raise ValueError(f"the target {name} has words ({', '.join(distinct[:5])}): the link {link} needs numbers")
        return cls(column.to_numpy(dtype=float), [])
