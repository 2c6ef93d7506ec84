"""Where the rows of a series lie: position, parcel and network of each usable voxel or vertex."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.images.headers import read_header
from pydra_vae.stats.normalise import Scaling

VOLUME = ("i", "j", "k")
SURFACE = ("structure", "vertex", *VOLUME)


@dataclass(frozen=True)
class Space:
    """The K usable voxels, or grayordinates, of one subject, in the order of the rows of its series.

    Attributes
    ----------
    ijk : (K, 3) int array
        Voxel indices; -1 for a vertex.
    mm : (K, 3) float array
        Positions in mm.
    parcel : (K,) int array
        Label of the atlas; 0 without one.
    name, network : (K,) arrays of str
        Of the parcel; "" without one.
    affine : (4, 4) array or None
        Of a volume; None for grayordinates.
    structure : (K,) array of str or None
        ``CORTEX_LEFT``, ``THALAMUS_RIGHT`` and so on, of grayordinates.
    vertex : (K,) int array or None
        Number on the mesh of its cortex; -1 for a voxel.
    """

    ijk: np.ndarray
    mm: np.ndarray
    parcel: np.ndarray
    name: np.ndarray
    network: np.ndarray
    affine: np.ndarray | None
    structure: np.ndarray | None = field(default=None, repr=False)
    vertex: np.ndarray | None = field(default=None, repr=False)

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
        on_surface = "vertex" in table
        ijk = table[list(VOLUME)].fillna(-1).to_numpy(dtype=int)
        affine = None if on_surface else read_header(Path(mask)).affine
        return cls(
            ijk=ijk,
            mm=table[["x", "y", "z"]].to_numpy(float) if on_surface else ijk @ affine[:3, :3].T + affine[:3, 3],
            parcel=table["parcel"].to_numpy(dtype=int),
            name=table["name"].fillna("").to_numpy(dtype=str),
            network=table["network"].fillna("").to_numpy(dtype=str),
            affine=affine,
            structure=table["structure"].to_numpy(dtype=str) if on_surface else None,
            vertex=table["vertex"].fillna(-1).to_numpy(dtype=int) if on_surface else None,
        )

    @property
    def on_surface(self) -> bool:
        """Whether rows are grayordinates."""
        return self.vertex is not None

    @cached_property
    def voxel_mm(self) -> np.ndarray:
        """Lengths of a voxel's edges; of grayordinates three times the median distance to the nearest other one."""
        if self.affine is not None:
            return np.linalg.norm(self.affine[:3, :3], axis=0)
        from scipy.spatial import KDTree

        return np.full(3, np.median(KDTree(self.mm).query(self.mm, k=2)[0][:, 1]))

    def places(self):
        """DataFrame that names each row: i j k; of grayordinates structure, vertex and i j k, n/a for none."""
        import pandas as pd

        columns = dict(zip(VOLUME, self.ijk.T, strict=True))
        if self.on_surface:
            numbers = {"vertex": self.vertex, **columns}
            columns = {"structure": self.structure}
            columns |= {name: pd.Series(v, dtype="Int64").mask(v < 0) for name, v in numbers.items()}
        return pd.DataFrame(columns)

    def of_cortex(self, hemi: str) -> np.ndarray:
        """Rows that are vertices of the left (``L``) or right (``R``) cortex."""
        return np.flatnonzero(self.structure == {"L": "CORTEX_LEFT", "R": "CORTEX_RIGHT"}[hemi])
