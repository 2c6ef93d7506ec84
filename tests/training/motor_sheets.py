"""A small planted motor task for tests: smooth patches on two sheets, blocks of five sub-tasks, smooth noise."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from pydra_vae.models.tivae import TiVaeConfig

N_TASKS = 5


@dataclass(frozen=True)
class Sheets:
    """Recordings of two square sheets of vertices.

    Attributes
    ----------
    arrays : list of S (T, V) float32 arrays
        z-scored.
    parts : list of S str
    clusters : (V,) int array
        Square blocks of each sheet.
    courses : (5, T) array
        Planted courses of the sub-tasks.
    maps : (5, V) array
    side : int
        Vertices along a sheet.
    blocks : int
        Clusters along a sheet.
    """

    arrays: list
    parts: list
    clusters: np.ndarray
    courses: np.ndarray
    maps: np.ndarray
    side: int
    blocks: int

    def config(self, **options) -> TiVaeConfig:
        """Of a model for these sheets."""
        n, size = self.side**2, int(np.bincount(self.clusters[: self.side**2]).max())
        return TiVaeConfig(n, n, self.blocks**2, size, **options)


def sheets(side=18, blocks=3, n_frames=120, parts=(14, 3, 4), noise=3.0, seed=0) -> Sheets:
    """S = sum(parts) recordings: two blocks of each of five sub-tasks, nuisance networks, smooth AR noise."""
    rng = np.random.default_rng(seed)
    courses = _courses(n_frames)
    maps = _smooth(rng.normal(size=(N_TASKS, 2, side, side)), side / 9).reshape(N_TASKS, -1)
    maps = np.where(np.abs(maps) > 1.0, maps, 0)  # patches
    nuisance = _smooth(rng.normal(size=(4, 2, side, side)), side / 5).reshape(4, -1)
    arrays = []
    for _ in range(sum(parts)):
        own = np.stack([np.roll(course, rng.integers(-1, 2)) for course in courses]) * rng.uniform(0.7, 1.3, (5, 1))
        slow = gaussian_filter(rng.normal(size=(n_frames, 4)), (3, 0)) * 2.5
        field = _smooth(gaussian_filter(rng.normal(size=(n_frames, 2, side, side)), (1, 0, 0, 0)), 1.0)
        x = 1.5 * own.T @ maps + 0.6 * slow @ nuisance + noise * field.reshape(n_frames, -1)
        arrays.append(((x - x.mean(0)) / x.std(0)).astype(np.float32))
    names = np.repeat(["train", "validation", "test"], parts).tolist()
    place = np.arange(side) * blocks // side
    clusters = np.tile((place[:, None] * blocks + place).ravel(), 2)
    return Sheets(arrays, names, clusters, courses, maps, side, blocks)


def _courses(n_frames: int) -> np.ndarray:
    """Two blocks of each sub-task, in a mixed order, delayed and smoothed as by a haemodynamic response."""
    order = [0, 1, 2, 3, 4, 2, 0, 4, 1, 3]
    courses, length = np.zeros((N_TASKS, n_frames)), n_frames // 12
    for block, task in enumerate(order):
        start = (block + 1) * n_frames // 12
        courses[task, start : start + length] = 1
    return gaussian_filter(courses, (0, length / 4))


def _smooth(values: np.ndarray, width: float) -> np.ndarray:
    """Smoothed over the last two axes, unit variance."""
    smooth = gaussian_filter(values, (0,) * (values.ndim - 2) + (width, width), mode="wrap")
    return smooth / smooth.std()


def pca_r2(made: Sheets, size: int, part: str = "test") -> float:
    """R² of a PCA of the training recordings on another part."""
    train, other = (
        np.concatenate([a for a, own in zip(made.arrays, made.parts, strict=True) if own == p]) for p in ("train", part)
    )
    _, _, vt = np.linalg.svd(train, full_matrices=False)
    return float(1 - np.square(other - other @ vt[:size].T @ vt[:size]).sum() / np.square(other).sum())
