"""Simulated motor runs: planted patches of the body that move when they are asked to, and what hides them.

With c_j the course of sub-task j in this subject (its delay, width and gains), m_j its map (its own centre, size and
amplitude), n_i shared networks with courses that are mostly each subject's own, e smooth and w white noise,

    x = f(Σ_j m_j c_j + Σ_i n_i a_i) + e + w,    f(s) = s, or tanh(η s)/η with nonlinearity η

in units of the white noise's standard deviation. Left limbs move the right hemisphere and the reverse; the tongue
moves both. The sizes were set so that, after the paper's band-pass and z-scoring, eight principal components explain
about a fifth of the variance of unseen subjects, and so that PCA and ICA of eight components score in the range of the
project's first trials (about .4 to .8). No VAE was fitted to set them.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import fftconvolve

from pydra_vae.simulate.bold import autoregressive, neural_courses
from pydra_vae.simulate.motor_sheet import (
    Patch,
    Sheet,
    smooth,
    smooth_maps,
    smooth_scale,
    somatomotor_sheet,
)
from pydra_vae.simulate.motor_timing import ONSETS, SUBTASKS, Event, course, draw_events, planted_courses
from pydra_vae.simulate.response import OVERSAMPLING, haemodynamic_response

T_R, N_FRAMES = 0.72, 284
WIDTHS_MM = {"hand": 10.0, "foot": 9.0, "tongue": 10.0}  # Gaussian σ of a patch
TASK_SIZE = 1.3  # of the response at a patch's centre
# The tongue has a patch on both sides and would be found first; feet have the smaller patches.
LIMB_SIZES = {"left_hand": 1.0, "left_foot": 1.1, "right_hand": 1.0, "right_foot": 1.1, "tongue": 0.8}
NETWORK_SIZES = 0.38 * 0.7 ** np.arange(8)
LOCKED_SHARE = 0.15  # of the variance of a network's course: what all subjects share, who hear the same cues
CUE_SIZE = 0.4
SMOOTH_SIZE, PERSONAL_SIZE, DRIFT_SIZE = 0.8, 0.35, 0.5
SMOOTH_STEPS, NETWORK_STEPS, PERSONAL_STEPS = 6, 150, 60  # FWHM about 6, 28 and 18 mm
N_PERSONAL = 60
WHITE_AR, SMOOTH_AR, PERSONAL_AR = 0.3, 0.6, 0.8  # lag one, at TR 0.72 s


@dataclass(frozen=True)
class Variation:
    """How subjects differ.

    Attributes
    ----------
    jitter_mm : float
        Standard deviation of a patch's centre along the surface.
    width : float
        Of the logarithm of a patch's size.
    amplitude, limb_amplitude, block_amplitude : float
        Of the logarithm of the response: of all limbs, of one, of one block.
    delay, limb_delay : float
        Seconds, likewise.
    """

    jitter_mm: float = 4.0
    width: float = 0.15
    amplitude: float = 0.3
    limb_amplitude: float = 0.25
    block_amplitude: float = 0.15
    delay: float = 0.7
    limb_delay: float = 0.3


@dataclass(frozen=True)
class MotorGroup:
    """What the subjects share.

    Attributes
    ----------
    networks : (V, n) float32 array
        Maps of unit variance, the first global.
    locked : (n, T) float32 array
        The part of the networks' courses that all runs share, unit variance, orthogonal to the sub-tasks of LR.
    cue_map : (V,) float32 array
        What the cue of every block moves.
    personal : (V, N_PERSONAL) float32 array
        Smooth maps that each subject mixes in its own way.
    scale : (V, 1) float32 array
        Of smoothed white noise.
    """

    sheet: Sheet
    seed: int
    nonlinearity: float
    variation: Variation
    n_frames: int
    t_r: float
    networks: np.ndarray = field(repr=False)
    locked: np.ndarray = field(repr=False)
    cue_map: np.ndarray = field(repr=False)
    personal: np.ndarray = field(repr=False)
    scale: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class MotorRun:
    """One simulated run.

    Attributes
    ----------
    series : (V, T) float32 array
        Signal and noise in units of the white noise, without baseline.
    events : list of Event
        Sub-tasks and cues.
    """

    series: np.ndarray
    events: list[Event]


def simulate_motor_group(
    sheet: Sheet | None = None,
    seed: int = 0,
    nonlinearity: float = 0.0,
    variation: Variation | None = None,
    n_frames: int = N_FRAMES,
    t_r: float = T_R,
) -> MotorGroup:
    """Draw what the subjects share.

    Parameters
    ----------
    sheet : Sheet, optional
        The whole somatomotor region of fsLR 32k.
    seed : int
    nonlinearity : float
        η, saturation of the signal; 0: linear.
    variation : Variation, optional
    n_frames : int
    t_r : float
        Seconds.
    """
    if nonlinearity < 0:
        raise ValueError(f"a nonlinearity of {nonlinearity} was asked for: give 0 (linear) or more")
    variation = variation or Variation()
    sheet = sheet or somatomotor_sheet(jitter=variation.jitter_mm)
    rng = np.random.default_rng([seed, 0])
    networks = smooth_maps(sheet, len(NETWORK_SIZES), NETWORK_STEPS, rng)
    networks[:, 0] = 1 + 0.3 * networks[:, 0]
    cue = np.maximum(smooth_maps(sheet, 1, NETWORK_STEPS, rng)[:, 0], 0)
    return MotorGroup(
        sheet=sheet,
        seed=seed,
        nonlinearity=nonlinearity,
        variation=variation,
        n_frames=n_frames,
        t_r=t_r,
        networks=networks,
        locked=_locked_courses(n_frames, t_r, rng),
        cue_map=cue,
        personal=smooth_maps(sheet, N_PERSONAL, PERSONAL_STEPS, rng),
        scale=smooth_scale(sheet, SMOOTH_STEPS),
    )


def planted_maps(sheet: Sheet) -> np.ndarray:
    """Maps of the five sub-tasks before subjects differ, (5, V) float32, 0 to 1 times the limb's size."""
    maps = np.zeros((len(SUBTASKS), sheet.size), np.float32)
    for row, subtask in zip(maps, SUBTASKS, strict=True):
        for patch in patches_of(sheet, subtask):
            width = WIDTHS_MM[patch.body]
            row[sheet.columns(patch.hemi)] = np.exp(-((patch.distances[0] / width) ** 2) / 2)
        row *= LIMB_SIZES[subtask]
    return maps


