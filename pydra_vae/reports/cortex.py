"""A region on the meshes of both hemispheres: what brings its values to pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.reports.surface_meshes import Meshes
from pydra_vae.reports.surfaces import SurfaceView

PER_MM = 2.2  # pixels of the largest pictures; twice as many as are shown, for screens of high density


@dataclass(frozen=True)
class Cortex:
    """The region on its meshes.

    Attributes
    ----------
    surfaces, folded : sequences of Path
    table : Path
        vertices.tsv.
    """

    surfaces: Sequence[Path]
    folded: Sequence[Path]
    table: Path

    @classmethod
    def of(cls, files) -> "Cortex | None":
        """Of a page's files; None where surfaces or vertices are not given."""
        given = len(files.surfaces) and files.vertices is not None
        return cls(files.surfaces, files.folded, files.vertices) if given else None

    @cached_property
    def vertices(self) -> pd.DataFrame:
        """Hemi, vertex."""
        return read_table(self.table)

    @cached_property
    def meshes(self) -> Meshes:
        """Raises ValueError where vertices and surfaces do not belong together."""
        found = Meshes.of(self.surfaces, self.folded)
        sizes = {"L": found.n_left, "R": len(found.coordinates) - found.n_left}
        for (hemi, size), path in zip(sizes.items(), self.surfaces, strict=True):
            numbers = self.vertices.loc[self.vertices["hemi"] == hemi, "vertex"]
            if len(numbers) and int(numbers.max()) >= size:
                raise ValueError(
                    f"{self.table} has vertex {int(numbers.max())} of hemisphere {hemi} but {path} has {size} "
                    "vertices: give surfaces of the data's mesh"
                )
        return found

    @cached_property
    def view(self) -> SurfaceView:
        """The largest pictures; smaller ones are made of the same buffer."""
        return SurfaceView.of(self.meshes, PER_MM)

    @cached_property
    def inside(self) -> np.ndarray:
        """(n,) int array: 1 in the region."""
        return self.whole(np.ones(len(self.vertices), int), 0)

    def whole(self, values: np.ndarray, empty=np.nan) -> np.ndarray:
        """Values of the region on both meshes."""
        return self.meshes.full(values, self.vertices["hemi"].to_numpy(), self.vertices["vertex"].to_numpy(), empty)

    def load(self, path: Path) -> np.ndarray:
        """(k, V) maps, or (V,) labels.

        Raises
        ------
        ValueError
            If they are of other vertices; the message names the file.
        """
        values = np.load(path)
        if values.shape[-1] != len(self.vertices):
            raise ValueError(
                f"{path} has the shape {values.shape} but {self.table} {len(self.vertices)} vertices: give maps of "
                "this region"
            )
        return values
