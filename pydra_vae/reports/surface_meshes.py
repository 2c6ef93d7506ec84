"""The meshes of both hemispheres as pictures need them: side by side, with gyri and sulci in two greys."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.images.surfaces import load_surface

GAP = 3.0  # mm between the hemispheres
GYRUS, SULCUS, PLAIN = 0.80, 0.69, 0.76  # grey of the cortex


@dataclass(frozen=True)
class Meshes:
    """Both hemispheres; vertices of the right one follow those of the left.

    Attributes
    ----------
    coordinates : (n, 3) array
        mm; hemispheres side by side.
    triangles : (m, 3) int array
    n_left : int
        Vertices of the left hemisphere.
    grey : (n,) array
        Brightness of cortex that has no value.
    """

    coordinates: np.ndarray
    triangles: np.ndarray
    n_left: int
    grey: np.ndarray

    @classmethod
    def of(cls, surfaces: Sequence[Path], folded: Sequence[Path] = ()) -> "Meshes":
        """Read a left and a right surface, and the same meshes folded, which show gyri and sulci.

        Raises
        ------
        ValueError
            If there are not two, or a folded one has another mesh; the message names the file.
        """
        if len(surfaces) != 2 or len(folded) not in (0, 2):
            raise ValueError(
                f"{len(surfaces)} surfaces and {len(folded)} folded ones were given: give one of the left and one of "
                "the right hemisphere"
            )
        (left, faces), (right, more) = (load_surface(Path(path)) for path in surfaces)
        left, right = left.copy(), right.copy()
        left[:, 0] -= left[:, 0].max() + GAP / 2  # inflated hemispheres may overlap
        right[:, 0] += GAP / 2 - right[:, 0].min()
        coordinates = np.concatenate([left, right])
        grey = np.full(len(coordinates), PLAIN)
        if len(folded):
            grey = np.concatenate([
                np.where(_curvature(path, like, len(mesh)) > 0, GYRUS, SULCUS)
                for path, like, mesh in zip(folded, surfaces, (left, right), strict=True)
            ])  # fmt: skip
        return cls(coordinates, np.concatenate([faces, more + len(left)]), len(left), grey)

    def full(self, values: np.ndarray, hemi: np.ndarray, vertex: np.ndarray, empty=np.nan) -> np.ndarray:
        """Values of some vertices on the whole mesh.

        Parameters
        ----------
        values : (V, ...) array
        hemi : (V,) array of "L" or "R"
        vertex : (V,) int array
            Numbers on the hemisphere's mesh.
        empty
            Value of all other vertices.
        """
        whole = np.full((len(self.coordinates), *np.shape(values)[1:]), empty, dtype=np.asarray(values).dtype)
        whole[np.asarray(vertex) + np.where(np.asarray(hemi) == "L", 0, self.n_left)] = values
        return whole


def _curvature(path: Path, like: Path, n: int) -> np.ndarray:
    """Mean curvature of a folded mesh, smoothed a little; positive on gyri."""
    coordinates, triangles = load_surface(Path(path))
    if len(coordinates) != n:
        raise ValueError(
            f"{path} has {len(coordinates)} vertices but {like} has {n}: give the same mesh, folded and inflated"
        )
    edges = np.concatenate([triangles[:, pair] for pair in ((0, 1), (1, 2), (2, 0))])
    edges = np.unique(np.sort(np.concatenate([edges, edges[:, ::-1]])), axis=0)
    first, second = np.concatenate([edges, edges[:, ::-1]]).T
    degree = np.maximum(np.bincount(first, minlength=n), 1)

    def mean_of_neighbours(values):
        return np.stack([np.bincount(first, column[second], n) / degree for column in values.T], axis=1)

    inwards = mean_of_neighbours(coordinates) - coordinates
    bent = -(inwards * normals(coordinates, triangles)).sum(axis=1, keepdims=True)
    for _ in range(3):
        bent = (bent + mean_of_neighbours(bent)) / 2
    return bent[:, 0]


def normals(coordinates: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(n, 3) unit normals of vertices, those of their triangles weighted by area."""
    a, b, c = (coordinates[triangles[:, i]] for i in range(3))
    of_triangles = np.cross(b - a, c - a)
    n = len(coordinates)
    total = np.stack([
        sum(np.bincount(triangles[:, i], of_triangles[:, axis], n) for i in range(3)) for axis in range(3)
    ], axis=1)  # fmt: skip
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
