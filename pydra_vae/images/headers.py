"""What an image's header says, and whether two images lie on the same grid.

Headers are read with nibabel, which touches a file's first bytes only. Errors name the file, what
was found, what was needed and what to do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

MIN_FRAMES = 32  # the shortest series that the networks of models/cvae.py take
# Headers store affines in float32: far smaller than a voxel, larger than rounding.
AFFINE_TOLERANCE_MM = 1e-3
# fMRIPrep writes the TR into header and sidecar from the same number; the header is float32.
T_R_TOLERANCE = 1e-3
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


@dataclass(frozen=True)
class Header:
    """Geometry and timing of one NIfTI image.

    Attributes
    ----------
    path : Path
        The image.
    shape : (3,) tuple of int
        Voxels along i, j, k.
    n_frames : int
        Volumes; 1 for a 3-D image.
    affine : (4, 4) float array
        Voxel indices to millimetres.
    t_r : float or None
        Repetition time in seconds; None where the header holds none.
    nifti : nibabel.Nifti1Header
        The header as read (units, sform and qform codes).
    """

    path: Path
    shape: tuple[int, int, int]
    n_frames: int
    affine: np.ndarray = field(repr=False)
    t_r: float | None
    nifti: nib.Nifti1Header = field(repr=False)

    @property
    def voxel_sizes(self) -> np.ndarray:
        """(3,) edge lengths of a voxel, in mm."""
        return np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))


def check_is_there(path: Path, what: str) -> None:
    """Raise FileNotFoundError unless there is such a file, and not only the link that DataLad leaves."""
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"{path} is a link to a file that is not here: a DataLad dataset? "
            f"Fetch its content with `datalad get {path.name}`"
        )
    if not path.is_file():
        raise FileNotFoundError(f"no such {what}: {path}")


def load_image(path: Path) -> nib.Nifti1Image:
    """Open a NIfTI image without reading its data.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or only the link that DataLad leaves before ``datalad get``.
    ValueError
        If it is no NIfTI volume.
    """
    path = Path(path)
    check_is_there(path, "image")
    try:
        image = _opened(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as a NIfTI image ({error}): copy or download it again") from error
    if not isinstance(image, nib.Nifti1Pair):
        raise ValueError(f"{path} is a {type(image).__name__}: a NIfTI volume (.nii, .nii.gz) is needed")
    return image


def _opened(path: Path):
    """What nibabel makes of a file; a NIfTI-1 volume is tried first, as looking what it is would read it twice."""
    if path.name.endswith((".nii", ".nii.gz")):
        with contextlib.suppress(Exception):
            return nib.Nifti1Image.from_filename(path)
    return nib.load(path)


def read_header(path: Path) -> Header:
    """Read shape, affine, number of volumes and TR of a NIfTI image.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_image`; also if the image has neither three nor four dimensions.
    """
    image = load_image(path)
    shape = image.shape
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4):
        raise ValueError(f"{path} has the shape {image.shape}: 3 or 4 dimensions are needed")
    zooms = image.header.get_zooms()
    t_r = None
    if len(shape) == 4:
        scale = _SECONDS.get(image.header.get_xyzt_units()[1])
        t_r = round(float(zooms[3]) * scale, 7) if scale and zooms[3] > 0 else None
    n_frames = shape[3] if len(shape) == 4 else 1
    return Header(Path(path), shape[:3], n_frames, image.affine, t_r, image.header)


def check_same_grid(header: Header, reference: Header, what: str = "image") -> None:
    """Raise ValueError unless `header` lies on the grid (shape and affine) of `reference`."""
    if header.shape != reference.shape:
        raise ValueError(
            f"the {what} {header.path} has {dimensions(header.shape)} voxels, but {reference.path} has "
            f"{dimensions(reference.shape)}: resample one to the other's grid, or choose files of one --space and --res"
        )
    difference = np.abs(header.affine - reference.affine).max()
    if not difference <= AFFINE_TOLERANCE_MM:
        raise ValueError(
            f"the {what} {header.path} and {reference.path} have other affines (largest difference "
            f"{difference:.4g}): resample one to the other's grid, or choose files of one --space and --res"
        )


def check_t_r(header: Header, t_r: float | None, source: str | Path = "sidecar") -> float:
    """Agree on the repetition time.

    Parameters
    ----------
    header : Header
        Of the BOLD image.
    t_r : float or None
        RepetitionTime of its sidecar, in seconds.
    source : str or Path
        Where `t_r` comes from, for the message.

    Returns
    -------
    t_r : float
        In seconds.

    Raises
    ------
    ValueError
        If header and sidecar differ by more than a thousandth, or neither has one.
    """
    if t_r is None and header.t_r is None:
        raise ValueError(
            f"no repetition time: the header of {header.path} has none and no sidecar gives "
            "RepetitionTime; write one into its .json, or give t_r"
        )
    if t_r is None:
        return header.t_r
    if not t_r > 0:
        raise ValueError(f"RepetitionTime is {t_r} s in {source}: it must be above 0")
    if header.t_r is not None and abs(header.t_r - t_r) > T_R_TOLERANCE * t_r:
        raise ValueError(
            f"the header of {header.path} says TR = {header.t_r:g} s, but {source} says "
            f"RepetitionTime = {t_r:g} s: correct the one that is wrong"
        )
    return t_r


def check_bold(header: Header) -> None:
    """Raise ValueError unless the image is a series of at least 32 volumes."""
    if header.n_frames < MIN_FRAMES:
        raise ValueError(
            f"{header.path} has {header.n_frames} volume{'s' * (header.n_frames != 1)}: "
            f"at least {MIN_FRAMES} are needed; leave this run out with --run or --task-id"
        )


def check_runs(
    bolds: Sequence[Path],
    t_rs: Sequence[float | None] | None = None,
    sidecars: Sequence[Path | None] | None = None,
) -> list[Header]:
    """Check that the runs of one subject can be joined in time: one grid, one TR, enough volumes.

    Parameters
    ----------
    bolds : sequence of Path
        4-D images.
    t_rs : sequence of float or None, optional
        RepetitionTime of their sidecars, in seconds.
    sidecars : sequence of Path or None, optional
        Where that comes from, for messages.

    Returns
    -------
    headers : list of Header
        One a run.

    Raises
    ------
    ValueError
        Naming the first run that differs, and how.
    """
    headers = [read_header(path) for path in bolds]
    for header in headers:
        check_bold(header)
        check_same_grid(header, headers[0], "run")
    check_timing(headers, t_rs, sidecars)
    return headers


def check_timing(
    headers: Sequence[Header],
    t_rs: Sequence[float | None] | None = None,
    sidecars: Sequence[Path | None] | None = None,
) -> None:
    """Raise ValueError unless runs have one repetition time; the parameters are those of `check_runs`."""
    nothing = [None] * len(headers)
    known: list[float] = []
    for header, t_r, sidecar in zip(headers, t_rs or nothing, sidecars or nothing, strict=True):
        if t_r is None and header.t_r is None:
            continue
        known.append(check_t_r(header, t_r, sidecar or "its sidecar"))
        if abs(known[-1] - known[0]) > T_R_TOLERANCE * known[0]:
            raise ValueError(
                f"{header.path} has TR = {known[-1]:g} s, but {headers[0].path} has {known[0]:g} s: runs of "
                "one subject are joined in time and need one TR; choose runs with --task-id or --run"
            )


def dimensions(shape: Sequence[int]) -> str:
    """A shape in words.

    >>> dimensions((97, 115, 97))
    '97×115×97'
    """
    return "×".join(str(n) for n in shape)
