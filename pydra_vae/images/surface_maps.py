"""Maps of the region's vertices as files that surface viewers open: CIFTI dscalar, GIFTI shape files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from pydra_vae.images.streams import replacing
from pydra_vae.images.surface_headers import CORTEX
from pydra_vae.images.surfaces import SIDES

Pair = tuple[np.ndarray, np.ndarray]


def write_dscalar(path: Path, maps: np.ndarray, names: Sequence[str], vertices: Pair, mesh_sizes) -> Path:
    """Write maps as CIFTI dense scalars.

    Parameters
    ----------
    path : Path
        ``*.dscalar.nii``.
    maps : (k, V) array
        Left vertices, then right ones.
    names : sequence of str
        Of the maps.
    vertices : tuple of (n,) int arrays
        Vertex numbers on the left and the right mesh; the file has no others.
    mesh_sizes : (2,) sequence of int
        Vertices of each whole mesh, which tell a viewer what surface the maps lie on.
    """
    left, right = (
        nib.cifti2.BrainModelAxis.from_surface(numbers, int(size), name=structure)
        for numbers, size, structure in zip(vertices, mesh_sizes, CORTEX.values(), strict=True)
    )
    axes = nib.cifti2.ScalarAxis(list(names)), left + right
    image = nib.Cifti2Image(np.asarray(maps, np.float32), nib.cifti2.Cifti2Header.from_axes(axes))
    image.nifti_header.set_intent("ConnDenseScalar")
    image.nifti_header.set_data_dtype(np.float32)
    with replacing(path) as temporary:
        image.to_filename(str(temporary))
    return Path(path).absolute()


def write_shape(path: Path, maps: np.ndarray, names: Sequence[str], numbers: np.ndarray, size: int, hemi: str) -> Path:
    """Write one hemisphere's maps as GIFTI, an array a map, NaN outside the region.

    Parameters
    ----------
    path : Path
        ``*.shape.gii``.
    maps : (k, n) array
    names : sequence of str
        Of the maps.
    numbers : (n,) int array
        Vertex numbers.
    size : int
        Vertices of the whole mesh.
    hemi : {"L", "R"}
    """
    arrays = []
    for values, name in zip(maps, names, strict=True):
        whole = np.full(int(size), np.nan, np.float32)
        whole[numbers] = values
        arrays.append(
            nib.gifti.GiftiDataArray(
                whole, "NIFTI_INTENT_SHAPE", datatype="NIFTI_TYPE_FLOAT32", meta={"Name": str(name)}
            )
        )
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": f"Cortex{SIDES[hemi].capitalize()}"})
    with replacing(path) as temporary:
        nib.save(nib.gifti.GiftiImage(darrays=arrays, meta=meta), temporary)
    return Path(path).absolute()