def patches_of(sheet: Sheet, subtask: str) -> list[Patch]:
    """Left limbs: the right hemisphere's patch, and the reverse; tongue: both."""
    side, _, body = subtask.rpartition("_")
    hemis = {"left": "R", "right": "L", "": "LR"}[side]
    return [patch for patch in sheet.patches if patch.body == body and patch.hemi in hemis]


def simulate_motor_run(group: MotorGroup, index: int, direction: str = "LR", number: int = 1) -> MotorRun:
    """Draw one run of one subject; independent of how many subjects are drawn.

    Parameters
    ----------
    group : MotorGroup
    index : int
        Subject, from 0; all its runs have the same maps.
    direction : str
        "LR" or "RL".
    number : int
        Of the run, from 1.
    """
    anatomy = np.random.default_rng([group.seed, 1, index])
    rng = np.random.default_rng([group.seed, 2, index, list(ONSETS).index(direction), number])
    maps, delays, width, gains = _own_traits(group, anatomy)
    events = draw_events(direction, group.n_frames * group.t_r, rng)
    courses = _own_courses(group, events, delays, width, rng)
    signal = (maps * (TASK_SIZE * gains)[:, None]).T @ courses.astype(np.float32)
    cues = [event for event in events if event.name == "cue"]
    cue = course(cues, group.n_frames, group.t_r, delays.mean(), width)
    signal += (CUE_SIZE * group.cue_map)[:, None] * cue.astype(np.float32)
    own = _network_courses(group.n_frames, group.t_r, rng)
    spontaneous = np.float32(np.sqrt(LOCKED_SHARE)) * group.locked + np.float32(np.sqrt(1 - LOCKED_SHARE)) * own
    signal += (group.networks * NETWORK_SIZES.astype(np.float32)) @ spontaneous
    if group.nonlinearity:
        signal = np.tanh(group.nonlinearity * signal) / np.float32(group.nonlinearity)
    return MotorRun(signal + _noise(group, rng), events)


