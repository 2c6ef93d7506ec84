"""The parcels of a subject: their voxels, and the table that says which row of a matrix is which."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.stats.connectivity import large_parcels
from pydra_vae.stats.parcels import centroids, first_rows, parcel_means, parcel_sizes, parcels_or_blocks
from pydra_vae.tasks._space import Space

COLUMNS = ("parcel", "name", "network", "x", "y", "z", "n")


@dataclass(frozen=True)
class Parcels:
    """Parcels of at least five usable voxels; 24 mm cubes where there is no atlas.

    Attributes
    ----------
    space : Space
    parcel : (K,) int array
        Parcel of each voxel; 0 for none, or one too small.
    """

    space: Space
    parcel: np.ndarray

    @classmethod
    def load(cls, voxels: Path, scaling: Path, mask: Path) -> "Parcels":
        """From the tables of MakeMask and Normalize."""
        space = Space.load(voxels, scaling, mask)
        return cls(space, large_parcels(parcels_or_blocks(space.parcel, space.mm)))

    def means(self, x: np.ndarray, path: Path) -> np.ndarray:
        """(P, n) means of (K, n) values; the error names the file that holds them."""
        if len(x) != len(self.parcel):
            raise ValueError(
                f"{path} has {len(x)} rows but there are {len(self.parcel)} usable voxels: do both come from one run?"
            )
        return parcel_means(x, self.parcel)[1]

    def table(self):
        """One row a parcel, in the order of `means`: number, name, network, centre in mm, voxels."""
        import pandas as pd

        first, mm = first_rows(self.parcel), centroids(self.space.mm, self.parcel)
        names = self.space.name[first] if self.space.parcel.any() else _cube_names(mm)
        return pd.DataFrame(
            {
                "parcel": self.parcel[first],
                "name": names,
                "network": [network or "n/a" for network in self.space.network[first]],
                **dict(zip("xyz", mm.T, strict=True)),
                "n": parcel_sizes(self.parcel),
            },
            columns=COLUMNS,
        )


def _cube_names(mm) -> list[str]:
    """Cubes are told apart by where their voxels lie.

    Examples
    --------
    >>> _cube_names(np.array([[-12.0, 36.2, 8]]))
    ['cube at -12 36 8']
    """
    return [f"cube at {x:.0f} {y:.0f} {z:.0f}" for x, y, z in mm]
