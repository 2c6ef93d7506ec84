"""The region of the cortex that is analysed: vertices of both meshes that have data and the label.

Columns of every series and map are the region's vertices, left ascending, then right ascending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pydra_vae.images.grayordinates import read_series
from pydra_vae.images.surface_headers import SurfaceHeader, group_files, read_surface_header
from pydra_vae.images.surface_labels import (
    FSLR_32K,
    SurfaceLabels,
    check_same_mesh,
    load_labels,
    packaged_labels,
    read_medial_wall,
    select,
)
from pydra_vae.images.surface_templates import packaged_cortex, space_of
from pydra_vae.images.surfaces import SIDES, SurfaceError

WHOLE = "none"  # as region: no label, the whole cortex


@dataclass(frozen=True)
class SurfaceRegion:
    """Vertices of a region.

    Attributes
    ----------
    vertices : tuple of (n,) int64 arrays
        Numbers on the left and the right mesh, ascending.
    labels : tuple of (n,) object arrays
        Each vertex's label; "n/a" for none.
    info : dict
        Content of region.json.
    """

    vertices: tuple[np.ndarray, np.ndarray] = field(repr=False)
    labels: tuple[np.ndarray, np.ndarray] = field(repr=False)
    info: dict[str, Any]

    def rows(self) -> list[dict]:
        """Rows of vertices.tsv: hemi, vertex, label."""
        return [
            {"hemi": hemi, "vertex": int(vertex), "label": label}
            for hemi, numbers, labels in zip(SIDES, self.vertices, self.labels, strict=True)
            for vertex, label in zip(numbers, labels, strict=True)
        ]


def make_region(
    data: Sequence[Path],
    labels: Sequence[Path] | None = None,
    region: Sequence[str] = ("7Networks_2",),
    map_name: str | None = None,
    medial_wall: Sequence[Path] | None = None,
    space: str | None = None,
) -> SurfaceRegion:
    """Choose the vertices that have the label and, in every recording, data.

    Parameters
    ----------
    data : sequence of paths
        CIFTI series, or pairs of GIFTI series.
    labels : sequence of paths, optional
        One dlabel, or a pair of label.gii or annot; default Yeo's 7 networks on fsLR 32k.
    region : sequence of str
        Labels; ``none`` alone for the whole cortex.
    map_name : str, optional
        Map of the label file; default its first.
    medial_wall : sequence of paths, optional
        See `read_medial_wall`. Without it, a whole cortex of GIFTI series has no vertex that
        fsLR 32k counts as medial wall, or, on other meshes, that is constant or NaN in the first recording.
    space : str, optional
        The data's space; default by their mesh.

    Raises
    ------
    SurfaceError
        If the label is absent or empty, lacks a hemisphere, or the files' meshes differ.
    """
    groups = group_files(data)
    if not groups:
        raise SurfaceError("no data given: a region is made of vertices that have data")
    headers = [read_surface_header(group) for group in groups]
    present = _shared_vertices(headers)
    first, whole = headers[0], list(region) == [WHOLE]
    if medial_wall:
        walls = read_medial_wall(medial_wall, first.mesh_sizes)
        present = tuple(np.intersect1d(*pair) for pair in zip(present, walls, strict=True))
    elif whole and not first.is_cifti:
        present = _without_medial_wall(first, present, space)
    found = None
    if not whole or labels:
        found = _labels(labels, map_name, first, space)
    chosen = select(found, region) if not whole else present
    vertices = tuple(np.intersect1d(*pair) for pair in zip(chosen, present, strict=True))
    _check_both(vertices, chosen, region, first)
    names = tuple(_names(found, side, numbers) for side, numbers in zip(SIDES.values(), vertices, strict=True))
    # Nothing of the recordings themselves: one more of them must leave every later step's key as it is.
    info = {
        "space": (space or space_of(first.mesh_sizes) or "n/a").removeprefix("space-"),
        "mesh_left": first.mesh_sizes[0],
        "mesh_right": first.mesh_sizes[1],
        "n_left": len(vertices[0]),
        "n_right": len(vertices[1]),
        "label": "whole cortex" if whole else " + ".join(region),
        "label_file": _label_file(labels, map_name, found),
        "n_without_data": sum(map(len, chosen)) - sum(map(len, vertices)),
    }
    return SurfaceRegion(vertices, names, info)


def _shared_vertices(headers: Sequence[SurfaceHeader]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices that every recording has, on one mesh."""
    first = headers[0]
    for header in headers:
        if header.mesh_sizes != first.mesh_sizes:
            one, other = (" + ".join(f"{n:,}" for n in h.mesh_sizes) for h in (header, first))
            raise SurfaceError(
                f"{header.path} lies on meshes of {one} vertices but {first.path} on {other}: recordings of one "
                "analysis need one space and density (--space, --den)"
            )
    present = [np.unique(numbers) for numbers in first.vertices]
    for header in headers[1:]:
        present = [np.intersect1d(*pair) for pair in zip(present, header.vertices, strict=True)]
    return tuple(present)


