"""Several recordings on the voxels that all of them share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.mantel import upper
from pydra_vae.stats.parcels import centroids, parcel_means
from pydra_vae.stats.shared_voxels import MIN_SHARED, coarsest, shared_rows
from pydra_vae.stats.spatial_nulls import balanced
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._space import Space

MIN_PARCELS = 10


@dataclass(frozen=True)
class SharedSpace:
    """S recordings, and the K places that all of them have.

    Attributes
    ----------
    labels : list of str
    persons : (S,) int array
        Whose each recording is, from 0 in the order of appearance.
    rows : (S, K) int array
        Rows of each recording's matrices that are these places.
    reference : int
        The recording whose grid and atlas count: the coarsest.
    space : Space
        Of all the reference's voxels.
    """

    labels: list[str]
    persons: np.ndarray
    rows: np.ndarray
    reference: int
    space: Space

    @classmethod
    def load(
        cls,
        labels: Sequence[str],
        voxels: Sequence[Path],
        scalings: Sequence[Path],
        masks: Sequence[Path],
        persons: Sequence[str] | None = None,
    ) -> "SharedSpace":
        """From one table of voxels, scaling and mask a recording."""
        check_lengths(labels, voxels=voxels, scalings=scalings, masks=masks, persons=persons)
        spaces = zip(voxels, scalings, masks, strict=True)
        # only places are kept of each: names and networks of a hundred subjects fill gigabytes
        places = [(one.mm, one.voxel_mm) for one in (Space.load(*files) for files in spaces)]
        positions, edges = zip(*places, strict=True)
        reference = coarsest(edges)
        return cls(
            labels=list(labels),
            persons=person_numbers(labels, persons),
            rows=shared_rows(positions, edges, labels),
            reference=reference,
            space=Space.load(voxels[reference], scalings[reference], masks[reference]),
        )

    def only(self, chosen: Sequence[Path]) -> "SharedSpace | None":
        """The same at those places alone where (K,) files of all recordings have a 1; None with fewer than 30."""
        marks = self.arrays(chosen, "marks of voxels")
        kept = np.all([mark[rows] == 1 for mark, rows in zip(marks, self.rows, strict=True)], axis=0)
        return replace(self, rows=self.rows[:, kept]) if kept.sum() >= MIN_SHARED else None

    @property
    def own(self) -> np.ndarray:
        """The reference's rows, (K,)."""
        return self.rows[self.reference]

    def arrays(self, paths: Sequence[Path], what: str) -> list[np.ndarray]:
        """One matrix a recording, memory-mapped; the number of rows is checked against the reference's."""
        check_lengths(self.labels, **{what: paths})
        found = [load_array(path) for path in paths]
        for path, array, rows in zip(paths, found, self.rows, strict=True):
            if len(array) <= rows.max():
                raise ValueError(f"{path} has {len(array)} rows, fewer than the voxels of its mask: do they fit?")
        return found

    def parcels(self, label: np.ndarray) -> np.ndarray:
        """Parcels of one size on the shared voxels, (K,); all 0 where there are fewer than 10."""
        kept = balanced(label, self.space.mm[self.own]) if label.any() else label
        return kept if len(np.unique(kept[kept > 0])) >= MIN_PARCELS else np.zeros_like(kept)

    def means(self, items: Sequence[np.ndarray], rows: np.ndarray, parcel: np.ndarray) -> np.ndarray:
        """Parcel means of each item, (N, P, D)."""
        return np.stack([parcel_means(item[own], parcel)[1] for item, own in zip(items, rows, strict=True)])

    def centres(self, parcel: np.ndarray) -> np.ndarray:
        """Centroids of parcels of the shared voxels in mm, (P, 3)."""
        return centroids(self.space.mm[self.own], parcel)


def check_lengths(labels: Sequence[str], **lists) -> None:
    """Refuse lists that have not one entry for each label."""
    for name, values in lists.items():
        if values is not None and len(values) != len(labels):
            raise ValueError(f"there are {len(labels)} labels but {len(values)} {name}: give one for each")


def person_numbers(labels: Sequence[str], persons: Sequence[str] | None) -> np.ndarray:
    """Number of each recording's person, from 0 in the order of appearance, (S,).

    Examples
    --------
    >>> person_numbers(["run-1", "run-2", "run-3"], ["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    names = list(labels if persons is None else persons)
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names])


def at_least_two(labels: Sequence[str], what: str) -> None:
    """Refuse one subject by name of what was asked for."""
    if len(labels) < 2:
        raise ValueError(
            f"{what} needs at least two subjects and there is {len(labels)}: add subjects, or leave it out"
        )


def parcel_vectors(labels: Sequence[str], matrices: Sequence[Path], parcels: Sequence[Path]) -> np.ndarray:
    """Pairs of the parcels that all recordings have, (S, n).

    Parameters
    ----------
    matrices, parcels : sequences of path
        (P, P) `.npy` and its table of parcels (ParcelDistances), one a recording.

    Raises
    ------
    ValueError
        If a matrix does not fit its table, or fewer than 10 parcels are shared.
    """
    numbers = [read_table(path)["parcel"].to_numpy() for path in parcels]
    shared = np.array(sorted(set.intersection(*(set(own.tolist()) for own in numbers))), dtype=int)
    if len(shared) < MIN_PARCELS:
        fewest = labels[int(np.argmin([len(own) for own in numbers]))]
        raise ValueError(
            f"all {len(labels)} recordings share {len(shared)} parcels and at least {MIN_PARCELS} are needed; "
            f"{fewest} has fewest: do all come from one atlas and space?"
        )
    vectors = []
    for path, own in zip(matrices, numbers, strict=True):
        matrix = load_array(path)
        if matrix.shape != (len(own), len(own)):
            raise ValueError(f"{path} has the shape {matrix.shape} but its table lists {len(own)} parcels")
        order = np.argsort(own)[np.searchsorted(np.sort(own), shared)]
        vectors.append(upper(matrix[order[:, None], order]))
    return np.stack(vectors)
