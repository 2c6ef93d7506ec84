"""Write simulated persons as sMRIPrep and XCP-D leave theirs, and one BOLD run with events as fMRIPrep does.

Every visit has a grey-matter probability map, a brain mask and a map of ALFF; the first person's first visit also has a
run with planted networks. The truth stands beside the tree, and `dataset_description.json` says that nothing is real.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from pydra_vae.simulate.confounds import confounds_table
from pydra_vae.simulate.geometry import SPACE
from pydra_vae.simulate.motor_files import save_image, write_json, write_tsv
from pydra_vae.simulate.networks import NetworkRun, simulate_networks
from pydra_vae.simulate.structural import (
    FACTORS,
    StructuralGroup,
    Visit,
    functional_map,
    grey_matter,
    simulate_structural,
)

NAME = "SIMULATED grey-matter images (no real data)"
MNI_CODE = 4  # NIfTI: coordinates of an MNI template
TASK = "blocks"
REGIONS = ("ventricles", "hippocampus", "temporal")


@dataclass(frozen=True)
class StructuralTree:
    """Paths of a written tree.

    Attributes
    ----------
    data : Path
    truth : Path
        Table of the images: label, person, session, planted factors.
    regions : Path
        4-D image: where each planted effect acts, 0 to 1, in the order ventricles, hippocampus, temporal.
    atlas, atlas_labels : Path
        Label image of regions, in both hemispheres; its table.
    networks, network_names : Path
        4-D image of the planted networks, on the run's grid; table: index, name, condition.
    """

    data: Path
    truth: Path
    regions: Path
    atlas: Path
    atlas_labels: Path
    networks: Path
    network_names: Path


def write_structural_tree(
    folder: Path,
    size: str = "default",
    n_subjects: int | None = None,
    seed: int = 0,
    progress: Callable[..., None] | None = None,
) -> StructuralTree:
    """Simulate persons and write them, the truth beside them.

    Parameters
    ----------
    folder : Path
        Made if need be; the tree goes to its `data`, the truth to itself.
    size : str
        "default" or "tiny".
    n_subjects : int, optional
        300, or 60 if tiny; a person is the same whatever their number.
    seed : int
    progress : callable, optional
        Called with ``step`` and ``steps`` after each image.
    """
    folder = Path(folder).absolute()
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    group, run = simulate_structural(size, n_subjects, seed), simulate_networks(size, seed)
    for number, visit in enumerate(group.visits):
        _write_visit(data, group, visit)
        if progress is not None:
            progress(step=number + 1, steps=len(group.visits))
    _write_persons(data, group.visits)
    _write_run(data, session_stem(group.visits[0], "func"), run)
    truth = folder / "truth.tsv"
    write_tsv(truth, pd.DataFrame([_truth(visit) for visit in group.visits]))
    regions, networks, names = (folder / name for name in ("regions.nii.gz", "networks.nii.gz", "networks.tsv"))
    _save(regions, planted_regions(group), group.anatomy.affine)
    _save(networks, run.geometry.volume(run.maps.T), run.geometry.affine)
    write_tsv(names, pd.DataFrame({"index": range(len(run.names)), "name": run.names, "condition": run.conditions}))
    atlas = _write_atlas(data, group)
    # Last: its presence says that the tree is complete.
    write_json(data / "dataset_description.json", description(seed))
    return StructuralTree(data, truth, regions, *atlas, networks, names)


def person_label(visit: Visit) -> str:
    """Such as sub-001."""
    return f"sub-{visit.person:03d}"


def image_label(visit: Visit) -> str:
    """Such as sub-001_ses-1."""
    return f"{person_label(visit)}_ses-{visit.session}"


def session_stem(visit: Visit, kind: str) -> Path:
    """Path of a visit's files within the tree, up to the label; kind is anat or func."""
    return Path(person_label(visit)) / f"ses-{visit.session}" / kind / image_label(visit)


def description(seed: int) -> dict:
    """What dataset_description.json says."""
    return {
        "Name": NAME,
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "License": "CC0",
        "GeneratedBy": [
            {
                "Name": "pydra_vae simulation",
                "Description": "SIMULATED on nilearn's grey-matter template; laid out as sMRIPrep, XCP-D and fMRIPrep "
                f"lay out their outputs, but made by none of them. Seed {seed}.",
            }
        ],
    }


def planted_regions(group: StructuralGroup) -> np.ndarray:
    """Where each planted effect acts, 0 to 1, (I, J, K, 3) float32."""
    anatomy = group.anatomy
    moved = np.linalg.norm(anatomy.ventricles, axis=1)
    maps = np.array([moved / moved.max(), *anatomy.loss]) * anatomy.brain.reshape(-1)
    return maps.T.reshape(*anatomy.shape, 3).astype(np.float32)


