"""Stand-in trees of true layout, for tests: what sMRIPrep, fMRIPrep, CAT12 and nilearn's OASIS write around the maps.

Maps of the subject's own space, other tissues, reports, transforms and averages are there too, so that the wrong ones
could be taken; the persons are those of `structural`, on a grid of a few thousand voxels.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from pydra_vae.simulate.geometry import SPACE
from pydra_vae.simulate.motor_files import save_image, write_json, write_tsv
from pydra_vae.simulate.structural import SITES, StructuralGroup, Visit, draw_visits, functional_map, grey_matter
from pydra_vae.simulate.structural_effects import Anatomy, build_anatomy

LAYOUTS = ("smriprep", "fmriprep", "cat12", "table", "oasis")
TISSUES = ("GM", "WM", "CSF")
LEVEL = {"GM": 550.0, "WM": 800.0, "CSF": 200.0}  # of a T1w image, in scanner units
NATIVE_CODE, MNI_CODE = 1, 4
NOT_IN_OASIS = (8, 24, 27, 36, 48, 57, 66, 83, 89, 93)  # numbers that nilearn leaves out, among the first hundred


def write_volume_tree(
    folder: Path,
    layout: str = "smriprep",
    n_persons: int = 24,
    visits: str = "one",
    voxel_mm: float = 12.0,
    voxels_mm: Sequence[float] = (),
    smoothed: bool = False,
    seed: int = 0,
) -> Path:
    """Write the maps of some persons with a table of them, as a program leaves them.

    Parameters
    ----------
    folder : Path
        Made if need be.
    layout : str
        smriprep (``derivatives/smriprep`` below the raw dataset that has participants.tsv), fmriprep (the same with
        maps of ALFF beside the anatomy, and the table in the folder itself), cat12 (mri, report and label in one
        folder, the table above it), table (images in a folder, images.tsv), oasis (nilearn's cache).
    n_persons : int
        Of oasis at most 90.
    visits : str
        one (names without session) or all (those that the simulation has, with sessions); of all layouts but oasis.
    voxel_mm : float
        Edge of a voxel.
    voxels_mm : sequence of float
        Edges that persons have in turn, in place of `voxel_mm`: images of several grids.
    smoothed : bool
        Of cat12: write smwp1 beside mwp1.
    seed : int

    Returns
    -------
    data : Path
        What the recipe is given: a folder, images.tsv, or for oasis the folder for NILEARN_DATA.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"no stand-in layout {layout!r}: choose {', '.join(LAYOUTS)}")
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    groups = [simulated_group(size, n_persons, seed) for size in voxels_mm or (voxel_mm,)]
    shown = [(groups[v.person % len(groups)], v) for v in groups[0].visits if visits == "all" or v.session == 1]
    named = [(group, visit, _name(visit, visits == "all")) for group, visit in shown]
    if layout in ("smriprep", "fmriprep"):
        return _write_bids(folder, layout, named)
    if layout == "cat12":
        return _write_cat12(folder, named, smoothed)
    return _write_table(folder, named) if layout == "table" else _write_oasis(folder, named)


def simulated_group(voxel_mm: float, n_persons: int, seed: int) -> StructuralGroup:
    """The persons of `simulate_structural` on one grid."""
    visits = [visit for person in range(1, n_persons + 1) for visit in draw_visits(person, seed)]
    return StructuralGroup(_anatomy_of(voxel_mm, seed), visits, seed)


@cache
def _anatomy_of(voxel_mm: float, seed: int) -> Anatomy:
    """It takes seconds, and is the same for any number of persons."""
    return build_anatomy(voxel_mm, seed, len(SITES))


def tissues(group: StructuralGroup, visit: Visit) -> dict[str, np.ndarray]:
    """Probabilities of the three tissues, which sum to 1 in the brain."""
    grey = np.clip(grey_matter(group, visit), 0, 1)
    rest = np.where(group.anatomy.brain.reshape(grey.shape), 1 - grey, 0).astype(np.float32)
    deep = np.clip(np.linspace(0, 1.6, grey.shape[2], dtype=np.float32), 0, 1)
    return {"GM": grey, "WM": rest * deep, "CSF": rest * (1 - deep)}


