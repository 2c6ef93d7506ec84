"""Written motor trees: HCP's and fMRIPrep's files, found by our own readers, and the truth beside them."""

import filecmp
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.recordings import find_recordings
from pydra_vae.engine.step import call
from pydra_vae.simulate.motor import planted_maps, simulate_motor_group, simulate_motor_run
from pydra_vae.simulate.motor_sheet import somatomotor_sheet
from pydra_vae.simulate.motor_standin import SUBCORTICAL, write_recording_tree
from pydra_vae.simulate.motor_timing import SUBTASKS
from pydra_vae.simulate.motor_tree import BASELINE, UNIT, write_motor_tree
from pydra_vae.tasks.simulate_motor import SimulateMotor

HCP_RUN = "990001/MNINonLinear/Results/tfMRI_MOTOR_LR"
HCP_SERIES = f"{HCP_RUN}/tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_motor_tree(tmp_path_factory.mktemp("hcp"), "tiny", n_subjects=2)


@pytest.fixture(scope="module")
def expected():
    group = simulate_motor_group(somatomotor_sheet(1000), seed=0)
    return group, simulate_motor_run(group, 0)


def test_series_is_a_valid_dtseries_of_the_region(tree, expected):
    group, run = expected
    image = nib.load(tree.data / HCP_SERIES)
    series, models = (image.header.get_axis(k) for k in (0, 1))
    assert image.shape == (284, 2000) and image.get_data_dtype() == np.int16
    assert (series.step, series.unit) == (0.72, "SECOND")
    assert set(models.nvertices.values()) == {32492}
    for (_, _, part), vertices in zip(models.iter_structures(), group.sheet.vertices, strict=True):
        np.testing.assert_array_equal(part.vertex, vertices)
    np.testing.assert_allclose(image.get_fdata(), run.series.T * UNIT + BASELINE, atol=0.51)


def test_events_are_hcps_text_files(tree, expected):
    folder = tree.data / HCP_RUN / "EVs"
    assert sorted(p.stem for p in folder.iterdir()) == ["cue", "lf", "lh", "rf", "rh", "t"]
    rows = np.loadtxt(folder / "rh.txt")
    np.testing.assert_allclose(rows, [[11, 12, 1], [132, 12, 1]], atol=0.2)
    planted = [(e.onset, e.duration) for e in expected[1].events if e.name == "right_hand"]
    np.testing.assert_allclose(rows[:, :2], planted)


def test_truth_stands_beside_and_says_what_it_is(tree, expected):
    sheet = expected[0].sheet
    np.testing.assert_array_equal(np.load(tree.maps), planted_maps(sheet))
    assert pd.read_csv(tree.names, sep="\t")["name"].tolist() == list(SUBTASKS)
    vertices = pd.read_csv(tree.vertices, sep="\t")
    assert vertices["vertex"].tolist() == np.concatenate(sheet.vertices).tolist()
    assert (vertices["hemi"] == "L").sum() == sheet.n_left
    courses = pd.read_csv(tree.courses, sep="\t")
    assert courses.columns.tolist() == ["frame", "time", *SUBTASKS] and len(courses) == 284
    maps = nib.load(tree.data / "space-fsLR_desc-truth_maps.dscalar.nii")
    assert maps.header.get_axis(0).name.tolist() == list(SUBTASKS)
    description = json.loads((tree.data / "dataset_description.json").read_text())
    assert "SIMULATED" in description["Name"] and "2,000 vertices" in description["GeneratedBy"][0]["Description"]


def test_same_seed_same_bytes_whatever_the_number_of_subjects(tree, tmp_path):
    again = write_motor_tree(tmp_path, "tiny", n_subjects=1)
    files = [p.relative_to(again.data) for p in again.data.rglob("*") if p.is_file()]
    assert len(files) == 11
    assert filecmp.cmpfiles(tree.data, again.data, files, shallow=False)[0] == files


