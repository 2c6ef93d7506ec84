"""What the rows of a series are: voxels of a volume, or grayordinates of a surface file. The one place that asks.

A mask carries the geometry: a NIfTI mask that of a volume, a CIFTI mask (`dscalar.nii`) that of vertices, and of
subcortical voxels where the data have them. Everything behind it, from normalisation to the group, knows rows only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.cifti2 import BrainModelAxis

from pydra_vae.images import cifti, headers, surface_headers, volumes
from pydra_vae.images.grayordinates import read_columns
from pydra_vae.images.headers import Header
from pydra_vae.images.surface_headers import SurfaceHeader
from pydra_vae.images.surfaces import SurfaceError

BoldHeader = Header | SurfaceHeader


@dataclass(frozen=True)
class Voxels:
    """V voxels of a mask, in C order.

    Attributes
    ----------
    path : Path
        The mask.
    inside : (I, J, K) bool array
    header : Header
    """

    path: Path
    inside: np.ndarray = field(repr=False)
    header: Header

    row = "voxel"
    maps_extension = series_extension = ".nii.gz"

    def __len__(self) -> int:
        return int(np.count_nonzero(self.inside))

    def check(self, other: Path, what: str) -> None:
        """Raise ValueError unless an image lies on the mask's grid."""
        headers.check_same_grid(_volume_header(other, what), self.header, what)

    def extract(self, bold: Path, smoothing_fwhm: float | None = None) -> np.ndarray:
        """(V, T) float32 series of an image; smoothed in mm if asked."""
        return volumes.extract(bold, self.inside, smoothing_fwhm)

    def read_maps(self, path: Path) -> np.ndarray:
        """(V, n) float32 values of an image's volumes."""
        return volumes.extract(path, self.inside)

    def write_maps(self, stem: Path, rows: np.ndarray, names: Sequence[str] | None = None) -> Path:
        """Write (V, n) rows, or (V,) of one map, beside 0 outside the mask; adds the extension to the name."""
        path, rows = Path(f"{stem}{self.maps_extension}").absolute(), np.asarray(rows, np.float32)
        if rows.ndim == 1:
            return volumes.save_nifti(path, volumes.unmask(rows, self.inside), like=self.header)
        return volumes.save_series(path, rows, self.inside, like=self.header)

    def write_series(self, stem: Path, rows: np.ndarray, bold: Path, t_r: float | None) -> Path:
        """Write (V, T) rows with the geometry of their BOLD image; adds the extension to the name."""
        self.check(bold, "BOLD")
        path = Path(f"{stem}{self.series_extension}").absolute()
        return volumes.save_series(path, rows, self.inside, like=headers.read_header(bold), t_r=t_r)

    def describe(self) -> dict[str, Any]:
        """What tells two masks apart: shape, affine, number of voxels, digest of the voxels."""
        affine = np.asarray(self.header.affine, dtype=float).round(6).tolist()
        found = {"shape": list(self.inside.shape), "affine": affine, "voxels": len(self)}
        return found | {"digest": _digest(np.packbits(self.inside))}


