"""One table of metrics a subject: every model beside its controls, for every split."""

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"metrics": File})
def SubjectMetrics(
    label: str,
    errors: File,
    tsnr: File,
    blocked_errors: File | None = None,
    recovery: File | None = None,
):
    """Join the reconstruction errors of all splits with the tSNR and, where known, the planted truth.

    Parameters
    ----------
    label : str
        Subject (and session) label, such as ``sub-01``; the first column.
    errors : file
        Table of ReconstructionError for the delivered model's split.
    tsnr : file
        Table of Tsnr, one row a model.
    blocked_errors : file, optional
        The same of the second fit, on blocks of voxels.
    recovery : file, optional
        Table of Recovery, one row a model (simulated data only).

    Returns
    -------
    metrics : file
        TSV, one row a split and model. tSNR and recovery belong to the delivered model's split.
    """
    import pandas as pd

    from pydra_vae.bids.tables import read_table, write_table

    joined = read_table(errors)
    scheme = joined["split"].iloc[0]
    for path in (tsnr, recovery):
        if path is not None:
            joined = joined.merge(read_table(path), on="model", how="outer", sort=False)
    joined["split"] = scheme
    joined = joined.sort_values("model", key=lambda names: names.map(_rank), kind="stable")
    if blocked_errors is not None:
        joined = pd.concat([joined, read_table(blocked_errors)], ignore_index=True)
    joined.insert(0, "participant_id", label)
    return write_table("metrics.tsv", joined)


def _rank(model: str) -> int:
    """Input first, then the model, PCA by size, and the trivial predictors."""
    if model.startswith("pca-"):
        return 100 + int(model.split()[0].removeprefix("pca-"))
    return {"input": 0, "cvae": 1, "shrinkage": 10_000}.get(model, 20_000)
