"""Rows of values back to an image."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"image": File, "table": File})
def WriteVolumes(values: File, mask: File, names: list[str] | None = None, fill: float = 0.0):
    """Write rows of values at the mask's voxels as a 4-D image, one volume a row.

    Parameters
    ----------
    values : file
        (n, V) array: decoded images, effects of latents, network maps.
    mask : file
        Its voxels (MakeVolumeMask), whose grid the image gets.
    names : list of str, optional
        What each row shows; numbers without them.
    fill : float
        Value of the voxels outside.

    Returns
    -------
    image : file
        4-D float32 NIfTI.
    table : file
        TSV: volume (from 0), name.
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.volumes import load_mask, save_nifti, save_series, unmask
    from pydra_vae.tasks._io import load_array

    rows = load_array(values)
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
    if fill == 0:
        save_series(path, rows.T, where, header)
    else:
        save_nifti(path, unmask(rows.T, where, fill), header)
    table = write_table(Path("volumes.tsv"), [{"volume": i, "name": name} for i, name in enumerate(names)])
    return path, table
