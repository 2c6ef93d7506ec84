"""Maps of vertices as rows of a figure: what `brains.Space` is to slices, for views of both hemispheres."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pydra_vae.reports.surface_meshes import Meshes
from pydra_vae.reports.surfaces import SurfaceView

# Name of a panel to what it shows, from left to right.
VIEWS = {
    "left, lateral": ("L", "lateral"),
    "left, medial": ("L", "medial"),
    "dorsal": ("LR", "dorsal"),
    "right, medial": ("R", "medial"),
    "right, lateral": ("R", "lateral"),
}
HEMISPHERES = {"CORTEX_LEFT": "L", "CORTEX_RIGHT": "R"}


@dataclass(frozen=True)
class SurfaceSpace:
    """Where vertices lie on the meshes that are drawn.

    Attributes
    ----------
    surfaces, folded : sequences of Path
        Left and right surface, inflated, and as they are folded (none: the cortex is one grey).
    table : DataFrame
        One row a value: structure, vertex.
    """

    surfaces: Sequence[Path]
    folded: Sequence[Path]
    table: pd.DataFrame

    background = None

    @property
    def cuts(self) -> list[str]:
        """Names of the views."""
        return list(VIEWS)

    @property
    def ratio(self) -> float:
        """Height of a view over its width."""
        height, width = self._size
        return height / width

    @property
    def caption(self) -> str:
        """What is drawn, for captions."""
        n = int((~self._cortical).sum())
        return "On the inflated cortex." + (f" {n:,} subcortical voxels are not drawn." if n else "")

    def paint(self, row, view: str) -> np.ndarray:
        """(h, w, 4) uint8 picture of a `brains.Row` in one view, transparent beside the cortex."""
        from matplotlib import colormaps
        from matplotlib.colors import Normalize

        shown = self._cortical
        hemi = self.table.loc[shown, "structure"].map(HEMISPHERES).to_numpy()
        vertex = self.table.loc[shown, "vertex"].to_numpy(dtype=int)
        whole = self._meshes.full(np.asarray(row.values, dtype=float)[shown], hemi, vertex)
        colours = colormaps[row.colours](Normalize(*row.limits)(np.nan_to_num(whole)))
        colours[:, 3] = np.isfinite(whole)
        painted = self._views[view].paint(colours)
        height, width = self._size
        picture = np.zeros((height, width, 4), np.uint8)
        top, left = (height - painted.shape[0]) // 2, (width - painted.shape[1]) // 2
        picture[top : top + painted.shape[0], left : left + painted.shape[1]] = painted
        return picture

    @cached_property
    def _cortical(self) -> np.ndarray:
        return self.table["structure"].isin(HEMISPHERES).to_numpy()

    @cached_property
    def _meshes(self) -> Meshes:
        return Meshes.of(self.surfaces, self.folded)

    @cached_property
    def _views(self) -> dict[str, SurfaceView]:
        return {name: SurfaceView.of(self._meshes, layout=((camera,),)) for name, camera in VIEWS.items()}

    @cached_property
    def _size(self) -> tuple[int, int]:
        shapes = [(view.shape[0] // view.fine, view.shape[1] // view.fine) for view in self._views.values()]
        return tuple(int(n) for n in np.max(shapes, axis=0))
