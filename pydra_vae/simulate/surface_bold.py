"""A small stand-in tree of BOLD on the surface, of true layout: for tests, not for science.

As fMRIPrep writes them: ``space-fsLR_den-91k_bold.dtseries.nii`` with the cortex of the S1200 mesh and subcortical
voxels, and ``hemi-L_space-fsaverage5_bold.func.gii`` in pairs, with confounds and sidecars. Files have
a few patches of each cortex only, as valid brain models, so that a fit ends within seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.cifti2 import BrainModelAxis

from pydra_vae.images.cifti import cortical_models
from pydra_vae.images.surface_templates import packaged_cortex, surfaces_for
from pydra_vae.images.surfaces import load_surface
from pydra_vae.simulate.bold import autoregressive
from pydra_vae.simulate.motor_files import save_image, write_func_gii, write_json, write_tsv

MESHES = {"fsLR": (32492, 32492), "fsaverage5": (10242, 10242)}
BASELINE, SIGNAL_SD, NOISE_SD = 10_000.0, 120.0, 160.0
N_SOURCES, WIDTH_MM = 6, 30.0
PARCELS = 100  # a hemisphere, of the atlas
N_PATCHES = 4  # a hemisphere, of the data
MNI_2MM = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])  # HCP's grid


@dataclass(frozen=True)
class SurfaceTree:
    """Paths of a written tree.

    Attributes
    ----------
    derivatives : Path
    atlas : dict of tuple
        Label files on each space's mesh: one dlabel, or label.gii left and right.
    """

    derivatives: Path
    atlas: dict[str, tuple[Path, ...]]


def write_surface_tree(
    folder: Path,
    spaces: Sequence[str] = ("fsLR", "fsaverage5"),
    n_subjects: int = 1,
    frames: Sequence[int] = (40, 36),
    t_r: float = 2.0,
    radius_mm: float = 12.0,
    scaled: bool = True,
    hemi_first: bool = True,
    seed: int = 0,
) -> SurfaceTree:
    """Write subjects with one run a number of frames.

    Parameters
    ----------
    folder : Path
    spaces : sequence of {"fsLR", "fsaverage5"}
    n_subjects : int
    frames : sequence of int
        Frames of each run.
    t_r : float
        In seconds.
    radius_mm : float
        Of the patches that hold data. A dtseries has no other vertices; func.gii have all, NaN there as on a medial
        wall.
    scaled : bool
        dtseries as scaled int16, else float32.
    hemi_first : bool
        ``hemi-L_space-fsaverage5``, as fMRIPrep's newer versions name files, else ``space-fsaverage5_hemi-L``.
    seed : int
    """
    folder = Path(folder).absolute()
    atlas = {space: _write_atlas(folder / "atlas", space) for space in spaces}
    for subject in range(n_subjects):
        label = f"{subject + 1:02d}"
        func = folder / f"sub-{label}" / "func"
        for number, n in enumerate(frames, start=1):
            stem = f"sub-{label}_task-rest_run-{number}"
            rng = np.random.default_rng([seed, subject, number])
            courses = autoregressive(N_SOURCES, n, 0.7**t_r, rng)
            for space in spaces:
                models, mm = _models(space, radius_mm)
                rows = _series(mm, courses, np.random.default_rng([seed, subject, number, 7]), seed)
                write = _write_dense if space == "fsLR" else _write_pair
                write(func, stem, rows, models, t_r, scaled if space == "fsLR" else hemi_first)
            confounds = {"framewise_displacement": np.abs(rng.normal(0.1, 0.05, n)).round(4)}
            confounds |= {
                f"{kind}_{axis}": rng.normal(0, 0.1, n).round(4) for kind in ("trans", "rot") for axis in "xyz"
            }
            write_tsv(func / f"{stem}_desc-confounds_timeseries.tsv", pd.DataFrame(confounds))
            write_json(func / f"{stem}_desc-confounds_timeseries.json", {})
    write_json(
        folder / "dataset_description.json",
        {
            "Name": "Simulated BOLD on the surface (no real data)",
            "BIDSVersion": "1.9.0",
            "DatasetType": "derivative",
            "GeneratedBy": [
                {"Name": "pydra_vae simulation", "Description": f"Laid out as fMRIPrep does. Seed {seed}."}
            ],
        },
    )
    return SurfaceTree(folder, atlas)


def _models(space: str, radius_mm: float) -> tuple[BrainModelAxis, np.ndarray]:
    """Grayordinates of a file, and their places in mm."""
    sizes = MESHES[space]
    cortex = packaged_cortex() if space == "fsLR" else tuple(np.arange(n) for n in sizes)
    surfaces = [load_surface(path)[0] for path in surfaces_for(space, sizes, "pial")]
    kept = tuple(
        numbers[np.isin(numbers, _patches(*pair, radius_mm))]
        for numbers, pair in zip(cortex, enumerate(surfaces), strict=True)
    )
    mm = [coordinates[numbers] for coordinates, numbers in zip(surfaces, kept, strict=True)]
    models = cortical_models(kept, sizes)
    if space != "fsLR":
        return models, np.concatenate(mm)
    for name, low in (("thalamus_left", (48, 50, 38)), ("thalamus_right", (38, 50, 38))):
        mask = np.zeros((91, 109, 91), bool)
        mask[tuple(slice(start, start + 4) for start in low)] = True
        models = models + BrainModelAxis.from_mask(mask, name=name, affine=MNI_2MM)
        mm.append(np.argwhere(mask) @ MNI_2MM[:3, :3].T + MNI_2MM[:3, 3])
    return models, np.concatenate(mm)


def _patches(hemi: int, coordinates: np.ndarray, radius_mm: float) -> np.ndarray:
    """Vertices around some of a hemisphere's."""
    centres = coordinates[np.random.default_rng(hemi).choice(len(coordinates), N_PATCHES, replace=False)]
    return np.flatnonzero((np.linalg.norm(coordinates[:, None] - centres, axis=2) < radius_mm).any(axis=1))


