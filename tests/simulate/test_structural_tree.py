"""The written tree of SimulateStructural: names, tables, geometry, truth; the run with networks."""

import json
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.bids.tables import read_table
from pydra_vae.engine.step import call
from pydra_vae.images.atlases import read_labels
from pydra_vae.simulate.geometry import SPACE
from pydra_vae.simulate.networks import NetworkSize, block_events, simulate_networks
from pydra_vae.simulate.structural import draw_visits, grey_matter, simulate_structural
from pydra_vae.tasks.simulate_structural import SimulateStructural


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return call(SimulateStructural, cwd=tmp_path_factory.mktemp("structural"), size="tiny", n_subjects=8)


@pytest.fixture(scope="module")
def data(made):
    return Path(made.data)


@pytest.fixture(scope="module")
def group():
    return simulate_structural("tiny", n_subjects=8)


def test_every_visit_has_its_files(data, group):
    assert {len(draw_visits(p)) for p in range(1, 9)} >= {1, 2}, "the eight must include somebody who came back"
    for visit in group.visits:
        stem = f"sub-{visit.person:03d}_ses-{visit.session}"
        folder = data / f"sub-{visit.person:03d}" / f"ses-{visit.session}"
        image = nib.load(folder / "anat" / f"{stem}_space-{SPACE}_label-GM_probseg.nii.gz")
        np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), grey_matter(group, visit))
        np.testing.assert_allclose(image.affine, group.anatomy.affine)
        assert image.header["sform_code"] == image.header["qform_code"] == 4
        mask = nib.load(folder / "anat" / f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
        assert mask.get_data_dtype() == np.uint8 and mask.shape == image.shape
        assert nib.load(folder / "func" / f"{stem}_task-rest_space-{SPACE}_stat-alff_boldmap.nii.gz").ndim == 3


def test_tables_agree_with_the_visits(made, data, group):
    persons = read_table(data / "participants.tsv")
    assert list(persons["participant_id"]) == [f"sub-{p:03d}" for p in range(1, 9)]
    described = json.loads((data / "participants.json").read_text())
    assert list(persons.columns[1:]) == list(described)
    truth = read_table(made.truth)
    assert len(truth) == len(group.visits) and truth["label"][0] == "sub-001_ses-1"
    for visit, row in zip(group.visits, truth.itertuples(), strict=True):
        assert row.hippocampus == pytest.approx(visit.factors["hippocampus"], rel=1e-4)
        sessions = read_table(data / row.person / f"{row.person}_sessions.tsv").set_index("session_id")
        assert sessions.loc[f"ses-{visit.session}", "age"] == pytest.approx(visit.age, rel=1e-4)


def test_it_says_that_nothing_is_real(data):
    description = json.loads((data / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative" and "SIMULATED" in description["Name"]


def test_atlas_has_both_sides_of_every_region_by_name(made):
    values, labels = nib.load(made.atlas).get_fdata(), read_labels(made.atlas_labels)
    assert set(np.unique(values[values > 0]).astype(int)) == set(labels)
    assert {label.name for label in labels.values()} >= {"LH_Hippocampal", "RH_Hippocampal", "LH_AroundVentricles"}
    loss = nib.load(made.regions_truth).get_fdata()[..., 1]
    hippocampal = [value for value, label in labels.items() if "Hippocampal" in label.name]
    assert loss[np.isin(values, hippocampal)].min() > 0.6


def test_the_run_has_what_fmriprep_writes(made, data):
    stem = data / "sub-001" / "ses-1" / "func" / "sub-001_ses-1_task-blocks"
    bold = nib.load(f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz")
    assert bold.shape[3] == 120 and bold.header.get_zooms()[3] == 2
    events, confounds = read_table(f"{stem}_events.tsv"), read_table(f"{stem}_desc-confounds_timeseries.tsv")
    assert set(events["trial_type"]) == {"faces", "houses"} and len(confounds) == 120
    networks, names = nib.load(made.networks_truth), read_table(made.networks_names)
    assert networks.shape == (*bold.shape[:3], 6) and len(names) == 6
    assert list(names["condition"].fillna(""))[:3] == ["faces", "houses", ""]


def test_same_seed_same_bytes(data, tmp_path):
    again = Path(call(SimulateStructural, cwd=tmp_path, size="tiny", n_subjects=1).data)
    files = [path.relative_to(again) for path in again.rglob("*") if path.is_file() and path.parent != again]
    assert len(files) > 8
    for path in files:
        assert (again / path).read_bytes() == (data / path).read_bytes(), path


def test_planted_networks_are_in_the_run():
    run = simulate_networks(NetworkSize(12.0, 150, 2.0), seed=3)
    assert run.bold.dtype == np.float32 and run.bold.min() > 0
    np.testing.assert_allclose(run.maps.max(axis=1), 1, rtol=1e-6)
    change = run.bold / run.bold.mean(axis=1, keepdims=True) - 1
    design = np.column_stack([np.ones(150), run.courses.T])
    found = np.linalg.lstsq(design, change.T, rcond=None)[0][1:]
    r = np.corrcoef(found, run.maps)[:6, 6:]
    assert np.diag(r).min() > 0.7 and np.diag(r).mean() > np.abs(r - np.diag(np.diag(r))).max() + 0.2


def test_conditions_take_turns_within_the_run():
    events = block_events(480)
    times = sorted((onset, onset + duration) for blocks in events.values() for onset, duration, _ in blocks)
    assert times[-1][1] <= 480 and all(b[0] - a[1] == 8 for a, b in pairwise(times))
    assert abs(len(events["faces"]) - len(events["houses"])) <= 1
