"""Latents as a table that other software reads: one row an image."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"table": File})
def WriteLatents(latents: File, log_variance: File, volume_split: File):
    """Write each image's latents, and how sure the model is of them.

    Parameters
    ----------
    latents, log_variance : file
        (N, k) arrays (EncodeVolumes).
    volume_split : file
        Whose they are, in the same order (SplitSubjects).

    Returns
    -------
    table : file
        TSV: label, person, part, latent1 … (posterior means), sd1 … (posterior standard deviations).
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split

    mean, sd = np.asarray(load_array(latents)), np.exp(np.asarray(load_array(log_variance)) / 2)
    split = Split.load(volume_split)
    split.check("latents", mean)
    split.check("log variances", sd)
    numbers = range(1, mean.shape[1] + 1)
    columns = {"label": split.label, "person": split.person, "part": split.part}
    columns |= {f"latent{n}": mean[:, n - 1] for n in numbers} | {f"sd{n}": sd[:, n - 1] for n in numbers}
    return write_table(Path("latents.tsv"), pd.DataFrame(columns))
