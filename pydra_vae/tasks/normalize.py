"""Join the runs of a subject and scale them."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"scaled": File, "scaling": File, "frames": File, "info": File})
def Normalize(
    series: list[File],
    frames: list[File],
    method: ty.Literal["minmax", "minmax_timepoint", "global", "zscore"] = "minmax",
    match_baselines: bool = True,
    mean_image: File | None = None,
    mask: File | None = None,
    tsnr_units: ty.Literal["auto", "scanner", "scaled"] = "auto",
):
    """Scale voxel series and join the runs along time.

    Parameters
    ----------
    series : list of file
        (V, T_run) float32 matrices of MaskBold, one a run, in the order of the runs.
    frames : list of file
        Tables of MaskBold, one a run: which frames count.
    method : str
        minmax: each voxel to [0, 1] over time; minmax_timepoint: each frame to [0, 1] over voxels,
        as scikit-learn's MinMaxScaler does to voxels × time; global: all to [0, 1]; zscore: each
        voxel.
    match_baselines : bool
        Give all runs the same mean in each voxel; restored when series return to scanner units.
    mean_image : file, optional
        Mean image to add to residual data, so that their tSNR in scanner units is defined; kept in the
        scaling, and taken back from denoised series.
    mask : file, optional
        The mask of the series; needed with a mean image.
    tsnr_units : str
        Units in which tSNR will be asked for: where these data leave them undefined, that is said
        here, before anything is fitted.

    Returns
    -------
    scaled : file
        (K, T) float32 matrix of the K usable voxels, all runs joined.
    scaling : file
        What was done, invertible (safetensors).
    frames : file
        The tables of frames joined, with the run in the first column.
    info : file
        JSON: numbers of voxels and frames, how many were dropped, whether the data are residuals.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.images.headers import MIN_FRAMES
    from pydra_vae.stats.normalise import Scaling
    from pydra_vae.stats.tsnr import choose_units
    from pydra_vae.tasks._io import load_array, new_array, read_weights, write_json

    cwd = Path.cwd()
    runs = [load_array(path) for path in series]
    if len(frames) != len(runs):
        raise ValueError(f"{len(runs)} series but {len(frames)} tables of frames were given")
    weights = [read_weights(path, run.shape[1]) for path, run in zip(frames, runs, strict=True)]
    n_used, n_frames = (sum(map(f, weights)) for f in (np.sum, len))
    if n_used < MIN_FRAMES:
        raise ValueError(
            f"{n_used} usable frames are left of {n_frames}: at least {MIN_FRAMES} are needed. "
            "Censor fewer frames (dummies, scrubbing), or add runs"
        )
    mean = None if mean_image is None else _mean_of(mean_image, mask, runs, weights)
    scaling = Scaling.fit(runs, weights, method, match_baselines, mean)
    choose_units(tsnr_units, method, scaling.residual)
    scaled = new_array(cwd / "scaled.npy", scaling.shape)
    scaling.apply(runs, out=scaled)
    scaled.flush()
    joined = pd.concat([read_table(path).assign(run=r) for r, path in enumerate(frames)])
    joined.insert(0, "run", joined.pop("run"))
    info = {
        "method": method,
        "match_baselines": match_baselines,
        "residual": scaling.residual,
        "mean_image_added": mean is not None,
        "voxels": int(scaling.kept.size),
        "voxels_kept": int(scaling.kept.sum()),
        "voxels_constant": scaling.n_constant,
        "voxels_not_finite": scaling.n_not_finite,
        "frames": int(n_frames),
        "frames_used": int(n_used),
        "run_lengths": scaling.lengths.tolist(),
    }
    return (
        cwd / "scaled.npy",
        scaling.save(cwd / "scaling.safetensors"),
        write_table(cwd / "frames.tsv", joined),
        write_json(cwd / "normalization.json", info),
    )


def _mean_of(mean_image, mask, runs, weights):
    """The mean image's values in the mask, (V,)."""
    import numpy as np

    from pydra_vae.images.geometry import load_geometry
    from pydra_vae.stats.normalise import is_residual

    if mask is None:
        raise ValueError("a mean image was given without the mask of the series: give both")
    if not all(is_residual(run, w) for run, w in zip(runs, weights, strict=True)):
        raise ValueError(
            f"a mean image was given ({mean_image}) but the series have their mean already: "
            "a mean image belongs to residuals only"
        )
    where = load_geometry(Path(mask))
    where.check(Path(mean_image), "mean image")
    values = where.read_maps(Path(mean_image))
    if values.shape[1] != 1:
        raise ValueError(f"{mean_image} has {values.shape[1]} volumes: one is needed")
    return values[:, 0].astype(np.float64)
