"""Distance files of GeodesicDistances: made from surfaces, written, read, described."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy import sparse

from pydra_vae.images.surfaces import left_right, load_surface
from pydra_vae.surface.geodesics import geodesic_distances, mean_distances
from pydra_vae.tasks._io import load_array

# With several subjects, how much further than the limit each is searched: pairs beyond it in one subject may lie
# within the limit in the mean.
_REACH = 1.5


def pairs_of(surfaces: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Left and right surface of each subject, from L1, R1, L2, R2, …"""
    if not surfaces or len(surfaces) % 2:
        raise ValueError(
            f"{len(surfaces)} surfaces were given: distances need a left and a right one, of each subject where there "
            "are several"
        )
    return [left_right(surfaces[i : i + 2]) for i in range(0, len(surfaces), 2)]


def load_mesh(path: Path, n_vertices: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates and triangles of a surface that must have the data's number of vertices."""
    coordinates, triangles = load_surface(path)
    if len(coordinates) != n_vertices:
        raise ValueError(
            f"{path} has {len(coordinates):,} vertices but the data lie on a mesh of {n_vertices:,}: "
            "give surfaces of the same space and density as the data"
        )
    return coordinates, triangles


def hemisphere_distances(
    surfaces: Sequence[Path], vertices: np.ndarray, mesh_size: int, limit: float | None, diagonals: bool, threads: int
) -> np.ndarray | sparse.csr_array:
    """Distances between vertices of one hemisphere, averaged over subjects' surfaces."""
    if len(vertices) and vertices.max() >= mesh_size:
        raise ValueError(f"the region names vertex {vertices.max()} but its mesh has {mesh_size} vertices")
    limit = np.inf if limit is None else limit
    reach = limit if len(surfaces) == 1 else limit * _REACH

    def of(path):
        mesh = load_mesh(path, mesh_size)
        try:
            return geodesic_distances(*mesh, vertices, vertices, reach, diagonals, threads)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    return mean_distances((of(path) for path in surfaces), limit)


def save_distances(stem: str, distances: np.ndarray | sparse.csr_array) -> Path:
    """Write STEM.npy, or STEM.npz for a limited radius, here."""
    if sparse.issparse(distances):
        path = Path(f"{stem}.npz").absolute()
        sparse.save_npz(path, distances, compressed=False)
    else:
        path = Path(f"{stem}.npy").absolute()
        np.save(path, distances)
    return path


def load_distances(path: Path, n_vertices: int) -> np.ndarray | sparse.csr_array:
    """Read a distance file (.npy is memory-mapped); its size is checked against the hemisphere's vertices."""
    try:
        found = sparse.csr_array(sparse.load_npz(path)) if Path(path).suffix == ".npz" else load_array(path)
    except (BadZipFile, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as distances ({error}): give those of GeodesicDistances") from error
    if found.shape != (n_vertices, n_vertices):
        raise ValueError(
            f"{path} holds distances {found.shape} but the region has {n_vertices} vertices there: are both from the "
            "same region, and left before right?"
        )
    return found


def describe_distances(distances: np.ndarray | sparse.csr_array) -> dict:
    """n_vertices, neighbours a vertex (mean, smallest), vertices without any, and the largest distance in mm."""
    n = distances.shape[0]
    limited = sparse.issparse(distances)
    counts = np.diff(distances.indptr) if limited else np.full(n, n - 1)
    values = distances.data if limited else distances
    return {
        "n_vertices": n,
        "neighbors_mean": round(float(counts.mean()), 2) if n else 0.0,
        "neighbors_min": int(counts.min()) if n else 0,
        "without_neighbors": int((counts == 0).sum()),
        "largest_mm": round(float(values.max()), 3) if values.size else 0.0,
    }
