"""The example subject of a group report: its latent maps beside diffusion gradients, its matrices of parcels."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.images.cifti import mesh_sizes
from pydra_vae.images.geometry import Geometry, Voxels, load_geometry
from pydra_vae.images.surface_templates import surfaces_for
from pydra_vae.images.surfaces import SurfaceError
from pydra_vae.images.volumes import load_volume
from pydra_vae.reports import group_figures_latents as inside
from pydra_vae.reports.brains import Space
from pydra_vae.reports.group_tables import Tables, example_label
from pydra_vae.reports.pages import figure
from pydra_vae.reports.surface_rows import SurfaceSpace
from pydra_vae.stats.normalise import Scaling


def example_maps(tables: Tables) -> str:
    """Latents beside gradients on brain slices or surfaces; "" unless both and their mask were given.

    Of vertices "" too where their mesh is not one of a template's that is at hand.
    """
    f = tables.files
    if None in (f.latents, f.gradients, f.mask):
        return ""
    geometry = load_geometry(Path(f.mask))
    kept = np.ones(len(geometry), bool) if f.scaling is None else Scaling.load(Path(f.scaling)).kept
    latents, gradients = (maps_of(Path(path), geometry, kept) for path in (f.latents, f.gradients))
    space = _space(geometry, kept, f.background)
    if space is None:
        return ""
    label, matches = example_label(f, tables), tables("matches")
    best = None if matches is None else inside.best_gradients(matches, label)
    caption = (
        f"Maps of {escape(label)}, each standardised over voxels; signs and order mean nothing, and gradients are "
        "shown with the sign that agrees. * p < .05 against maps of the same spatial autocorrelation. "
        + _behind(space, f)
    )
    return figure(inside.maps(latents, gradients, best, space), caption)


def _space(geometry: Geometry, kept: np.ndarray, background: Path | None) -> Space | SurfaceSpace | None:
    """Where maps of the kept rows are drawn."""
    inside = geometry.inside.copy()
    inside[geometry.inside] = kept
    if isinstance(geometry, Voxels):
        return Space.of(inside, geometry.header.affine, _background(background))
    chosen = geometry.models[inside]
    names = [name.removeprefix("CIFTI_STRUCTURE_") for name in chosen.name]
    try:
        surfaces, folded = (surfaces_for(None, mesh_sizes(geometry.models), kind) for kind in ("inflated", "pial"))
    except SurfaceError:
        return None
    return SurfaceSpace(surfaces, folded, pd.DataFrame({"structure": names, "vertex": chosen.vertex}))


def _behind(space: Space | SurfaceSpace, f) -> str:
    if isinstance(space, SurfaceSpace):
        return space.caption
    return "Left is left" + (f", on the {escape(f.background_name)}." if f.background is not None else ".")


def maps_of(path: Path, geometry: Geometry, kept: np.ndarray) -> np.ndarray:
    """(K, n) values of an image of maps, or of a matrix.

    Raises
    ------
    ValueError
        If they do not belong to the mask; the message names the file.
    """
    if path.suffix == ".npy":
        values = np.load(path)
    else:
        geometry.check(path, "map")
        values = geometry.read_maps(path)[kept].astype(np.float64)
    if values.ndim != 2 or len(values) != kept.sum():
        raise ValueError(
            f"{path} has the shape {values.shape} but {int(kept.sum())} voxels of the mask can be used: "
            "give maps, mask and scaling of one subject"
        )
    return np.nan_to_num(values)


def _background(path: Path | None):
    if path is None:
        return None
    values, header = load_volume(Path(path))
    return nib.Nifti1Image(np.nan_to_num(values).astype(np.float32), header.affine)


def example_matrices(tables: Tables) -> tuple[dict[str, np.ndarray], list[str] | None]:
    """Matrices of parcels and their networks; {} without them, None where networks are unknown."""
    from safetensors.numpy import load_file

    f = tables.files
    if f.matrices is None:
        return {}, None
    found = {name: m for name, m in load_file(f.matrices).items() if m.ndim == 2 and m.shape[0] == m.shape[1]}
    if f.parcels is None:
        return found, None
    names = read_table(f.parcels)["network"].fillna("").astype(str).tolist()
    return found, names if len(set(names)) > 1 else None
