"""Tables of persons and visits, joined to images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import parse
from pydra_vae.bids.people import (
    MISSING,
    PERSON_COLUMNS,
    SESSION_COLUMNS,
    as_person,
    as_session,
    column_of,
    listing,
    read_text_rows,
)
from pydra_vae.bids.visit_times import add_times
from pydra_vae.bids.volumes_table import MASK_COLUMNS, PATH_COLUMNS

OWN = ("label", "person", "session", "part")
# Ages of people; a median above it is in months or days.
OLDEST = 125

Rows = dict[tuple[str, str], dict[str, str]]


def join_covariates(
    tables: Sequence[Path],
    labels: Sequence[str],
    persons: Sequence[str],
    sessions: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
):
    """One row of covariates for each image.

    Parameters
    ----------
    tables, labels, persons, sessions, columns
        See the step Covariates.

    Returns
    -------
    table : pandas.DataFrame
        label, person, session and the columns, numbers as float64, text as objects.
    info : dict
        columns (type, n_missing, range or values), notes, tables.

    Raises
    ------
    InputError
        For a person in no table, a column that is not there, a person twice in a table, lists of other lengths.
    """
    import pandas as pd

    sessions = [""] * len(labels) if sessions is None else [as_session(s) for s in sessions]
    if not len(labels) == len(persons) == len(sessions):
        raise InputError(
            f"{len(labels)} labels, {len(persons)} persons and {len(sessions)} sessions: give one of each an image"
        )
    people = [as_person(person) for person in persons]
    by_person, by_visit, names = read_rows(tables)
    _check_persons(people, by_person, by_visit, tables)
    rows = [
        by_person.get((person, ""), {}) | _visit(by_visit, person, session)
        for person, session in zip(people, sessions, strict=True)
    ]
    table = pd.DataFrame({"label": list(labels), "person": list(people), "session": [s or None for s in sessions]})
    notes: list[str] = []
    for name in names:
        table[name] = _typed([row.get(name) for row in rows], name, notes)
    table, how = add_times(table, notes)
    table = _selected(table, columns, tables)
    _check_ages(table, notes)
    info: dict[str, Any] = {
        "tables": [path.name for path in tables[:3]] + (["…"] if len(tables) > 3 else []),
        "n_images": len(table),
        "n_persons": len(set(people)),
        "time_from": how,
        "columns": {name: _describe(table[name]) for name in table if name not in OWN},
        "notes": notes,
    }
    return table, info


def read_rows(tables: Sequence[Path]) -> tuple[Rows, Rows, list[str]]:
    """What tables say of persons, and of visits, by person and session; of two tables the first that says it counts.

    Returns
    -------
    by_person, by_visit : dict
        Person and session (empty for `by_person`) to values that are there.
    names : list of str
        All columns, in the order of the tables.
    """
    names: dict[str, None] = {}
    by_person: Rows = {}
    by_visit: Rows = {}
    for path in tables:
        read, rows = read_text_rows(path)
        person_column, session_column = column_of(read, PERSON_COLUMNS), column_of(read, SESSION_COLUMNS)
        named = parse(path.name).entities.get("sub")
        if person_column is None and named is None:
            raise InputError(f"{path} has no column participant_id, and its columns are {', '.join(read)}")
        dropped = {person_column, session_column, column_of(read, PATH_COLUMNS), column_of(read, MASK_COLUMNS)}
        names |= dict.fromkeys(_own(name) for name in read if name not in dropped)
        seen: set[tuple[str, str]] = set()
        for row in rows:
            if person_column is not None and row[person_column] is None:
                continue
            person = as_person(row[person_column] if person_column is not None else named)
            session = as_session(row[session_column] or "") if session_column is not None else ""
            key = (person, session)
            if key in seen:
                visit = f" session {session}" if session else ""
                raise InputError(
                    f"{path} lists {person}{visit} twice: keep one row, or tell visits apart by a column session_id"
                )
            seen.add(key)
            values = {_own(name): value for name, value in row.items() if name not in dropped and value is not None}
            # a person without anything said of him is known all the same
            kept = (by_visit if session else by_person).setdefault(key, {})
            kept |= {name: value for name, value in values.items() if name not in kept}
    return by_person, by_visit, list(names)


def _own(name: str) -> str:
    """age and time in small letters, as other steps look for them; names that the table has itself are set apart."""
    name = name.lower() if name.lower() in ("age", "time") else name
    return f"{name}_in_table" if name in OWN else name


def _visit(by_visit: Rows, person: str, session: str) -> dict[str, str]:
    """What is said of the visit; for an image without a session, what all of the person's visits agree on."""
    if session:
        return by_visit.get((person, session), {})
    own = [row for (name, _), row in by_visit.items() if name == person] if by_visit else []
    return {key: value for key, value in own[0].items() if all(o.get(key) == value for o in own)} if own else {}


def _check_persons(people: Sequence[str], by_person: Rows, by_visit: Rows, tables: Sequence[Path]) -> None:
    known = {person for person, _ in (*by_person, *by_visit)}
    missing = sorted(set(people) - known)
    if missing and tables:
        raise InputError(
            f"{len(missing)} of {len(set(people))} persons are in no table of covariates: {listing(missing)}. "
            f"{tables[0]} lists {listing(known)}: add them (n/a where a value is unknown), or leave their images out"
        )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _typed(values: Sequence[str | None], name: str, notes: list[str]):
    """Numbers if all that is there are numbers, else text; text that is mostly numbers is noted."""
    import numpy as np

    there = [value for value in values if value is not None and value not in MISSING]
    numbers = [_number(value) for value in there]
    others = sorted({value for value, number in zip(there, numbers, strict=True) if number is None})
    if not others:
        return np.array([np.nan if value is None else float(value) for value in values], dtype=float)
    if others and len(others) < sum(number is not None for number in numbers):
        notes.append(
            f"the column {name} is text, because {len(others)} of its values are no numbers ({listing(others, 4)}): "
            "write n/a or a number there to use it as one"
        )
    return np.array(values, dtype=object)


def _selected(table, columns: Sequence[str] | None, tables: Sequence[Path]):
    if columns is None:
        return table
    there = [name for name in table if name not in OWN]
    chosen = []
    for column in columns:
        found = column if column in there else column_of(there, [column.lower()])
        if found is None:
            source = tables[0] if tables else "no table of covariates was found"
            raise InputError(
                f"there is no covariate {column} ({source}); there are: {', '.join(there) or 'none'}. "
                "Choose among these, or give a table with --covariates"
            )
        chosen.append(found)
    kept = dict.fromkeys([*chosen, *(name for name in ("age", "time") if name in there)])
    return table[["label", "person", "session", *kept]]


def _check_ages(table, notes: list[str]) -> None:
    if "age" in table and table["age"].dtype.kind == "f" and table["age"].median() > OLDEST:
        notes.append(f"the median age is {table['age'].median():g}: is it in years? They are taken as such")


def _describe(column) -> Mapping[str, Any]:
    """Type, missing values, range or values of a column."""
    there = column.dropna()
    info: dict[str, Any] = {"type": "number" if column.dtype.kind == "f" else "text"}
    info |= {"n_missing": int(column.isna().sum()), "n_values": int(there.nunique())}
    if column.dtype.kind != "f":
        return info | {"values": {str(k): int(n) for k, n in there.value_counts(sort=False).head(20).items()}}
    if len(there):
        info |= {"minimum": float(there.min()), "maximum": float(there.max()), "mean": float(there.mean())}
    return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in info.items()}
