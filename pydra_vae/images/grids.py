"""Common grids for images of many people: checked, made, and resampled to.

Where the new voxels are larger than the old ones, the image is averaged over them first (a Gaussian whose width brings
the old voxel to the new one), as every other voxel of a 1 mm map is noise at 6 mm. Splines overshoot at edges: values
are clipped to the image's own range, so that a probability stays one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pydra_vae.images.headers import AFFINE_TOLERANCE_MM, Header, dimensions
from pydra_vae.images.volumes import FWHM_PER_SIGMA

ORDERS = {"nearest": 0, "linear": 1, "continuous": 3}
MAX_VOXELS = 512**3  # of a whole grid: beyond any template, and 0.5 GB a volume


def same_grid(one: Header, other: Header) -> bool:
    """Whether two images share shape and affine."""
    return one.shape == other.shape and bool(np.abs(one.affine - other.affine).max() <= AFFINE_TOLERANCE_MM)


def check_common_grid(headers: Sequence[Header], names: Sequence[str] | None = None) -> None:
    """Raise ValueError, naming two images and their grids, unless all lie on one; `names` default to their paths."""
    names = names or [str(header.path) for header in headers]
    others = [i for i, header in enumerate(headers) if not same_grid(header, headers[0])]
    if others:
        other = others[0]
        raise ValueError(
            f"the images lie on different grids ({len(others)} of {len(headers)} differ from the first): {names[0]} "
            f"has {describe(headers[0])}, {names[other]} {describe(headers[other])}. Bring all to one: give a voxel "
            "size in mm with --resolution, or an image on the wanted grid with --grid; or choose files of "
            "one --space and --res"
        )


def describe(header: Header) -> str:
    """A grid in words: voxels, their size, and the place of the first one."""
    sizes = " × ".join(f"{size:.3g}" for size in header.voxel_sizes)
    origin = ", ".join(f"{x:.4g}" for x in header.affine[:3, 3])
    return f"{dimensions(header.shape)} voxels of {sizes} mm, the first at ({origin})"


def boxes_overlap(source: Header, target: Header) -> bool:
    """Whether any voxel of the target has its centre in the source's box."""
    return bool(_inside(np.linalg.inv(source.affine) @ target.affine, target.shape, source.shape).any())


def new_grid(shape: Sequence[int], affine: np.ndarray, like: Header) -> Header:
    """A grid that no file has yet; path and codes of space are those of `like`."""
    nifti = nib.Nifti1Header()
    nifti.set_data_shape(tuple(shape))
    code = int(like.nifti["sform_code"]) or int(like.nifti["qform_code"]) or 2
    nifti.set_sform(affine, code)
    nifti.set_qform(affine, code, strip_shears=True)
    nifti.set_xyzt_units("mm")
    return Header(like.path, tuple(int(n) for n in shape), 1, np.asarray(affine, float), None, nifti)


def isotropic_grid(like: Header, resolution: float) -> Header:
    """The grid of cubic voxels that covers an image's box, with its axes and its centre.

    Parameters
    ----------
    like : Header
        Two images of one grid give one new grid.
    resolution : float
        Edge of a voxel, in mm.

    Raises
    ------
    ValueError
        If the edge is not above 0, or so short or so long that the grid would be of no use.
    """
    if not resolution > 0:
        raise ValueError(f"the resolution is {resolution} mm: it must be above 0, such as 2, 4 or 6")
    sizes = like.voxel_sizes
    if np.allclose(sizes, resolution, rtol=0, atol=AFFINE_TOLERANCE_MM):
        return like
    extent = np.array(like.shape) * sizes
    shape = np.maximum(np.ceil(extent / resolution - 1e-4), 1).astype(int)
    if np.prod(shape, dtype=float) > MAX_VOXELS or shape.min() < 3:
        raise ValueError(
            f"a resolution of {resolution:g} mm makes {dimensions(shape)} voxels of {like.path}, which measures "
            f"{' × '.join(f'{x:.0f}' for x in extent)} mm: is it in mm? 2 to 8 are usual"
        )
    axes = like.affine[:3, :3] / sizes * resolution
    centre = like.affine[:3] @ np.append((np.array(like.shape) - 1) / 2, 1)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, centre - axes @ ((shape - 1) / 2)
    return new_grid(shape, affine, like)


