"""What tables say of each image's person and visit."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"covariates": File, "info": File})
def Covariates(
    tables: list[File],
    labels: list[str],
    persons: list[str],
    sessions: list[str] | None = None,
    columns: list[str] | None = None,
):
    """Join tables of persons and of visits to the images, in the images' order.

    What is said of a visit wins over what is said of the person. Columns of numbers are kept as numbers. Where persons
    have several visits, ``time`` is years since the person's first one, by the ages, else by the dates (acq_time),
    else by the sessions' names (``ses-12m``, ``ses-M12``), else the number of the visit; the info says which. An age
    that is the same at all visits of everybody is that of the first one, and ``time`` in years is added.

    Parameters
    ----------
    tables : list of file
        TSV, or CSV by its name: participants.tsv, or any table with a column participant_id and perhaps session_id;
        and ``sub-…_sessions.tsv``, whose names say whose they are.
    labels : list of str
        Of the images.
    persons : list of str
        Whose each is.
    sessions : list of str, optional
        Its visit; empty text for none.
    columns : list of str, optional
        Which to keep, beside age and time (default: all).

    Returns
    -------
    covariates : file
        TSV, one row an image: label, person, session, then the columns; n/a where a value is missing.
    info : file
        JSON: for each column its type, the number missing, and the values or the range; notes in words.
    """
    from pydra_vae.bids.covariates import join_covariates
    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._io import write_json

    table, info = join_covariates([Path(path) for path in tables], labels, persons, sessions, columns)
    return write_table(Path("covariates.tsv"), table), write_json(Path("covariates.json"), info)
