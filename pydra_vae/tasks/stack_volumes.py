"""All images' values inside the mask, as one array."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"volumes": File, "info": File})
def StackVolumes(volumes: list[File], labels: list[str], mask: File, mask_info: File | None = None):
    """Read the images' values at the mask's voxels, one image at a time.

    Parameters
    ----------
    volumes : list of file
        3-D, on the mask's grid (PrepareVolume).
    labels : list of str
        Of the images, in the same order: that of the split.
    mask : file
        The voxels (MakeVolumeMask).
    mask_info : file, optional
        Its description, which says unit and rule; otherwise the unit is told by the values' range.

    Returns
    -------
    volumes : file
        (N, V) float32 `.npy`: one row an image, voxels in C order of the mask.
    info : file
        JSON: n_images, n_voxels, shape, affine, voxel_size_mm, unit, mask_rule, minimum, maximum, labels.
    """
    import json

    import numpy as np

    from pydra_vae.images.grids import check_common_grid
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.intensities import load_map, unit_of
    from pydra_vae.images.volumes import load_mask
    from pydra_vae.tasks._io import new_array, write_json

    if len(volumes) != len(labels):
        raise ValueError(f"{len(volumes)} volumes but {len(labels)} labels: give one label for each image")
    where, header = load_mask(Path(mask)), read_header(Path(mask))
    names = [f"{label} ({path})" for label, path in zip(labels, volumes, strict=True)]
    check_common_grid([header, *(read_header(Path(path)) for path in volumes)], [f"the mask {mask}", *names])
    values = new_array(Path("volumes.npy"), (len(volumes), int(where.sum())))
    lowest, highest = np.inf, -np.inf
    for row, path, name in zip(values, volumes, names, strict=True):
        row[:] = load_map(Path(path))[0][where]
        if row.min() == row.max():
            raise ValueError(f"{name} is constant ({row[0]:g}) inside the mask: is it in the space of the others?")
        lowest, highest = min(lowest, float(row.min())), max(highest, float(row.max()))
    values.flush()
    said = json.loads(Path(mask_info).read_text(encoding="utf-8")) if mask_info else {}
    info = {
        "n_images": len(volumes),
        "n_voxels": values.shape[1],
        "shape": list(header.shape),
        "affine": header.affine.tolist(),
        "voxel_size_mm": [round(float(size), 5) for size in header.voxel_sizes],
        "unit": said.get("unit") or unit_of(lowest, highest),
        "mask_rule": said.get("mask_rule") or f"the voxels of {Path(mask).name}",
        "minimum": lowest,
        "maximum": highest,
        "labels": list(labels),
    }
    return Path("volumes.npy").absolute(), write_json(Path("volumes.json"), info)