def target_grid(image: Header, grid: Path | None, resolution: float | None) -> Header:
    """Where an image goes: another's grid, cubic voxels over that one's box or its own, or where it is."""
    from pydra_vae.images.headers import read_header

    target = image if grid is None else read_header(grid)
    return target if resolution is None else isotropic_grid(target, resolution)


def resample(
    values: np.ndarray, source: Header, target: Header, interpolation: str = "continuous"
) -> tuple[np.ndarray, dict[str, Any]]:
    """Bring a volume to another grid.

    Parameters
    ----------
    values : (I, J, K) array
        Finite, on the grid of `source`.
    source, target : Header
    interpolation : str
        continuous (cubic spline), linear or nearest. The first two average over larger voxels first.

    Returns
    -------
    values : (I', J', K') float32 array
        Within the range of the input; 0 outside its box.
    info : dict
        resampled, averaging_fwhm_mm (of the widest axis; 0 for none), outside_field_of_view (share of the new voxels).

    Raises
    ------
    ValueError
        If the two boxes do not overlap.
    """
    from scipy.ndimage import affine_transform

    if same_grid(source, target):
        return np.asarray(values, np.float32), _done(False)
    to_source = np.linalg.inv(source.affine) @ target.affine
    inside = _inside(to_source, target.shape, source.shape)
    if not inside.any():
        raise ValueError(
            f"{source.path} and the grid of {target.path} do not overlap ({describe(source)}; {describe(target)}): "
            "are both in one space?"
        )
    order, fwhm = ORDERS[interpolation], np.zeros(3)
    values = np.asarray(values, np.float32)
    lowest, highest = float(values.min()), float(values.max())
    if order:
        steps = np.linalg.norm(to_source[:3, :3], axis=1)  # a new voxel along each old axis, in old voxels
        fwhm = np.sqrt(np.maximum(steps**2 - 1, 0))
        values = _averaged(values, fwhm)
    moved = affine_transform(
        values, to_source[:3, :3], to_source[:3, 3], target.shape, order=order, mode="nearest", output=np.float32
    )
    np.clip(moved, lowest, highest, out=moved)
    moved[~inside] = 0
    return moved, _done(True, float((fwhm * source.voxel_sizes).max()), 1 - float(inside.mean()))


def _done(resampled: bool, fwhm: float = 0.0, outside: float = 0.0) -> dict[str, Any]:
    return {
        "resampled": resampled,
        "averaging_fwhm_mm": round(fwhm, 4),
        "outside_field_of_view": round(outside, 6),
    }


def _inside(to_source: np.ndarray, shape: Sequence[int], source_shape: Sequence[int]) -> np.ndarray:
    """Which new voxels have their centre in the old box (voxels have edges: half a voxel beyond the outer centres)."""
    index = np.ogrid[tuple(slice(n) for n in shape)]
    inside = np.ones(tuple(shape), bool)
    for row, n in zip(to_source[:3], source_shape, strict=True):
        place = row[0] * index[0] + row[1] * index[1] + row[2] * index[2] + row[3]
        inside &= (place >= -0.5 - 1e-6) & (place <= n - 0.5 + 1e-6)
    return inside


def _averaged(values: np.ndarray, fwhm: np.ndarray) -> np.ndarray:
    """Smoothed by a Gaussian of this width (in voxels) along each axis."""
    from scipy.ndimage import gaussian_filter1d

    for axis, width in enumerate(fwhm):
        if width > 0.1:  # less is rounding of an affine
            values = gaussian_filter1d(values, width / FWHM_PER_SIGMA, axis=axis, mode="nearest")
    return values


def smooth(values: np.ndarray, fwhm_mm: float, voxel_sizes: np.ndarray) -> np.ndarray:
    """Smooth a volume by a Gaussian of this full width at half maximum, in mm; beyond its edge lies 0."""
    from scipy.ndimage import gaussian_filter

    if not fwhm_mm >= 0:
        raise ValueError(f"the smoothing is {fwhm_mm} mm: a width of 0 or more is needed")
    return gaussian_filter(np.asarray(values, np.float32), fwhm_mm / FWHM_PER_SIGMA / voxel_sizes, mode="constant")
