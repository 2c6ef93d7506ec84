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

    from pydra_vae.stats.splits import ImpossibleSplit, split_voxels
    from pydra_vae.tasks._space import Space

    space = Space.load(voxels, scaling, mask)
    n, parcels, why_not = len(space.mm), space.parcel if space.parcel.any() else None, ""
    try:
        split = split_voxels(scheme, n, coordinates_mm=space.mm, parcels=parcels, seed=seed)
    except ImpossibleSplit as reason:
        if if_impossible == "error":
            raise
        split, why_not = np.zeros(n, dtype=np.int8), str(reason)
    out = Path.cwd() / "split.npy"
    np.save(out, split)
    return out, why_not
