"""Assign voxels to training, validation and test."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"voxel_split": File, "why_not": str})
def SplitVoxels(
    mask: File,
    voxels: File,
    scaling: File,
    scheme: ty.Literal["random", "blocked", "parcel"] = "random",
    seed: int = 0,
    if_impossible: ty.Literal["error", "skip"] = "error",
):
    """Split the usable voxels 70/10/20 in training, validation and test voxels.

    Parameters
    ----------
    mask : file
        The mask, for the voxels' positions in mm.
    voxels : file
        Table of the mask's voxels and their parcels (MakeMask).
    scaling : file
        Scaling of Normalize; says which voxels are usable.
    scheme : str
        random: single voxels, as in the paper (99.9 % of test voxels then touch a training voxel);
        blocked: cubes of 24 mm; parcel: whole parcels of the atlas.
    seed : int
        Seed of the assignment.
    if_impossible : str
        What to do where the mask is too small for the scheme: error, or skip: say so in why_not.

    Returns
    -------
    voxel_split : file
        (K,) int8: 0 training, 1 validation, 2 test; all 0 where the split was skipped.
    why_not : str
        Empty, or one line that says why the split was skipped.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table
    from pydra_vae.images.headers import read_header
    from pydra_vae.stats.normalise import Scaling
    from pydra_vae.stats.splits import ImpossibleSplit, split_voxels

    kept = Scaling.load(scaling).kept
    table = read_table(voxels)
    if len(table) != kept.size:
        raise ValueError(
            f"{voxels} lists {len(table)} voxels but the scaling was made for {kept.size}: do both belong to one mask?"
        )
    affine = read_header(Path(mask)).affine
    ijk = table[["i", "j", "k"]].to_numpy(dtype=float)[kept]
    parcels = table["parcel"].to_numpy(dtype=int)[kept]
    why_not = ""
    try:
        split = split_voxels(
            scheme,
            len(ijk),
            coordinates_mm=ijk @ affine[:3, :3].T + affine[:3, 3],
            parcels=parcels if parcels.any() else None,
            seed=seed,
        )
    except ImpossibleSplit as reason:
        if if_impossible == "error":
            raise
        split, why_not = np.zeros(len(ijk), dtype=np.int8), str(reason)
    out = Path.cwd() / "split.npy"
    np.save(out, split)
    return out, why_not
