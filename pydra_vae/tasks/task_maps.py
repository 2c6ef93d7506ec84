"""Maps of the task's conditions: what networks found without events are held against."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"maps": File, "names": File})
def TaskMaps(volumes: File, frame_split: File, regressors: list[File]):
    """Regress the frames on the task: once on all conditions as one, once on the conditions together.

    Parameters
    ----------
    volumes : file
        (N, V) frames (StackFrames).
    frame_split : file
        Split of the frames (StackFrames); all parts are used, as networks are never fitted to these maps.
    regressors : list of file
        Of each run (TaskRegressors with the data's filter).

    Returns
    -------
    maps : file
        (1 + n, V) float32 `.npy`, z: task against rest, then each condition against rest.
    names : file
        TSV: index (from 0), name.
    """
    import numpy as np

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.network_courses import regression_maps
    from pydra_vae.tasks._frames import Frames, load_conditions
    from pydra_vae.tasks._io import load_array

    x = load_array(volumes)
    frames = Frames.load(frame_split, len(x))
    names, values = load_conditions(regressors, frames)
    task = np.concatenate([run[rows] for run, rows in zip(values, frames.kept(), strict=True)])
    maps = Path("maps.npy").absolute()
    of_each = regression_maps(x, task[:, 1:]).z
    np.save(maps, np.vstack([regression_maps(x, task[:, :1]).z, of_each]).astype(np.float32))
    return maps, write_table(Path("names.tsv"), [{"index": i, "name": name} for i, name in enumerate(names)])
