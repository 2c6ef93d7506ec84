"""An atlas's regions within a mask, and sums over them of many images at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pydra_vae.images.atlases import AtlasError, read_labels, resample_labels
from pydra_vae.images.headers import Header

WHOLE = "whole mask"
BLOCK = 64  # images summed together


def regions_in_mask(
    atlas: Path, labels: Path | None, mask: np.ndarray, header: Header, min_voxels: int
) -> tuple[np.ndarray, list[str], dict[str, int], bool]:
    """Number the mask's voxels by the atlas's regions.

    Returns
    -------
    number : (V,) int array
        0, 1, … in the order of `names`; −1 for none.
    names : list of str
        Of the regions with enough voxels, each once; the last is "whole mask", which no voxel is numbered by.
    dropped : dict of int
        Regions with too few voxels in the mask, and how many they have.
    resampled : bool
        Whether the atlas lay on another grid.

    Raises
    ------
    AtlasError
        If no region has enough voxels.
    """
    values, resampled = resample_labels(atlas, header)
    inside = values[mask]
    known = {} if labels is None else {value: label.name for value, label in read_labels(labels).items()}
    present = {int(v): int(n) for v, n in zip(*np.unique(inside, return_counts=True), strict=True) if v > 0}
    everywhere = sorted({int(v) for v in np.unique(values) if v > 0} | {v for v in known if v > 0})
    names = _unique({value: known.get(value) or f"region-{value}" for value in everywhere})
    kept = [value for value in everywhere if present.get(value, 0) >= max(min_voxels, 1)]
    if not kept:
        raise AtlasError(
            f"no region of the atlas {atlas} has {min_voxels} voxels within the mask of {header.path}: are both in one "
            "space? Choose larger regions, or fewer min_voxels"
        )
    number = np.full(len(inside), -1)
    for row, value in enumerate(kept):
        number[inside == value] = row
    dropped = {names[value]: present.get(value, 0) for value in everywhere if value not in kept}
    return number, [*(names[value] for value in kept), WHOLE], dropped, resampled


def region_sums(values: np.ndarray, number: np.ndarray, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum each image over its regions, and in the last column over all voxels.

    Parameters
    ----------
    values : (N, V) array
        May be memory-mapped; read in blocks of images.
    number : (V,) int array
        Region of each voxel, −1 for none.
    n_columns : int
        Regions and the whole.

    Returns
    -------
    sums : (N, n_columns) float64 array
    counts : (n_columns,) int array
        Voxels.
    """
    inside = number >= 0
    counts = np.append(np.bincount(number[inside], minlength=n_columns - 1), len(number))
    order = np.argsort(number[inside], kind="stable")
    columns = np.flatnonzero(inside)[order]
    starts = np.concatenate([[0], np.cumsum(counts[:-2])])
    sums = np.empty((len(values), n_columns))
    for first in range(0, len(values), BLOCK):
        block = np.asarray(values[first : first + BLOCK], np.float64)
        sums[first : first + BLOCK, :-1] = np.add.reduceat(block[:, columns], starts, axis=1)
        sums[first : first + BLOCK, -1] = block.sum(axis=1)
    return sums, counts


def _unique(names: dict[int, str]) -> dict[int, str]:
    """Names that occur twice get their number: each is a column."""
    listed = list(names.values())
    return {v: f"{name} ({v})" if listed.count(name) > 1 or name == "label" else name for v, name in names.items()}
