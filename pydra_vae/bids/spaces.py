"""To which image a derivative is aligned, and what its density is: fields that BIDS asks for in a sidecar.

A template is named by its reference file in TemplateFlow, the subject's own spaces by the file that defines them
(the preprocessed T1w; the BOLD reference), a run's own grid by ``orig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydra_vae.bids.sidecars import TEMPLATEFLOW, bids_uri
from pydra_vae.images.surface_templates import DENSITIES

# Each template's reference image in TemplateFlow (a test compares with its list of files).
_VOLUMES = {
    "MNI152Lin": "_res-01", "MNI152NLin2009aAsym": "_res-1", "MNI152NLin2009aSym": "_res-1",
    "MNI152NLin2009bAsym": "_res-1", "MNI152NLin2009bSym": "_res-1", "MNI152NLin2009cAsym": "_res-01",
    "MNI152NLin2009cSym": "_res-1", "MNI152NLin6Asym": "_res-01", "MNI152NLin6Sym": "_res-01", "MNI305": "",
    "MNIColin27": "", "NKI": "_res-01", "OASIS30ANTs": "_res-01", "PNC": "_res-01",
}  # fmt: skip
# Each mesh's surface in TemplateFlow.
_SURFACES = {
    ("fsLR", "32k"): "den-32k_hemi-{}_midthickness",
    ("fsLR", "59k"): "hemi-{}_den-59k_sphere",
    ("fsLR", "164k"): "hemi-{}_den-164k_sphere",
    ("fsaverage", "3k"): "hemi-{}_den-3k_pial",
    ("fsaverage", "10k"): "hemi-{}_den-10k_pial",
    ("fsaverage", "41k"): "hemi-{}_den-41k_pial",
    ("fsaverage", "164k"): "hemi-{}_den-164k_pial",
}
_OF_FREESURFER = {"fsaverage4": "3k", "fsaverage5": "10k", "fsaverage6": "41k"}
# Grayordinates of the HCP (Glasser et al. 2013): mesh of the cortex, words for the density.
_GRAYORDINATES = {
    "91k": (
        "32k",
        "91,282 grayordinates: vertices of both cortices on the fsLR meshes of 32,492, 2 mm voxels",
    ),
    "170k": ("59k", "170,494 grayordinates: vertices of both cortices on the fsLR meshes of 59,292, 1.6 mm voxels"),
}


def volume_reference(space: str | None) -> str | None:
    """Reference image of a template, in TemplateFlow; None for one that is not there.

    >>> volume_reference("MNI152NLin6Asym")
    'https://templateflow.s3.amazonaws.com/tpl-MNI152NLin6Asym/tpl-MNI152NLin6Asym_res-01_T1w.nii.gz'
    """
    if space not in _VOLUMES:
        return None
    return f"{TEMPLATEFLOW}/tpl-{space}/tpl-{space}{_VOLUMES[space]}_T1w.nii.gz"


def surface_reference(space: str | None, density: str | None, hemi: str) -> str | None:
    """Surface of a template's mesh, in TemplateFlow; None for one that is not there.

    >>> surface_reference("fsaverage5", None, "L").rpartition("/")[2]
    'tpl-fsaverage_hemi-L_den-10k_pial.surf.gii'
    """
    template, mesh = _mesh(space, density)
    end = _SURFACES.get((template, mesh))
    return None if end is None else f"{TEMPLATEFLOW}/tpl-{template}/tpl-{template}_{end.format(hemi)}.surf.gii"


def density_words(space: str | None, density: str | None) -> str | None:
    """What a density stands for; None where no template has it.

    >>> density_words("fsLR", "32k")
    '32,492 vertices a hemisphere of the fsLR mesh'
    """
    if density in _GRAYORDINATES:
        return _GRAYORDINATES[density][1]
    template, mesh = _mesh(space, density)
    sizes = {name: size for size, name in DENSITIES.get(template or "", {}).items()}
    return f"{sizes[mesh]:,} vertices a hemisphere of the {template} mesh" if mesh in sizes else None


def density_of(space: str | None, mesh_sizes: tuple[int, ...]) -> str | None:
    """Density of a mesh by its size, as `surface_reference` takes it: ``32k``; None where no template has it."""
    template, _ = _mesh(space, None)
    return DENSITIES.get(template or "", {}).get(int(max(mesh_sizes)))


def spatial_fields(
    entities: Mapping[str, str],
    extension: str,
    own: Path | Mapping[str, Path] | None = None,
    datasets: Mapping[str, Path] | None = None,
    said: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """SpatialReference of a file, with Density and Resolution where it has some.

    Parameters
    ----------
    entities : mapping
        Of its name: ``space``, ``den``, ``res``, ``hemi``.
    extension : str
        ``.nii.gz``, ``.dtseries.nii``, ``.shape.gii``, …
    own : Path or mapping of Path, optional
        The image that defines a space of the subject's own: the preprocessed T1w, or the BOLD reference. Of files on a
        surface its mesh of each hemisphere, ``L`` and ``R``.
    datasets : mapping, optional
        For the URI of `own`.
    said : mapping, optional
        Sidecar of the file that it was made from; its words on resolution and density are taken over.

    Returns
    -------
    fields : dict
        A surface's reference is one URI; that of a CIFTI file an object, by brain structure.

    Examples
    --------
    >>> spatial_fields({"space": "fsaverage5", "hemi": "L"}, ".func.gii")["Density"]
    '10,242 vertices a hemisphere of the fsaverage mesh'
    >>> spatial_fields({}, ".nii.gz")
    {'SpatialReference': 'orig'}
    """
    said = said or {}
    space, density = entities.get("space"), entities.get("den")
    meshes = own if isinstance(own, Mapping) else {"": own, "L": own, "R": own}
    native = {side: "orig" if path is None else bids_uri(path, datasets or {}) for side, path in meshes.items()}
    if extension.endswith(".gii"):
        hemi = entities.get("hemi", "L")
        fields: dict[str, Any] = {"SpatialReference": surface_reference(space, density, hemi) or native[hemi]}
    elif extension.count(".") > 1 and extension.endswith(".nii"):  # CIFTI
        found = _cifti(space, density) or _structures(native["L"], native["R"])
        fields = {"SpatialReference": found if "orig" not in found.values() else "orig"}
    else:
        fields = {"SpatialReference": volume_reference(space) or _unlisted(space, native.get("", "orig"))}
    words = said.get("Density") if density else None
    words = words or (density_words(space, density) if extension not in (".nii.gz", ".nii") else None)
    if words or density:
        fields["Density"] = words or density
    if "res" in entities:
        fields["Resolution"] = said.get("Resolution") or f"res-{entities['res']} of {space or 'the input'}"
    return fields


def _unlisted(space: str | None, native: str) -> str:
    """Reference of a space that TemplateFlow has no image of: the subject's own, else the template's name."""
    return native if space in (None, "T1w", "T2w", "func", "boldref", "individual") or native != "orig" else space


def _cifti(space: str | None, density: str | None) -> dict[str, str] | None:
    left, right = (surface_reference(space, density, side) for side in "LR")
    if left is None or right is None:
        return None
    voxels = {"VolumeReference": volume_reference("MNI152NLin6Asym")} if density in _GRAYORDINATES else {}
    return voxels | _structures(left, right)  # HCP's grayordinates below the cortex lie in FSL's MNI space


def _structures(left: str, right: str) -> dict[str, str]:
    return {"CIFTI_STRUCTURE_CORTEX_LEFT": left, "CIFTI_STRUCTURE_CORTEX_RIGHT": right}


def _mesh(space: str | None, density: str | None) -> tuple[str | None, str | None]:
    """Template and density of its mesh: fsaverage5 is fsaverage at 10k; grayordinates lie on meshes of 32k or 59k."""
    if space in _OF_FREESURFER:
        return "fsaverage", density or _OF_FREESURFER[space]
    default = {"fsLR": "32k", "fsaverage": "164k"}.get(space or "")
    return space, _GRAYORDINATES[density][0] if density in _GRAYORDINATES else density or default
