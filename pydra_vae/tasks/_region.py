"""The region's vertices as steps read them: which column of a map lies where on which mesh."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table


@dataclass(frozen=True)
class Region:
    """Columns of every map and series.

    Attributes
    ----------
    vertices : tuple of two int arrays
        Numbers on the left and on the right mesh; columns are all left ones, then all right ones.
    mesh_sizes : tuple of two int
        Vertices of each mesh.
    """

    vertices: tuple[np.ndarray, np.ndarray]
    mesh_sizes: tuple[int, int]

    @classmethod
    def load(cls, vertices: Path, region: Path) -> "Region":
        """Read vertices.tsv and region.json (MakeRegion)."""
        info = json.loads(Path(region).read_text(encoding="utf-8"))
        return cls(read_vertices(vertices), (int(info["mesh_left"]), int(info["mesh_right"])))

    @property
    def left(self) -> np.ndarray:
        """(V,) bool: which columns lie in the left hemisphere."""
        return np.repeat([True, False], [len(side) for side in self.vertices])

    def __len__(self) -> int:
        return sum(map(len, self.vertices))

    def check(self, path: Path, n_columns: int) -> None:
        """Raise ValueError unless maps have one value a vertex."""
        if n_columns != len(self):
            raise ValueError(
                f"{path} has {n_columns:,} values a map but the region has {len(self):,} vertices: "
                "are both from the same run of the workflow?"
            )


def read_vertices(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertex numbers of the left and of the right hemisphere in vertices.tsv (MakeRegion)."""
    table = read_table(path)
    if missing := ", ".join(sorted({"hemi", "vertex"} - set(table))):
        raise ValueError(f"{path} has no column {missing}: give the vertices.tsv of MakeRegion")
    left, right = (table.loc[table["hemi"] == hemi, "vertex"].to_numpy(dtype=np.int64) for hemi in "LR")
    if list(table["hemi"]) != ["L"] * len(left) + ["R"] * len(right):
        raise ValueError(f"{path} does not list left vertices first, then right ones: give that of MakeRegion")
    return left, right
