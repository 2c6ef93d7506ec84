"""Series on the cortical surface, as time × vertices of the region that is wanted.

One reader for CIFTI (any models of the brain, any stored type and scaling) and pairs of GIFTI. A CIFTI
file holds each grayordinate's frames next to one another, so a block of columns is read at a time
and only where it holds vertices of the region. `read_columns` reads any grayordinates, subcortical voxels too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from pydra_vae.images.surface_headers import SurfaceHeader, read_nifti2, read_surface_header
from pydra_vae.images.surfaces import SIDES, SurfaceError, load_gifti

COLUMNS = 2048  # at a time: 4.7 MB of float64 for 284 frames


@dataclass(frozen=True)
class SurfaceSeries:
    """Series of chosen vertices.

    Attributes
    ----------
    values : (T, V) float32 array
        In the units of the file, left hemisphere first.
    vertices : tuple of (n,) int64 arrays
        Vertex numbers on the left and the right mesh; V in all.
    header : SurfaceHeader
    """

    values: np.ndarray = field(repr=False)
    vertices: tuple[np.ndarray, np.ndarray] = field(repr=False)
    header: SurfaceHeader


def read_series(files: Path | Sequence[Path], vertices: tuple[np.ndarray, np.ndarray] | None = None) -> SurfaceSeries:
    """Read the series of some vertices.

    Parameters
    ----------
    files : path, or sequence of paths
        One `.dtseries.nii`, or the `.func.gii` of the two hemispheres in any order.
    vertices : tuple of (n,) int arrays, optional
        Vertex numbers wanted on the left and the right mesh; default all that the file has, ascending.

    Returns
    -------
    series : SurfaceSeries

    Raises
    ------
    SurfaceError
        As `read_surface_header`, and if the file lacks vertices that are wanted.
    """
    header = read_surface_header(files)
    if vertices is None:
        vertices = tuple(np.sort(numbers) for numbers in header.vertices)
    vertices = tuple(np.asarray(numbers, np.int64) for numbers in vertices)
    columns = find_columns(header, vertices)
    values = np.empty((header.n_frames, len(vertices[0]) + len(vertices[1])), np.float32)
    blocks = _cifti_blocks(header.path, np.concatenate(columns)) if header.is_cifti else _gifti_blocks(header, columns)
    for places, block in blocks:
        values[:, places] = block
    return SurfaceSeries(values, vertices, header)


def read_columns(path: Path, columns: np.ndarray) -> np.ndarray:
    """Read some grayordinates of a dense CIFTI file (dtseries, dscalar, dlabel): vertices and voxels.

    Parameters
    ----------
    path : Path
    columns : (V,) int array
        Their places in the file.

    Returns
    -------
    values : (V, T) float32 array
        In the units of the file: int16 is scaled as its header says.

    Raises
    ------
    SurfaceError
        If the file is no CIFTI file, cut off or damaged.
    """
    columns = np.asarray(columns, np.int64)
    values = None
    for places, block in _cifti_blocks(Path(path), columns):
        values = np.empty((len(columns), len(block)), np.float32) if values is None else values
        values[places] = block.T
    return np.empty((0, 0), np.float32) if values is None else values


def find_columns(header: SurfaceHeader, vertices: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where vertices stand in a file.

    Returns
    -------
    left, right : (n,) int64 arrays
        Columns of the file.

    Raises
    ------
    SurfaceError
        If the file has no data for some of them.
    """
    found = []
    for hemi, wanted, present, columns, size in zip(
        SIDES, vertices, header.vertices, header.columns, header.mesh_sizes, strict=True
    ):
        where = np.full(max(size, int(wanted.max(initial=-1)) + 1), -1)
        where[present] = columns
        missing = wanted[where[wanted] < 0]
        if len(missing):
            raise SurfaceError(
                f"{header.path} has no data for {len(missing):,} of the region's {len(wanted):,} vertices in the "
                f"{SIDES[hemi]} hemisphere (vertex {missing[0]} is the first; the file has {len(present):,} of a mesh "
                f"of {size:,}): make the region from these data (MakeRegion), or use data of its space"
            )
        found.append(where[wanted])
    return tuple(found)


def _cifti_blocks(path: Path, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(places among the wanted, (T, n) block) for each stretch of columns that holds wanted ones."""
    nifti, _ = read_nifti2(path)
    stored = nib.arrayproxy.ArrayProxy(str(path), nifti)
    if len(stored.shape) != 6:
        raise SurfaceError(f"{path} has the shape {stored.shape}: grayordinates (*.dtseries.nii) have six dimensions")
    stored = stored.reshape(stored.shape[4:6])
    for first in range(0, stored.shape[1], COLUMNS):
        places = np.nonzero((columns >= first) & (columns < first + COLUMNS))[0]
        if len(places):
            low, high = columns[places].min(), columns[places].max() + 1
            try:
                block = np.asarray(stored[:, low:high])
            except (OSError, ValueError, EOFError) as error:
                raise SurfaceError(f"{path} is cut off or damaged ({error}): copy or fetch it again") from error
            yield places, block[:, columns[places] - low]


def _gifti_blocks(header: SurfaceHeader, columns) -> Iterator[tuple[slice, np.ndarray]]:
    start = 0
    for path, wanted in zip(header.paths, columns, strict=True):
        arrays = load_gifti(path, "surface series").darrays
        single = len(arrays) == 1 and arrays[0].data.ndim == 2
        block = arrays[0].data[wanted].T if single else np.stack([a.data.reshape(-1)[wanted] for a in arrays])
        if block.shape != (header.n_frames, len(wanted)):
            raise SurfaceError(f"{path} holds frames of different lengths: copy or download it again")
        yield slice(start, start + len(wanted)), block
        start += len(wanted)
