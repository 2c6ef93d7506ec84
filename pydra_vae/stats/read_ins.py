"""Coordinates that mean the same in every subject, though each has its own time courses.

Each subject's voxels × time matrix is reduced to r principal components; its whitened scores are maps of the brain.
Generalized Procrustes analysis (Gower 1975) rotates the subjects' maps to a common template over the places that they
share, so that coordinate j is the same map in all of them, while the course that belongs to it remains each
subject's own. No time-locking is needed. A newcomer is rotated to the template in the same way.

Of each subject only the scores at up to 4,000 places and r courses are kept, so memory hardly grows with the number
of subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.pca import Pca

MAX_TEMPLATE = 4000  # places: far more than the r²/2 angles of a rotation
ITERATIONS = 5


@dataclass(frozen=True)
class ReadIn:
    """A subject's linear maps to the common coordinates and back.

    Attributes
    ----------
    mean : (T,) array
    inwards : (r, T) array
        a = inwards (x − mean); the coordinates have unit variance over voxels.
    outwards : (T, r) array
        x ≈ mean + outwards a.
    """

    mean: np.ndarray
    inwards: np.ndarray
    outwards: np.ndarray

    def turned(self, rotation: np.ndarray) -> "ReadIn":
        """The same subspace with the coordinates a Q, for an orthogonal Q (r, r)."""
        return ReadIn(self.mean, rotation.T @ self.inwards, self.outwards @ rotation)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Coordinates (n, r) of series (n, T)."""
        return (np.asarray(x, dtype=np.float64) - self.mean) @ self.inwards.T


def whitened(pca: Pca, variance: np.ndarray) -> ReadIn:
    """A PCA as a read-in of unit variance.

    Parameters
    ----------
    pca : Pca
        Of r components.
    variance : (r,) array
        Of the scores.
    """
    sd = np.sqrt(np.maximum(variance, 1e-12 * variance.max()))
    return ReadIn(pca.mean, pca.components / sd[:, None], pca.components.T * sd)


def align(read_ins: Sequence[ReadIn], maps: Sequence[np.ndarray]) -> tuple[list[ReadIn], np.ndarray]:
    """Turn all subjects' read-ins so that their maps agree.

    Parameters
    ----------
    read_ins : sequence of S ReadIn
    maps : sequence of S arrays, (n, r)
        Their coordinates at the same n places.

    Returns
    -------
    turned : list of ReadIn
        The coordinate that explains most of the series first, on the average of subjects.
    template : (n, r) array
        Mean of the turned maps.
    """
    template = maps[0]
    for _ in range(ITERATIONS):
        rotations = [rotation_to(own, template) for own in maps]
        template = sum(own @ q for own, q in zip(maps, rotations, strict=True)) / len(maps)
    turned = [one.turned(q) for one, q in zip(read_ins, rotations, strict=True)]
    explained = sum(one.outwards.T @ one.outwards for one in turned)
    strongest_first = np.linalg.eigh(explained)[1][:, ::-1]
    return [one.turned(strongest_first) for one in turned], template @ strongest_first


def rotation_to(maps: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The orthogonal Q (r, r) that brings maps Q closest to the template, both (n, r).

    >>> turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> maps = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    >>> bool(np.allclose(rotation_to(maps, maps @ turn), turn))
    True
    """
    left, _, right = np.linalg.svd(maps.T @ template)
    return left @ right


def template_rows(candidates: np.ndarray, seed: int = 0) -> np.ndarray:
    """Up to 4,000 of the candidate places, in order."""
    return np.sort(np.random.default_rng(seed).permutation(candidates)[:MAX_TEMPLATE])


class Stacked:
    """Chosen rows of several matrices one under the other, read where they are asked for and nowhere copied.

    >>> both = Stacked([np.zeros((3, 2)), np.ones((3, 2))], [np.array([2, 0]), np.array([1])])
    >>> both.shape, both[np.array([2, 0])].tolist()
    ((3, 2), [[1.0, 1.0], [0.0, 0.0]])
    """

    def __init__(self, arrays: Sequence[np.ndarray], rows: Sequence[np.ndarray]):
        self.arrays, self.rows = list(arrays), [np.asarray(own) for own in rows]
        self.starts = np.cumsum([0, *(len(own) for own in self.rows)])
        self.shape = (int(self.starts[-1]), arrays[0].shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        found = np.empty((len(index), self.shape[1]), self.arrays[0].dtype)
        which = np.searchsorted(self.starts, index, side="right") - 1
        for subject in np.unique(which):
            here = which == subject
            found[here] = self.arrays[subject][self.rows[subject][index[here] - self.starts[subject]]]
        return found
