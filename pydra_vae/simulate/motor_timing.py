"""Who moves when: the blocks of HCP's motor task as the paper lists them, and their haemodynamic courses.

Paper, Biological data: right hand at 11 and 132 s, left foot 26 and 117, tongue 41 and 102, right foot 56 and
177, left hand 71 and 162; blocks of 12 s, each after a cue of 3 s. These are the onsets of HCP's LR run.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from pydra_vae.simulate.response import haemodynamic_response

SUBTASKS = ("left_hand", "left_foot", "right_hand", "right_foot", "tongue")
EV_NAMES = {"left_hand": "lh", "left_foot": "lf", "right_hand": "rh", "right_foot": "rf", "tongue": "t", "cue": "cue"}
BLOCK_SECONDS, CUE_SECONDS = 12.0, 3.0
ONSETS = {
    "LR": {
        "right_hand": (11, 132),
        "left_foot": (26, 117),
        "tongue": (41, 102),
        "right_foot": (56, 177),
        "left_hand": (71, 162),
    },
    # The same slots in another order, as HCP's RL run has one; this order is ours.
    "RL": {
        "left_hand": (11, 132),
        "right_foot": (26, 117),
        "tongue": (56, 177),
        "left_foot": (41, 162),
        "right_hand": (71, 102),
    },
}
OVERSAMPLING = 16  # of the courses, a frame


@dataclass(frozen=True)
class Event:
    """A block: onset and duration in seconds from the first frame."""

    name: str
    onset: float
    duration: float


def draw_events(direction: str, duration: float, rng) -> list[Event]:
    """Blocks and cues of one run, in order; those that would end after the run are left out.

    Parameters
    ----------
    direction : str
        "LR" (the paper's) or "RL".
    duration : float
        Of the run, in seconds.
    rng : Generator
        The run starts some milliseconds late, and each block by a few more.
    """
    blocks = sorted((onset, name) for name, onsets in ONSETS[direction].items() for onset in onsets)
    late = abs(rng.normal(0, 0.02)) + np.abs(rng.normal(0, 0.006, len(blocks))).cumsum()
    events = []
    for (onset, name), delay in zip(blocks, late, strict=True):
        start = round(onset + delay, 3)
        if start + BLOCK_SECONDS <= duration:
            events += [Event("cue", round(start - CUE_SECONDS, 3), CUE_SECONDS), Event(name, start, BLOCK_SECONDS)]
    return events


def course(
    events: list[Event], n_frames: int, t_r: float, delay: float = 0.0, width: float = 1.0, gains=None
) -> np.ndarray:
    """Blocks convolved with a response of integral 1, at the frames; (T,).

    Parameters
    ----------
    events : list of Event
    n_frames : int
    t_r : float
        Seconds.
    delay, width : float
        Of the response: seconds against the canonical one (peak at 5 s), factor on its width.
    gains : sequence of float, optional
        Of each block; 1.
    """
    dt = t_r / OVERSAMPLING
    neural = np.zeros(n_frames * OVERSAMPLING)
    time = np.arange(neural.size) * dt
    for number, event in enumerate(events):
        gain = 1.0 if gains is None else gains[number]
        neural[(time >= event.onset) & (time < event.onset + event.duration)] += gain
    response = haemodynamic_response(np.array([delay]), np.array([width]), dt)[0]
    response /= response.sum()
    return fftconvolve(neural, response)[: neural.size : OVERSAMPLING]


def planted_courses(direction: str, n_frames: int, t_r: float) -> np.ndarray:
    """Courses of the five sub-tasks at the nominal onsets with the canonical response, (5, T)."""
    rows = []
    for name in SUBTASKS:
        events = [Event(name, onset, BLOCK_SECONDS) for onset in ONSETS[direction][name]]
        events = [event for event in events if event.onset + event.duration <= n_frames * t_r]
        rows.append(course(events, n_frames, t_r))
    return np.array(rows)