def t1w(group: StructuralGroup, visit: Visit) -> np.ndarray:
    """A T1w image in scanner units: each person's own gain, tissue outside the brain, and noise everywhere."""
    rng = np.random.default_rng([group.seed, 7, visit.person, visit.session])
    image = sum(LEVEL[name] * values for name, values in tissues(group, visit).items())
    image[~group.anatomy.brain.reshape(image.shape)] = 300  # scalp
    return (rng.uniform(0.5, 2) * (image + 10 * rng.standard_normal(image.shape))).astype(np.float32)


def persons_table(visits: Sequence[Visit]) -> pd.DataFrame:
    """participants.tsv, one row a person."""
    rows = [
        {"participant_id": f"sub-{v.person:02d}", "age": round(v.age, 1), "sex": v.sex, "site": v.site,
         "diagnosis": v.diagnosis, "score": v.score, "memory": v.memory}
        for v in visits
    ]  # fmt: skip
    return pd.DataFrame(rows).drop_duplicates("participant_id")


def _name(visit: Visit, sessions: bool) -> str:
    return f"sub-{visit.person:02d}" + (f"_ses-{visit.session}" if sessions else "")


def _save(path: Path, values: np.ndarray, affine: np.ndarray, code: int = MNI_CODE) -> None:
    image = nib.Nifti1Image(values, affine)
    image.header.set_sform(affine, code)
    image.header.set_qform(affine, code)
    image.header.set_xyzt_units("mm")
    save_image(image, path)


