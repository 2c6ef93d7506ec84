"""Where the rows of a series lie: position, parcel and network of each usable voxel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.images.headers import read_header
from pydra_vae.stats.normalise import Scaling


@dataclass(frozen=True)
class Space:
    """The K usable voxels of one subject, in the order of the rows of its series.

    Attributes
    ----------
    ijk : (K, 3) int array
        Voxel indices.
    mm : (K, 3) float array
        Positions in mm.
    parcel : (K,) int array
        Label of the atlas; 0 without one.
    name, network : (K,) arrays of str
        Of the parcel; "" without one.
    affine : (4, 4) array
    """

    ijk: np.ndarray
    mm: np.ndarray
    parcel: np.ndarray
    name: np.ndarray
    network: np.ndarray
    affine: np.ndarray

    @classmethod
    def load(cls, voxels: Path, scaling: Path, mask: Path) -> "Space":
        """From the tables of MakeMask and Normalize.

        Raises
        ------
        ValueError
            If the table and the scaling were not made for the same voxels.
        """
        kept = Scaling.load(Path(scaling)).kept
        table = read_table(voxels)
        if len(table) != kept.size:
            raise ValueError(
                f"{voxels} lists {len(table)} voxels but the scaling was made for {kept.size}: "
                "do both belong to one mask?"
            )
        table = table[kept]
        affine = read_header(Path(mask)).affine
        ijk = table[["i", "j", "k"]].to_numpy(dtype=int)
        return cls(
            ijk=ijk,
            mm=ijk @ affine[:3, :3].T + affine[:3, 3],
            parcel=table["parcel"].to_numpy(dtype=int),
            name=table["name"].fillna("").to_numpy(dtype=str),
            network=table["network"].fillna("").to_numpy(dtype=str),
            affine=affine,
        )

    @property
    def voxel_mm(self) -> np.ndarray:
        """Lengths of a voxel's edges."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)
