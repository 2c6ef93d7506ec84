"""Reference maps on the vertices of a region: from CIFTI, from GIFTI, or from a volume in the surfaces' space.

Volumes are read along the normals of the surface (nilearn's `vol_to_surf`, linear interpolation). The space of a
volume cannot be checked: one in MNI space belongs on surfaces whose coordinates are in MNI space, such as those of
the S1200 group.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from pydra_vae.images.headers import load_image
from pydra_vae.images.surface_templates import check_mesh
from pydra_vae.images.surfaces import SurfaceError, hemisphere_of, load_gifti, load_surface

_STRUCTURES = {"CIFTI_STRUCTURE_CORTEX_LEFT": 0, "CIFTI_STRUCTURE_CORTEX_RIGHT": 1}
# Contrasts of HCP's motor task, and how tables call its sub-tasks.
HCP_MOTOR = {"LH": "left_hand", "RH": "right_hand", "LF": "left_foot", "RF": "right_foot", "T": "tongue"}


def reference_maps(
    paths: Sequence[Path],
    vertices: tuple[np.ndarray, np.ndarray],
    mesh_sizes: tuple[int, int],
    surfaces: Sequence[Path] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Read reference maps at the region's vertices.

    Parameters
    ----------
    paths : sequence of Path
        Any of: CIFTI with scalar maps (`.dscalar.nii`), 3-D or 4-D NIfTI, the GIFTI files of both hemispheres one
        after the other, `.npy` (n, V).
    vertices : two int arrays
        Numbers on the left and right mesh.
    mesh_sizes : (2,) tuple
        Vertices of each mesh.
    surfaces : two paths, optional
        Left and right midthickness, for volumes.

    Returns
    -------
    maps : (n, V) float32 array
        NaN where a reference says nothing.
    names : list of str
        As the files name their maps, else the file's name.

    Raises
    ------
    ValueError
        If a file is of another mesh, one hemisphere lacks, or a volume is given without surfaces.
    """
    maps, names, paths = [], [], [Path(path) for path in paths]
    while paths:
        path = paths.pop(0)
        if path.name.endswith(".npy"):
            found = _array(path, sum(map(len, vertices))), []
        elif path.name.endswith((".gii", ".gii.gz")):
            found = _gifti(path, paths.pop(0) if paths else None, vertices, mesh_sizes)
        elif path.name.endswith((".dscalar.nii", ".dtseries.nii")):
            found = _cifti(path, vertices, mesh_sizes)
        else:
            found = _volume(path, vertices, mesh_sizes, surfaces), []
        maps.append(found[0])
        names += found[1] or _numbered(path, len(found[0]))
    if not maps:
        raise ValueError("no reference maps were given: leave the reference out, or give a file")
    return np.concatenate(maps).astype(np.float32), names


def subtask_of(name: str) -> str | None:
    """The sub-task of HCP's motor task that a map shows, by the map's name; None for any other map.

    A sub-task against the average of all is one too; the average against a sub-task, and maps named ``neg``, are not.

    Examples
    --------
    >>> subtask_of("tfMRI_MOTOR_LH_hp200_s2_MSMAll"), subtask_of("MOTOR level2 T-AVG"), subtask_of("right hand")
    ('left_hand', 'tongue', 'right_hand')
    >>> subtask_of("tfMRI_MOTOR_AVG-LH"), subtask_of("MOTOR_neg_RF"), subtask_of("leftTap_gt_rightTap_T")
    (None, None, None)
    """
    words = re.split(r"[_\s.]+", name.strip().upper())
    if "NEG" in words:
        return None
    if "MOTOR" in words or len(words) == 1:  # elsewhere a "T" is a statistic
        for word in words:
            if (short := word.removesuffix("-AVG")) in HCP_MOTOR:
                return HCP_MOTOR[short]
    plain = re.sub(r"[\W_]+", " ", name.lower())
    return next((long for long in HCP_MOTOR.values() if re.search(rf"\b{long.replace('_', ' ?')}\b", plain)), None)


def subtask_names(names: Sequence[str]) -> list[str]:
    """Names of sub-tasks for those maps that show one; no name twice, other maps keep theirs.

    Of several maps of a sub-task the plain one goes before that against the average.

    Examples
    --------
    >>> subtask_names(["MOTOR_LH-AVG", "MOTOR_LH", "MOTOR_CUE", "MOTOR_T-AVG"])
    ['MOTOR_LH-AVG', 'left_hand', 'MOTOR_CUE', 'tongue']
    """
    renamed = list(names)
    for task in HCP_MOTOR.values():
        candidates = [i for i, name in enumerate(names) if subtask_of(name) == task]
        if candidates:
            renamed[min(candidates, key=lambda i: ("-AVG" in names[i].upper(), i))] = task
    return renamed


