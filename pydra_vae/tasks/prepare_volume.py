"""From one person's map to the common grid."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"volume": File, "info": File})
def PrepareVolume(
    image: File,
    grid: File | None = None,
    resolution: float | None = None,
    smoothing_fwhm: float | None = None,
    normalization: ty.Literal["none", "zscore", "minmax", "mean"] = "none",
    brain_mask: File | None = None,
    interpolation: ty.Literal["continuous", "linear", "nearest"] = "continuous",
):
    """Normalise and smooth one map, and resample it to the common grid.

    Everything is learnt from this image alone, so nothing passes from one person to another.

    Parameters
    ----------
    image : file
        3-D map: a tissue probability, a T1w image, a functional map.
    grid : file, optional
        Image on the common grid.
    resolution : float, optional
        Edge of cubic voxels, in mm, over the box of the grid's image, or without one of the image itself.
    smoothing_fwhm : float, optional
        Full width at half maximum of a Gaussian, in mm, on the image's own grid.
    normalization : str
        zscore, minmax or mean (divided by the mean), within the brain mask, or without one over the positive voxels;
        voxels outside become 0. Tissue probabilities need none.
    brain_mask : file, optional
        The image's own brain mask; brought to its grid by the nearest voxel. Without normalization it changes nothing.
    interpolation : str
        continuous (cubic spline), linear or nearest. Over larger voxels than its own, the image is averaged first.

    Returns
    -------
    volume : file
        3-D float32 NIfTI on the common grid.
    info : file
        JSON: what was done; range and share of the grid outside the image's box.
    """
    from pydra_vae.images.grids import resample, smooth, target_grid
    from pydra_vae.images.intensities import load_map, normalise, unit_of
    from pydra_vae.images.volumes import save_nifti
    from pydra_vae.tasks._io import write_json

    image = Path(image)
    values, header = load_map(image)
    info = {
        "image": image.name,
        "unit": "intensity" if normalization != "none" else unit_of(values.min(), values.max()),
    }
    inside = None if normalization == "none" else _inside(values, header, brain_mask)
    if inside is not None:
        values, scaling = normalise(values, inside, normalization, image)
        info |= scaling
    if smoothing_fwhm:
        values = smooth(values, smoothing_fwhm, header.voxel_sizes)
    target = target_grid(header, grid and Path(grid), resolution)
    values, done = resample(values, header, target, interpolation)
    if inside is not None:  # smoothing and splines reach beyond the brain
        values[resample(inside, header, target, "nearest")[0] < 0.5] = 0
    if values.min() == values.max():
        raise ValueError(
            f"{image} is constant ({values.flat[0]:g}) on the common grid, {done['outside_field_of_view']:.0%} of "
            "which lies outside the image: are both in one space?"
        )
    info |= done | {
        "normalization": normalization,
        "smoothing_fwhm_mm": smoothing_fwhm or 0,
        "interpolation": interpolation if done["resampled"] else "none",
        "shape": list(target.shape),
        "voxel_size_mm": [round(float(size), 5) for size in target.voxel_sizes],
        "minimum": float(values.min()),
        "maximum": float(values.max()),
    }
    return save_nifti(Path.cwd() / "volume.nii", values, like=target), write_json(Path("volume.json"), info)


def _inside(values, header, brain_mask):
    """The brain: its mask on the image's grid, or the positive voxels."""
    if brain_mask is None:
        inside = values > 0
        if not inside.any():
            raise ValueError(f"{header.path} has no voxel above 0 to take its scale from: give its brain mask")
        return inside
    from pydra_vae.images.volume_masks import load_mask_on

    return load_mask_on(Path(brain_mask), header)[0]
