"""The voxels to analyse: those of an atlas, of a mask, or of the runs' brain masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pydra_vae.images.atlases import Label, read_labels, resample_labels
from pydra_vae.images.headers import Header, check_runs
from pydra_vae.images.volumes import load_mask


@dataclass(frozen=True)
class Mask:
    """Voxels with their parcels.

    Attributes
    ----------
    mask : (I, J, K) bool array
    parcels : (V,) int array
        Label of each voxel, in C order of the mask; 0 without an atlas.
    labels : dict of Label
        Names and networks of the labels.
    header : Header
        Of the first run.
    info : dict
        Where the voxels come from, for sidecars and reports.
    """

    mask: np.ndarray
    parcels: np.ndarray
    labels: Mapping[int, Label]
    header: Header
    info: dict[str, Any]


def make_mask(
    bolds: Sequence[Path],
    brain_masks: Sequence[Path] = (),
    atlas: Path | None = None,
    atlas_labels: Path | None = None,
    mask_file: Path | None = None,
    t_rs: Sequence[float | None] | None = None,
) -> Mask:
    """Make the mask of one subject's runs.

    An atlas's voxels are all those with a label above 0, with no brain mask: the 139,501 voxels of
    Singla et al. 2025 are the atlas alone. With `mask_file` too, those of both. Without an atlas,
    those of `mask_file`, else those in every run's brain mask.

    Parameters
    ----------
    bolds : sequence of Path
        The runs; they must have one grid and TR.
    brain_masks : sequence of Path
        Used only without atlas and `mask_file`.
    atlas, atlas_labels : Path, optional
        Label image, in the BOLD's space, and its table.
    mask_file : Path, optional
        On the BOLD's grid.
    t_rs : sequence of float or None, optional
        RepetitionTime of the runs' sidecars, in seconds, to be checked.

    Returns
    -------
    mask : Mask

    Raises
    ------
    ValueError
        If runs, masks or atlas do not fit together, or no voxel is left.
    """
    header = check_runs(bolds, t_rs)[0]
    labels: dict[int, Label] = {}
    info: dict[str, Any] = {}
    values = None
    if atlas is not None:
        values, resampled = resample_labels(atlas, header)
        labels = _labels_of(values, atlas, atlas_labels)
        mask = values > 0
        info |= {"mask_from": "atlas", "atlas": Path(atlas).name, "atlas_resampled": resampled}
    if mask_file is not None:
        given = load_mask(mask_file, header)
        mask = given if atlas is None else given & mask
        info |= {"mask_from": "mask file" if atlas is None else "atlas and mask file", "mask": Path(mask_file).name}
    elif atlas is None:
        mask = intersect(brain_masks, header)
        info |= {"mask_from": "brain mask", "n_brain_masks": len(brain_masks)}
    if not mask.any():
        raise ValueError(
            f"no voxel is left for {header.path}: the atlas {atlas} and the mask {mask_file} do not overlap"
        )
    parcels = np.zeros(np.count_nonzero(mask), np.int32) if values is None else values[mask]
    info["n_voxels"] = int(mask.sum())
    if values is not None:
        info |= _counts(parcels, labels)
    return Mask(mask, parcels, labels, header, info)


def intersect(brain_masks: Sequence[Path], like: Header) -> np.ndarray:
    """Voxels inside every run's brain mask.

    Raises
    ------
    ValueError
        If there is none, one lies on another grid, or nothing is common to all.
    """
    if not brain_masks:
        raise ValueError(
            f"there is no brain mask (*_desc-brain_mask.nii.gz) for {like.path}: give --mask FILE, or an --atlas"
        )
    mask = np.logical_and.reduce([load_mask(path, like) for path in brain_masks])
    if not mask.any():
        raise ValueError(
            f"the brain masks of the {len(brain_masks)} runs have no voxel in common (first: {brain_masks[0]})"
        )
    return mask


def voxel_table(mask: np.ndarray, parcels: np.ndarray, labels: Mapping[int, Label]):
    """One row a voxel, in C order of the mask.

    Returns
    -------
    table : pandas.DataFrame
        Columns i, j, k (from 0), parcel (0 for none), name and network (``n/a`` for none).
    """
    import pandas as pd

    none = Label("n/a", "n/a")
    i, j, k = np.nonzero(mask)
    kinds, inverse = np.unique(parcels, return_inverse=True)
    known = [labels.get(int(value), none) for value in kinds]
    names = np.array([label.name for label in known], object)[inverse]
    networks = np.array([label.network for label in known], object)[inverse]
    return pd.DataFrame({"i": i, "j": j, "k": k, "parcel": parcels, "name": names, "network": networks})


def _labels_of(values: np.ndarray, atlas: Path, table: Path | None) -> dict[int, Label]:
    present = [int(v) for v in np.unique(values) if v > 0]
    if table is None:
        return {value: Label(str(value), "n/a") for value in present}
    labels = {value: label for value, label in read_labels(table).items() if value > 0}
    unknown = [str(v) for v in present if v not in labels]
    if unknown:
        more = ", …" if len(unknown) > 5 else ""
        raise ValueError(f"the atlas {atlas} holds labels that {table} does not list: {', '.join(unknown[:5])}{more}")
    return labels


def _counts(parcels: np.ndarray, labels: Mapping[int, Label]) -> dict[str, Any]:
    values, counts = np.unique(parcels, return_counts=True)
    networks: dict[str, int] = {}
    for value, count in zip(values, counts, strict=True):
        network = labels[int(value)].network
        networks[network] = networks.get(network, 0) + int(count)
    empty = sorted(set(labels) - {int(v) for v in values})
    return {
        "n_parcels": len(values),
        "parcels_without_voxels": empty,
        "voxels_per_network": dict(sorted(networks.items())),
    }
