"""One table of metrics of all subjects."""

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"table": File})
def GroupMetrics(metrics: list[File]):
    """Put the subjects' tables under one another.

    Parameters
    ----------
    metrics : list of file
        Tables of SubjectMetrics.

    Returns
    -------
    table : file
        TSV with all their rows; a measure that a subject lacks is n/a.
    """
    import pandas as pd

    from pydra_vae.bids.tables import read_table, write_table

    return write_table("metrics.tsv", pd.concat([read_table(path) for path in metrics], ignore_index=True))
