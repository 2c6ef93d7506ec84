"""The voxels or vertices to analyse, for all runs of one subject."""

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
    atlas_right: File | None = None,
    surfaces: list[File] | None = None,
):
    """Choose the voxels: all of an atlas, or of a mask, or those inside every run's brain mask.

    Of runs on the surface (dtseries.nii) the same is done with grayordinates: vertices with a label of the atlas, else
    all that the files have, subcortical voxels too.

    Parameters
    ----------
    bolds : list of file
        Preprocessed BOLD runs (4-D, or dtseries.nii); they must share grid (or grayordinates) and repetition time.
    brain_masks : list of file, optional
        One a run; used only without atlas and mask_file, by their intersection.
    atlas : file, optional
        Label image in the BOLD's space: voxels with a label above 0, no brain mask applied. On
        another grid, the nearest label is taken. On the surface a dlabel.nii, or the left label.gii or annot.
    atlas_labels : file, optional
        Table of the atlas: index, name, and perhaps network.
    mask_file : file, optional
        Mask on the BOLD's grid, or a dscalar.nii of its grayordinates; with an atlas, the voxels of both.
    atlas_right : file, optional
        The right label.gii or annot of an atlas on the surface.
    surfaces : list of file, optional
        Left and right surface of the data's mesh, for the places of vertices in mm; needed for runs on the surface.

    Returns
    -------
    mask : file
        The voxels (uint8), on the grid of the runs; a dscalar.nii of their grayordinates for runs on the surface.
    voxels : file
        TSV, one row a voxel: i, j, k, parcel, name, network; of grayordinates structure, vertex, i, j, k (n/a where
        it is not one), x, y, z in mm, parcel, name, network.
    info : file
        JSON: where the voxels come from, how many there are, whether the atlas was resampled.
    """
    import json

    from pydra_vae.images.cifti import is_dense
    from pydra_vae.images.masks import make_mask, voxel_table
    from pydra_vae.images.volumes import save_nifti

    cwd = Path.cwd()
    if is_dense(bolds[0]):
        made = _on_surface(bolds, surfaces, [path for path in (atlas, atlas_right) if path is not None], mask_file)
        return _saved_surface(cwd, made)
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


def _on_surface(bolds, surfaces, atlas, mask_file):
    """The grayordinates of runs on the surface."""
    from pydra_vae.images.surface_masks import make_surface_mask

    if not surfaces or len(surfaces) != 2:
        raise ValueError(
            f"{bolds[0]} is on the surface: give `surfaces`, the left and right surface of its mesh (surf.gii), for "
            "the places of its vertices"
        )
    paths = [[Path(path) for path in given] for given in (bolds, surfaces, atlas)]
    return make_surface_mask(*paths, mask_file and Path(mask_file))


def _saved_surface(cwd, made):
    import json

    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.cifti import write_dense_maps

    (cwd / "mask.json").write_text(json.dumps(made.info, indent=2) + "\n", encoding="utf-8")
    inside = made.inside.astype(np.float32)[:, None]
    return (
        write_dense_maps(cwd / "mask.dscalar.nii", inside, ["mask"], made.models),
        write_table(cwd / "voxels.tsv", made.table()),
        cwd / "mask.json",
    )
