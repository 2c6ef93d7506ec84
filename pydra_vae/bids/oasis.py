"""OASIS-1's covariates under names that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.people import as_person

# `ses` is socioeconomic status (Hollingshead), and would be taken for a session.
NAMES = {
    "mf": "sex",
    "ses": "socioeconomic_status",
    "educ": "education",
    "hand": "handedness",
    "etiv": "intracranial_ml",
    "nwbv": "brain_share",
    "asf": "atlas_scaling",
    "delay": "delay_days",
}


def oasis_rows(maps: Sequence[str | Path], variables):
    """One row a map.

    Parameters
    ----------
    maps : sequence of paths
        Whose names hold ``OAS1_0001_MR1``.
    variables : pandas.DataFrame
        nilearn's ``ext_vars``, with a column id.

    Returns
    -------
    table : pandas.DataFrame
        participant_id, path, then OASIS's columns as `NAMES` calls them.

    Raises
    ------
    InputError
        If a map's person is not among the variables.
    """
    import pandas as pd

    known = {as_person(row["id"]): row for row in variables.to_dict("records")}
    rows = []
    for path in maps:
        person = as_person(Path(path).name.partition("OAS1")[1] + Path(path).name.partition("OAS1")[2])
        if person not in known:
            raise InputError(f"{path}: oasis_cross-sectional.csv does not list its person {person}")
        values = {NAMES.get(name, name): value for name, value in known[person].items() if name != "id"}
        rows.append({"participant_id": person, "path": str(Path(path).absolute()), **values})
    return pd.DataFrame(rows)
