"""Write simulated subjects as a derivatives tree that looks like fMRIPrep's.

Beside what fMRIPrep would write stand the planted truths, all with `desc-truth` in their names: clean
signal, latents, artefacts and the stimulus. `dataset_description.json` says that nothing is real.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

from pydra_vae.images.streams import writing
from pydra_vae.simulate.bold import (
    Group,
    Size,
    Subject,
    simulate_group,
    simulate_subject,
)
from pydra_vae.simulate.confounds import confounds_table
from pydra_vae.simulate.geometry import SPACE, network_name, resampled
from pydra_vae.simulate.response import LATENTS, OVERSAMPLING

NAME = "Simulated story listening (no real data)"
MNI_CODE = 4  # NIfTI: coordinates of an MNI template
LARGEST = 32_000  # of the stored int16


@dataclass(frozen=True)
class Tree:
    """Paths of a written tree.

    Attributes
    ----------
    derivatives : Path
    atlas, atlas_labels : Path
        The planted networks' dseg and its table.
    tasks : list of str
        In the order in which they were presented.
    labels : list of str
        Participant labels.
    """

    derivatives: Path
    atlas: Path
    atlas_labels: Path
    tasks: list[str]
    labels: list[str]


def write_tree(
    folder: Path,
    size: Size | str = "default",
    seed: int = 0,
    n_subjects: int = 3,
    progress: Callable[..., None] | None = None,
) -> Tree:
    """Simulate subjects and write them.

    Parameters
    ----------
    folder : Path
        The derivatives folder; made if need be.
    size : Size or name of one
    seed : int
    n_subjects : int
    progress : callable, optional
        Called with ``step`` and ``steps`` after each subject.
    """
    if n_subjects < 1:
        raise ValueError(f"{n_subjects} subjects cannot be simulated: ask for at least one")
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    group = simulate_group(size, seed)
    labels = [f"{s + 1:02d}" for s in range(n_subjects)]
    rows = []
    for index, label in enumerate(labels):
        subject = simulate_subject(group, index)
        _write_subject(folder / f"sub-{label}", label, group, subject)
        rows.append(
            {
                "participant_id": f"sub-{label}",
                "age": subject.age,
                "sex": subject.sex,
                "score": subject.score,
            }
        )
        if progress is not None:
            progress(step=index + 1, steps=n_subjects)
    _table(folder / "participants.tsv", pd.DataFrame(rows))
    _json(folder / "participants.json", PARTICIPANTS)
    _write_stimulus(folder, group)
    atlas, atlas_labels = _write_atlas(folder, group)
    # Last: its presence says that the tree is complete.
    _json(folder / "dataset_description.json", _description(seed))
    return Tree(folder, atlas, atlas_labels, list(group.size.runs), labels)


PARTICIPANTS = {
    "age": {"Description": "simulated", "Units": "years"},
    "sex": {"Description": "simulated", "Levels": {"F": "female", "M": "male"}},
    "score": {
        "Description": "simulated questionnaire score; follows the trait that bends a subject's "
        "functional gradients along a direction common to all subjects",
    },
}


def _description(seed) -> dict:
    return {
        "Name": NAME,
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "License": "CC0",
        "GeneratedBy": [
            {
                "Name": "pydra_vae simulation",
                "Description": "Simulated on the geometry of the MNI152 template; laid out as "
                f"fMRIPrep lays out its outputs, but not made by fMRIPrep. Seed {seed}.",
            }
        ],
    }


def _write_subject(folder: Path, label: str, group: Group, subject: Subject) -> None:
    func, anat = folder / "func", folder / "anat"
    for path in (func, anat):
        path.mkdir(parents=True, exist_ok=True)
    geometry, t_r = group.geometry, group.size.t_r
    runs = zip(group.size.runs, subject.bold, subject.clean, subject.motion, strict=True)
    for task, bold, clean, motion in runs:
        stem, space = func / f"sub-{label}_task-{task}", f"space-{SPACE}"
        preproc = f"{stem}_{space}_desc-preproc_bold"
        _series(f"{preproc}.nii.gz", bold, geometry.brain, geometry.affine, t_r)
        _json(f"{preproc}.json", {"TaskName": task, "RepetitionTime": t_r, "SkullStripped": True})
        _volume(f"{stem}_{space}_desc-brain_mask.nii.gz", geometry.brain.astype(np.uint8), geometry)
        steady = bold[:, group.size.non_steady_state :].mean(axis=1)
        _volume(f"{stem}_{space}_boldref.nii.gz", geometry.volume(steady), geometry)
        table, metadata = confounds_table(bold, geometry, motion, t_r, group.size.non_steady_state)
        _table(f"{stem}_desc-confounds_timeseries.tsv", table)
        _json(f"{stem}_desc-confounds_timeseries.json", metadata)
        grey = geometry.volume(geometry.grey)
        _series(f"{stem}_{space}_desc-truth_bold.nii.gz", clean, grey, geometry.affine, t_r)
    _write_truth(func / f"sub-{label}", group, subject)
    _write_anatomy(anat / f"sub-{label}_space-{SPACE}", group.size)


def _write_truth(stem: Path, group: Group, subject: Subject) -> None:
    """Planted latents and artefacts."""
    geometry = group.geometry
    latents = np.zeros((int(geometry.brain.sum()), len(LATENTS)), dtype=np.float32)
    latents[geometry.grey] = subject.latents.table()
    name = f"{stem}_space-{SPACE}_desc-truth_latents"
    _volume(f"{name}.nii.gz", geometry.volume(latents), geometry)
    _table(f"{name}.tsv", pd.DataFrame({"index": range(len(LATENTS)), "name": LATENTS}))
    ijk = np.argwhere(geometry.brain)[subject.artefacts.voxels]
    voxels = pd.DataFrame(ijk, columns=["i", "j", "k"]).assign(kind=subject.artefacts.kinds)
    frames = [
        pd.DataFrame({"task": task, "frame": chosen, "kind": "frame"})
        for task, chosen in zip(group.size.runs, subject.artefacts.frames, strict=True)
    ]
    table = pd.concat([voxels, *frames], ignore_index=True)
    columns = ["i", "j", "k", "frame"]
    table[columns] = table[columns].astype("Int64")
    _table(f"{stem}_desc-truth_artefacts.tsv", table[["kind", "task", *columns]])


def _write_anatomy(stem: Path, size: Size) -> None:
    """The template as the subject's T1w image, with its brain mask."""
    values, affine = resampled(load_mni152_template, size.anatomical_mm)
    values = np.round(np.clip(values / values.max(), 0, 1) * 1000).astype(np.int16)
    mask = resampled(load_mni152_brain_mask, size.anatomical_mm)[0] > 0.5
    _nifti(f"{stem}_desc-preproc_T1w.nii.gz", values, affine)
    _nifti(f"{stem}_desc-brain_mask.nii.gz", mask.astype(np.uint8), affine)


