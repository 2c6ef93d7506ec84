"""What finn reads beside runs on the surface: an atlas of their mesh, surfaces for places and pictures; checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydra_vae.bids.files import InputError
from pydra_vae.bids.runs import Run
from pydra_vae.bids.surface_runs import KINDS, NATIVE
from pydra_vae.images.geometry import check_grayordinates
from pydra_vae.images.surface_headers import SurfaceHeader
from pydra_vae.images.surface_masks import check_surface_runs, resolve_surface_atlas
from pydra_vae.images.surface_templates import check_mesh, surfaces_for
from pydra_vae.images.surfaces import SurfaceError, load_surface


def plan_surface(runs: Sequence[Run], atlas: str | None, mask_file: Path | None = None) -> dict[str, Any]:
    """Check one subject's surface runs against each other, and find what belongs to their mesh.

    Parameters
    ----------
    runs : sequence of Run
    atlas : str or None
        As `images.surface_masks.resolve_surface_atlas` takes it.
    mask_file : Path, optional

    Returns
    -------
    found : dict
        Fields of `bids.plan.SubjectPlan`: headers, atlas, atlas_right, mask_file, surfaces, inflated.

    Raises
    ------
    InputError, ValueError, OSError
        Naming the file, and what to do.
    """
    if other := next((run for run in runs if not run.on_surface), None):
        raise InputError(f"{other.bold} is a volume and {runs[0].bold} is not: choose one kind with --space")
    files = [run.files for run in runs]
    headers = check_surface_runs(files, [run.t_r for run in runs], [run.sidecar for run in runs])
    left, right = (*resolve_surface_atlas(atlas, headers[0].mesh_sizes), None, None)[:2]
    surfaces, inflated = (_surfaces(runs[0], headers[0], kind) for kind in KINDS)
    return {
        "headers": headers,
        "atlas": left,
        "atlas_right": right,
        "mask_file": mask_file,
        "surfaces": surfaces,
        "inflated": inflated,
    }


def check_surface_companions(
    header: SurfaceHeader, mask_file: Path | None, mean_image: Path | None, smoothing_fwhm: float | None = None
) -> None:
    """Refuse what does not belong to runs on the surface, before anything is computed.

    Raises
    ------
    InputError, SurfaceError
    """
    if smoothing_fwhm:
        raise InputError(
            f"--smoothing-fwhm: {header.path} is on the surface, where this program does not smooth: leave it out, or "
            "smooth along the surface first (wb_command -cifti-smoothing)"
        )
    for path, option in ((mask_file, "--mask"), (mean_image, "--mean-image")):
        if path is None:
            continue
        if not header.is_cifti and not Path(path).name.endswith(".dscalar.nii"):
            raise InputError(f"{option} {path}: for runs on the surface give a dscalar.nii of every vertex, left first")
        check_grayordinates(path, header)


def _surfaces(run: Run, header: SurfaceHeader, kind: str) -> tuple[Path, Path]:
    """The subject's own for ``fsnative``, else the template's."""
    if run.space == NATIVE:
        if kind not in run.surfaces:
            raise InputError(
                f"{run.bold} is on the subject's own mesh, and its {kind} surfaces are not there "
                f"(anat/*_hemi-L_{kind}.surf.gii and hemi-R): copy them, or choose a template with --space"
            )
        for path, size in zip(run.surfaces[kind], header.mesh_sizes, strict=True):
            check_mesh(path, len(load_surface(path)[0]), size)
        return run.surfaces[kind]
    try:
        return surfaces_for(run.space, header.mesh_sizes, kind)
    except SurfaceError as error:
        message = str(error).replace(", or give surfaces of the data's mesh (--surfaces LEFT RIGHT)", "")
        raise InputError(f"{run.bold}: {message}") from error
