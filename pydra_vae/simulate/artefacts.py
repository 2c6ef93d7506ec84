"""Planted artefacts: voxels and frames that a detector of outliers should find."""

from dataclasses import dataclass

import numpy as np

from pydra_vae.simulate.geometry import Geometry, smooth_maps

VOXEL_SHARE = 0.005  # of the grey matter
FRAME_SHARE = 0.01
VOXEL_SIZE, FRAME_SIZE = 3.0, 3.0  # in standard deviations of the noise
MOTION_MM = 1.2  # displacement at an artefact frame


@dataclass(frozen=True)
class Artefacts:
    """What was planted.

    Attributes
    ----------
    voxels : (n,) int array
        Indices among the brain's voxels, all in grey matter.
    kinds : (n,) array of str
        "vessel" (pulsation aliased to a fast rhythm) or "spikes" (rare large jumps).
    frames : list of int arrays
        For each run, the frames with a smooth global pattern and a jump of the head.
    """

    voxels: np.ndarray
    kinds: np.ndarray
    frames: list[np.ndarray]


def add_artefacts(
    bold: list[np.ndarray],
    geometry: Geometry,
    noise_sd: np.ndarray,
    motion: list[np.ndarray],
    first: int,
    rng,
) -> Artefacts:
    """Add artefacts to the runs and to the motion, in place.

    Parameters
    ----------
    bold : list of (B, T_run) arrays
        Before the baseline is added.
    noise_sd : (B,) array
        Standard deviation of the noise of each voxel.
    motion : list of (T_run, 6) arrays
    first : int
        No artefact before this frame of a run.
    """
    grey = np.flatnonzero(geometry.grey)
    voxels = np.sort(rng.choice(grey, max(8, round(VOXEL_SHARE * grey.size)), replace=False))
    kinds = rng.permutation(np.resize(["vessel", "spikes"], voxels.size))
    frames = []
    for run, moved in zip(bold, motion, strict=True):
        n_frames = run.shape[1]
        size = VOXEL_SIZE * noise_sd[voxels, None]
        run[voxels] += (size * _voxel_courses(kinds, n_frames, rng)).astype(np.float32)
        chosen = first + rng.choice(n_frames - first, max(2, round(FRAME_SHARE * n_frames)), replace=False)
        frames.append(np.sort(chosen))
        patterns = smooth_maps(geometry, len(chosen), 40, rng)
        run[:, chosen] += (FRAME_SIZE * noise_sd[:, None] * patterns).astype(np.float32)
        moved[chosen, :3] += rng.choice([-1, 1], size=(len(chosen), 3)) * MOTION_MM / 3
    return Artefacts(voxels, kinds, frames)


def _voxel_courses(kinds, n_frames, rng) -> np.ndarray:
    """A course of unit variance for each artefact voxel, (n, T)."""
    phase, rate = rng.uniform(0, 2 * np.pi, (len(kinds), 1)), rng.uniform(0.28, 0.42, (len(kinds), 1))
    wander = np.cumsum(rng.normal(0, 0.15, (len(kinds), n_frames)), axis=1)
    pulsation = np.sqrt(2) * np.sin(2 * np.pi * rate * np.arange(n_frames) + phase + wander)
    spikes = rng.normal(size=(len(kinds), n_frames)) * (rng.random((len(kinds), n_frames)) < 0.05)
    return np.where((kinds == "vessel")[:, None], pulsation, spikes / np.sqrt(0.05))
