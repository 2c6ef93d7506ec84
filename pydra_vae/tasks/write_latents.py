"""Latents as a table that other software reads: one row an image."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"table": File})
def WriteLatents(latents: File, volume_split: File, log_variance: File | None = None, name: str = "z"):
    """Write each image's latents, and how sure the model is of them.

    Parameters
    ----------
    latents : file
        (N, k) posterior means (EncodeVolumes), or scores on principal components (VolumePcaScores).
    volume_split : file
        Whose they are, in the same order (SplitSubjects).
    log_variance : file, optional
        (N, k) log variances of the posterior (EncodeVolumes).
    name : str
        Of the columns, before the number.

    Returns
    -------
    table : file
        TSV: label, person, part, z0 … (numbered from 0, as in all tables), sd0 … (posterior standard deviations).
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split

    mean = np.asarray(load_array(latents))
    split = Split.load(volume_split)
    split.check("latents", mean)
    columns = {"label": split.label, "person": split.person, "part": split.part}
    columns |= {f"{name}{n}": values for n, values in enumerate(mean.T)}
    if log_variance is not None:
        sd = np.exp(np.asarray(load_array(log_variance)) / 2)
        split.check("log variances", sd)
        columns |= {f"sd{n}": values for n, values in enumerate(sd.T)}
    return write_table(Path("latents.tsv"), pd.DataFrame(columns))
