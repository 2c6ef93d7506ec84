"""Write simulated motor runs as the trees that HCP and fMRIPrep leave.

Layouts: `hcp` (``990001/MNINonLinear/Results/tfMRI_MOTOR_LR/…`` with EV text files), `fmriprep` (dtseries with
sidecar, events and confounds) and `gifti` (pairs of func.gii). A dtseries holds the simulated vertices only, as valid
brain models. The planted truth stands beside, with `desc-truth` in its names; `dataset_description.json` says that
nothing is real.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pydra_vae.simulate.motor import (
    MotorGroup,
    MotorRun,
    planted_maps,
    simulate_motor_group,
    simulate_motor_run,
)
from pydra_vae.simulate.motor_files import (
    region_axis,
    write_dscalar,
    write_dtseries,
    write_events,
    write_evs,
    write_func_gii,
    write_json,
    write_label_gii,
    write_tsv,
)
from pydra_vae.simulate.motor_sheet import somatomotor_sheet
from pydra_vae.simulate.motor_timing import ONSETS, SUBTASKS, planted_courses

NAME = "SIMULATED motor task (no real data)"
LAYOUTS = ("hcp", "fmriprep", "gifti")
BASELINE, UNIT = 10_000, 120  # HCP scales runs to a mean of 10,000; one unit of noise is 1.2 %
# Vertices of a hemisphere (None: the region), subjects.
SIZES = {"default": (None, 46), "half": (3000, 46), "tiny": (1000, 12)}


@dataclass(frozen=True)
class MotorTree:
    """Paths of a written tree.

    Attributes
    ----------
    data : Path
    maps, names : Path
        Planted maps (5, V) `.npy` and the table of their names.
    vertices : Path
        Table of the columns: hemi, vertex.
    courses : Path
        Planted courses at the nominal onsets: frame, time, one column a sub-task.
    """

    data: Path
    maps: Path
    names: Path
    vertices: Path
    courses: Path


def write_motor_tree(
    folder: Path,
    size: str = "default",
    n_subjects: int | None = None,
    seed: int = 0,
    layout: str = "hcp",
    nonlinearity: float = 0.0,
    directions: Sequence[str] = ("LR",),
    progress: Callable[..., None] | None = None,
) -> MotorTree:
    """Simulate subjects and write them, the truth beside them.

    Parameters
    ----------
    folder : Path
        Made if need be; the tree goes to its `data`, the truth to itself and into the tree.
    size : str
        "default", "half" or "tiny".
    n_subjects : int, optional
        46, or 12 if tiny; a subject is the same whatever their number.
    seed : int
    layout : str
        "hcp", "fmriprep" or "gifti".
    nonlinearity : float
    directions : sequence of str
        "LR", "RL" or both.
    progress : callable, optional
        Called with ``step`` and ``steps`` after each subject.
    """
    n_kept, usual = SIZES[size]
    n_subjects = usual if n_subjects is None else n_subjects
    _check(n_subjects, layout, directions)
    group = simulate_motor_group(somatomotor_sheet(n_kept), seed, nonlinearity)
    data = Path(folder).absolute() / "data"
    data.mkdir(parents=True, exist_ok=True)
    labels = subject_labels(n_subjects, layout)
    for index, label in enumerate(labels):
        for direction in directions:
            write_run(data, label, group, simulate_motor_run(group, index, direction), direction, layout)
        if progress is not None:
            progress(step=index + 1, steps=n_subjects)
    paths = _write_truth(Path(folder).absolute(), data, group, directions[0])
    # Last: its presence says that the tree is complete.
    write_json(data / "dataset_description.json", description(group, layout))
    return MotorTree(data, *paths)


def _check(n_subjects, layout, directions) -> None:
    if n_subjects < 1:
        raise ValueError(f"{n_subjects} subjects cannot be simulated: ask for at least one")
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}: choose {', '.join(LAYOUTS)}")
    unknown = [direction for direction in directions if direction not in ONSETS]
    if unknown or not directions:
        raise ValueError(f"no direction {', '.join(unknown)}: choose {', '.join(ONSETS)} or both")


def subject_labels(n_subjects: int, layout: str) -> list[str]:
    """Six digits as HCP's, from 990001; else two."""
    return [str(990_001 + s) if layout == "hcp" else f"{s + 1:02d}" for s in range(n_subjects)]


