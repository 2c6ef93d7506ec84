"""The table of a subject's voxels: where each lies, its parcel, and what the fit did with it."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

STATUS = ("train", "validation", "test")


@step(outputs={"table": File})
def VoxelTable(voxels: File, scaling: File, split: File) -> Path:
    """One row a voxel of the mask: position, parcel, network, and its part in the split.

    Parameters
    ----------
    voxels : file
        Table of the mask's V voxels (MakeMask).
    scaling : file
        Normalisation (Normalize); says which voxels were usable.
    split : file
        Split of the usable voxels (SplitVoxels).

    Returns
    -------
    table : file
        TSV with the columns of `voxels` and ``status``: train, validation, test or dropped.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.stats.normalise import Scaling

    table = pd.read_csv(voxels, sep="\t", keep_default_na=False)
    kept = Scaling.load(scaling).kept.astype(bool)
    status = np.full(len(table), "dropped", dtype=object)
    status[kept] = np.array(STATUS, dtype=object)[np.load(split)]
    out = Path.cwd() / "voxels.tsv"
    table.assign(status=status).to_csv(out, sep="\t", index=False)
    return out