def _write_atlas(folder: Path, group: Group) -> tuple[Path, Path]:
    """The planted parcels, laid out and named as in TemplateFlow."""
    geometry = group.geometry
    stem = folder / f"tpl-{SPACE}" / f"tpl-{SPACE}_atlas-Planted_desc-17Networks_dseg"
    stem.parent.mkdir(exist_ok=True)
    dseg, labels = Path(f"{stem}.nii.gz"), Path(f"{stem}.tsv")
    _volume(dseg, geometry.volume(geometry.parcel).astype(np.int16), geometry)
    rows = {
        "index": np.arange(1, len(geometry.names) + 1),
        "name": geometry.names,
        "network": [network_name(n) for n in geometry.network[1:]],
    }
    _table(labels, pd.DataFrame(rows))
    return dseg, labels


def _write_stimulus(folder: Path, group: Group) -> None:
    """The neural course that the story drives in each network, one row a frame."""
    stimulus = group.stimulus[:, ::OVERSAMPLING].T
    names = [network_name(n) for n in range(stimulus.shape[1])]
    runs = np.repeat(list(group.size.runs), list(group.size.runs.values()))
    table = pd.DataFrame(stimulus, columns=names)
    table.insert(0, "task", runs)
    _table(folder / "task-story_desc-truth_stimulus.tsv", table)
    share = dict(zip(names, group.stimulus_share.round(4).tolist(), strict=True))
    _json(folder / "task-story_desc-truth_stimulus.json", {"ShareOfNeuralVariance": share})


def _series(path, rows: np.ndarray, mask: np.ndarray, affine: np.ndarray, t_r: float) -> None:
    """Write (V, T) rows as scaled int16, a volume at a time."""
    slope = float(np.float32(np.abs(rows).max() / LARGEST))
    header = _header((*mask.shape, rows.shape[1]), np.int16, affine, t_r)
    header.set_slope_inter(slope, 0)
    # NIfTI stores volumes in Fortran order; the rows are in C order of the mask.
    where = np.ravel_multi_index(np.nonzero(mask), mask.shape, order="F")
    volume = np.zeros(mask.size, dtype="<i2")
    with writing(Path(path)) as stream:
        stream.write(header.binaryblock + bytes(4))
        for frame in np.ascontiguousarray(rows.T):
            volume[where] = np.round(frame / slope)
            stream.write(volume.tobytes())


def _volume(path, volume: np.ndarray, geometry) -> None:
    _nifti(path, volume, geometry.affine)


def _nifti(path, volume: np.ndarray, affine: np.ndarray) -> None:
    header = _header(volume.shape, volume.dtype, affine)
    with writing(Path(path)) as stream:
        stream.write(header.binaryblock + bytes(4) + volume.tobytes(order="F"))


def _header(shape, dtype, affine, t_r: float | None = None) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_sform(affine, MNI_CODE)
    header.set_qform(affine, MNI_CODE)
    header.set_xyzt_units("mm", "sec" if t_r else None)
    header.set_zooms([*nib.affines.voxel_sizes(affine), *([t_r or 1] * (len(shape) - 3))])
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.set_slope_inter(1, 0)
    return header


def _table(path, table: pd.DataFrame) -> None:
    with writing(Path(path)) as stream:
        text = table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g")
        stream.write(text.encode())


def _json(path, content: dict) -> None:
    with writing(Path(path)) as stream:
        stream.write((json.dumps(content, indent=2) + "\n").encode())