def description(group: MotorGroup, layout: str) -> dict:
    """What dataset_description.json says."""
    laid_out = {"hcp": "HCP lays out its minimally preprocessed runs"}.get(layout, "fMRIPrep lays out its outputs")
    return {
        "Name": NAME,
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "License": "CC0",
        "GeneratedBy": [
            {
                "Name": "pydra_vae simulation",
                "Description": f"Simulated on {group.sheet.size:,} vertices of the somatomotor region of "
                f"{group.sheet.space} (S1200 surface); laid out as {laid_out}. Seed {group.seed}, "
                f"nonlinearity {group.nonlinearity:g}.",
            }
        ],
    }


def write_run(data: Path, label: str, group: MotorGroup, run: MotorRun, direction: str, layout: str) -> None:
    """Write one run in a layout."""
    {"hcp": _hcp, "fmriprep": _fmriprep, "gifti": _gifti}[layout](data, label, group, run, direction)


def scanner_units(run: MotorRun) -> np.ndarray:
    """(T, V) int16 about a mean of 10,000; a unit is a hundredth of the noise, so nothing is lost."""
    return np.round(run.series.T * UNIT + BASELINE).clip(0, 32_000).astype(np.int16)


def _hcp(data, label, group, run, direction) -> None:
    name = f"tfMRI_MOTOR_{direction}"
    results = data / label / "MNINonLinear" / "Results" / name
    axis = region_axis(group.sheet.vertices, group.sheet.mesh_sizes)
    write_evs(results / "EVs", run.events)
    write_dtseries(results / f"{name}_Atlas_MSMAll.dtseries.nii", scanner_units(run), axis, group.t_r)


def _stem(data, label, direction) -> Path:
    func = data / f"sub-{label}" / "func"
    func.mkdir(parents=True, exist_ok=True)
    return func / f"sub-{label}_task-motor_dir-{direction}"


def _fmriprep(data, label, group, run, direction) -> None:
    stem = _stem(data, label, direction)
    axis = region_axis(group.sheet.vertices, group.sheet.mesh_sizes)
    bold = f"{stem}_space-fsLR_den-91k_bold"
    write_dtseries(Path(f"{bold}.dtseries.nii"), scanner_units(run), axis, group.t_r)
    write_json(Path(f"{bold}.json"), {"RepetitionTime": group.t_r, "TaskName": "motor", "Density": "91k"})
    write_events(Path(f"{stem}_events.tsv"), run.events)


def _gifti(data, label, group, run, direction) -> None:
    stem, rows = _stem(data, label, direction), scanner_units(run)
    for hemi, vertices, size in zip("LR", group.sheet.vertices, group.sheet.mesh_sizes, strict=True):
        whole = np.zeros((len(rows), size), np.float32)
        whole[:, vertices] = rows[:, group.sheet.columns(hemi)]
        write_func_gii(Path(f"{stem}_hemi-{hemi}_space-fsLR_den-32k_bold.func.gii"), whole, hemi, group.t_r)
    sidecar = {"RepetitionTime": group.t_r, "TaskName": "motor"}
    for hemi in "LR":
        write_json(Path(f"{stem}_hemi-{hemi}_space-fsLR_den-32k_bold.json"), sidecar)
    write_events(Path(f"{stem}_events.tsv"), run.events)


def _write_truth(folder: Path, data: Path, group: MotorGroup, direction: str) -> tuple[Path, Path, Path, Path]:
    sheet, maps = group.sheet, planted_maps(group.sheet)
    paths = tuple(folder / name for name in ("truth.npy", "truth.tsv", "truth_vertices.tsv", "truth_courses.tsv"))
    np.save(paths[0], maps)
    write_tsv(paths[1], pd.DataFrame({"index": range(len(SUBTASKS)), "name": SUBTASKS}))
    hemi = ["L"] * sheet.n_left + ["R"] * (sheet.size - sheet.n_left)
    write_tsv(paths[2], pd.DataFrame({"hemi": hemi, "vertex": np.concatenate(sheet.vertices)}))
    frames = np.arange(group.n_frames)
    courses = planted_courses(direction, group.n_frames, group.t_r)
    table = pd.DataFrame({"frame": frames, "time": frames * group.t_r} | dict(zip(SUBTASKS, courses, strict=True)))
    write_tsv(paths[3], table)
    axis = region_axis(sheet.vertices, sheet.mesh_sizes)
    write_dscalar(data / "space-fsLR_desc-truth_maps.dscalar.nii", maps, SUBTASKS, axis)
    for name, part, size in zip("LR", sheet.vertices, sheet.mesh_sizes, strict=True):
        inside = np.isin(np.arange(size), part)
        write_label_gii(data / f"space-fsLR_den-32k_hemi-{name}_desc-truth_region.label.gii", inside, "Simulated", name)
    return paths
