"""Meshes whose distances are known: a sphere, a flat sheet, the same sheet bent."""

import numpy as np
from scipy.spatial import ConvexHull, Delaunay


def sphere(n: int = 1500, radius: float = 50.0) -> tuple[np.ndarray, np.ndarray]:
    """Points of a Fibonacci lattice on a sphere and their hull: (n, 3) in mm and (m, 3)."""
    height = 1 - (2 * np.arange(n) + 1) / n
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    ring = np.sqrt(1 - height**2)
    points = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    return radius * points, ConvexHull(points).simplices.astype(np.int64)


def sheet(width: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A square sheet of unit spacing, jittered and triangulated: (n, 2) in mm and (m, 3)."""
    flat = np.stack(np.meshgrid(np.arange(width), np.arange(width)), axis=-1).reshape(-1, 2).astype(float)
    inner = ((flat > 0) & (flat < width - 1)).all(axis=1)
    flat[inner] += np.random.default_rng(seed).uniform(-0.3, 0.3, (inner.sum(), 2))
    return flat, Delaunay(flat).simplices.astype(np.int64)


def bent(flat: np.ndarray, radius: float = 6.0) -> np.ndarray:
    """The sheet rolled around a cylinder, (n, 3): rolling changes no distance along the sheet."""
    return np.stack([radius * np.cos(flat[:, 0] / radius), radius * np.sin(flat[:, 0] / radius), flat[:, 1]], axis=1)


def plane(flat: np.ndarray) -> np.ndarray:
    """The sheet as it lies, (n, 3)."""
    return np.column_stack([flat, np.zeros(len(flat))])
