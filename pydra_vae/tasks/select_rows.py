"""Rows of a table of images by their labels."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"table": File})
def SelectRows(table: File, labels: list[str]):
    """Take the rows of some labels, in their order.

    Parameters
    ----------
    table : file
        TSV with a column label, each label once (such as the split of SplitSubjects).
    labels : list of str
        Whose rows.

    Returns
    -------
    table : file
        TSV of the same columns.
    """
    from pydra_vae.bids.tables import read_table, write_table

    found = read_table(table)
    if "label" not in found:
        raise ValueError(f"{table} has no column label: its columns are {', '.join(map(str, found.columns))}")
    missing = [label for label in labels if label not in set(found["label"].astype(str))]
    if missing:
        raise ValueError(f"{table} has no row of {', '.join(missing[:5])}: give labels of its {len(found)} rows")
    chosen = found.assign(label=found["label"].astype(str)).set_index("label").loc[labels].reset_index()
    return write_table(Path("table.tsv"), chosen[list(found.columns)])
