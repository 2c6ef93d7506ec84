"""Rows of values back to an image."""

from pathlib import Path
from typing import Literal

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"image": File, "table": File})
def WriteVolumes(
    values: File,
    mask: File,
    names: list[str] | None = None,
    fill: float = 0.0,
    intent: Literal["none", "estimate", "z score"] = "none",
):
    """Write rows of values at the mask's voxels as a 4-D image, one volume a row.

    Parameters
    ----------
    values : file
        (n, V) array: decoded images, effects of latents, network maps; or a PCA (FitVolumePca), for its components.
    mask : file
        Its voxels (MakeVolumeMask), whose grid the image gets.
    names : list of str, optional
        What each row shows; numbers without them.
    fill : float
        Value of the voxels outside.
    intent : str
        What the header says of the values: estimate (such as the change for one standard deviation), z score.

    Returns
    -------
    image : file
        4-D float32 NIfTI.
    table : file
        TSV: volume (from 0), name.
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.volumes import load_mask, save_series

    rows = _rows(Path(values))
    where, header = load_mask(Path(mask)), read_header(Path(mask))
    rows = rows[None] if rows.ndim == 1 else rows
    names = [str(row + 1) for row in range(len(rows))] if names is None else names
    if len(rows) != len(names):
        raise ValueError(f"{values} has {len(rows)} rows but {len(names)} names were given: give one for each")
    if rows.shape[1] != where.sum():
        raise ValueError(
            f"{values} has values for {rows.shape[1]} voxels, but the mask {mask} has {int(where.sum())}: "
            "do both come from one run?"
        )
    path = Path.cwd() / "volumes.nii.gz"
    save_series(path, rows.T, where, header, intent=intent, fill=fill)
    table = write_table(Path("volumes.tsv"), [{"volume": i, "name": name} for i, name in enumerate(names)])
    return path, table


def _rows(values: Path):
    from pydra_vae.tasks._io import load_array

    if values.suffix != ".safetensors":
        return load_array(values)
    from safetensors.numpy import load_file

    return load_file(str(values))["components"]
