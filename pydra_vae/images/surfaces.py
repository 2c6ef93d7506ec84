"""Cortical surfaces from GIFTI files, and which hemisphere a file belongs to.

A surface is a mesh: coordinates in millimetres and triangles of vertex numbers. Files say their
hemisphere in their metadata (AnatomicalStructurePrimary) or in their name; where both do, the
metadata count, since names are changed more easily.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np

HEMISPHERES = ("L", "R")
SIDES = {"L": "left", "R": "right"}
_POINTSET, _TRIANGLE = 1008, 1009  # NIfTI intent codes
# hemi-L | lh. | .L. | _left, as BIDS, FreeSurfer, HCP and nilearn name files.
_IN_NAME = re.compile(
    r"(?:^|[_.])(?:hemi-(?P<bids>[LR])|(?P<fs>[lr])h(?=[._])|(?P<hcp>[LR])(?=\.)|(?P<word>left|right)(?=[._]))"
)


class SurfaceError(ValueError):
    """A surface, label or surface series is not what is needed; the message says how to go on."""


def load_gifti(path: Path, what: str = "GIFTI file") -> nib.gifti.GiftiImage:
    """Read a GIFTI file, gzipped or not.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    SurfaceError
        If it is no GIFTI file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such {what}: {path}")
    try:
        image = nib.load(path)
    except (nib.filebasedimages.ImageFileError, ExpatError, OSError, EOFError, ValueError) as error:
        raise SurfaceError(f"{path} cannot be read as a {what} ({error}): copy or download it again") from error
    if image is None:  # nibabel's answer to XML that is not GIFTI
        raise SurfaceError(f"{path} cannot be read as a {what}: it holds no GIFTI; copy or download it again")
    if not isinstance(image, nib.gifti.GiftiImage):
        raise SurfaceError(f"{path} is a {type(image).__name__}: a {what} (.gii, .gii.gz) is needed")
    return image


def load_surface(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the mesh of one hemisphere.

    Parameters
    ----------
    path : Path
        GIFTI surface (`.surf.gii`, `.gii`, `.gii.gz`).

    Returns
    -------
    coordinates : (n, 3) float64 array
        In mm.
    triangles : (m, 3) int64 array
        Vertex numbers, from 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    SurfaceError
        If it is no GIFTI surface, or its triangles name vertices that it does not have.
    """
    image = load_gifti(path, "GIFTI surface")
    points = [a.data for a in image.darrays if a.intent == _POINTSET]
    faces = [a.data for a in image.darrays if a.intent == _TRIANGLE]
    if len(points) != 1 or len(faces) != 1:
        raise SurfaceError(
            f"{path} holds {len(points)} sets of coordinates and {len(faces)} of triangles: a surface holds one of "
            "each; give a *.surf.gii (not a func.gii, shape.gii or label.gii)"
        )
    coordinates, triangles = np.asarray(points[0], np.float64), np.asarray(faces[0], np.int64)
    if not np.isfinite(coordinates).all():
        raise SurfaceError(f"{path} has coordinates that are not finite: copy or download it again")
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(coordinates)):
        raise SurfaceError(
            f"{path} has {len(coordinates)} vertices, but its triangles name vertex {triangles.max()}: "
            "copy or download it again"
        )
    return coordinates, triangles


def hemisphere_in_name(path: Path) -> str | None:
    """L or R as a file's name says, or None.

    Examples
    --------
    >>> hemisphere_in_name("sub-1_hemi-L_bold.func.gii"), hemisphere_in_name("rh.aparc.annot")
    ('L', 'R')
    >>> hemisphere_in_name("100307.R.pial_MSMAll.32k_fs_LR.surf.gii"), hemisphere_in_name("infl_left.gii.gz")
    ('R', 'L')
    """
    match = _IN_NAME.search(Path(path).name)
    return next(value for value in match.groups() if value)[0].upper() if match else None


def hemisphere_of(path: Path, image: nib.gifti.GiftiImage | None = None) -> str | None:
    """L or R as a GIFTI file's metadata, else its name, say; None where neither does."""
    for meta in [] if image is None else [image.meta, *(array.meta for array in image.darrays[:1])]:
        structure = str(meta.get("AnatomicalStructurePrimary", ""))
        if structure in ("CortexLeft", "CortexRight"):
            return structure.removeprefix("Cortex")[0]
    return hemisphere_in_name(path)


def left_right(paths: Sequence[Path], what: str = "surface") -> tuple[Path, Path]:
    """Put the two files of a pair in the order left, right, by their names.

    Files whose names say nothing are taken in the order given.

    Raises
    ------
    SurfaceError
        If there are not two, or both are of one hemisphere.
    """
    paths = [Path(path) for path in paths]
    names = ", ".join(str(path) for path in paths) or "none"
    if len(paths) != 2:
        raise SurfaceError(f"one {what} file a hemisphere is needed, left and right, but {len(paths)} given: {names}")
    found = [hemisphere_in_name(path) for path in paths]
    if found[0] is not None and found[0] == found[1]:
        missing = "R" if found[0] == "L" else "L"
        raise SurfaceError(
            f"missing hemisphere: both {what} files are {found[0]} ({names}); give the {missing} one too"
        )
    return (paths[1], paths[0]) if found[0] == "R" or found[1] == "L" else (paths[0], paths[1])
