"""Files of simulated recordings as the steps of the subject level write them, for steps of the group level."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd

from pydra_vae.stats.normalise import Scaling


def write_space(folder, shape=(16, 18, 14), edge=6.0, drop=(), parcel_edge=24.0, offset=0.0):
    """mask.nii.gz, voxels.tsv and scaling.safetensors of a box of voxels; `drop` are rows that Normalize dropped."""
    folder.mkdir(parents=True)
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = offset
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), affine), folder / "mask.nii.gz")
    ijk = np.argwhere(np.ones(shape))
    cubes = (ijk * edge // parcel_edge).astype(int)
    label = np.unique(cubes, axis=0, return_inverse=True)[1].reshape(-1) + 1 if parcel_edge else np.zeros(len(ijk), int)
    table = pd.DataFrame(ijk, columns=["i", "j", "k"])
    table["parcel"] = label
    table["name"] = [f"P{p}" if p else "" for p in label]
    table["network"] = [f"N{p % 3}" if p else "" for p in label]
    table.to_csv(folder / "voxels.tsv", sep="\t", index=False, na_rep="n/a")
    kept = np.ones(len(ijk), bool)
    kept[list(drop)] = False
    one = np.ones((int(kept.sum()), 1))
    Scaling("minmax", 0 * one, one, 0 * one, kept, np.array([100])).save(folder / "scaling.safetensors")
    return SimpleNamespace(
        mask=folder / "mask.nii.gz", voxels=folder / "voxels.tsv", scaling=folder / "scaling.safetensors",
        kept=kept, mm=ijk * edge + offset, parcel=label, shape=shape,
    )  # fmt: skip


def save(path, array):
    np.save(path, np.asarray(array, np.float32))
    return path
