"""The table of a subject's voxels: where each lies, its parcel, and what the fit did with it."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

STATUS = ("train", "validation", "test")


@step(outputs={"table": File})
def VoxelTable(voxels: File, scaling: File, voxel_split: File) -> Path:
    """One row a voxel of the mask: position, parcel, network, and its part in the split.

    Parameters
    ----------
    voxels : file
        Table of the mask's V voxels (MakeMask).
    scaling : file
        Normalisation (Normalize); says which voxels were usable.
    voxel_split : file
        Split of the usable voxels (SplitVoxels).

    Returns
    -------
    table : file
        TSV with the columns of `voxels` and ``status``: train, validation, test or dropped.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats.normalise import Scaling

    table = read_table(voxels)
    kept = Scaling.load(scaling).kept.astype(bool)
    status = np.full(len(table), "dropped", dtype=object)
    status[kept] = np.array(STATUS, dtype=object)[np.load(voxel_split)]
    return write_table("voxels.tsv", table.assign(status=status))
