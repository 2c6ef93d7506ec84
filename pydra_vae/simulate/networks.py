"""One simulated BOLD run with planted networks, some of which follow a task.

Each network is a smooth map over planted parcels (`geometry`) with a course of its own,

    bold(v, t) = baseline(v) · (1 + Σ_j map_j(v) course_j(t) + noise(v, t)),

the noise autoregressive, partly smooth, with drift. The first networks follow one condition of a block design each; the
others wax and wane by themselves. Their courses are drawn independently, so that independent components are the right
model here, and a method that finds other maps has found something else.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.simulate.bold import autoregressive, neural_courses
from pydra_vae.simulate.geometry import Geometry, build_geometry, network_name, smooth_maps
from pydra_vae.stats.task_regressors import regressor

CONDITIONS = ("faces", "houses")
N_NETWORKS = 6  # of the geometry's seventeen
BLOCK_SECONDS, REST_SECONDS = 16.0, 8.0
MAP_FWHM_MM = 9.0
AMPLITUDE, NOISE = 0.012, 0.010  # standard deviation, as a share of the baseline
AR = 0.3  # lag-one autocorrelation of the noise
SMOOTH_SHARE, DRIFT_SHARE, N_MODES = 0.15, 0.10, 40  # of the noise's variance
BASELINE = 9000.0


@dataclass(frozen=True)
class NetworkSize:
    """Edge of a voxel in mm, frames, repetition time in seconds."""

    voxel_mm: float
    n_frames: int
    t_r: float


SIZES = {"default": NetworkSize(6.0, 240, 2.0), "tiny": NetworkSize(9.0, 120, 2.0)}


@dataclass(frozen=True)
class NetworkRun:
    """One run.

    Attributes
    ----------
    geometry : Geometry
    bold : (B, T) float32 array
        Scanner units, over the brain.
    maps : (6, B) float32 array
        Planted, largest entry 1.
    courses : (6, T) float64 array
        Planted, mean 0 and variance 1.
    names : tuple of str
    conditions : tuple of str
        Of each network; "" for those that follow none.
    events : dict of str to list of (onset, duration, amplitude)
        Of each condition, in seconds.
    motion : (T, 6) array
        Slow, of no consequence for the series.
    t_r : float
    """

    geometry: Geometry
    bold: np.ndarray
    maps: np.ndarray
    courses: np.ndarray
    names: tuple[str, ...]
    conditions: tuple[str, ...]
    events: dict[str, list[tuple[float, float, float]]]
    motion: np.ndarray
    t_r: float


def simulate_networks(size: NetworkSize | str = "default", seed: int = 0) -> NetworkRun:
    """Draw a run.

    Parameters
    ----------
    size : NetworkSize or name of one
    seed : int
    """
    size = SIZES[size] if isinstance(size, str) else size
    rng = np.random.default_rng([seed, 5])
    geometry = build_geometry(size.voxel_mm, 4, seed)
    events = block_events(size.n_frames * size.t_r)
    maps, courses = planted_networks(geometry), _courses(size, events, rng)
    change = AMPLITUDE * maps.T @ courses + NOISE * _noise(geometry, size, rng)
    level = BASELINE * (1 + 0.15 * smooth_maps(geometry, 1, 80, rng)[:, :1])
    motion = np.cumsum(rng.normal(size=(size.n_frames, 6)) * np.array([0.01] * 3 + [0.0001] * 3), axis=0) * 0.3
    return NetworkRun(
        geometry,
        (np.clip(level, 2000, None) * (1 + change)).astype(np.float32),
        maps,
        courses,
        tuple(network_name(j) for j in range(N_NETWORKS)),
        (*CONDITIONS, *[""] * (N_NETWORKS - len(CONDITIONS))),
        events,
        motion,
        size.t_r,
    )


def block_events(seconds: float) -> dict[str, list[tuple[float, float, float]]]:
    """Blocks of the conditions in turn, every other pair the other way round, with rest between.

    Examples
    --------
    >>> block_events(100)
    {'faces': [(8.0, 16.0, 1.0), (80.0, 16.0, 1.0)], 'houses': [(32.0, 16.0, 1.0), (56.0, 16.0, 1.0)]}
    """
    events: dict[str, list[tuple[float, float, float]]] = {name: [] for name in CONDITIONS}
    onset, number = REST_SECONDS, 0
    while onset + BLOCK_SECONDS <= seconds:
        turned = (number // len(CONDITIONS)) % 2
        events[CONDITIONS[(number + turned) % len(CONDITIONS)]].append((onset, BLOCK_SECONDS, 1.0))
        onset, number = onset + BLOCK_SECONDS + REST_SECONDS, number + 1
    return events


def planted_networks(geometry: Geometry) -> np.ndarray:
    """Smooth maps of the first networks of a geometry, (6, B) float32, the largest entry of each 1."""
    from scipy.ndimage import gaussian_filter

    from pydra_vae.simulate.geometry import FWHM_PER_SIGMA

    sigma = MAP_FWHM_MM / FWHM_PER_SIGMA / geometry.voxel_mm
    owner = geometry.network[geometry.parcel]
    inside = [geometry.volume((owner == j).astype(np.float32)) for j in range(N_NETWORKS)]
    maps = np.array([gaussian_filter(volume, sigma)[geometry.brain] for volume in inside])
    return maps / maps.max(axis=1, keepdims=True)


def _courses(size, events, rng) -> np.ndarray:
    """Courses of all networks, mean 0 and variance 1, (6, T)."""
    from pydra_vae.simulate.response import OVERSAMPLING, haemodynamic_response

    time = np.arange(size.n_frames) * size.t_r
    task = [regressor(events[name], time) for name in CONDITIONS]
    neural = neural_courses(N_NETWORKS - len(CONDITIONS), size.n_frames, size.t_r, rng)
    response = haemodynamic_response(0, 1, size.t_r / OVERSAMPLING)[0]
    own = [np.convolve(course, response)[: len(course) : OVERSAMPLING] for course in neural]
    courses = np.array([*task, *own])
    return (courses - courses.mean(axis=1, keepdims=True)) / courses.std(axis=1, keepdims=True)


def _noise(geometry, size, rng) -> np.ndarray:
    """Noise over the brain, variance 1 on average, (B, T)."""
    n, t = int(geometry.brain.sum()), size.n_frames
    noise = np.sqrt(1 - SMOOTH_SHARE - DRIFT_SHARE) * autoregressive(n, t, AR, rng)
    modes = smooth_maps(geometry, N_MODES, 15, rng) * np.sqrt(SMOOTH_SHARE / N_MODES)
    noise += modes @ autoregressive(N_MODES, t, AR, rng)
    slow = np.sqrt(2) * np.cos(np.pi * np.arange(1, 4)[:, None] * (np.arange(t) + 0.5) / t)
    return noise + (smooth_maps(geometry, 3, 35, rng) * np.sqrt(DRIFT_SHARE / 3)) @ slow
