"""Simulated subjects with planted truth, as arrays: one shared stimulus, individual maps, noise.

A group shares the stimulus course, the networks' places and the vascular map; a subject has its own
intrinsic activity, deviations of the maps, noise, drift and artefacts. One trait z bends the
subjects' maps along a common direction, and a questionnaire score follows it. Everything is drawn
from one seed; subject s is the same whatever the number of subjects.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

from pydra_vae.simulate.artefacts import Artefacts, add_artefacts
from pydra_vae.simulate.geometry import N_NETWORKS, Geometry, build_geometry, smooth_maps
from pydra_vae.simulate.response import OVERSAMPLING, Latents, clean_bold, network_centres

CLEAN_SHARE = 0.55  # of the variance in grey matter
NOISE_PERCENT = 0.8  # standard deviation of noise, in per cent of the baseline
AR = 0.35  # lag-one autocorrelation of the noise at TR 1 s
STIMULUS_SHARE = 0.4  # of the variance of a network's neural course, on average
DRIFT_SHARE, GLOBAL_SHARE, SMOOTH_SHARE = 0.10, 0.05, 0.15  # of the noise's variance


@dataclass(frozen=True)
class Size:
    """How much to simulate.

    Attributes
    ----------
    voxel_mm : float
    t_r : float
        Repetition time in seconds.
    runs : dict
        Task → number of frames.
    parcels_per_network : int
    non_steady_state : int
        Brighter frames at the start of each run, before the magnetisation settles.
    anatomical_mm : float
        Resolution of the T1w image.
    """

    voxel_mm: float
    t_r: float
    runs: dict[str, int]
    parcels_per_network: int = 6
    non_steady_state: int = 2
    anatomical_mm: float = 2.0


SIZES = {
    # The three parts of the story in ds001338 and their frames: 1,310 together.
    "default": Size(5.5, 1.0, {"story1": 526, "story2": 452, "story3": 332}),
    "tiny": Size(9.0, 2.0, {"story1": 60, "story2": 50, "story3": 44}, 4, anatomical_mm=4.0),
}


@dataclass(frozen=True)
class Group:
    """What the subjects share.

    Attributes
    ----------
    stimulus : (17, OVERSAMPLING · T) array
        Neural course that the story drives in each network, unit variance.
    stimulus_share : (17,) array
        Its share of a network's variance.
    delay_map : (G,) array
        Vascular delays in seconds.
    trait_map : (G, 3) array
        Where a subject's trait moves its voxels on the gradients.
    """

    size: Size
    seed: int
    geometry: Geometry
    centres: np.ndarray
    stimulus: np.ndarray
    stimulus_share: np.ndarray
    delay_map: np.ndarray
    trait_map: np.ndarray


@dataclass(frozen=True)
class Subject:
    """One simulated subject.

    Attributes
    ----------
    bold : list of (B, T_run) float32 arrays
        Scanner units, over the brain, one a run.
    clean : list of (G, T_run) float32 arrays
        Planted signal of the grey matter in scanner units, without baseline.
    latents : Latents
    artefacts : Artefacts
    motion : list of (T_run, 6) arrays
        Translations in mm and rotations in rad.
    trait, score : float
    age : int
    sex : str
    """

    bold: list[np.ndarray]
    clean: list[np.ndarray]
    latents: Latents
    artefacts: Artefacts
    motion: list[np.ndarray] = field(repr=False)
    trait: float = 0.0
    score: float = 0.0
    age: int = 0
    sex: str = "n/a"


def simulate_group(size: Size | str = "default", seed: int = 0) -> Group:
    """Draw what the subjects share.

    Parameters
    ----------
    size : Size or name of one
    seed : int
    """
    size = SIZES[size] if isinstance(size, str) else size
    rng = np.random.default_rng([seed, 0])
    geometry = build_geometry(size.voxel_mm, size.parcels_per_network, seed)
    maps = smooth_maps(geometry, 4, 45, rng)[geometry.grey]
    n_frames = sum(size.runs.values())
    return Group(
        size=size,
        seed=seed,
        geometry=geometry,
        centres=network_centres(N_NETWORKS)[rng.permutation(N_NETWORKS)],
        stimulus=neural_courses(N_NETWORKS, n_frames, size.t_r, rng),
        stimulus_share=np.clip(rng.normal(STIMULUS_SHARE, 0.15, N_NETWORKS), 0.1, 0.75),
        delay_map=maps[:, 0] * 0.7,
        trait_map=maps[:, 1:] * 0.15,
    )


def simulate_subject(group: Group, index: int) -> Subject:
    """Draw one subject of a group; independent of how many others are drawn.

    Parameters
    ----------
    group : Group
    index : int
        From 0.
    """
    size, geometry = group.size, group.geometry
    rng = np.random.default_rng([group.seed, 1, index])
    trait = float(rng.normal())
    latents = plant_latents(group, trait, rng)
    n_frames = sum(size.runs.values())
    share = group.stimulus_share[:, None]
    own = neural_courses(N_NETWORKS, n_frames, size.t_r, rng)
    courses = np.sqrt(share) * group.stimulus + np.sqrt(1 - share) * own
    clean = clean_bold(latents, courses, size.t_r, group.centres)
    baseline = _baseline(geometry, rng)
    noise_sd = NOISE_PERCENT / 100 * baseline
    grey_scale = np.sqrt(CLEAN_SHARE / (1 - CLEAN_SHARE) / clean.var(axis=1).mean())
    clean *= (grey_scale * noise_sd[geometry.grey])[:, None]
    series = _noise(geometry, n_frames, size.t_r, rng)
    series *= noise_sd[:, None]
    series[geometry.grey] += clean
    stops = np.cumsum(list(size.runs.values()))[:-1]
    bold = [part for part in np.split(series, stops, axis=1)]
    motion = [_motion(part.shape[1], rng) for part in bold]
    artefacts = add_artefacts(bold, geometry, noise_sd, motion, size.non_steady_state, rng)
    for run in bold:
        gain = 1 + 0.01 * rng.normal()  # the scanner's gain differs between runs
        run += (baseline * gain)[:, None]
        _brighten(run, baseline, size.non_steady_state)
    return Subject(
        bold=bold,
        clean=np.split(clean, stops, axis=1),
        latents=latents,
        artefacts=artefacts,
        motion=motion,
        trait=trait,
        score=float(np.round(50 + 8 * (trait + 0.4 * rng.normal()), 1)),
        age=int(rng.integers(19, 40)),
        sex=str(rng.choice(["F", "M"])),
    )


def plant_latents(group: Group, trait: float, rng) -> Latents:
    """Latents of one subject: the group's, bent by its trait, with its own smooth deviations."""
    geometry = group.geometry
    own = smooth_maps(geometry, 6, 25, rng)[geometry.grey]
    network = geometry.network[geometry.parcel[geometry.grey]]
    jitter = rng.normal(size=(len(own), 6))
    return Latents(
        gradients=group.centres[network] + 0.22 * own[:, :3] + trait * group.trait_map + 0.05 * jitter[:, :3],
        delay=np.clip(group.delay_map + 0.7 * own[:, 3] + 0.15 * jitter[:, 3], -2.5, 2.5),
        width=np.exp(0.12 * own[:, 4] + 0.03 * jitter[:, 4]),
        amplitude=np.exp(0.3 * own[:, 5] + 0.15 * jitter[:, 5]),
    )


