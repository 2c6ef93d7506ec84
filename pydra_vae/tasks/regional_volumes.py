"""Volumes of an atlas's regions in each image."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"regions": File, "info": File})
def RegionalVolumes(
    volumes: File,
    mask: File,
    volumes_info: File,
    atlas: File,
    labels: File | None = None,
    min_voxels: int = 5,
):
    """Sum each image over the regions of an atlas.

    A tissue probability summed over voxels, times their size, is a volume in ml: that of the tissue where the map is
    modulated, and otherwise of the tissue as it lies in the template. Of intensities the mean is taken.

    Parameters
    ----------
    volumes : file
        (N, V) array (StackVolumes).
    mask : file
        Its voxels (MakeVolumeMask).
    volumes_info : file
        Its description, with the images' labels (StackVolumes).
    atlas : file
        Label image in the same space; brought to the mask's grid by the nearest label.
    labels : file, optional
        TSV with index and name (default: regions are called by their number).
    min_voxels : int
        Regions with fewer voxels inside the mask are left out, and named in the info.

    Returns
    -------
    regions : file
        TSV, one row an image: label, then a column a region, and "whole mask".
    info : file
        JSON: unit (ml, or mean), voxels of each region, regions left out.
    """
    import json

    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.region_sums import region_sums, regions_in_mask
    from pydra_vae.images.volumes import load_mask
    from pydra_vae.tasks._io import load_array, write_json

    values, said = load_array(volumes), json.loads(Path(volumes_info).read_text(encoding="utf-8"))
    where, header = load_mask(Path(mask)), read_header(Path(mask))
    if values.shape != (len(said["labels"]), int(where.sum())):
        raise ValueError(
            f"{volumes} has images × voxels {values.shape}, but {volumes_info} lists {len(said['labels'])} images and "
            f"{mask} has {int(where.sum())} voxels: do they come from one run?"
        )
    number, names, dropped, resampled = regions_in_mask(Path(atlas), labels and Path(labels), where, header, min_voxels)
    sums, counts = region_sums(values, number, len(names))
    in_ml = said["unit"] == "probability"
    factor = float(np.prod(header.voxel_sizes)) / 1000 if in_ml else 1 / counts
    table = {"label": said["labels"]} | dict(zip(names, (sums * factor).T, strict=True))
    info = {
        "unit": "ml" if in_ml else "mean",
        "atlas": Path(atlas).name,
        "atlas_resampled": resampled,
        "n_voxels": dict(zip(names, map(int, counts), strict=True)),
        "left_out": dropped,
        "min_voxels": min_voxels,
    }
    return write_table(Path("regions.tsv"), pd.DataFrame(table)), write_json(Path("regions.json"), info)
