"""What a surface series' header says: which vertices, how many frames, which repetition time.

Grayordinates (CIFTI-2, `*.dtseries.nii`) tell the vertices of each cortex in XML of some 2 MB before the
data; GIFTI (`*.func.gii`) holds every vertex of one hemisphere's mesh. Both are read by streaming their
XML and keeping what is needed: a hundredth of a second a file, where parsing it whole takes half a
second. No data are read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from pydra_vae.images.headers import check_is_there
from pydra_vae.images.streams import reading
from pydra_vae.images.surfaces import SIDES, SurfaceError, hemisphere_in_name

CORTEX = {"L": "CIFTI_STRUCTURE_CORTEX_LEFT", "R": "CIFTI_STRUCTURE_CORTEX_RIGHT"}
_CIFTI_EXTENSION = 32
_HEADER_BYTES = 540  # of NIfTI-2
_SECONDS = {"SECOND": 1.0}
_CHUNK = 1 << 16
# A GIFTI's TimeStep has no unit: FreeSurfer writes milliseconds, Workbench seconds. No TR is 30 s.
_LONGEST_T_R = 30.0


@dataclass(frozen=True)
class SurfaceHeader:
    """Vertices and timing of one recording on the cortical surface.

    Attributes
    ----------
    paths : tuple of Path
        One CIFTI file, or the GIFTI files of the left and the right hemisphere.
    vertices : tuple of (n,) int64 arrays
        Vertex numbers on the left and the right mesh that the file has data for, in its order.
    columns : tuple of (n,) int64 arrays
        Where they stand in the file (for GIFTI: the same).
    mesh_sizes : tuple of int
        Vertices of the whole left and right mesh.
    n_frames : int
    t_r : float or None
        Repetition time in seconds; None where the header holds none.
    dtype : str
        As stored.
    """

    paths: tuple[Path, ...]
    vertices: tuple[np.ndarray, np.ndarray] = field(repr=False)
    columns: tuple[np.ndarray, np.ndarray] = field(repr=False)
    mesh_sizes: tuple[int, int]
    n_frames: int
    t_r: float | None
    dtype: str

    @property
    def path(self) -> Path:
        """The file, or the left one of two."""
        return self.paths[0]

    @property
    def is_cifti(self) -> bool:
        """Whether it is one file of grayordinates."""
        return len(self.paths) == 1


def is_cifti(path: Path) -> bool:
    """Whether a file's name says CIFTI."""
    return Path(path).name.endswith((".nii", ".nii.gz"))


def read_surface_header(files: Path | Sequence[Path]) -> SurfaceHeader:
    """Read the header of one recording.

    Parameters
    ----------
    files : path, or sequence of paths
        One `.dtseries.nii`, or a pair of `.func.gii` of the two hemispheres, in any order.

    Raises
    ------
    FileNotFoundError
        If a file is not there, or only the link that DataLad leaves before ``datalad get``.
    SurfaceError
        If a hemisphere is missing, the file is no series on the surface, or the two files of a pair
        differ in frames or repetition time.
    """
    files = [Path(f) for f in ([files] if isinstance(files, str | Path) else files)]
    for path in files:
        check_is_there(path, "surface series")
    if len(files) == 1 and is_cifti(files[0]):
        return _read_cifti(files[0])
    if any(is_cifti(path) for path in files):
        raise SurfaceError(f"{len(files)} files for one recording ({_names(files)}): give one dtseries.nii alone")
    return _read_pair(files)