def neural_courses(n: int, n_frames: int, t_r: float, rng) -> np.ndarray:
    """Neural activity of unit variance: slow fluctuations and events; (n, OVERSAMPLING · n_frames).

    Events come about every 12 s and decay within 2 s; fluctuations have a time constant of 6 s.
    """
    dt = t_r / OVERSAMPLING
    length = n_frames * OVERSAMPLING
    decay, slow = np.exp(-dt / 2.0), np.exp(-dt / 6.0)
    events = (rng.random((n, length)) < dt / 12) * rng.exponential(1, (n, length))
    fast = lfilter([1], [1, -decay], events, axis=1)
    slow = lfilter([1], [1, -slow], rng.normal(size=(n, length)), axis=1)
    parts = [(x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True) for x in (fast, slow)]
    return (parts[0] + parts[1]) / np.sqrt(2)


def _noise(geometry, n_frames, t_r, rng) -> np.ndarray:
    """Noise of the brain, unit variance on average: AR(1), smooth in part, drift, a global course."""
    n = int(geometry.brain.sum())
    ar = AR**t_r
    white_share = 1 - DRIFT_SHARE - GLOBAL_SHARE - SMOOTH_SHARE
    noise = autoregressive(n, n_frames, ar, rng)
    noise *= np.sqrt(white_share)
    modes = smooth_maps(geometry, 60, 15, rng) * np.float32(np.sqrt(SMOOTH_SHARE / 60))
    noise += modes @ autoregressive(60, n_frames, ar, rng)
    time = (np.arange(n_frames) + 0.5) / n_frames
    cosines = np.sqrt(2) * np.cos(np.pi * np.arange(1, 5)[:, None] * time)
    drift = smooth_maps(geometry, 4, 35, rng) * np.sqrt(DRIFT_SHARE / 4)
    noise += (drift @ cosines).astype(np.float32)
    breathing = autoregressive(1, n_frames, 0.9**t_r, rng)
    noise += np.sqrt(GLOBAL_SHARE).astype(np.float32) * breathing
    return noise


def autoregressive(n: int, n_frames: int, coefficient: float, rng) -> np.ndarray:
    """Stationary AR(1) series of unit variance, (n, n_frames) float32."""
    white = rng.standard_normal((n, n_frames), dtype=np.float32)
    before = rng.standard_normal((n, 1), dtype=np.float32) * np.float32(coefficient)
    b, a = np.float32([np.sqrt(1 - coefficient**2)]), np.float32([1, -coefficient])
    return lfilter(b, a, white, axis=1, zi=before)[0]


def _baseline(geometry, rng) -> np.ndarray:
    """Mean EPI intensity of each brain voxel, (B,) float32."""
    tissue = np.where(geometry.grey, 9000.0, np.where(geometry.white, 7500.0, 12000.0))
    bias = 1 + 0.15 * smooth_maps(geometry, 1, 80, rng)[:, 0]
    texture = 1 + 0.04 * rng.normal(size=len(tissue))
    return np.clip(tissue * bias * texture, 2000, 20000).astype(np.float32)


def _motion(n_frames, rng) -> np.ndarray:
    """Slow head motion, (T, 6): mm and rad."""
    steps = rng.normal(size=(n_frames, 6)) * np.array([0.012] * 3 + [0.0002] * 3)
    return np.cumsum(steps, axis=0) * 0.6 + steps


def _brighten(run, baseline, n) -> None:
    """The first frames of a run, before the longitudinal magnetisation has settled."""
    if n:
        extra = 0.25 * np.exp(-np.arange(n) / 0.7)
        run[:, :n] += baseline[:, None] * extra.astype(np.float32)
