"""CompareMaps: what its rows hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.images.surface_templates import check_mesh
from pydra_vae.images.surfaces import left_right, load_surface
from pydra_vae.stats import surface_maps
from pydra_vae.surface.geodesics import geodesic_distances
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._region import Region


@dataclass(frozen=True)
class MapComparison:
    """Maps of one model, what they stand for, and references.

    Attributes
    ----------
    maps : (k, V) float64 array
    shown : list of (str or None, int, int)
        Sub-task (None: chosen for none), factor from 0, sign.
    region : Region
    references : dict of str to (V,) array
        By their names; empty without references.
    """

    maps: np.ndarray
    shown: list[tuple[str | None, int, int]]
    region: Region
    references: dict[str, np.ndarray]

    @classmethod
    def load(cls, maps, scores, vertices, region, reference, reference_names) -> "MapComparison":
        """Read and check the files of CompareMaps."""
        where, values = Region.load(vertices, region), np.asarray(load_array(maps), dtype=np.float64)
        where.check(maps, values.shape[1])
        chosen = [] if scores is None else _chosen(scores, len(values))
        left_over = sorted(set(range(len(values))) - {factor for _, factor, _ in chosen})
        references = {} if reference is None else _references(reference, reference_names, where)
        return cls(values, [*chosen, *((None, factor, 1) for factor in left_over)], where, references)

    def rows(self, kind: str, surfaces: Sequence[Path]) -> list[dict]:
        """One row a shown map and reading."""
        readings = surface_maps.READINGS[kind]
        found = [
            (task, factor, sign, reading, surface_maps.read_map(self.maps[factor], reading, sign))
            for task, factor, sign in self.shown
            for reading in readings
        ]
        amplitudes = [surface_maps.amplitude(values, reading) for *_, reading, values in found]
        distances = self._distances_from_peaks(amplitudes, surfaces)
        tasks = [task for task, _, _ in self.shown if task is not None]
        return [
            {"subtask": task, "factor": factor, "sign": sign, "reading": reading}
            | self._agreement(values, task)
            | self._shape(seen, distance)
            | self._control(values, task, tasks)
            for (task, factor, sign, reading, values), seen, distance in zip(found, amplitudes, distances, strict=True)
        ]

    def _agreement(self, values, task) -> dict:
        own = self._reference(task)
        if own is None:
            return dict.fromkeys(("r_all", *surface_maps.SHARES), np.nan)
        return surface_maps.correlations(values, self.references[own])

    def _shape(self, seen, distance) -> dict:
        peak, column = {"peak_hemi": None, "peak_vertex": None}, int(np.argmax(seen))
        if seen[column] > 0:
            mesh = np.concatenate(self.region.vertices)
            peak = {"peak_hemi": "L" if self.region.left[column] else "R", "peak_vertex": int(mesh[column])}
        return {
            "sparsity": surface_maps.sparsity(seen),
            "spread_mm": surface_maps.spread(seen, distance),
            "lateralisation": surface_maps.lateralisation(seen, self.region.left),
        } | peak

    def _control(self, values, task, tasks) -> dict:
        own = self._reference(task)
        others = {name for other in tasks if (name := self._reference(other)) is not None} - {own}
        found = [surface_maps.correlations(values, self.references[name]) for name in sorted(others) if own]
        mean = {key: float(np.mean([one[key] for one in found])) if found else np.nan for key in ("r_all", "r_top10")}
        return {"reference": own} | {f"others_{key}": value for key, value in mean.items()}

    def _reference(self, task) -> str | None:
        """Name of the reference of a sub-task: the same letters and digits, whatever stands between."""
        return next((name for name in self.references if task is not None and _same(name) == _same(task)), None)

    def _distances_from_peaks(self, amplitudes, surfaces) -> list[np.ndarray]:
        """Geodesic distance of every vertex from each map's peak in the same hemisphere, (V,) each, in mm."""
        at = [surface_maps.peaks(seen, self.region.left) for seen in amplitudes]
        n_left, sides = len(self.region.vertices[0]), []
        for side, (surface, vertices) in enumerate(zip(left_right(surfaces), self.region.vertices, strict=True)):
            if not len(vertices):
                sides.append(np.empty((len(amplitudes), 0)))
                continue
            coordinates, triangles = load_surface(surface)
            check_mesh(surface, len(coordinates), self.region.mesh_sizes[side])
            columns = np.array([next(c for c in peak if (c >= n_left) == bool(side)) for peak in at]) - side * n_left
            sources, which = np.unique(columns, return_inverse=True)
            sides.append(geodesic_distances(coordinates, triangles, vertices[sources], vertices)[which])
        return list(np.concatenate(sides, axis=1).astype(np.float64))


def _chosen(scores, k) -> list[tuple[str, int, int]]:
    table = read_table(scores)
    if missing := ", ".join(sorted({"subtask", "factor", "sign"} - set(table))):
        raise ValueError(f"{scores} has no column {missing}: give the scores of HrfRegression")
    if (table["factor"] >= k).any():
        raise ValueError(
            f"{scores} names factor {table['factor'].max():g}, but there are {k} maps (from 0): "
            "give maps and scores of one model"
        )
    rows = table[table["factor"] >= 0]  # none where no recording had the sub-task
    signs = np.where(rows["sign"].fillna(1).to_numpy(dtype=float) < 0, -1, 1)
    return [(str(t), int(f), int(s)) for t, f, s in zip(rows["subtask"], rows["factor"], signs, strict=True)]


def _references(reference, names, where) -> dict[str, np.ndarray]:
    maps = np.asarray(load_array(reference), dtype=np.float64)
    where.check(reference, maps.shape[1])
    if names is None:
        raise ValueError(f"the names of the maps in {reference} are needed: give the names of ProjectReference")
    table = read_table(names)
    if "name" not in table or len(table) != len(maps):
        raise ValueError(f"{names} must have one row and a name for each of the {len(maps)} maps of {reference}")
    return {str(name): values for name, values in zip(table["name"], maps, strict=True)}


def _same(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
