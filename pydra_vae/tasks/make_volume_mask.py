"""The voxels in which images of many people are compared."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"mask": File, "mean": File, "info": File})
def MakeVolumeMask(
    volumes: list[File],
    volume_split: File,
    mask_file: File | None = None,
    threshold: float = 0.08,
    brain_masks: list[File] | None = None,
    unit: ty.Literal["probability", "intensity"] | None = None,
):
    """Choose the voxels from the training images alone.

    Without a mask file: of probabilities, the voxels whose mean is above the threshold; of intensities, those inside
    more than half of the brain masks, or without brain masks those whose mean is above a tenth of the bright voxels'
    (or, where values fall below 0, those that are not 0 in more than half of the images). Voxels that are constant
    over the training images are left out.

    Parameters
    ----------
    volumes : list of file
        One an image, on one grid (PrepareVolume), in the order of the split.
    volume_split : file
        Which images are for training (SplitSubjects).
    mask_file : file, optional
        Take these voxels instead; brought to the grid by the nearest voxel.
    threshold : float
        Mean tissue probability above which a voxel is kept.
    brain_masks : list of file, optional
        One an image, in the order of the split; used for intensities.
    unit : str, optional
        What the values are (default: by their range; 0 to 4 is a probability, modulated or not).

    Returns
    -------
    mask : file
        The voxels (uint8).
    mean : file
        Mean of the training images (float32).
    info : file
        JSON: unit, mask_rule, n_voxels, n_constant_dropped, n_training_images, grid.
    """
    from pydra_vae.images.volume_masks import choose_voxels, summarise
    from pydra_vae.images.volumes import save_nifti
    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._recordings import Split

    split = Split.load(volume_split)
    split.check("volumes", volumes)
    split.check("brain masks", brain_masks or volumes)
    rows = split.rows("train")
    found = summarise([Path(volumes[i]) for i in rows], [f"{split.label[i]} ({volumes[i]})" for i in rows])
    masks = [Path(brain_masks[i]) for i in rows] if brain_masks else ()
    mask, info = choose_voxels(found, threshold, mask_file and Path(mask_file), masks, unit)
    cwd = Path.cwd()
    return (
        save_nifti(cwd / "mask.nii.gz", mask, like=found.header),
        save_nifti(cwd / "mean.nii.gz", found.mean, like=found.header),
        write_json(Path("mask.json"), info),
    )
