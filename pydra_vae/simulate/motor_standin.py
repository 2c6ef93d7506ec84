"""Stand-in trees of true layout, for tests: whole grayordinates, confounds, both directions, several runs.

What HCP and fMRIPrep write around the region is there too: the rest of the cortex and the 19 subcortical structures
with their true numbers of grayordinates (their voxels' places are made up), the other run, the subject's own
surfaces. Outside the somatomotor region there is noise only.
"""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from pydra_vae.images.surface_templates import packaged_cortex, surface_image, surfaces_for
from pydra_vae.images.surfaces import load_surface
from pydra_vae.simulate.bold import autoregressive
from pydra_vae.simulate.motor import MotorRun, simulate_motor_group, simulate_motor_run
from pydra_vae.simulate.motor_files import (
    region_axis,
    save_image,
    write_dtseries,
    write_events,
    write_evs,
    write_func_gii,
    write_json,
    write_tsv,
)
from pydra_vae.simulate.motor_sheet import FS_LR, Sheet, build_sheet, somatomotor_sheet
from pydra_vae.simulate.motor_tree import BASELINE, UNIT, description, subject_labels

# Grayordinates of HCP's 91k space below the cortex, in the files' order: 31,870 together.
SUBCORTICAL = {
    "ACCUMBENS_LEFT": 135,
    "ACCUMBENS_RIGHT": 140,
    "AMYGDALA_LEFT": 315,
    "AMYGDALA_RIGHT": 332,
    "BRAIN_STEM": 3472,
    "CAUDATE_LEFT": 728,
    "CAUDATE_RIGHT": 755,
    "CEREBELLUM_LEFT": 8709,
    "CEREBELLUM_RIGHT": 9144,
    "DIENCEPHALON_VENTRAL_LEFT": 706,
    "DIENCEPHALON_VENTRAL_RIGHT": 712,
    "HIPPOCAMPUS_LEFT": 764,
    "HIPPOCAMPUS_RIGHT": 795,
    "PALLIDUM_LEFT": 297,
    "PALLIDUM_RIGHT": 260,
    "PUTAMEN_LEFT": 1060,
    "PUTAMEN_RIGHT": 1010,
    "THALAMUS_LEFT": 1288,
    "THALAMUS_RIGHT": 1248,
}
GRID, AFFINE = (91, 109, 91), np.array([[-2, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1.0]])
FSAVERAGE5 = 10_242


def write_recording_tree(
    folder: Path,
    layout: str = "hcp",
    n_subjects: int = 3,
    grayordinates: str = "region",
    n_frames: int = 120,
    t_r: float = 0.72,
    directions: Sequence[str] = ("LR",),
    n_runs: int = 1,
    dtype: str = "float32",
    hemi_first: bool = True,
    surfaces: bool = False,
    n_kept: int | None = None,
    seed: int = 0,
) -> Path:
    """Write a tree of true layout; 120 frames hold one block of each sub-task.

    Parameters
    ----------
    folder : Path
        The tree itself; made if need be. Of fMRIPrep's layouts the events lie beside the runs.
    layout : str
        "hcp", "fmriprep" (fsLR dtseries) or "fsaverage5" (fMRIPrep, pairs of func.gii, noise and patches on the
        whole meshes).
    n_subjects : int
    grayordinates : str
        Of a dtseries: "region" (the simulated vertices), "cortex" (59,412) or "91k" (91,282 columns).
    n_frames : int
    t_r : float
        Seconds.
    directions : sequence of str
        "LR", "RL" or both. fMRIPrep's names have `dir-` only if there are both.
    n_runs : int
        Of fMRIPrep's layouts; names have `run-` only if there are several.
    dtype : str
        Of a dtseries: "float32" or "int16".
    hemi_first : bool
        Whether func.gii are named hemi before space, or the reverse; both occur.
    surfaces : bool
        Write each HCP subject's own pial and midthickness (the group's, grown by a few per cent).
    n_kept : int, optional
        Simulate only so many vertices of each hemisphere.
    seed : int
    """
    if layout not in ("hcp", "fmriprep", "fsaverage5"):
        raise ValueError(f"no stand-in layout {layout!r}: choose hcp, fmriprep or fsaverage5")
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    sheet = fsaverage5_sheet() if layout == "fsaverage5" else somatomotor_sheet(n_kept)
    group = simulate_motor_group(sheet, seed, n_frames=n_frames, t_r=t_r)
    for index, label in enumerate(subject_labels(n_subjects, layout)):
        for direction in directions:
            for number in range(1, n_runs + 1):
                rng = np.random.default_rng([seed, 3, index, number])
                run = simulate_motor_run(group, index, direction, number)
                if layout == "hcp":
                    _hcp_run(folder, label, group, run, direction, grayordinates, dtype, rng)
                    continue
                names = [f"dir-{direction}"] * (len(directions) > 1) + [f"run-{number}"] * (n_runs > 1)
                stem = folder / f"sub-{label}" / "func" / "_".join([f"sub-{label}", "task-motor", *names])
                _fmriprep_run(stem, group, run, grayordinates if layout == "fmriprep" else None, hemi_first, dtype, rng)
        if surfaces and layout == "hcp":
            _own_surfaces(folder, label, index)
    write_json(folder / "dataset_description.json", description(group, layout))
    return folder


def fsaverage5_sheet() -> Sheet:
    """Both whole fsaverage5 meshes, with patches at the same places of MNI space."""
    meshes = [load_surface(path) for path in surfaces_for("fsaverage5", (FSAVERAGE5, FSAVERAGE5), "pial")]
    return build_sheet(meshes, [np.arange(FSAVERAGE5)] * 2, "fsaverage5")


