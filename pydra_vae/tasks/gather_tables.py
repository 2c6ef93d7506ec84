"""One table of many."""

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"table": File})
def GatherTables(tables: list[File], labels: list[str] | None = None, column: str = "participant_id"):
    """Put tables under one another, row by row as they stand.

    Parameters
    ----------
    tables : list of file
        TSVs; they may differ in their columns.
    labels : list of str, optional
        Whose each table is, for a first column.
    column : str
        Name of that column.

    Returns
    -------
    table : file
        TSV with all their rows; a column that a table lacks is n/a in its rows.
    """
    from pydra_vae.bids.tables import join_tables

    return join_tables("table.tsv", tables, labels, column)
