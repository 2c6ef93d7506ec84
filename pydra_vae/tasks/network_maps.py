"""Maps of latents over frames, their courses, and how these follow the task."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

TASK = ("model", "component", "condition", "r", "p_shift", "p_any", "chance", "n_frames", "n_shifts")


@step(outputs={"maps": File, "courses": File, "task": File})
def NetworkMaps(
    volumes: File,
    latents: File,
    frame_split: File,
    regressors: list[File] | None = None,
    regression: ty.Literal["each", "joint"] = "each",
    model: str = "VAE",
    n_permutations: int = 1000,
    seed: int = 0,
):
    """Regress the frames on the latents' courses, and correlate the courses with the task.

    Maps are from the training frames. Latents know nothing of the task: their correlation with it is over all frames.

    Parameters
    ----------
    volumes : file
        (N, V) frames (StackFrames).
    latents : file
        (N, k) latents of the same frames (EncodeVolumes, VolumePcaScores, SpatialIca).
    frame_split : file
        Split of the frames (StackFrames).
    regressors : list of file, optional
        Of each run, every recorded frame (TaskRegressors with the data's filter).
    regression : str
        each: one latent at a time; joint: all in one regression, which parts what correlated latents share arbitrarily.
    model : str
        Name in the tables.
    n_permutations : int
        Circular shifts of the regressors within their runs.
    seed : int
        Of the shifts.

    Returns
    -------
    maps : file
        (k, V) float32 `.npy`, z: what each latent adds to a voxel, in units of its standard error. For drawing and
        comparing; frames are not independent, so no p may be read from it.
    courses : file
        TSV: model, component (from 1), run, frame, value (mean 0, variance 1 over all frames).
    task : file
        TSV, one row a component and condition ("any condition" is their sum): model, component, condition, r, p_shift,
        p_any (against the best of all components under each shift), chance (mean of that best |r|), n_frames, n_shifts.
        Empty without regressors.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.network_courses import maps_of_each, regression_maps, shift_test
    from pydra_vae.tasks._frames import Frames, load_conditions
    from pydra_vae.tasks._io import load_array

    x, z = load_array(volumes), np.asarray(load_array(latents), dtype=np.float64)
    frames = Frames.load(frame_split, len(z))
    if len(x) != len(z):
        raise ValueError(f"{volumes} has {len(x)} frames but {latents} {len(z)}: give both of the same frames")
    maps = Path("maps.npy").absolute()
    regress = maps_of_each if regression == "each" else regression_maps
    np.save(maps, regress(x, z, frames.train).z.astype(np.float32))
    rows = []
    if regressors:
        names, values = load_conditions(regressors, frames)
        found = shift_test(z, values, frames.kept(), n_permutations, seed)
        rows = [
            (
                model,
                i + 1,
                name,
                found.r[i, j],
                found.p[i, j],
                found.p_any[i, j],
                found.chance[j],
                len(z),
                found.n_shifts,
            )
            for i in range(z.shape[1])
            for j, name in enumerate(names)
        ]
    return (
        maps,
        write_table(Path("courses.tsv"), _courses(model, z, frames)),
        write_table(Path("task.tsv"), pd.DataFrame(rows, columns=TASK)),
    )


def _courses(model, z, frames):
    """One row a component and frame."""
    import numpy as np
    import pandas as pd

    sd = z.std(axis=0)
    scaled = (z - z.mean(axis=0)) / np.where(sd > 0, sd, 1)
    n, k = z.shape
    columns = {
        "model": model,
        "component": np.repeat(np.arange(1, k + 1), n),
        "run": np.tile(frames.run, k),
        "frame": np.tile(frames.frame, k),
        "value": scaled.T.reshape(-1),
    }
    return pd.DataFrame(columns)