@dataclass(frozen=True)
class Grayordinates:
    """V grayordinates of a CIFTI mask, in the order of the data's file.

    Attributes
    ----------
    path : Path
        The mask.
    inside : (N,) bool array
        Which of the file's grayordinates.
    models : BrainModelAxis
        What all N are.
    """

    path: Path
    inside: np.ndarray = field(repr=False)
    models: BrainModelAxis = field(repr=False)

    maps_extension, series_extension = ".dscalar.nii", ".dtseries.nii"

    def __len__(self) -> int:
        return int(np.count_nonzero(self.inside))

    @property
    def row(self) -> str:
        """What a row is, in a word for reports."""
        return "vertex" if self.models.surface_mask[self.inside].all() else "grayordinate"

    def check(self, other: Path, what: str) -> None:
        """Raise SurfaceError unless a file has the mask's grayordinates."""
        if not cifti.is_dense(other):
            raise SurfaceError(f"the {what} {other} is no CIFTI file, but the data are grayordinates: {_advice(what)}")
        check_same_models(cifti.read_models(other), self.models, other, self.path, what)

    def extract(self, bold: Path, smoothing_fwhm: float | None = None) -> np.ndarray:
        """(V, T) float32 series of a dtseries."""
        if smoothing_fwhm:
            raise SurfaceError(
                f"{bold} is on the surface, where this program does not smooth: leave --smoothing-fwhm out, or smooth "
                "along the surface first (wb_command -cifti-smoothing)"
            )
        self.check(bold, "series")
        return read_columns(bold, np.flatnonzero(self.inside))

    def read_maps(self, path: Path) -> np.ndarray:
        """(V, n) float32 values of a dscalar's maps."""
        self.check(path, "map")
        return read_columns(path, np.flatnonzero(self.inside))

    def write_maps(self, stem: Path, rows: np.ndarray, names: Sequence[str] | None = None) -> Path:
        """Write (V, n) rows, or (V,) of one map, beside 0 outside the mask; adds the extension to the name."""
        rows = np.asarray(rows, np.float32).reshape(len(rows), -1)
        names = names or [str(number + 1) for number in range(rows.shape[1])]
        return cifti.write_dense_maps(Path(f"{stem}{self.maps_extension}"), self._full(rows), names, self.models)

    def write_series(self, stem: Path, rows: np.ndarray, bold: Path, t_r: float | None) -> Path:
        """Write (V, T) rows with the brain models of their dtseries; adds the extension to the name."""
        self.check(bold, "series")
        return cifti.write_dense_series(Path(f"{stem}{self.series_extension}"), self._full(rows), self.models, t_r)

    def describe(self) -> dict[str, Any]:
        """What tells two masks apart: grayordinates of the file, number inside, digest of which these are."""
        places = [self.models.name.astype("U40"), self.models.vertex.astype(np.int64), self.models.voxel]
        digest = _digest(np.packbits(self.inside), *(np.asarray(place)[self.inside] for place in places))
        return {"shape": [len(self.models)], "affine": [], "voxels": len(self), "digest": digest}

    def _full(self, rows: np.ndarray) -> np.ndarray:
        if self.inside.all():
            return rows  # a copy of 91,282 long series would be half a gigabyte
        full = np.zeros((len(self.models), rows.shape[1]), np.float32)
        full[self.inside] = rows
        return full


Geometry = Voxels | Grayordinates


def load_geometry(mask: Path) -> Geometry:
    """Read a mask: every voxel, or every grayordinate, that is neither 0 nor NaN.

    Raises
    ------
    ValueError
        If it cannot be read, or nothing is inside.
    """
    mask = Path(mask)
    if not cifti.is_dense(mask):
        return Voxels(mask, volumes.load_mask(mask), headers.read_header(mask))
    models = cifti.read_models(mask)
    values = read_columns(mask, np.arange(len(models)))[:, 0]
    inside = np.isfinite(values) & (values != 0)
    if not inside.any():
        raise SurfaceError(f"the mask {mask} has no grayordinate")
    return Grayordinates(mask, inside, models)


def read_bold_header(bold: Path) -> BoldHeader:
    """Frames and repetition time of a run: a NIfTI volume, or a dtseries."""
    return surface_headers.read_surface_header(bold) if cifti.is_dense(bold) else headers.read_header(bold)


def check_grayordinates(mask: Path, header: SurfaceHeader) -> None:
    """Raise SurfaceError unless a CIFTI mask has the vertices of a surface series' header; no data are read."""
    if not cifti.is_dense(mask):
        raise SurfaceError(f"the mask {mask} is no CIFTI file, but {header.path} is on the surface: {_advice('mask')}")
    models = cifti.read_models(mask)
    for hemi, vertices, size, there in zip(
        "LR", header.vertices, header.mesh_sizes, cifti.mesh_sizes(models), strict=True
    ):
        own = models.vertex[cifti.of_hemisphere(models, hemi)]
        if there != size or not np.array_equal(own, vertices):
            raise SurfaceError(_other(mask, len(own), header.path, len(vertices), "mask", "vertices of one cortex"))


def check_same_models(found: BrainModelAxis, needed: BrainModelAxis, path: Path, of: Path, what: str) -> None:
    """Raise SurfaceError unless two files have the same grayordinates in the same order."""
    if len(found) != len(needed):
        raise SurfaceError(_other(path, len(found), of, len(needed), what))
    if cifti.mesh_sizes(found) != cifti.mesh_sizes(needed) or not (
        np.array_equal(found.name, needed.name)
        and np.array_equal(found.vertex, needed.vertex)
        and np.array_equal(found.voxel, needed.voxel)
    ):
        raise SurfaceError(
            f"the {what} {path} and {of} have as many grayordinates, but not the same ones: {_advice(what)}"
        )


def _other(path, found: int, of, needed: int, what: str, units: str = "grayordinates") -> str:
    return f"the {what} {path} has {found:,} {units}, but {of} has {needed:,}: {_advice(what)}"


def _advice(what: str) -> str:
    return f"give a {what} in the space and density of the BOLD (one --space)"


def _volume_header(path: Path, what: str) -> Header:
    if cifti.is_dense(path):
        raise ValueError(f"the {what} {path} is a CIFTI file, but the BOLD is a volume: give a NIfTI image on its grid")
    return headers.read_header(path)


def _digest(*parts: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
