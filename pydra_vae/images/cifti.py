"""Dense CIFTI files as rows: which grayordinates they have, and rows written back on them.

A row is a grayordinate: a vertex of either cortex, or a voxel of a subcortical structure. nibabel keeps what they
are (`BrainModelAxis`); values are read by `images.grayordinates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis

from pydra_vae.images.headers import check_is_there
from pydra_vae.images.streams import replacing
from pydra_vae.images.surface_headers import CORTEX
from pydra_vae.images.surfaces import SurfaceError

_KINDS = (".dtseries.nii", ".dscalar.nii", ".dlabel.nii")
_OPENED = 4  # headers kept: that of 91,282 grayordinates takes half a second to parse


def is_dense(path: Path | str) -> bool:
    """Whether a file's name says dense CIFTI.

    >>> is_dense("sub-1_space-fsLR_den-91k_bold.dtseries.nii"), is_dense("sub-1_bold.nii.gz")
    (True, False)
    """
    return Path(path).name.removesuffix(".gz").endswith(_KINDS)


def read_models(path: Path) -> BrainModelAxis:
    """The grayordinates of a dense CIFTI file, in its order.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or only the link that DataLad leaves before ``datalad get``.
    SurfaceError
        If it is no dense CIFTI file.
    """
    path = Path(path)
    check_is_there(path, "CIFTI file")
    stat = path.stat()
    return _read_models(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=_OPENED)
def _read_models(path: Path, *_) -> BrainModelAxis:
    try:
        image = nib.load(path)
        models = image.header.get_axis(image.ndim - 1)
    except (nib.filebasedimages.ImageFileError, AttributeError, OSError, EOFError, ValueError) as error:
        raise SurfaceError(f"{path} cannot be read as a CIFTI file ({error}): copy or download it again") from error
    if not isinstance(models, BrainModelAxis):
        raise SurfaceError(f"{path} holds no grayordinates: a dense file (*.dtseries.nii, *.dscalar.nii) is needed")
    return models


def cortical_models(vertices: Sequence[np.ndarray], mesh_sizes: Sequence[int]) -> BrainModelAxis:
    """Grayordinates of some vertices of both cortices, left first."""
    left, right = (
        BrainModelAxis.from_surface(np.asarray(numbers), int(size), name=structure)
        for numbers, size, structure in zip(vertices, mesh_sizes, CORTEX.values(), strict=True)
    )
    return left + right


def mesh_sizes(models: BrainModelAxis) -> tuple[int, int]:
    """Vertices of the whole left and right mesh; 0 for a cortex that has no data."""
    return tuple(int(models.nvertices.get(structure, 0)) for structure in CORTEX.values())


def of_hemisphere(models: BrainModelAxis, hemi: str) -> np.ndarray:
    """(N,) bool array: which grayordinates are vertices of the cortex of ``L`` or ``R``."""
    return models.name == CORTEX[hemi]


def write_dense_maps(path: Path, rows: np.ndarray, names: Sequence[str], models: BrainModelAxis) -> Path:
    """Write (N, n) rows as CIFTI dense scalars, one named map a column."""
    return _write(path, rows, nib.cifti2.ScalarAxis(list(names)), models, "ConnDenseScalar")


def write_dense_series(path: Path, rows: np.ndarray, models: BrainModelAxis, t_r: float | None) -> Path:
    """Write (N, T) rows as a CIFTI dense series; `t_r` in seconds, None where it is not known."""
    series = nib.cifti2.SeriesAxis(0, t_r or 0, rows.shape[1], "SECOND")
    return _write(path, rows, series, models, "ConnDenseSeries")


def _write(path: Path, rows: np.ndarray, first, models: BrainModelAxis, intent: str) -> Path:
    if rows.ndim != 2 or len(rows) != len(models):
        raise ValueError(f"there are {len(models)} grayordinates but the rows have the shape {rows.shape}")
    # a file keeps the frames of a grayordinate next to one another, as rows do
    image = nib.Cifti2Image(np.asarray(rows, np.float32).T, nib.cifti2.Cifti2Header.from_axes((first, models)))
    image.nifti_header.set_intent(intent)
    image.nifti_header.set_data_dtype(np.float32)
    with replacing(path) as temporary:
        image.to_filename(str(temporary))
    return Path(path).absolute()
