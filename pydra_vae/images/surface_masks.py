"""The grayordinates to analyse, for all runs of one subject: those of an atlas or mask, else all that the files have.

Vertices have the places in mm of a surface (by default the template's); subcortical voxels those of their own grid.
An atlas on the surface labels the cortex alone, so that its rows are vertices; without one, subcortical voxels count
too. What holds no data (a medial wall, say) is constant or not finite, and Normalize leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.cifti2 import BrainModelAxis

from pydra_vae.images import cifti
from pydra_vae.images.atlases import DEFAULT_ATLAS, AtlasError, Label, home, network_of
from pydra_vae.images.geometry import check_same_models, load_geometry
from pydra_vae.images.headers import check_bold, check_timing
from pydra_vae.images.surface_headers import SurfaceHeader, read_surface_header
from pydra_vae.images.surface_labels import FSLR_32K, SurfaceLabels, check_same_mesh, load_labels
from pydra_vae.images.surface_templates import check_mesh
from pydra_vae.images.surfaces import SIDES, SurfaceError, left_right, load_surface

# Names of what is no parcel, in the label tables of FreeSurfer, HCP and CBIG.
_NOTHING = re.compile(r"\?\?\?|unknown|none|.*medial[ _]?wall.*|background.*", re.IGNORECASE)
_SCHAEFER = f"tpl-fsLR_den-32k_atlas-{DEFAULT_ATLAS}_seg-17n_scale-200_dseg.dlabel.nii"
_OTHER_SIDE = (("hemi-L", "hemi-R"), ("lh.", "rh."), (".L.", ".R."), ("left", "right"))


@dataclass(frozen=True)
class SurfaceMask:
    """Grayordinates with their parcels and places.

    Attributes
    ----------
    inside : (N,) bool array
        Which of the files' grayordinates.
    models : BrainModelAxis
        What all N are.
    parcels : (V,) int array
        Label of each chosen one; 0 without an atlas.
    labels : dict of Label
    mm : (V, 3) float array
    info : dict
        Where they come from, for sidecars and reports.
    """

    inside: np.ndarray
    models: BrainModelAxis
    parcels: np.ndarray
    labels: Mapping[int, Label]
    mm: np.ndarray
    info: dict[str, Any]

    def table(self):
        """One row a chosen grayordinate: structure, vertex or i j k, x y z in mm, parcel, name, network."""
        import pandas as pd

        chosen = self.models[self.inside]
        on_mesh = chosen.surface_mask
        vertex = pd.array(np.where(on_mesh, chosen.vertex, -1), dtype="Int64")
        vertex[~on_mesh] = pd.NA
        columns = {"structure": [name.removeprefix("CIFTI_STRUCTURE_") for name in chosen.name], "vertex": vertex}
        for axis, name in enumerate("ijk"):
            columns[name] = pd.array(np.where(on_mesh, -1, chosen.voxel[:, axis]), dtype="Int64")
            columns[name][on_mesh] = pd.NA
        columns |= {name: self.mm[:, axis].round(3) for axis, name in enumerate("xyz")}
        known = [self.labels.get(int(value), Label("n/a", "n/a")) for value in self.parcels]
        return pd.DataFrame(
            columns | {"parcel": self.parcels, "name": [k.name for k in known], "network": [k.network for k in known]}
        )


def check_surface_runs(
    bolds: Sequence[Path | tuple[Path, ...]],
    t_rs: Sequence[float | None] | None = None,
    sidecars: Sequence[Path | None] | None = None,
) -> list[SurfaceHeader]:
    """Check that surface runs can be joined in time: the same vertices, one TR, enough frames; headers only.

    Parameters
    ----------
    bolds : sequence
        One dtseries, or the func.gii of the two hemispheres, a run.
    t_rs, sidecars
        As `headers.check_runs` takes them.

    Raises
    ------
    SurfaceError, ValueError
        Naming the first run that differs, and how.
    """
    found = [read_surface_header(files) for files in bolds]
    for header in found:
        check_bold(header)
        for hemi, own, first in zip("LR", header.vertices, found[0].vertices, strict=True):
            if header.mesh_sizes != found[0].mesh_sizes or not np.array_equal(own, first):
                raise SurfaceError(
                    f"{header.path} has {len(own):,} vertices of a {SIDES[hemi]} mesh of {header.mesh_sizes[0]:,}, but "
                    f"{found[0].path} {len(first):,} of {found[0].mesh_sizes[0]:,}, or other ones: runs of one subject "
                    "are joined on one mesh; choose with --space, --task-id or --run"
                )
    check_timing(found, t_rs, sidecars)
    return found


def resolve_surface_atlas(atlas: str | Path | None, mesh_sizes: Sequence[int]) -> tuple[Path, ...]:
    """Find an atlas on the surface as users name it.

    Parameters
    ----------
    atlas : str or Path or None
        ``none``; a dlabel.nii; one label.gii or annot, the other hemisphere's beside it; ``Schaefer2018``, which is
        taken from TemplateFlow's folder. None stands for that, where it lies there for the data's mesh, else for none.
    mesh_sizes : (2,) sequence of int

    Returns
    -------
    files : tuple of Path
        None, one or two.

    Raises
    ------
    AtlasError
        If a file is not there, or is no atlas on the surface.
    """
    text = str(atlas or DEFAULT_ATLAS)
    if text.lower() == "none":
        return ()
    if text == DEFAULT_ATLAS:
        found = _schaefer(mesh_sizes)
        if atlas and not found:
            raise AtlasError(f"--atlas {text}: {why_no_atlas(mesh_sizes)}; give a *.dlabel.nii, or --atlas none")
        return found
    path = Path(text)
    if not path.name.endswith((".dlabel.nii", ".label.gii", ".annot")):
        raise AtlasError(
            f"--atlas {text}: the BOLD is on the surface, and its atlas must be too: give a *.dlabel.nii, a "
            "*.label.gii or a *.annot (the other hemisphere's beside it), or --atlas none for every grayordinate"
        )
    if not path.is_file():
        raise AtlasError(f"no such atlas file: {path}")
    if path.name.endswith(".dlabel.nii"):
        return (path,)
    pairs = [(a, b) for sides in _OTHER_SIDE for a, b in (sides, sides[::-1]) if a in path.name]
    others = [path.with_name(path.name.replace(a, b)) for a, b in pairs]
    found = [other for other in others if other.is_file()]
    if not found:
        names = " or ".join(other.name for other in others) or "one whose name says its hemisphere"
        raise AtlasError(f"missing hemisphere: the atlas {path} has no other side beside it ({names})")
    return left_right((path, found[0]), "atlas")


def why_no_atlas(mesh_sizes: Sequence[int]) -> str:
    """Why there is no default atlas on a mesh."""
    if tuple(mesh_sizes) != (FSLR_32K, FSLR_32K):
        return f"{DEFAULT_ATLAS} is known on fsLR's mesh of 32k vertices only"
    return f"{home() / 'tpl-fsLR' / _SCHAEFER} is not there (TemplateFlow has none; CBIG's will do under that name)"


def _schaefer(mesh_sizes: Sequence[int]) -> tuple[Path, ...]:
    """Schaefer's 200 parcels and 17 networks on fsLR 32k, where someone put them into TemplateFlow's folder."""
    if tuple(mesh_sizes) != (FSLR_32K, FSLR_32K):
        return ()
    found = sorted((home() / "tpl-fsLR").glob(f"tpl-fsLR*atlas-{DEFAULT_ATLAS}*dlabel.nii"))
    wanted = [p for p in found if p.stat().st_size and re.search(r"200Parcels17Networks|seg-17n_scale-200_", p.name)]
    return (wanted[0],) if wanted else ()


def make_surface_mask(
    bolds: Sequence[Path | tuple[Path, ...]],
    surfaces: Sequence[Path],
    atlas: Sequence[Path] = (),
    mask_file: Path | None = None,
) -> SurfaceMask:
    """Choose the grayordinates of one subject's runs.

    Parameters
    ----------
    bolds : sequence
        One dense series, or the func.gii of the two hemispheres, a run; they must have the same grayordinates and TR.
    surfaces : (2,) sequence of Path
        Left and right surface of the data's mesh, for the places of vertices.
    atlas : sequence of Path
        One dlabel, or two label.gii or annot: vertices that have a label.
    mask_file : Path, optional
        A dscalar with the same grayordinates; with an atlas, those of both.

    Raises
    ------
    SurfaceError, ValueError
        If runs, atlas or mask do not fit together, or nothing is left.
    """
    found = check_surface_runs(bolds)
    first, models = found[0].path, _models_of(found[0])
    for header in found[1:]:
        check_same_models(_models_of(header), models, header.path, first, "run")
    parcels, labels = np.zeros(len(models), np.int32), {}
    inside = np.ones(len(models), bool)
    info: dict[str, Any] = {"mask_from": "every grayordinate"}
    if atlas:
        parcels, labels = _parcels(load_labels(atlas), models)
        inside = parcels > 0
        info = {"mask_from": "atlas", "atlas": Path(atlas[0]).name, "atlas_resampled": False}
    if mask_file is not None:
        given = load_geometry(mask_file)
        if not hasattr(given, "models"):
            raise SurfaceError(f"the mask {mask_file} is a volume, but {first} is on the surface: give a dscalar.nii")
        check_same_models(given.models, models, mask_file, first, "mask")
        inside &= given.inside
        info |= {"mask_from": "atlas and mask file" if atlas else "mask file", "mask": Path(mask_file).name}
    if not inside.any():
        raise SurfaceError(f"no vertex is left for {first}: the atlas and the mask {mask_file} do not overlap")
    parcels, chosen = parcels[inside], models[inside]
    on_mesh = chosen.surface_mask
    info |= {"n_voxels": int(inside.sum()), "n_vertices": int(on_mesh.sum()), "n_subcortical": int((~on_mesh).sum())}
    if atlas:
        info |= _counts(parcels, labels)
    return SurfaceMask(inside, models, parcels, labels, _places(chosen, surfaces), info)


def _models_of(header: SurfaceHeader) -> BrainModelAxis:
    """The grayordinates of a run; of two GIFTI files every vertex."""
    if header.is_cifti:
        return cifti.read_models(header.path)
    return cifti.cortical_models(header.vertices, header.mesh_sizes)


def _places(models: BrainModelAxis, surfaces: Sequence[Path]) -> np.ndarray:
    """(V, 3) positions in mm."""
    mm = np.empty((len(models), 3))
    voxels = ~models.surface_mask
    if voxels.any():
        mm[voxels] = models.voxel[voxels] @ models.affine[:3, :3].T + models.affine[:3, 3]
    for hemi, path, size in zip("LR", surfaces, cifti.mesh_sizes(models), strict=True):
        coordinates, _ = load_surface(path)
        check_mesh(path, len(coordinates), size)
        here = cifti.of_hemisphere(models, hemi)
        mm[here] = coordinates[models.vertex[here]]
    return mm


def _parcels(labels: SurfaceLabels, models: BrainModelAxis) -> tuple[np.ndarray, dict[int, Label]]:
    """Parcel of each grayordinate, from 1 in the order of the table; 0 where there is none."""
    check_same_mesh(labels, cifti.mesh_sizes(models))
    number, names = np.zeros(len(labels.names) + 1, np.int32), {}  # the last entry is that of -1, no label
    for position, name in enumerate(labels.names):
        if not _NOTHING.fullmatch(name.strip()):
            number[position] = len(names) + 1
            names[len(names) + 1] = Label(name, network_of(name))
    parcels = np.zeros(len(models), np.int32)
    for hemi, side in zip("LR", (labels.left, labels.right), strict=True):
        here = cifti.of_hemisphere(models, hemi)
        parcels[here] = number[side[models.vertex[here]]]
    if not parcels.any():
        raise AtlasError(f"{labels.source} labels no vertex of the data: give another --atlas, or --atlas none")
    return parcels, {value: label for value, label in names.items() if (parcels == value).any()}


def _counts(parcels: np.ndarray, labels: Mapping[int, Label]) -> dict[str, Any]:
    values, counts = np.unique(parcels, return_counts=True)
    networks: dict[str, int] = {}
    for value, count in zip(values, counts, strict=True):
        network = labels[int(value)].network
        networks[network] = networks.get(network, 0) + int(count)
    return {"n_parcels": len(values), "voxels_per_network": dict(sorted(networks.items()))}
