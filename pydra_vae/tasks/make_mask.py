"""The voxels to analyse, for all runs of one subject."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"mask": File, "voxels": File, "info": File})
def MakeMask(
    bolds: list[File],
    brain_masks: list[File] | None = None,
    atlas: File | None = None,
    atlas_labels: File | None = None,
    mask_file: File | None = None,
):
    """Choose the voxels: all of an atlas, or of a mask, or those inside every run's brain mask.

    Parameters
    ----------
    bolds : list of file
        Preprocessed BOLD runs (4-D); they must share grid and repetition time.
    brain_masks : list of file, optional
        One a run; used only without atlas and mask_file, by their intersection.
    atlas : file, optional
        Label image in the BOLD's space: voxels with a label above 0, no brain mask applied. On
        another grid, the nearest label is taken.
    atlas_labels : file, optional
        Table of the atlas: index, name, and perhaps network.
    mask_file : file, optional
        Mask on the BOLD's grid; with an atlas, the voxels of both.

    Returns
    -------
    mask : file
        The voxels (uint8), on the grid of the runs.
    voxels : file
        TSV, one row a voxel: i, j, k, parcel, name, network.
    info : file
        JSON: where the voxels come from, how many there are, whether the atlas was resampled.
    """
    import json

    from pydra_vae.images.masks import make_mask, voxel_table
    from pydra_vae.images.volumes import save_nifti

    cwd = Path.cwd()
    made = make_mask(
        [Path(bold) for bold in bolds],
        [Path(mask) for mask in brain_masks or ()],
        atlas and Path(atlas),
        atlas_labels and Path(atlas_labels),
        mask_file and Path(mask_file),
    )
    table = voxel_table(made.mask, made.parcels, made.labels)
    table.to_csv(cwd / "voxels.tsv", sep="\t", index=False)
    (cwd / "mask.json").write_text(json.dumps(made.info, indent=2) + "\n", encoding="utf-8")
    return (
        save_nifti(cwd / "mask.nii.gz", made.mask, like=made.header),
        cwd / "voxels.tsv",
        cwd / "mask.json",
    )