def _labels(files, map_name: str | None, header: SurfaceHeader, space: str | None) -> SurfaceLabels:
    if files:
        found = load_labels(files, map_name)
    elif map_name is not None:
        raise SurfaceError(f"a map {map_name!r} was asked for but no label file is given: give it with --labels")
    else:
        _check_packaged(header, space)
        found = packaged_labels()
    check_same_mesh(found, header.mesh_sizes)
    return found


def _check_packaged(header: SurfaceHeader, space: str | None) -> None:
    on_fslr = (space or "fsLR").removeprefix("space-") == "fsLR"
    if header.mesh_sizes != (FSLR_32K, FSLR_32K) or not on_fslr:
        sizes = " + ".join(f"{n:,}" for n in header.mesh_sizes)
        raise SurfaceError(
            f"the packaged Yeo-7 labels lie on fsLR 32k (32,492 vertices a hemisphere), but {header.path} "
            f"has {sizes}{'' if on_fslr else f' in {space}'}: give labels on the data's mesh (--labels, such as "
            "lh.Yeo2011_7Networks_N1000.annot and rh.… of fsaverage5), or --region none for the whole cortex"
        )


def _without_medial_wall(header: SurfaceHeader, present, space: str | None):
    if header.mesh_sizes == (FSLR_32K, FSLR_32K) and (space or "fsLR").removeprefix("space-") == "fsLR":
        return tuple(np.intersect1d(*pair) for pair in zip(present, packaged_cortex(), strict=True))
    values = read_series(header.paths, present).values
    varies = np.isfinite(values).all(axis=0) & (np.ptp(np.nan_to_num(values), axis=0) > 0)
    left, right = np.split(varies, [len(present[0])])
    return present[0][left], present[1][right]


def _check_both(vertices, chosen, region: Sequence[str], header: SurfaceHeader) -> None:
    for side, found, wanted in zip(SIDES.values(), vertices, chosen, strict=True):
        if len(found):
            continue
        name = " + ".join(region)
        if len(wanted):
            raise SurfaceError(
                f"none of the {len(wanted):,} vertices of {name} in the {side} hemisphere has data in {header.path}: "
                "choose another --region, or data that hold it"
            )
        raise SurfaceError(
            f"missing hemisphere: the region {name} has no vertex in the {side} hemisphere, and both are needed: name "
            "the labels of both (--region LEFT_NAME RIGHT_NAME)"
        )


def _label_file(files: Sequence[Path] | None, map_name: str | None, found: SurfaceLabels | None) -> str | None:
    """Names without folders, so that a moved file is the same region."""
    if not files:
        return found and found.source
    return " and ".join(Path(f).name for f in files) + (f", map {map_name!r}" if map_name else "")


def _names(labels: SurfaceLabels | None, side: str, numbers: np.ndarray) -> np.ndarray:
    if labels is None:
        return np.full(len(numbers), "n/a", dtype=object)
    return np.array([*labels.names, "n/a"], dtype=object)[getattr(labels, side)[numbers]]
