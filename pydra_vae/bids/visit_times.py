"""Years between the visits of a person, from the best that tables and names say."""

from __future__ import annotations

import re

from pydra_vae.bids.names import natural_key

DAYS = {"y": 365.25, "m": 365.25 / 12, "w": 7.0, "d": 1.0}
_SESSION = re.compile(r"([a-z]*?)(\d+)([a-z]*)\Z")
_WORDS = {
    "y": "y", "yr": "y", "year": "y", "years": "y",
    "m": "m", "mo": "m", "month": "m", "months": "m",
    "w": "w", "wk": "w", "week": "w", "weeks": "w",
    "d": "d", "day": "d", "days": "d",
}  # fmt: skip
_FIRST = ("bl", "baseline", "sc", "screening")


def years_in_name(session: str) -> float | None:
    """Years since the first visit that a session's name says; None where it says none.

    Examples
    --------
    >>> years_in_name("M06"), years_in_name("24m"), years_in_name("baseline"), years_in_name("2")
    (0.5, 2.0, 0.0, None)
    """
    text = session.lower()
    if text in _FIRST:
        return 0.0
    match = _SESSION.match(text)
    unit = match and (_WORDS.get(match[1]) if match[1] else _WORDS.get(match[3]))
    if not unit or (match[1] and match[3]):
        return None
    return int(match[2]) * DAYS[unit] / DAYS["y"]


def add_times(table, notes: list[str]):
    """Add the column ``time`` where any person has several visits.

    Parameters
    ----------
    table : pandas.DataFrame
        person, session; perhaps age, acq_time.
    notes : list of str
        What was found is added.

    Returns
    -------
    table : pandas.DataFrame
        With time, and age as of each visit where it was that of the first.
    source : str
        table, age, acq_time, session, order; none where no visits repeat.
    """
    if not table["person"].duplicated().any():
        return table, "none"
    if "time" in table and table["time"].dtype.kind == "f":
        return table, "table"
    several = table["person"].duplicated(keep=False)
    age = table["age"] if "age" in table and table["age"].dtype.kind == "f" else None
    if age is not None and (age.groupby(table["person"]).nunique() > 1).any():
        return table.assign(time=_since_first(table, age)), "age"
    time, source = _from_dates(table, several), "acq_time"
    if time is None:
        time, source = _from_names(table, several), "session"
    if time is None:
        order = table.groupby("person")["session"].transform(_ranks)
        notes.append(
            "the tables say neither the age at each visit nor its date (acq_time): time is the number of the visit, "
            "not years; add a column age to each sub-…_sessions.tsv"
        )
        return table.assign(time=order.astype(float)), "order"
    if age is not None:
        notes.append(f"the tables give one age a person: later visits' age is that plus the time from {source}")
        table = table.assign(age=age + time.fillna(0))
    return table.assign(time=time), source


def _since_first(table, values):
    return values - values.groupby(table["person"]).transform("min")


def _from_dates(table, several):
    import pandas as pd

    if "acq_time" not in table:
        return None
    dates = pd.to_datetime(table["acq_time"], errors="coerce", format="ISO8601")
    if dates[several].isna().any():
        return None
    return _since_first(table, dates).dt.total_seconds() / (86400 * DAYS["y"])


def _from_names(table, several):
    years = table["session"].map(lambda s: years_in_name(s) if isinstance(s, str) else None).astype(float)
    if years[several].isna().any():
        return None
    return _since_first(table, years).where(several, 0.0)


def _ranks(sessions):
    """0, 1, … in natural order of the names; unnamed visits first."""
    names = ["" if not isinstance(s, str) else s for s in sessions]
    order = sorted(set(names), key=natural_key)
    return [order.index(name) for name in names]
