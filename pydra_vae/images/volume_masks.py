"""The voxels in which images of many people are compared: by a rule stated in words, from training images alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.images.grids import check_common_grid, resample, same_grid
from pydra_vae.images.headers import Header, read_header
from pydra_vae.images.intensities import unit_of
from pydra_vae.images.volumes import load_mask, load_volume

# Of intensities: a tenth of the bright voxels' value lies between air and the darkest tissue.
SHARE_OF_BRIGHT, BRIGHT_PERCENTILE = 0.1, 98


@dataclass(frozen=True)
class Summary:
    """Voxel by voxel over the training images.

    Attributes
    ----------
    mean, lowest, highest : (I, J, K) float32 arrays
    share_nonzero : (I, J, K) float32 array
        Share of the images that are not 0 there.
    header : Header
        Of the first.
    n_images : int
    """

    mean: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    share_nonzero: np.ndarray
    header: Header
    n_images: int


def summarise(paths: Sequence[Path], names: Sequence[str] | None = None) -> Summary:
    """Mean, range and share of nonzero values over images, one read at a time.

    Parameters
    ----------
    paths : sequence of Path
        Prepared images.
    names : sequence of str, optional
        What messages call them; default their paths.

    Raises
    ------
    ValueError
        If there is none, they lie on different grids, or one holds values that are not finite.
    """
    if not paths:
        raise ValueError("there is no training image: a mask is made from them")
    names = list(names or map(str, paths))
    check_common_grid([read_header(path) for path in paths], names)
    total = nonzero = lowest = highest = None
    for name, path in zip(names, paths, strict=True):
        values, header = load_volume(path)
        if not np.isfinite(values).all():
            raise ValueError(f"{name} has values that are not finite: prepare it with PrepareVolume")
        values = np.asarray(values, np.float32)
        if total is None:
            total, nonzero = np.zeros(values.shape), np.zeros(values.shape, np.float32)
            first, lowest, highest = header, values.copy(), values.copy()
        total += values
        # smoothing and splines leave traces of this size where an image is 0
        nonzero += np.abs(values) > 1e-2 * np.abs(values).max()
        np.minimum(lowest, values, out=lowest)
        np.maximum(highest, values, out=highest)
    n = len(paths)
    return Summary((total / n).astype(np.float32), lowest, highest, nonzero / n, first, n)


def choose_voxels(
    found: Summary,
    threshold: float = 0.08,
    mask_file: Path | None = None,
    brain_masks: Sequence[Path] = (),
    unit: str | None = None,
) -> tuple[np.ndarray, dict]:
    """Choose the voxels, by the mask that is given or by the images' own values.

    Parameters
    ----------
    found : Summary
        Of the training images.
    threshold : float
        Mean probability above which a voxel is kept.
    mask_file : Path, optional
        Wins over every rule.
    brain_masks : sequence of Path
        Of the training images; their majority is the mask of intensities.
    unit : str, optional
        probability or intensity; default by the values.

    Returns
    -------
    mask : (I, J, K) bool array
        Without the voxels that are constant over the training images.
    info : dict
        unit, mask_rule (in words), n_voxels, n_constant_dropped, …

    Raises
    ------
    ValueError
        If no voxel is left; the message says of how many training images, and their values.
    """
    unit = unit or unit_of(float(found.lowest.min()), float(found.highest.max()))
    mask, rule, info = _by_rule(found, unit, threshold, mask_file, brain_masks)
    varies = found.highest > found.lowest
    kept = mask & varies
    if not kept.any():
        raise ValueError(_nothing_left(found, mask, rule))
    info |= {
        "unit": unit,
        "mask_rule": rule,
        "n_training_images": found.n_images,
        "n_voxels": int(kept.sum()),
        "n_constant_dropped": int((mask & ~varies).sum()),
        "shape": list(found.header.shape),
        "affine": found.header.affine.tolist(),
        "voxel_size_mm": [round(float(size), 5) for size in found.header.voxel_sizes],
    }
    return kept, info


def _by_rule(found, unit, threshold, mask_file, brain_masks):
    if mask_file is not None:
        mask, resampled = load_mask_on(mask_file, found.header)
        rule = f"the voxels of {Path(mask_file).name}" + (" (nearest voxel)" if resampled else "")
        return mask, rule, {"mask_file": Path(mask_file).name, "mask_resampled": resampled}
    if unit == "probability":
        return found.mean > threshold, f"mean of the training images above {threshold:g}", {"threshold": threshold}
    if brain_masks:
        share = np.zeros(found.header.shape, np.float32)
        for path in brain_masks:  # one at a time: a thousand of 1 mm take 7 GB
            share += load_mask_on(path, found.header)[0]
        share /= len(brain_masks)
        rule = f"inside the brain masks of more than half of the {len(brain_masks)} training images"
        return share > 0.5, rule, {"n_brain_masks": len(brain_masks)}
    if found.lowest.min() < 0:  # a z-scored image has its brain on both sides of 0, and 0 outside
        return found.share_nonzero > 0.5, "not 0 in more than half of the training images", {}
    bright = float(np.percentile(found.mean[found.mean > 0], BRIGHT_PERCENTILE))
    rule = f"mean of the training images above {SHARE_OF_BRIGHT:.0%} of its {BRIGHT_PERCENTILE}th percentile"
    return found.mean > SHARE_OF_BRIGHT * bright, rule, {"threshold": SHARE_OF_BRIGHT * bright}


def _nothing_left(found: Summary, mask: np.ndarray, rule: str) -> str:
    if mask.any():
        return (
            f"all {int(mask.sum()):,} voxels of the mask ({rule}) are constant over the {found.n_images} training "
            "images: there is nothing to learn; give more images, or look whether they are copies of one another"
        )
    return (
        f"no voxel is left by the rule: {rule}. The mean of the {found.n_images} training images lies between "
        f"{found.mean.min():.3g} and {found.mean.max():.3g}: give a lower threshold, or a mask with --mask"
    )


def load_mask_on(path: Path, like: Header) -> tuple[np.ndarray, bool]:
    """Read a mask on an image's grid, by the nearest voxel where it lies on another.

    Returns
    -------
    mask : (I, J, K) bool array
    resampled : bool

    Raises
    ------
    ValueError
        If the mask has no voxel there.
    """
    mask, header = load_mask(path), read_header(path)
    if same_grid(header, like):
        return mask, False
    moved = resample(mask, header, like, "nearest")[0] > 0.5
    if not moved.any():
        raise ValueError(f"no voxel of the mask {path} lies on the grid of {like.path}: are both in one space?")
    return moved, True