def grayordinate_axis(which: str, sheet: Sheet) -> nib.cifti2.BrainModelAxis:
    """Brain models of the region, of the cortex without medial wall, or of HCP's 91,282 grayordinates."""
    if which == "region":
        return region_axis(sheet.vertices, sheet.mesh_sizes)
    axis = region_axis(packaged_cortex(), (FS_LR, FS_LR))
    if which == "cortex":
        return axis
    if which != "91k":
        raise ValueError(f"no grayordinates {which!r}: choose region, cortex or 91k")
    voxels = np.column_stack(np.unravel_index(np.arange(250_000, 250_000 + sum(SUBCORTICAL.values())), GRID))
    names = np.repeat([f"CIFTI_STRUCTURE_{name}" for name in SUBCORTICAL], list(SUBCORTICAL.values()))
    return axis + nib.cifti2.BrainModelAxis(name=names, voxel=voxels, affine=AFFINE, volume_shape=GRID)


def _grayordinate_series(which, group, run: MotorRun, dtype, rng):
    """(T, n) in scanner units and its brain models; noise outside the simulated vertices."""
    axis = grayordinate_axis(which, group.sheet)
    series = run.series
    if which != "region":
        series = autoregressive(len(axis), group.n_frames, 0.3, rng)
        left, right = packaged_cortex()
        columns = np.searchsorted(left, group.sheet.vertices[0]), np.searchsorted(right, group.sheet.vertices[1])
        series[np.concatenate([columns[0], len(left) + columns[1]])] = run.series
    rows = series.T * np.float32(UNIT) + np.float32(BASELINE)
    return (np.round(rows).astype(np.int16) if dtype == "int16" else rows.astype(dtype)), axis


def _hcp_run(folder, label, group, run, direction, grayordinates, dtype, rng) -> None:
    name = f"tfMRI_MOTOR_{direction}"
    results = folder / label / "MNINonLinear" / "Results" / name
    write_evs(results / "EVs", run.events)
    rows, axis = _grayordinate_series(grayordinates, group, run, dtype, rng)
    write_dtseries(results / f"{name}_Atlas_MSMAll.dtseries.nii", rows, axis, group.t_r)
    motion = np.cumsum(rng.normal(0, 0.01, (group.n_frames, 6)), axis=0)
    both = np.hstack([motion, np.gradient(motion, axis=0)])
    np.savetxt(results / "Movement_Regressors.txt", both, fmt="%.6f")


def _fmriprep_run(stem: Path, group, run, grayordinates, hemi_first, dtype, rng) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    sidecar = {"RepetitionTime": group.t_r, "TaskName": "motor", "SkullStripped": False}
    write_events(Path(f"{stem}_events.tsv"), run.events)
    write_tsv(Path(f"{stem}_desc-confounds_timeseries.tsv"), _confounds(group.n_frames, rng))
    write_json(Path(f"{stem}_desc-confounds_timeseries.json"), {})
    if grayordinates is not None:
        rows, axis = _grayordinate_series(grayordinates, group, run, dtype, rng)
        bold = f"{stem}_space-fsLR_den-91k_bold"
        write_dtseries(Path(f"{bold}.dtseries.nii"), rows, axis, group.t_r)
        write_json(Path(f"{bold}.json"), sidecar | {"Density": "91,282 grayordinates", "surface": "fsLR"})
        return
    rows = run.series.T * np.float32(UNIT) + np.float32(BASELINE)
    for hemi in "LR":
        middle = [f"hemi-{hemi}", "space-fsaverage5"][:: 1 if hemi_first else -1]
        bold = "_".join([str(stem), *middle, "bold"])
        write_func_gii(Path(f"{bold}.func.gii"), rows[:, group.sheet.columns(hemi)], hemi, group.t_r)
        write_json(Path(f"{bold}.json"), sidecar)


def _confounds(n_frames, rng) -> pd.DataFrame:
    """A table with fMRIPrep's names: motion, tissue averages, a cosine, one non-steady frame."""
    motion = np.cumsum(rng.normal(0, 0.01, (n_frames, 6)), axis=0)
    table = pd.DataFrame(motion, columns=["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"])
    for name in ("global_signal", "csf", "white_matter"):
        table[name] = 1000 + autoregressive(1, n_frames, 0.5, rng)[0]
    for name in list(table.columns):
        difference = table[name].diff()
        table[f"{name}_derivative1"] = difference
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = difference**2
    table["framewise_displacement"] = np.abs(np.diff(motion, axis=0, prepend=np.nan)).sum(axis=1)
    table["std_dvars"] = np.r_[np.nan, np.full(n_frames - 1, 1.0)]
    table["cosine00"] = np.cos(np.pi * (np.arange(n_frames) + 0.5) / n_frames)
    table["non_steady_state_outlier00"] = np.eye(n_frames)[0]
    return table


def _own_surfaces(folder: Path, label: str, index: int) -> None:
    place = folder / label / "MNINonLinear" / "fsaverage_LR32k"
    for kind in ("pial", "midthickness"):
        for hemi, path in zip("LR", surfaces_for("fsLR", (FS_LR, FS_LR), kind), strict=True):
            coordinates, triangles = load_surface(path)
            image = surface_image(coordinates * (1 + 0.02 * (index + 1)), triangles, hemi)
            save_image(image, place / f"{label}.{hemi}.{kind}_MSMAll.32k_fs_LR.surf.gii")
