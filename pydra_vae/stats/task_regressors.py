"""What the haemodynamic response makes of blocks of movement: one regressor a sub-task.

The paper convolves blocks of 12 s with SPM's canonical response. Events are sampled at fine steps and convolved there
(nilearn's `compute_regressor`), since an onset rarely falls on a frame: at steps of the repetition time the response
would be late or early by up to half of it. Responses have an integral of 1, so a regressor nears the amplitude of a
long block. Frame i is taken at start_time + i · t_r seconds of the run.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

HRFS = ("spm", "glover")
OVERSAMPLING = 50  # steps a frame: 14 ms at a repetition time of .72 s
SUBTASKS = ("right_hand", "left_foot", "tongue", "right_foot", "left_hand")

Event = tuple[float, float, float]  # onset and duration in seconds, amplitude

# Section 2, "Biological data": seconds; these are the onsets of the Human Connectome Project's LR run.
_PAPER_ONSETS = {
    "right_hand": (11, 132),
    "left_foot": (26, 117),
    "tongue": (41, 102),
    "right_foot": (56, 177),
    "left_hand": (71, 162),
}
PAPER_EVENTS: dict[str, list[Event]] = {
    name: [(float(onset), 12.0, 1.0) for onset in onsets] for name, onsets in _PAPER_ONSETS.items()
}


class TaskTable(NamedTuple):
    """Regressors of a run.

    Attributes
    ----------
    names : list of str
        Sub-tasks.
    time : (T,) float64 array
        Of each frame, in seconds from the start of the run.
    block : (T,) array of str
        Sub-task of the frame, "" between blocks.
    filtered, raw : (T, n) float64 arrays
        Convolved and filtered like the data; convolved only.
    """

    names: list[str]
    time: np.ndarray
    block: np.ndarray
    filtered: np.ndarray
    raw: np.ndarray


def task_table(
    events: Mapping[str, Sequence[Event]],
    n_frames: int,
    t_r: float,
    hrf: str = "spm",
    operator: np.ndarray | None = None,
    dummy_scans: int = 0,
    start_time: float = 0.0,
) -> TaskTable:
    """Regressors of every sub-task of a run.

    Parameters
    ----------
    events : mapping of str to sequences of (onset, duration, amplitude)
        In seconds from the start of the run, which is that of the first recorded frame.
    n_frames : int
        Frames recorded, with those that are dropped.
    t_r : float
        Repetition time, in seconds.
    hrf : {"spm", "glover"}
    operator : (T, T) array, optional
        The filter of the data, T = n_frames − dummy_scans (`filtering.operator`).
    dummy_scans : int
        First frames, which are dropped; responses to what happened in them stay.
    start_time : float
        That the first recorded frame shows, in seconds; not 0 where slices were aligned to the middle of frames.

    Raises
    ------
    ValueError
        If an event lies outside the run, or nothing is left of a run.

    Examples
    --------
    >>> table = task_table(PAPER_EVENTS, 284, 0.72)
    >>> table.raw.shape, table.block[16], table.raw.max().round(1).item()
    ((284, 5), 'right_hand', 1.1)
    """
    if hrf not in HRFS:
        raise ValueError(f"unknown haemodynamic response {hrf!r}: choose one of {', '.join(HRFS)}")
    if not 0 <= dummy_scans < n_frames:
        raise ValueError(f"{dummy_scans} frames cannot be dropped from a run of {n_frames}")
    check_events(events, n_frames * t_r)
    names, time = list(events), start_time + np.arange(n_frames) * t_r
    raw = np.column_stack([regressor(events[name], time, hrf) for name in names] or [np.empty((n_frames, 0))])
    raw, time = raw[dummy_scans:], time[dummy_scans:]
    return TaskTable(names, time, blocks(events, time), raw if operator is None else operator @ raw, raw)


def regressor(events: Sequence[Event], time: np.ndarray, hrf: str = "spm") -> np.ndarray:
    """Convolved response to the events, at the given times, (T,).

    Parameters
    ----------
    events : sequence of (onset, duration, amplitude)
    time : (T,) array
        Equally spaced seconds.
    """
    from nilearn.glm.first_level import compute_regressor

    if not len(events):
        return np.zeros(len(time))
    return compute_regressor(np.transpose(events), hrf, time, oversampling=OVERSAMPLING)[0][:, 0]


def blocks(events: Mapping[str, Sequence[Event]], time: np.ndarray) -> np.ndarray:
    """Sub-task whose block each time lies in, "" between blocks, (T,) array of str.

    Examples
    --------
    >>> blocks({"tongue": [(1.0, 2.0, 1.0)]}, np.arange(4.0)).tolist()
    ['', 'tongue', 'tongue', '']
    """
    found = np.full(len(time), "", dtype=object)
    for name, times in events.items():
        for onset, duration, _ in times:
            found[(time >= onset) & (time < onset + duration)] = name
    return found


def check_events(events: Mapping[str, Sequence[Event]], seconds: float) -> None:
    """Raise ValueError where an event does not lie in the run, which lasts from 0 to `seconds`.

    Examples
    --------
    >>> check_events({"tongue": [(41000.0, 12000.0, 1.0)]}, 204.48)
    Traceback (most recent call last):
    ...
    ValueError: tongue begins at 41000 s, outside the run of 204.48 s: are the times in seconds, and of this run?
    """
    for name, times in events.items():
        for onset, duration, amplitude in times:
            if not np.isfinite([onset, duration, amplitude]).all() or duration < 0:
                raise ValueError(
                    f"{name} has an event with onset {onset}, duration {duration} and amplitude {amplitude}: "
                    "finite seconds are needed, and no negative duration"
                )
            if not (onset >= 0 or onset + duration > 0) or onset >= seconds:
                raise ValueError(
                    f"{name} begins at {onset:g} s, outside the run of {seconds:g} s: "
                    "are the times in seconds, and of this run?"
                )