@pytest.mark.parametrize("layout", ["fmriprep", "gifti"])
def test_other_layouts_hold_the_same(tree, expected, layout, tmp_path):
    other = write_motor_tree(tmp_path, "tiny", n_subjects=1, layout=layout)
    (recording,), problems = find_recordings(other.data)
    assert not problems and recording.t_r == 0.72 and recording.n_frames == 284
    events = pd.read_csv(recording.events[0], sep="\t")
    assert events["trial_type"].value_counts().to_dict() == {"cue": 10} | dict.fromkeys(SUBTASKS, 2)
    stored = nib.load(tree.data / HCP_SERIES).get_fdata()
    if layout == "fmriprep":
        np.testing.assert_array_equal(nib.load(recording.data[0]).get_fdata(), stored)
        return
    left = np.array([a.data for a in nib.load(recording.data[0]).darrays])
    assert left.shape == (284, 32492)
    vertices = expected[0].sheet.vertices[0]
    np.testing.assert_array_equal(left[:, vertices], stored[:, : len(vertices)])
    assert not np.delete(left, vertices, axis=1).any()


def test_step_writes_both_directions(tmp_path):
    outputs = call(SimulateMotor, cwd=tmp_path, size="tiny", n_subjects=1, directions=["LR", "RL"])
    found, problems = find_recordings(outputs.data, direction="both")
    assert not problems and [r.label for r in found] == ["sub-990001_dir-LR", "sub-990001_dir-RL"]
    assert all(len(r.events) == 6 for r in found)
    assert np.load(outputs.truth).shape == (5, 2000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_subjects": 0}, "0 subjects cannot be simulated"),
        ({"directions": ["AP"]}, "no direction AP: choose LR, RL"),
        ({"layout": "nifti"}, "no layout 'nifti': choose hcp, fmriprep, gifti"),
    ],
)
def test_what_cannot_be_simulated_is_said(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_motor_tree(tmp_path, "tiny", **wrong)
    assert not list(tmp_path.iterdir())


def test_whole_grayordinates_as_hcp_writes_them(tmp_path):
    folder = write_recording_tree(tmp_path / "91k", n_subjects=1, grayordinates="91k", n_frames=8, n_kept=300)
    image = nib.load(folder / HCP_SERIES)
    models = image.header.get_axis(1)
    counts = {name.removeprefix("CIFTI_STRUCTURE_"): len(part) for name, _, part in models.iter_structures()}
    assert counts == {"CORTEX_LEFT": 29696, "CORTEX_RIGHT": 29716} | SUBCORTICAL
    assert image.shape == (8, 91_282) and image.get_data_dtype() == np.float32
    assert np.isfinite(image.get_fdata()).all()
    region = write_recording_tree(tmp_path / "region", n_subjects=1, n_frames=8, n_kept=300)
    small = nib.load(region / HCP_SERIES)
    left = small.header.get_axis(1)[:300].vertex
    columns = np.searchsorted(models[:29696].vertex, left)
    np.testing.assert_array_equal(image.get_fdata()[:, columns], small.get_fdata()[:, :300])


@pytest.mark.parametrize("hemi_first", [True, False])
def test_fsaverage5_pairs_in_both_orders(hemi_first, tmp_path):
    folder = write_recording_tree(
        tmp_path, "fsaverage5", n_subjects=1, n_frames=12, n_runs=2, hemi_first=hemi_first, t_r=2.0
    )
    found, problems = find_recordings(folder)
    assert not problems and [r.label for r in found] == ["sub-01_run-1", "sub-01_run-2"]
    names = [p.name for p in found[0].data]
    order = "hemi-L_space-fsaverage5" if hemi_first else "space-fsaverage5_hemi-L"
    assert order in names[0] and found[0].mesh_sizes == (10_242, 10_242) and found[0].t_r == 2


def test_own_surfaces_stand_where_hcp_has_them(tmp_path):
    folder = write_recording_tree(tmp_path, n_subjects=1, n_frames=6, n_kept=300, surfaces=True)
    (recording,), _ = find_recordings(folder, surfaces=True)
    assert [p.name[:8] for p in recording.surfaces] == ["990001.L", "990001.R"]
