"""Images that users receive: latent maps and denoised BOLD."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"maps": File})
def WriteLatentMaps(latents: File, scaling: File, mask: File):
    """Write each latent dimension as a map.

    Parameters
    ----------
    latents : file
        (K, D) matrix of Encode.
    scaling : file
        Normalisation (Normalize): which of the mask's voxels the rows are.
    mask : file
        Mask (MakeMask).

    Returns
    -------
    maps : file
        4-D image, one volume a latent, or a dscalar.nii, one map a latent; 0 outside the mask and in voxels that
        could not be used.
    """
    import numpy as np

    from pydra_vae.images.geometry import load_geometry
    from pydra_vae.stats.normalise import Scaling

    values = np.load(Path(latents))
    kept = Scaling.load(Path(scaling))
    _check_rows(values, kept, latents)
    rows = kept.unmask(values.astype(np.float32))
    names = [f"z{dimension + 1}" for dimension in range(rows.shape[1])]
    return load_geometry(Path(mask)).write_maps(Path.cwd() / "latents", rows, names)


@step(outputs={"denoised": File})
def WriteDenoised(
    reconstruction: File,
    scaled: File,
    scaling: File,
    frames: File,
    series: File,
    mask: File,
    bold: File,
    run_index: int,
    restore_mean: bool = True,
    t_r: float | None = None,
):
    """Write the reconstruction of one run as a BOLD image in the units of its input.

    Residuals come back as residuals, whether a mean image was added to them or not.

    Parameters
    ----------
    reconstruction : file
        (K, T) matrix of Reconstruct, all runs joined, as decoded.
    scaled : file
        (K, T) matrix that was encoded (Normalize).
    scaling : file
        How to return to the input's units (Normalize).
    frames : file
        Joined table of frames (Normalize).
    series : file
        (V, T_run) matrix of this run (MaskBold): voxels that could not be used stay as they were read.
    mask : file
        Mask (MakeMask).
    bold : file
        The run's image: geometry and repetition time come from its header.
    run_index : int
        Which run, from 0, in the order of Normalize.
    restore_mean : bool
        Give every voxel the mean of its input; networks reconstruct means badly.
    t_r : float, optional
        Repetition time in seconds, where the header has none.

    Returns
    -------
    denoised : file
        4-D float32 image (or dtseries.nii) with the frames, geometry and repetition time of `bold`; 0 outside
        the mask. Censored frames hold the reconstruction of their interpolated input.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.images.geometry import load_geometry, read_bold_header
    from pydra_vae.stats.chunks import row_chunks
    from pydra_vae.stats.normalise import Scaling
    from pydra_vae.stats.normalise import restore_mean as with_means

    header = read_bold_header(Path(bold))
    back = Scaling.load(Path(scaling))
    decoded, encoded = (np.load(Path(path), mmap_mode="r") for path in (reconstruction, scaled))
    rows = np.array(np.load(Path(series), mmap_mode="r"), np.float32)
    _check_rows(decoded, back, reconstruction)
    if not 0 <= run_index < len(back.lengths):
        raise ValueError(f"run_index is {run_index}, but the scaling was made for {len(back.lengths)} runs")
    wanted = (back.kept.size, int(back.lengths[run_index]))
    if rows.shape != wanted or header.n_frames != wanted[1]:
        raise ValueError(
            f"run {run_index} of the scaling has {wanted[0]} voxels × {wanted[1]} frames, but {series} has the shape "
            f"{rows.shape} and {bold} {header.n_frames} volumes: do they belong to the same run?"
        )
    weights = pd.read_csv(Path(frames), sep="\t")["weight"].to_numpy()
    kept, columns = np.nonzero(back.kept)[0], back.frames_of(run_index)
    for part in row_chunks(*decoded.shape):
        chunk = np.asarray(decoded[part])
        if restore_mean:
            chunk = with_means(chunk, encoded[part], weights)
        rows[kept[part]] = back.invert(chunk[:, columns], rows=part, run=run_index)
    return load_geometry(Path(mask)).write_series(Path.cwd() / "denoised", rows, Path(bold), header.t_r or t_r)


def _check_rows(values, scaling, path) -> None:
    n = int(scaling.kept.sum())
    if len(values) != n:
        raise ValueError(f"{path} has {len(values)} rows, but the scaling kept {n} voxels: do they belong together?")
