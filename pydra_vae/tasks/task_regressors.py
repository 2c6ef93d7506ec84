"""Regressors of the sub-tasks from a run's events."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"regressors": File})
def TaskRegressors(
    events: list[File],
    n_frames: int,
    t_r: float,
    layout: ty.Literal["auto", "hcp", "bids", "paper"] = "auto",
    hrf: ty.Literal["spm", "glover"] = "spm",
    high_pass: float = 0.01,
    low_pass: float = 0.15,
    detrend: bool = True,
    dummy_scans: int = 0,
    start_time: float = 0.0,
    subtasks: list[str] | None = None,
):
    """Convolve each sub-task's blocks with a haemodynamic response, and filter the regressors like the data.

    Confounds that are regressed out of the data stay in the regressors, which are the same for all runs of one timing.

    Parameters
    ----------
    events : list of files
        EV text files of the Human Connectome Project (rh, lf, t, rf, lh; others are passed over), or an events.tsv;
        empty with the paper's table.
    n_frames : int
        Frames recorded, with the dummy scans.
    t_r : float
        Repetition time, in seconds.
    layout : str
        auto: by the names of the files; paper: the onsets printed in the paper, which are of LR runs.
    hrf : str
        The response, by nilearn's names; its integral is 1.
    high_pass : float
        Cut-off in Hz, that of the data; 0 for none.
    low_pass : float
        Cut-off in Hz, that of the data; 0 for none.
    detrend : bool
        Whether the data were detrended.
    dummy_scans : int
        First frames, dropped after the convolution: responses to what happened in them stay.
    start_time : float
        Time that the first recorded frame shows, in seconds: 0 where frames are taken at their start, the sidecar's
        StartTime where slices were aligned (fMRIPrep: half a repetition time, about).
    subtasks : list of str, optional
        Trial types to take; all but the cue by default.

    Returns
    -------
    regressors : file
        TSV, one row a kept frame: frame, time (s from the start of the run), block (the sub-task of the frame),
        a filtered regressor a sub-task, and the same unfiltered as raw_<sub-task>.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.filtering import operator
    from pydra_vae.stats.task_regressors import task_table
    from pydra_vae.tasks._events import read_events

    found = read_events(events, layout, subtasks)
    clean = operator(n_frames - dummy_scans, t_r, high_pass, low_pass, detrend)
    try:
        table = task_table(found, n_frames, t_r, hrf, clean, dummy_scans, start_time)
    except ValueError as error:
        raise ValueError(f"{', '.join(str(file) for file in events) or 'the paper’s table'}: {error}") from error
    columns = {"frame": range(len(table.time)), "time": table.time, "block": table.block}
    columns |= {name: table.filtered[:, i] for i, name in enumerate(table.names)}
    columns |= {f"raw_{name}": table.raw[:, i] for i, name in enumerate(table.names)}
    return write_table(Path("regressors.tsv"), pd.DataFrame(columns))
