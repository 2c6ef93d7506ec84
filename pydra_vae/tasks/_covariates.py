"""Columns of covariates: which there are, as numbers or words, and a target as numbers or classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


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


def typed(column) -> np.ndarray:
    """Numbers as float, words as str."""
    return column.to_numpy(dtype=float) if is_number(column) else column.astype(str).to_numpy(dtype=object)


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
