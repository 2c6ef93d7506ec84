"""One table of metrics a subject: every model beside its controls, for every split."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"metrics": File})
def SubjectMetrics(label: str, errors: list[File], tsnr: File, recovery: File | None = None) -> Path:
    """Join the reconstruction errors of all splits with the tSNR and, where known, the planted truth.

    Parameters
    ----------
    label : str
        Subject (and session) label, such as ``sub-01``; the first column.
    errors : list of file
        Tables of ReconstructionError, one a split; the first is that of the delivered model.
    tsnr : file
        Table of Tsnr, one row a model.
    recovery : file, optional
        Table of Recovery, one row a model (simulated data only).

    Returns
    -------
    metrics : file
        TSV, one row a split and model. tSNR and recovery belong to the delivered model's split.
    """
    import pandas as pd

    from pydra_vae.tasks._io import read_table, write_table

    tables = [read_table(path) for path in errors]
    first = tables[0]
    for path in (tsnr, recovery):
        if path is not None:
            extra = read_table(path).drop(columns=["split"], errors="ignore")
            first = first.merge(extra, on="model", how="outer", sort=False)
    first["split"] = tables[0]["split"].iloc[0]
    joined = pd.concat([first, *tables[1:]], ignore_index=True)
    joined.insert(0, "participant_id", label)
    return write_table("metrics.tsv", joined)