def _series(mm: np.ndarray, courses: np.ndarray, rng, seed: int) -> np.ndarray:
    """(N, T) series: courses that fall off with the distance from their sources, and noise."""
    centres = mm[np.random.default_rng(seed).choice(len(mm), N_SOURCES, replace=False)]
    weights = np.exp(-((mm[:, None] - centres) ** 2).sum(axis=2) / (2 * WIDTH_MM**2))
    noise = autoregressive(len(mm), courses.shape[1], 0.3, rng)
    return (BASELINE + SIGNAL_SD * 2 * (weights @ courses) + NOISE_SD * noise).astype(np.float32)


def _write_dense(func: Path, stem: str, rows, models, t_r: float, scaled: bool) -> None:
    name = f"{stem}_space-fsLR_den-91k_bold"
    series = nib.cifti2.SeriesAxis(0, t_r, rows.shape[1], "SECOND")
    image = nib.Cifti2Image(rows.T, nib.cifti2.Cifti2Header.from_axes((series, models)))
    image.nifti_header.set_intent("ConnDenseSeries")
    image.nifti_header.set_data_dtype(np.int16 if scaled else np.float32)
    save_image(image, func / f"{name}.dtseries.nii")
    words = "2 mm voxels and 32k vertices (stand-in: a part of them)"
    write_json(func / f"{name}.json", {"TaskName": "rest", "RepetitionTime": t_r, "Density": words})


def _write_pair(func: Path, stem: str, rows, models, t_r: float, hemi_first: bool) -> None:
    for hemi, size in zip("LR", MESHES["fsaverage5"], strict=True):
        here = models.name == f"CIFTI_STRUCTURE_CORTEX_{'LEFT' if hemi == 'L' else 'RIGHT'}"
        whole = np.full((rows.shape[1], size), np.nan, np.float32)
        whole[:, models.vertex[here]] = rows[here].T
        space = f"hemi-{hemi}_space-fsaverage5" if hemi_first else f"space-fsaverage5_hemi-{hemi}"
        write_func_gii(func / f"{stem}_{space}_bold.func.gii", whole, hemi, t_r)
        write_json(func / f"{stem}_{space}_bold.json", {"TaskName": "rest", "RepetitionTime": t_r})


def _write_atlas(folder: Path, space: str) -> tuple[Path, ...]:
    """Compact patches of each hemisphere in two planted networks, as a dlabel or a pair of label.gii."""
    keys, table = [], {0: "???"}
    for hemi, path in zip("LR", surfaces_for(space, MESHES[space], "pial"), strict=True):
        mm, _ = load_surface(path)
        centres = mm[np.random.default_rng(0).choice(len(mm), PARCELS, replace=False)]
        nearest = ((mm[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        first = 1 + (hemi == "R") * PARCELS
        keys.append(first + nearest)
        names = {first + i: f"17Networks_{hemi}H_Planted{'AB'[i % 2]}_{i // 2 + 1}" for i in range(PARCELS)}
        table |= names
    if space == "fsLR":
        colours = {key: (name, (0.5, 0.5, 0.5, 1.0)) for key, name in table.items()}
        models = cortical_models([np.arange(n) for n in MESHES[space]], MESHES[space])
        axes = nib.cifti2.LabelAxis(["parcels"], [colours]), models
        image = nib.Cifti2Image(np.concatenate(keys)[None].astype(np.float32), nib.cifti2.Cifti2Header.from_axes(axes))
        image.nifti_header.set_intent("ConnDenseLabel")
        save_image(image, folder / "atlas-Planted_space-fsLR_den-32k.dlabel.nii")
        return (folder / "atlas-Planted_space-fsLR_den-32k.dlabel.nii",)
    paths = []
    for hemi, values in zip("LR", keys, strict=True):
        labels = nib.gifti.GiftiLabelTable()
        for key, name in table.items():
            entry = nib.gifti.GiftiLabel(key, 0.5, 0.5, 0.5, 1)
            entry.label = name
            labels.labels.append(entry)
        array = nib.gifti.GiftiDataArray(values.astype(np.int32), "NIFTI_INTENT_LABEL", datatype="NIFTI_TYPE_INT32")
        paths.append(folder / f"atlas-Planted_hemi-{hemi}_space-{space}.label.gii")
        save_image(nib.gifti.GiftiImage(darrays=[array], labeltable=labels), paths[-1])
    return tuple(paths)
