"""Values of one anatomical or functional map: read with care, and scaled within the brain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pydra_vae.images.headers import Header, read_header
from pydra_vae.images.volumes import load_volume

MODULATED_MAX = 4.0  # VBM's modulated probabilities exceed 1 where a brain is smaller than the template


def load_map(path: Path) -> tuple[np.ndarray, Header]:
    """Read a 3-D map of finite values that are not all the same.

    Returns
    -------
    values : (I, J, K) float32 array
    header : Header

    Raises
    ------
    ValueError
        Naming the file and what is wrong with it: 4-D, not finite, constant.
    """
    header = read_header(path)
    if header.n_frames != 1:
        raise ValueError(
            f"{path} has {header.n_frames} volumes, but one map an image is needed: give 3-D maps "
            "(frames of 4-D fMRI go through StackFrames)"
        )
    values, header = load_volume(path)
    values = np.asarray(values, np.float32)
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ValueError(
            f"{path} has {n_bad:,} of {values.size:,} voxels that are NaN or infinite: write 0 where there is no "
            "brain, or look at what made the map"
        )
    if values.min() == values.max():
        raise ValueError(
            f"{path} is constant: every voxel is {values.flat[0]:g}; look at what made it, or leave this image out"
        )
    return values, header


def unit_of(lowest: float, highest: float) -> str:
    """What values are, by their range: probability (0 to 1, modulated a little more) or intensity.

    >>> unit_of(0, 1.0), unit_of(0, 4095), unit_of(-2, 2)
    ('probability', 'intensity', 'intensity')
    """
    return "probability" if lowest >= 0 and highest <= MODULATED_MAX else "intensity"


def normalise(values: np.ndarray, inside: np.ndarray, how: str, name: Path | str) -> tuple[np.ndarray, dict[str, Any]]:
    """Scale a map by its values within the brain; 0 outside.

    Parameters
    ----------
    values : (I, J, K) float32 array
    inside : (I, J, K) bool array
        Where the scale is taken from, and what is kept.
    how : str
        none, zscore (mean 0, sd 1), minmax (0 to 1), mean (divided by the mean).
    name : path
        For messages.

    Returns
    -------
    values : (I, J, K) float32 array
    info : dict
        normalization, and the mean, sd, minimum and maximum inside, before it.

    Raises
    ------
    ValueError
        If there is no scale to take: constant inside, or a mean that is not above 0.
    """
    if how == "none":
        return values, {"normalization": how}
    kept = values[inside].astype(np.float64)
    found = {"mean": kept.mean(), "sd": kept.std(), "minimum": kept.min(), "maximum": kept.max()}
    shift, scale = {
        "zscore": (found["mean"], found["sd"]),
        "minmax": (found["minimum"], found["maximum"] - found["minimum"]),
        "mean": (0.0, found["mean"]),
    }[how]
    if not scale > 0:
        raise ValueError(
            f"{name} cannot be scaled by {how}: inside the brain it has a mean of {found['mean']:g} and a standard "
            f"deviation of {found['sd']:g}; look at the map and its brain mask, or use the normalization none"
        )
    scaled = np.where(inside, (values - shift) / scale, 0).astype(np.float32)
    return scaled, {"normalization": how, **{key: float(value) for key, value in found.items()}}