def group_files(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Tell the recordings of a flat list apart: each CIFTI file is one, GIFTI files come in pairs.

    Examples
    --------
    >>> [len(group) for group in group_files(["a.dtseries.nii", "hemi-L_b.func.gii", "hemi-R_b.func.gii"])]
    [1, 2]
    """
    groups, waiting = [], []
    for path in map(Path, files):
        if is_cifti(path):
            groups.append((path,))
            continue
        waiting.append(path)
        if len(waiting) == 2:
            groups.append(tuple(waiting))
            waiting = []
    if waiting:
        _refuse_single(waiting[0])
    return groups


def _names(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)


def _refuse_single(path: Path) -> None:
    there = hemisphere_in_name(path)
    missing = {"L": "R", "R": "L"}.get(there, "other")
    raise SurfaceError(
        f"missing hemisphere: {path} comes without its {missing} file; a GIFTI recording is a pair, hemi-L and hemi-R"
    )


class _Cifti:
    """Collects from a CIFTI header's XML: the series' step, and each model of the brain."""

    def __init__(self):
        self.series, self.maps, self.models = {}, {}, []
        self._text = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 20
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _start(self, name, attributes):
        if name == "MatrixIndicesMap":
            kind = attributes.get("IndicesMapToDataType", "").removeprefix("CIFTI_INDEX_TYPE_")
            for dimension in attributes.get("AppliesToMatrixDimension", "").split(","):
                self.maps[dimension.strip()] = kind
            self.series = attributes if kind == "SERIES" else self.series
        elif name == "BrainModel":
            self.models.append(dict(attributes))
        elif name == "VertexIndices":
            self._text = []

    def _data(self, text):
        if self._text is not None:
            self._text.append(text)

    def _end(self, name):
        if name == "VertexIndices":
            self.models[-1]["vertices"] = np.array("".join(self._text).split(), np.int64)
            self._text = None


def read_nifti2(path: Path) -> tuple[nib.Nifti2Header, bytes]:
    """The NIfTI-2 header of a CIFTI file, and what stands between it and the data, unparsed."""
    try:
        with reading(path) as stream:
            header = nib.Nifti2Header(stream.read(_HEADER_BYTES))
            return header, stream.read(header.get_data_offset() - _HEADER_BYTES)
    except (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, ValueError) as error:
        raise SurfaceError(f"{path} cannot be read as a CIFTI file ({error}): copy or download it again") from error


def _cifti_xml(path: Path, header: nib.Nifti2Header, between: bytes) -> bytes:
    """The CIFTI extension: four bytes say whether there are any, then size, code and content of each."""
    place = 4
    while place + 8 <= len(between):
        size, code = np.frombuffer(between, np.dtype(np.int32).newbyteorder(header.endianness), 2, place)
        if code == _CIFTI_EXTENSION:
            return between[place + 8 : place + size].rstrip(b"\x00")
        place += max(int(size), 8)
    raise SurfaceError(f"{path} is a NIfTI image, not CIFTI: a *.dtseries.nii on the surface is needed")


def _read_cifti(path: Path) -> SurfaceHeader:
    header, between = read_nifti2(path)
    found = _Cifti()
    try:
        found.parser.Parse(_cifti_xml(path, header, between), True)
    except expat.ExpatError as error:
        raise SurfaceError(f"{path} has a damaged CIFTI header ({error}): copy or download it again") from error
    if found.maps.get("0") != "SERIES" or found.maps.get("1") != "BRAIN_MODELS":
        kinds = " × ".join(found.maps.get(d, "?").lower() for d in ("0", "1"))
        raise SurfaceError(f"{path} holds {kinds}: a dense series is needed (*.dtseries.nii, series × brain models)")
    models = {m.get("BrainStructure"): m for m in found.models if "SurfaceNumberOfVertices" in m}
    missing = [hemi for hemi in "LR" if CORTEX[hemi] not in models]
    if missing:
        there = ", ".join(m.get("BrainStructure", "?").removeprefix("CIFTI_STRUCTURE_") for m in found.models)
        sides = " and ".join(SIDES[hemi] for hemi in missing)
        raise SurfaceError(f"missing hemisphere: {path} has no {sides} cortex; it has {there or 'nothing'}")
    both = [models[CORTEX[hemi]] for hemi in "LR"]
    return SurfaceHeader(
        paths=(path,),
        vertices=tuple(m["vertices"] for m in both),
        columns=tuple(int(m["IndexOffset"]) + np.arange(len(m["vertices"])) for m in both),
        mesh_sizes=tuple(int(m["SurfaceNumberOfVertices"]) for m in both),
        n_frames=int(header["dim"][5]),
        t_r=_cifti_t_r(found.series),
        dtype=str(header.get_data_dtype()),
    )


def _cifti_t_r(series: dict) -> float | None:
    scale = _SECONDS.get(series.get("SeriesUnit", "SECOND"))
    step = float(series.get("SeriesStep", 0)) * 10.0 ** float(series.get("SeriesExponent", 0))
    return round(step * scale, 7) if scale and step > 0 else None


class _Enough(Exception):
    """The first array's data begin: nothing more is needed of a GIFTI header."""


class _Gifti:
    """Collects from a GIFTI file what stands before its first array's data."""

    def __init__(self):
        self.file, self.array, self.meta = {}, {}, {}
        self._name, self._text = None, []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = lambda text: self._text.append(text)

    def _start(self, name, attributes):
        self._text.clear()
        if name == "Data":
            raise _Enough
        if name == "GIFTI":
            self.file = attributes
        elif name == "DataArray":
            self.array = attributes

    def _end(self, name):
        if name == "Name":
            self._name = "".join(self._text).strip()
        elif name == "Value":
            self.meta[self._name] = "".join(self._text).strip()


def _scan_gifti(path: Path) -> _Gifti:
    found = _Gifti()
    try:
        with reading(path) as stream:
            while chunk := stream.read(_CHUNK):
                found.parser.Parse(chunk)
    except _Enough:
        return found
    except (expat.ExpatError, OSError, EOFError) as error:
        raise SurfaceError(f"{path} cannot be read as a GIFTI file ({error}): copy or download it again") from error
    raise SurfaceError(f"{path} holds no data: a series on the surface (*.func.gii) is needed")


def _gifti_size(path: Path, found: _Gifti) -> tuple[int, int]:
    """Vertices and frames: an array a frame, or one array vertices × frames."""
    arrays = int(found.file.get("NumberOfDataArrays", 0))
    sizes = [int(found.array.get(f"Dim{d}", 1)) for d in range(int(found.array.get("Dimensionality", 1)))]
    if found.array.get("Intent") in ("NIFTI_INTENT_POINTSET", "NIFTI_INTENT_TRIANGLE", "NIFTI_INTENT_LABEL"):
        raise SurfaceError(f"{path} holds {found.array['Intent']}: a series on the surface (*.func.gii) is needed")
    return sizes[0], sizes[1] if arrays == 1 and len(sizes) == 2 else arrays


def _gifti_t_r(found: _Gifti) -> float | None:
    try:
        step = float(found.meta.get("TimeStep", 0))
    except ValueError:
        return None
    step = step / 1000 if step > _LONGEST_T_R else step
    return round(step, 7) if step > 0 else None


def _read_pair(files: Sequence[Path]) -> SurfaceHeader:
    if len(files) == 1:
        _refuse_single(files[0])
    scans = {}
    for path in files:
        found = _scan_gifti(path)
        side = {"CortexLeft": "L", "CortexRight": "R"}.get(found.meta.get("AnatomicalStructurePrimary"))
        hemi = hemisphere_in_name(path) or side or "LR"[len(scans) % 2]
        if hemi in scans:
            raise SurfaceError(f"missing hemisphere: both files are {hemi}: {_names(files)}")
        scans[hemi] = path, found, _gifti_size(path, found)
    (left, at_left, (n_left, frames)), (right, at_right, (n_right, right_frames)) = scans["L"], scans["R"]
    if frames != right_frames:
        raise SurfaceError(f"{left} has {frames} frames but {right} has {right_frames}: do they belong to one run?")
    t_r = _gifti_t_r(at_left) or _gifti_t_r(at_right)
    if _gifti_t_r(at_left) and _gifti_t_r(at_right) and abs(_gifti_t_r(at_right) - t_r) > 1e-3 * t_r:
        raise SurfaceError(f"{left} says TR = {t_r:g} s but {right} {_gifti_t_r(at_right):g} s: correct the wrong one")
    everything = np.arange(n_left), np.arange(n_right)
    kind = at_left.array.get("DataType", "").removeprefix("NIFTI_TYPE_").lower()
    return SurfaceHeader((left, right), everything, everything, (n_left, n_right), frames, t_r, kind)
