"""Names of persons and sessions as tables and file names write them, made one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import natural_key

PERSON_COLUMNS = ("participant_id", "subject_id", "subject", "sub", "id")
SESSION_COLUMNS = ("session_id", "session")
MISSING = ("n/a", "N/A", "na", "NA", "NaN", "nan", "null", "")
_OASIS = re.compile(r"(OAS\d)_(\d{4})(?:_MR(\d))?")


def as_person(text: str) -> str:
    """A person's label: ``sub-`` and letters and digits.

    Examples
    --------
    >>> as_person("01"), as_person("sub-01"), as_person("S 01"), as_person("OAS1_0001_MR1")
    ('sub-01', 'sub-01', 'sub-S01', 'sub-OAS10001')
    """
    text = str(text).strip().removeprefix("sub-")
    oasis = _OASIS.search(text)
    text = f"{oasis[1]}{oasis[2]}" if oasis else re.sub(r"[^a-zA-Z0-9+]", "", text)
    if not text:
        raise InputError("a person has no name: fill in the column participant_id")
    return f"sub-{text}"


def as_session(text: str) -> str:
    """A session's label without ``ses-``; empty for none.

    >>> as_session("ses-02"), as_session("n/a"), as_session("M 12")
    ('02', '', 'M12')
    """
    text = str(text).strip()
    return "" if text in MISSING else re.sub(r"[^a-zA-Z0-9+]", "", text.removeprefix("ses-"))


def read_text_table(path: Path):
    """A TSV, or a CSV by its name, as a DataFrame of text: identifiers keep their zeros, missing values are None.

    Raises
    ------
    InputError
        If it cannot be read, or has no row.
    """
    import pandas as pd

    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines longer than the header
            table = pd.read_csv(
                path, sep="," if path.suffix == ".csv" else "\t", dtype=str, na_values=list(MISSING),
                keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True, index_col=False,
            )  # fmt: skip
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path}: lines have more cells than the header has columns: name all columns") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a table ({reason}): tab-separated text is needed") from error
    other = next((mark for mark in (",", ";") if mark in table.columns[0]), None) if len(table.columns) == 1 else None
    if other:
        raise InputError(
            f"{path}: its header, {table.columns[0]!r}, has '{other}' and no tab between names: tabs are needed, or "
            "commas in a table called .csv"
        )
    if not len(table):
        raise InputError(f"{path} has a header but no row")
    table.columns = [str(column).strip() for column in table.columns]
    return table.astype(object).where(table.notna(), None)


def read_text_rows(path: Path) -> tuple[list[str], list[dict[str, str | None]]]:
    """Columns and rows of such a table; plain ones, as sessions.tsv of a thousand persons are, without pandas.

    Raises
    ------
    InputError
        As `read_text_table`.
    """
    plain = _plain_rows(Path(path))
    if plain is not None:
        return plain
    table = read_text_table(path)
    return list(table.columns), table.to_dict("records")


def _plain_rows(path: Path) -> tuple[list[str], list[dict[str, str | None]]] | None:
    """Columns and rows of a TSV that needs no care: no quotes, cells for all columns; None of any other."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    if path.suffix == ".csv" or '"' in text or "\r" in text:
        return None
    lines = [[cell.lstrip(" ") for cell in line.split("\t")] for line in text.split("\n") if line]
    header = [cell.strip() for cell in lines.pop(0)] if lines else []
    if len(header) < 2 or len({*header, ""}) <= len(header) or {*map(len, lines)} != {len(header)}:
        return None
    cells = [[None if cell in MISSING else cell for cell in line] for line in lines]
    return header, [dict(zip(header, line, strict=True)) for line in cells]


def column_of(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The first of the names that is a column, in any case; None if none is.

    >>> column_of(["Participant_ID", "age"], PERSON_COLUMNS)
    'Participant_ID'
    """
    there = {str(column).lower(): column for column in reversed(list(columns))}
    return next((there[name] for name in names if name in there), None)


def listing(names: Iterable[str], most: int = 8) -> str:
    """Some names in natural order, and how many more there are.

    >>> listing(["c", "a", "b"], most=2)
    'a, b, … (3 in all)'
    """
    names = sorted(set(names), key=natural_key)
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")
