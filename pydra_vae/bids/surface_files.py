"""Template surfaces for a study on the cortical surface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.images.surface_templates import surfaces_for
from pydra_vae.images.surfaces import SurfaceError

KINDS = ("pial", "midthickness", "inflated")


def template_surfaces(space: str | None, mesh_sizes: Sequence[int]) -> dict[str, tuple[Path, Path]]:
    """Left and right surface of each kind that a study needs.

    Parameters
    ----------
    space : str or None
        ``fsLR``, ``fsaverage5``, …
    mesh_sizes : (2,) sequence of int
        Vertices of the left and the right mesh.

    Returns
    -------
    surfaces : dict
        ``pial`` (distances), ``midthickness`` (projections, spread of maps), ``inflated`` (figures); where a template
        has no midthickness, the pial surface takes its place.

    Raises
    ------
    InputError
        If the mesh is none of a template's.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for kind in KINDS:
        try:
            found[kind] = surfaces_for(space, mesh_sizes, kind)
        except SurfaceError as error:
            if kind != "midthickness":
                raise InputError(str(error)) from error
            found[kind] = found["pial"]
    return found
