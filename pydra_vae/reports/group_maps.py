"""The example subject of a group report: its latent maps beside diffusion gradients, its matrices of parcels."""

from pathlib import Path

import nibabel as nib
import numpy as np
from markupsafe import escape

from pydra_vae.bids.tables import read_table
from pydra_vae.images.headers import read_header
from pydra_vae.images.volumes import load_mask, load_volume
from pydra_vae.reports import group_figures_latents as inside
from pydra_vae.reports.brains import Space
from pydra_vae.reports.group_tables import Tables, example_label
from pydra_vae.reports.pages import figure
from pydra_vae.stats.normalise import Scaling


def example_maps(tables: Tables) -> str:
    """Latents beside gradients on brain slices; "" unless both and their mask were given."""
    f = tables.files
    if None in (f.latents, f.gradients, f.mask):
        return ""
    mask = load_mask(Path(f.mask))
    kept = mask.copy()
    if f.scaling is not None:
        kept[mask] = Scaling.load(Path(f.scaling)).kept
    latents, gradients = (maps_of(Path(path), kept) for path in (f.latents, f.gradients))
    space = Space.of(kept, read_header(Path(f.mask)).affine, _background(f.background))
    label, matches = example_label(f, tables), tables("matches")
    best = None if matches is None else inside.best_gradients(matches, label)
    caption = (
        f"Maps of {escape(label)}, each standardised over voxels; signs and order mean nothing, and gradients are "
        "shown with the sign that agrees. * p < .05 against maps of the same spatial autocorrelation. Left is left"
        + (f", on the {escape(f.background_name)}." if f.background is not None else ".")
    )
    return figure(inside.maps(latents, gradients, best, space), caption)


def maps_of(path: Path, kept: np.ndarray) -> np.ndarray:
    """(K, n) values of a 4-D image, or of a matrix.

    Raises
    ------
    ValueError
        If they do not belong to the mask; the message names the file.
    """
    if path.suffix == ".npy":
        values = np.load(path)
    else:
        volume = np.asarray(nib.load(path).dataobj, dtype=np.float64)
        if volume.shape[:3] != kept.shape:
            raise ValueError(
                f"{path} has {volume.shape[:3]} voxels but the mask {kept.shape}: give those of one subject"
            )
        values = volume.reshape(*kept.shape, -1)[kept]
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
