"""BIDS tables: tab-separated, "n/a" where a value is missing."""

import csv
from collections.abc import Sequence
from pathlib import Path


def read_table(path: Path, text: Sequence[str] = ()):
    """A TSV as a DataFrame, "n/a" as missing, columns `text` as they stand ("01" is no number)."""
    import pandas as pd

    try:
        return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False, dtype=dict.fromkeys(text, str))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a tab-separated table: {error}") from error


def write_table(path: Path, rows) -> Path:
    """Write a DataFrame or a list of dicts as TSV, missing values as "n/a"."""
    import pandas as pd

    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    path = Path(path).absolute()
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.8g")
    return path


def join_tables(
    path: Path, tables: Sequence[Path], labels: Sequence[str] | None = None, column: str = "participant_id"
) -> Path:
    """Write several TSVs under one another, every value as its text stands.

    Parameters
    ----------
    path : Path
        Where to write.
    tables : sequence of paths
        Their columns come in the order in which they are first seen; "n/a" where a table lacks one.
    labels : sequence of str, optional
        Of each table, for a first column.
    column : str
        Name of that column.

    Raises
    ------
    ValueError
        If there are not as many labels as tables, or a table has the column beside its label.
    """
    if labels is not None and len(labels) != len(tables):
        raise ValueError(f"{len(tables)} tables but {len(labels)} labels were given: give one label for each table")
    columns, rows = {} if labels is None else {column: None}, []
    for number, table in enumerate(tables):
        with open(table, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            names, read = reader.fieldnames, list(reader)
        if not names:
            raise ValueError(f"{table} cannot be read as a tab-separated table: it has no header")
        if labels is not None and column in names:
            raise ValueError(f"{table} has a column {column} already: gather it without labels")
        columns |= dict.fromkeys(names)
        rows += read if labels is None else [{column: labels[number], **row} for row in read]
    path = Path(path).absolute()
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="n/a", delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def columns_of(path: Path) -> list[str]:
    """Names of a TSV's columns."""
    with open(path, encoding="utf-8", newline="") as file:
        return next(csv.reader(file, delimiter="\t"), [])