def _numbered(path, n) -> list[str]:
    stem = re.sub(r"\.(nii|gii|npy|func|shape|dscalar)(\.gz)?$", "", re.sub(r"\.gz$", "", path.name))
    return [stem] if n == 1 else [f"{stem} {i + 1}" for i in range(n)]


def _array(path, n_vertices) -> np.ndarray:
    maps = np.atleast_2d(np.load(path))
    if maps.ndim != 2 or maps.shape[1] != n_vertices:
        raise ValueError(
            f"{path} holds an array {maps.shape}, but maps × {n_vertices:,} vertices of the region are needed: "
            "was it made for another region?"
        )
    return maps


def _cifti(path, vertices, mesh_sizes) -> tuple[np.ndarray, list[str]]:
    image = nib.load(path)
    if not isinstance(image, nib.Cifti2Image):
        raise SurfaceError(f"{path} is no CIFTI file, though its name says so: copy or download it again")
    axes = [image.header.get_axis(i) for i in range(2)]
    if not isinstance(axes[1], nib.cifti2.BrainModelAxis):
        raise SurfaceError(f"{path} has no values by vertex (it is a {type(axes[1]).__name__}): give a dscalar.nii")
    data, sides = image.get_fdata(dtype=np.float32), [None, None]
    for structure, columns, model in axes[1].iter_structures():
        if structure in _STRUCTURES:
            side = _STRUCTURES[structure]
            check_mesh(path, axes[1].nvertices[structure], mesh_sizes[side])
            sides[side] = np.full((len(data), mesh_sizes[side]), np.nan, np.float32)
            sides[side][:, model.vertex] = data[:, columns]
    for side, values in zip(("left", "right"), sides, strict=True):
        if values is None:
            raise SurfaceError(f"{path} has no values of the {side} cortex: missing hemisphere")
    maps = np.concatenate([values[:, v] for values, v in zip(sides, vertices, strict=True)], axis=1)
    return maps, [str(name) for name in getattr(axes[0], "name", [])]


def _gifti(path, other, vertices, mesh_sizes) -> tuple[np.ndarray, list[str]]:
    if other is None or not str(other).endswith((".gii", ".gii.gz")):
        raise SurfaceError(f"missing hemisphere: beside {path} give the GIFTI file of the other hemisphere")
    images = [load_gifti(one, "GIFTI map") for one in (path, other)]
    hemis = [hemisphere_of(one, image) for one, image in zip((path, other), images, strict=True)]
    if hemis[0] is not None and hemis[0] == hemis[1]:
        raise SurfaceError(f"missing hemisphere: {path} and {other} are both {hemis[0]}")
    if hemis[0] == "R" or hemis[1] == "L":
        images, path, other = images[::-1], other, path
    sides = []
    for one, image, side, size in zip((path, other), images, vertices, mesh_sizes, strict=True):
        data = np.array([array.data for array in image.darrays], dtype=np.float32)
        check_mesh(one, data.shape[1], size)
        sides.append(data[:, side])
    if len(sides[0]) != len(sides[1]):
        raise SurfaceError(f"{path} holds {len(sides[0])} maps and {other} {len(sides[1])}: give a pair of files")
    names = [str(array.meta.get("Name", "")) for array in images[0].darrays]
    return np.concatenate(sides, axis=1), names if all(names) else []


def _volume(path, vertices, mesh_sizes, surfaces) -> np.ndarray:
    from nilearn.surface import vol_to_surf

    image = load_image(path)
    if len(image.shape) not in (3, 4):
        raise ValueError(f"{path} has {len(image.shape)} dimensions: a 3-D or 4-D image is needed")
    if not surfaces or len(surfaces) != 2:
        raise ValueError(f"{path} is a volume: give the left and right midthickness surface to project it to")
    sides = []
    for surface, side, size in zip(surfaces, vertices, mesh_sizes, strict=True):
        coordinates, triangles = load_surface(surface)
        check_mesh(surface, len(coordinates), size)
        values = vol_to_surf(image, [coordinates, triangles], kind="line", interpolation="linear")
        sides.append(np.atleast_2d(values.T)[:, side])
    return np.concatenate(sides, axis=1)
