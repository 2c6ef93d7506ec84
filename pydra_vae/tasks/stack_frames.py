"""Frames of 4-D fMRI in the place of images, so that the steps for volumes take them as they are."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"volumes": File, "frame_split": File, "info": File})
def StackFrames(
    series: list[File],
    frames: list[File],
    series_info: list[File],
    mask: File | None = None,
    standardize: ty.Literal["zscore", "center", "none"] = "zscore",
    block_seconds: float = 20.0,
    fractions: list[float] = [0.7, 0.1, 0.2],  # noqa: B006 (a step's default is read, never changed)
    seed: int = 0,
):
    """Turn voxel series into rows of frames, and divide each run's time in blocks for training, validation and test.

    Frames near in time resemble each other, so blocks of consecutive frames are dealt out, never single frames;
    censored frames are left out. Mean and standard deviation of each voxel come from a run's training frames alone.
    Drifts are best removed before (MaskBold's high_pass).

    Parameters
    ----------
    series : list of file
        (V, T) series of the runs, of one mask (MaskBold).
    frames : list of file
        Their tables of frames (MaskBold), which say which are censored.
    series_info : list of file
        Their JSON (MaskBold), for the repetition time.
    mask : file, optional
        The voxels, for the geometry in the JSON.
    standardize : str
        zscore: mean 0 and variance 1 of each voxel over its run's training frames; center: mean 0; none.
    block_seconds : float
        Length of a block.
    fractions : list of float
        Shares of training, validation and test among the blocks of each run.
    seed : int
        Of the order in which blocks are dealt out.

    Returns
    -------
    volumes : file
        (N, V) float32 `.npy`, one row a kept frame, run after run.
    frame_split : file
        TSV, one row a kept frame: label, person (its block), part (train, validation, test), run and frame (from 0, of
        those recorded).
    info : file
        JSON: n_images, n_voxels, shape, affine, voxel_size_mm, unit, mask_rule; repetition_times, block_seconds,
        n_censored, n_constant_voxels.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._frames import Run, frame_rows, load_runs, standardised_run
    from pydra_vae.tasks._io import new_array, write_json

    runs: list[Run] = load_runs(series, frames, series_info)
    rows = [row for run in runs for row in frame_rows(run, block_seconds, fractions, seed)]
    n_voxels = runs[0].series.shape[0]
    volumes = new_array(Path("volumes.npy"), (len(rows), n_voxels))
    constant, start = np.zeros(n_voxels, dtype=bool), 0
    for run in runs:
        own = [row for row in rows if row["run"] == run.number]
        train = np.array([row["part"] == "train" for row in own])
        values, still = standardised_run(run, train, standardize)
        volumes[start : start + len(own)] = values
        start, constant = start + len(own), constant | still
    if constant.all():
        raise ValueError(f"no voxel of {series[0]} varies over the training frames: look at the image and the mask")
    volumes.flush()
    info = {
        "n_images": len(rows),
        "n_voxels": n_voxels,
        **_geometry(mask, n_voxels),
        "unit": {"zscore": "z", "center": "scanner units about the mean", "none": "scanner units"}[standardize],
        "mask_rule": "as the series were masked",
        "repetition_times": [run.t_r for run in runs],
        "block_seconds": block_seconds,
        "n_censored": sum(run.series.shape[1] - len(run.kept) for run in runs),
        "n_constant_voxels": int(constant.sum()),
    }
    return (
        Path("volumes.npy").absolute(),
        write_table(Path("frame_split.tsv"), rows),
        write_json(Path("volumes.json"), info),
    )


def _geometry(mask, n_voxels) -> dict:
    """Where the voxels lie, as StackVolumes says it."""
    if mask is None:
        return {}
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.volumes import load_mask

    header, n = read_header(Path(mask)), int(load_mask(Path(mask)).sum())
    if n != n_voxels:
        raise ValueError(f"{mask} has {n} voxels but the series have {n_voxels}: give the mask of MaskBold's call")
    sizes = [round(float(size), 5) for size in header.voxel_sizes]
    return {"shape": list(header.shape), "affine": header.affine.tolist(), "voxel_size_mm": sizes}
