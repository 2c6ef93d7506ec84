"""Between the two GIFTI files of a recording and one CIFTI file, which is what all steps read."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from pydra_vae.images import cifti
from pydra_vae.images.grayordinates import read_columns, read_series
from pydra_vae.images.streams import replacing
from pydra_vae.images.surfaces import SIDES, SurfaceError


def join_hemispheres(left: Path, right: Path, path: Path, t_r: float | None = None) -> Path:
    """Write the series of two func.gii as one dtseries of every vertex, left first.

    Parameters
    ----------
    left, right : Path
    path : Path
        ``*.dtseries.nii``.
    t_r : float, optional
        Repetition time in seconds, where the files have none.

    Raises
    ------
    SurfaceError
        As `read_surface_header`.
    """
    series = read_series((left, right))
    models = cifti.cortical_models(series.vertices, series.header.mesh_sizes)
    return cifti.write_dense_series(path, series.values.T, models, series.header.t_r or t_r)


def split_hemispheres(dense: Path, stem: Path) -> tuple[Path, Path]:
    """Write the two cortices of a dscalar or dtseries as GIFTI, an array a map or frame.

    Parameters
    ----------
    dense : Path
    stem : Path
        Names are this, ``_hemi-L`` or ``_hemi-R``, and ``.func.gii`` (of a series, with its TimeStep in ms) or
        ``.shape.gii``.

    Returns
    -------
    left, right : Path
        0 at vertices that the file has not.
    """
    models, image = cifti.read_models(dense), nib.load(dense)
    first = image.header.get_axis(0)
    series = isinstance(first, nib.cifti2.SeriesAxis)
    names = [] if series else [str(name) for name in first.name]
    intent, extension = ("TIME_SERIES", "func.gii") if series else ("SHAPE", "shape.gii")
    paths = []
    for hemi, size in zip("LR", cifti.mesh_sizes(models), strict=True):
        here = np.flatnonzero(cifti.of_hemisphere(models, hemi))
        if not len(here):
            raise SurfaceError(f"missing hemisphere: {dense} has no {SIDES[hemi]} cortex")
        rows = read_columns(dense, here)
        whole = np.zeros((rows.shape[1], size), np.float32)
        whole[:, models.vertex[here]] = rows.T
        arrays = [
            nib.gifti.GiftiDataArray(
                values, f"NIFTI_INTENT_{intent}", "NIFTI_TYPE_FLOAT32", meta={"Name": names[i]} if names else None
            )
            for i, values in enumerate(whole)
        ]
        meta = {"AnatomicalStructurePrimary": f"Cortex{SIDES[hemi].capitalize()}"}
        if series and first.step > 0:
            meta["TimeStep"] = f"{1000 * first.step:g}"
        path = Path(f"{stem}_hemi-{hemi}.{extension}").absolute()
        with replacing(path) as temporary:
            nib.save(nib.gifti.GiftiImage(darrays=arrays, meta=nib.gifti.GiftiMetaData(meta)), temporary)
        paths.append(path)
    return tuple(paths)