PARTICIPANTS = {
    "age": {"Description": "simulated, at the first visit", "Units": "years"},
    "sex": {"Description": "simulated", "Levels": {"F": "female", "M": "male"}},
    "site": {"Description": "simulated scanner; shifts the images' level and bias field"},
    "diagnosis": {"Description": "simulated; follows the planted hippocampal and temporal loss"},
    "score": {"Description": "simulated; mostly the product of two planted factors"},
    "memory": {"Description": "simulated; a sum of planted factors and age"},
    "education": {"Description": "simulated; related to nothing, as a control", "Units": "years"},
    "tiv": {"Description": "simulated intracranial volume", "Units": "ml"},
}


def _write_visit(data, group, visit) -> None:
    affine, space = group.anatomy.affine, f"space-{SPACE}"
    anat, func = (data / session_stem(visit, kind) for kind in ("anat", "func"))
    _save(Path(f"{anat}_{space}_label-GM_probseg.nii.gz"), grey_matter(group, visit), affine)
    _save(Path(f"{anat}_{space}_desc-brain_mask.nii.gz"), group.anatomy.brain.astype(np.uint8), affine)
    _save(Path(f"{func}_task-rest_{space}_stat-alff_boldmap.nii.gz"), functional_map(group, visit), affine)


def _write_persons(data, visits) -> None:
    rows = [
        {"participant_id": person_label(v), **{name: getattr(v, name) for name in PARTICIPANTS}}
        for v in visits
        if v.session == 1
    ]
    write_tsv(data / "participants.tsv", pd.DataFrame(rows))
    write_json(data / "participants.json", PARTICIPANTS)
    table = pd.DataFrame({"person": map(person_label, visits), "session": [v.session for v in visits]})
    table["age"] = [v.age for v in visits]
    for person, own in table.groupby("person"):
        sessions = pd.DataFrame({"session_id": own["session"].map("ses-{}".format), "age": own["age"]})
        write_tsv(data / person / f"{person}_sessions.tsv", sessions)


def _truth(visit) -> dict:
    head = {"label": image_label(visit), "person": person_label(visit), "session": visit.session}
    return head | {name: visit.factors[name] for name in FACTORS}


def _write_run(data, stem: Path, run: NetworkRun) -> None:
    stem, space, geometry = f"{data / stem}_task-{TASK}", f"space-{SPACE}", run.geometry
    preproc = f"{stem}_{space}_desc-preproc_bold"
    _save(Path(f"{preproc}.nii.gz"), geometry.volume(run.bold), geometry.affine, run.t_r)
    write_json(Path(f"{preproc}.json"), {"TaskName": TASK, "RepetitionTime": run.t_r, "SkullStripped": True})
    _save(Path(f"{stem}_{space}_desc-brain_mask.nii.gz"), geometry.brain.astype(np.uint8), geometry.affine)
    table, metadata = confounds_table(run.bold, geometry, run.motion, run.t_r, 0)
    write_tsv(Path(f"{stem}_desc-confounds_timeseries.tsv"), table)
    write_json(Path(f"{stem}_desc-confounds_timeseries.json"), metadata)
    rows = [(onset, duration, name) for name, times in run.events.items() for onset, duration, _ in times]
    events = pd.DataFrame(sorted(rows), columns=["onset", "duration", "trial_type"])
    write_tsv(Path(f"{stem}_events.tsv"), events)


def _write_atlas(data, group) -> tuple[Path, Path]:
    """Regions of both hemispheres: where tissue is lost, around the ventricles, and the rest by place."""
    anatomy = group.anatomy
    x, y, z = anatomy.points.T
    names = ("Frontal", "Parietal", "Occipital", "Inferior", "AroundVentricles", "Hippocampal", "Temporal")
    region = np.select([z < -10, y > -10, y < -65], [3, 0, 2], default=1)
    for number, place in zip((4, 6, 5), planted_regions(group).reshape(-1, 3).T[[0, 2, 1]], strict=True):
        region[place > 0.6] = number
    label = (1 + region + len(names) * (x > 0)) * anatomy.brain.reshape(-1)
    stem = data / f"tpl-{SPACE}" / f"tpl-{SPACE}_atlas-Planted_dseg"
    dseg, table = Path(f"{stem}.nii.gz"), Path(f"{stem}.tsv")
    _save(dseg, label.reshape(anatomy.shape).astype(np.int16), anatomy.affine)
    both = [f"{side}_{name}" for side in ("LH", "RH") for name in names]
    write_tsv(table, pd.DataFrame({"index": range(1, len(both) + 1), "name": both}))
    return dseg, table


def _save(path: Path, values: np.ndarray, affine: np.ndarray, t_r: float | None = None) -> None:
    image = nib.Nifti1Image(values, affine)
    image.header.set_sform(affine, MNI_CODE)
    image.header.set_qform(affine, MNI_CODE)
    image.header.set_xyzt_units("mm", "sec" if t_r else None)
    if t_r:
        image.header.set_zooms([*image.header.get_zooms()[:3], t_r])
    save_image(image, path)