def _write_bids(folder: Path, layout: str, named) -> Path:
    data = folder / "derivatives" / "smriprep" if layout == "smriprep" else folder
    for group, visit, name in named:
        place = data / name.replace("_", "/")
        _anatomy(place / "anat" / name, group, visit)
        if layout == "fmriprep":
            stem = f"{place / 'func' / name}_task-rest_space-{SPACE}"
            _save(Path(f"{stem}_stat-alff_boldmap.nii.gz"), functional_map(group, visit), group.anatomy.affine)
        (data / f"{name.partition('_')[0]}.html").write_text("<html></html>")
    visits = [visit for _, visit, _ in named]
    write_tsv((folder if layout == "smriprep" else data) / "participants.tsv", persons_table(visits))
    _sessions(folder if layout == "smriprep" else data, named)
    kinds = {"Name": f"{layout} stand-in (SIMULATED)", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    write_json(data / "dataset_description.json", kinds | {"GeneratedBy": [{"Name": "pydra_vae simulation"}]})
    return data


def _anatomy(stem: Path, group: StructuralGroup, visit: Visit) -> None:
    """What sMRIPrep leaves of one anatomy: everything in the person's own space, then in the template's."""
    shares, intensity, affine = tissues(group, visit), t1w(group, visit), group.anatomy.affine
    brain = group.anatomy.brain.reshape(intensity.shape).astype(np.uint8)
    own = affine + visit.person * np.eye(4, k=3)  # nobody's head lies where another's does
    for middle, place, code in (("", own, NATIVE_CODE), (f"_space-{SPACE}_res-2", affine, MNI_CODE)):
        for tissue, values in shares.items():
            _save(Path(f"{stem}{middle}_label-{tissue}_probseg.nii.gz"), values, place, code)
        _save(Path(f"{stem}{middle}_desc-preproc_T1w.nii.gz"), intensity, place, code)
        _save(Path(f"{stem}{middle}_desc-brain_mask.nii.gz"), brain, place, code)
        _save(Path(f"{stem}{middle}_dseg.nii.gz"), (brain * 2).astype(np.uint8), place, code)
        write_json(Path(f"{stem}{middle}_desc-preproc_T1w.json"), {"SkullStripped": False})
    Path(f"{stem}_from-T1w_to-{SPACE}_mode-image_xfm.h5").touch()


def _sessions(folder: Path, named) -> None:
    """sub-*_sessions.tsv of each person, where names have sessions."""
    for person in sorted({name.partition("_")[0] for _, _, name in named if "_" in name}):
        own = [visit for _, visit, name in named if name.partition("_")[0] == person]
        rows = {"session_id": [f"ses-{v.session}" for v in own], "age": [round(v.age, 2) for v in own]}
        (folder / person).mkdir(exist_ok=True)
        write_tsv(folder / person / f"{person}_sessions.tsv", pd.DataFrame(rows))


def _write_cat12(folder: Path, named, smoothed: bool) -> Path:
    """CAT12's folders beside the images: maps and averages in mri, reports, labels."""
    mri = folder / "mri"
    for group, visit, name in named:
        shares, affine, image = tissues(group, visit), group.anatomy.affine, f"{name}_T1w"
        for number, tissue in enumerate(TISSUES, start=1):
            _save(mri / f"mwp{number}{image}.nii", 1.2 * shares[tissue], affine)
            _save(mri / f"p{number}{image}.nii", shares[tissue], affine + visit.person * np.eye(4, k=3), NATIVE_CODE)
        if smoothed:
            _save(mri / f"smwp1{image}.nii", 1.1 * shares["GM"], affine)
        _save(mri / f"wm{image}.nii", t1w(group, visit), affine)  # the bias-corrected image, warped: no tissue
        _save(folder / f"{image}.nii", t1w(group, visit), affine, NATIVE_CODE)
        (folder / "report").mkdir(exist_ok=True)
        (folder / "report" / f"cat_{image}.xml").touch()
    write_tsv(folder / "participants.tsv", persons_table([visit for _, visit, _ in named]))
    _sessions(folder, named)
    return folder


def _write_table(folder: Path, named) -> Path:
    """Images anywhere, and images.tsv with their paths and covariates."""
    rows = []
    for group, visit, name in named:
        path = folder / "images" / f"{name}.nii.gz"
        _save(path, tissues(group, visit)["GM"], group.anatomy.affine)
        session = {"session_id": visit.session} if "_" in name else {}
        own = persons_table([visit]).iloc[0].to_dict() | {"age": round(visit.age, 2)}
        rows.append({"participant_id": own.pop("participant_id"), **session, "path": f"images/{path.name}", **own})
    write_tsv(folder / "images.tsv", pd.DataFrame(rows))
    return folder / "images.tsv"


def _write_oasis(folder: Path, named) -> Path:
    """What nilearn's fetch_oasis_vbm leaves in its folder, for the first persons of the archive."""
    place, rows = folder / "oasis1", ["ID,M/F,Hand,Age,Educ,SES,MMSE,CDR,eTIV,nWBV,ASF,Delay"]
    numbers = (number for number in range(1, 100) if number not in NOT_IN_OASIS)
    for group, visit, _ in named:
        if visit.session != 1:
            continue
        name, shares = f"OAS1_{next(numbers):04d}_MR1", tissues(group, visit)
        for number, tissue in enumerate(TISSUES[:2], start=1):
            file = place / name / f"mwrc{number}{name}_mpr_anon_fslswapdim_bet.nii.gz"
            _save(file, shares[tissue], group.anatomy.affine)
        impaired = 0.5 if visit.diagnosis == "patient" else 0
        rows.append(f"{name},{visit.sex},R,{visit.age:.0f},2,3,29,{impaired},{visit.tiv:.0f},0.743,1.306,N/A")
    (place / "oasis_cross-sectional.csv").write_text("\n".join([*rows, "OAS1_0451_MR2,F,R,20,,,,,1,1,1,N/A"]) + "\n")
    (place / "data_usage_agreement.txt").write_text("agreed\n")
    return folder
