"""Which rows touch each other, and how far maps of them reach: on a grid of voxels, or along a surface."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pydra_vae.stats.correlogram import correlation_length, correlation_length_along
from pydra_vae.stats.moran import neighbours
from pydra_vae.tasks._space import Space

LIMIT_MM = 80.0  # distances along the surface; smoother maps have no length
N_SOURCES = 400  # vertices of each hemisphere from which distances are taken


@dataclass(frozen=True)
class Neighbours:
    """The rows of a `Space`, and the meshes where it has vertices.

    Attributes
    ----------
    space : Space
    meshes : dict
        Hemisphere to (n, 3) coordinates in mm and (m, 3) triangles; empty for volumes.
    seed : int
        Of the vertices from which distances are taken.
    """

    space: Space
    meshes: dict[str, tuple[np.ndarray, np.ndarray]]
    seed: int = 0

    @classmethod
    def of(cls, space: Space, surfaces: Sequence[Path] | None = None, seed: int = 0) -> "Neighbours":
        """Read the surfaces of grayordinates.

        Raises
        ------
        ValueError
            If they were not given, or are of another mesh.
        """
        if not space.on_surface:
            return cls(space, {}, seed)
        if not surfaces or len(surfaces) != 2:
            raise ValueError("rows are vertices: give `surfaces`, the left and right surface of their mesh (surf.gii)")
        from pydra_vae.images.surfaces import load_surface

        meshes = {hemi: load_surface(Path(path)) for hemi, path in zip("LR", surfaces, strict=True)}
        for (hemi, (coordinates, _)), path in zip(meshes.items(), surfaces, strict=True):
            rows = space.of_cortex(hemi)
            if len(rows) and space.vertex[rows].max() >= len(coordinates):
                raise ValueError(
                    f"{path} has {len(coordinates)} vertices, but the data have vertex {space.vertex[rows].max()}: "
                    "give surfaces of the data's mesh"
                )
        return cls(space, meshes, seed)

    def weights(self):
        """(K, K) sparse matrix, 1 between voxels that share a face and between vertices that share an edge."""
        from scipy.sparse import coo_array

        if not self.meshes:
            return neighbours(self.space.ijk)
        from pydra_vae.surface.mesh import edges

        n = len(self.space.mm)
        pairs = []
        for hemi, (coordinates, triangles) in self.meshes.items():
            rows = self.space.of_cortex(hemi)
            row = np.full(len(coordinates), -1)
            row[self.space.vertex[rows]] = rows
            both = row[edges(triangles)]
            pairs.append(both[(both >= 0).all(axis=1)])
        voxels = np.flatnonzero(self.space.vertex < 0)
        if len(voxels):
            found = neighbours(self.space.ijk[voxels]).tocoo()
            inside = np.stack([voxels[found.row], voxels[found.col]], axis=1)
            pairs.append(inside[inside[:, 0] < inside[:, 1]])
        i, j = np.concatenate(pairs).T
        return coo_array((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), shape=(n, n)).tocsr()

    def correlation_length(self, z: np.ndarray) -> np.ndarray:
        """Distance in mm at which the autocorrelation of each column falls to 1/e."""
        if not self.meshes:
            return correlation_length(z, self.space.ijk, self.space.voxel_mm)
        first, second, distance = self._pairs
        if not len(first):
            return np.full(z.shape[1], np.nan)
        return correlation_length_along(z, first, second, distance, float(self.space.voxel_mm[0]))

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the pairs of vertices up to `LIMIT_MM` apart along the surface, and their distance in mm."""
        from pydra_vae.surface.geodesics import geodesic_distances

        rng, parts = np.random.default_rng(self.seed), []
        for hemi, (coordinates, triangles) in self.meshes.items():
            rows = self.space.of_cortex(hemi).astype(np.int32)
            if len(rows) < 2:
                continue
            sources = np.sort(rng.choice(len(rows), min(N_SOURCES, len(rows)), replace=False))
            at, to = self.space.vertex[rows[sources]], self.space.vertex[rows]
            found = geodesic_distances(coordinates, triangles, at, to, LIMIT_MM, diagonals=False).tocoo()
            parts.append((rows[sources[found.row]], rows[found.col], found.data))
        none = np.empty(0, int)
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True)) if parts else (none, none, none)