def _own_traits(group: MotorGroup, rng):
    """Maps (5, V), delays (5,) in s, width of the response, gains (5,) of one subject."""
    sheet, variation = group.sheet, group.variation
    maps = np.zeros((len(SUBTASKS), sheet.size), np.float32)
    for row, subtask in zip(maps, SUBTASKS, strict=True):
        for patch in patches_of(sheet, subtask):
            near = np.exp(-((patch.offsets / max(variation.jitter_mm, 1e-3)) ** 2) / 2)
            centre = rng.choice(len(near), p=near / near.sum())
            width = WIDTHS_MM[patch.body] * np.exp(variation.width * rng.normal())
            row[sheet.columns(patch.hemi)] = np.exp(-((patch.distances[centre] / width) ** 2) / 2)
        row *= LIMB_SIZES[subtask]
    delays = variation.delay * rng.normal() + variation.limb_delay * rng.normal(size=len(SUBTASKS))
    logs = variation.amplitude * rng.normal() + variation.limb_amplitude * rng.normal(size=len(SUBTASKS))
    return maps, np.clip(delays, -2, 2), np.exp(0.1 * rng.normal()), np.exp(logs).astype(np.float32)


def _own_courses(group: MotorGroup, events, delays, width, rng) -> np.ndarray:
    """Courses of the sub-tasks in one run, (5, T)."""
    rows = []
    for subtask, delay in zip(SUBTASKS, delays, strict=True):
        blocks = [event for event in events if event.name == subtask]
        gains = np.exp(group.variation.block_amplitude * rng.normal(size=len(blocks)))
        rows.append(course(blocks, group.n_frames, group.t_r, delay, width, gains))
    return np.array(rows)


def _network_courses(n_frames: int, t_r: float, rng) -> np.ndarray:
    """Spontaneous courses of the networks, unit variance, (n, T) float32."""
    n_drawn = max(n_frames, 100)  # a course of a few frames might hold no event and no variance
    neural = neural_courses(len(NETWORK_SIZES), n_drawn, t_r, rng)
    response = haemodynamic_response(np.zeros(1), np.ones(1), t_r / OVERSAMPLING)
    courses = fftconvolve(neural, response, axes=1)[:, : neural.shape[1] : OVERSAMPLING]
    courses -= courses.mean(axis=1, keepdims=True)
    return (courses / courses.std(axis=1, keepdims=True)).astype(np.float32)[:, :n_frames]


def _locked_courses(n_frames: int, t_r: float, rng) -> np.ndarray:
    """Courses that all runs share, without what a GLM would take for a sub-task; (n, T) float32."""
    courses = _network_courses(n_frames, t_r, rng).T
    tasks = np.column_stack([planted_courses("LR", n_frames, t_r).T, np.ones(n_frames)])
    courses = courses - tasks @ np.linalg.lstsq(tasks, courses, rcond=None)[0]
    return (courses / np.maximum(courses.std(axis=0), 1e-6)).T.astype(np.float32)


def _noise(group: MotorGroup, rng) -> np.ndarray:
    """White, smooth, personal networks and drift, (V, T) float32."""
    sheet, n_frames = group.sheet, group.n_frames
    noise = autoregressive(sheet.size, n_frames, WHITE_AR, rng)
    along = smooth(sheet, autoregressive(sheet.size, n_frames, SMOOTH_AR, rng), SMOOTH_STEPS)
    noise += np.float32(SMOOTH_SIZE) * group.scale * along
    mixing = rng.standard_normal((N_PERSONAL, N_PERSONAL), dtype=np.float32) / np.float32(N_PERSONAL)
    personal = group.personal @ (mixing * np.float32(PERSONAL_SIZE))
    noise += personal @ autoregressive(N_PERSONAL, n_frames, PERSONAL_AR, rng)
    time = (np.arange(n_frames) + 0.5) / n_frames
    slow = np.sqrt(2) * np.cos(np.pi * np.arange(1, 3)[:, None] * time)
    drift = group.personal[:, :2] * rng.normal(size=2) * DRIFT_SIZE
    return noise + (drift @ slow).astype(np.float32)
