"""The written tree: names, geometry and tables as fMRIPrep's, and the truth beside them."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds_strategy

from pydra_vae.simulate.bold import simulate_group, simulate_subject
from pydra_vae.simulate.geometry import SPACE
from pydra_vae.simulate.tree import write_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("tree") / "derivatives", "tiny", seed=0, n_subjects=2)


@pytest.fixture(scope="module")
def func(tree):
    return tree.derivatives / "sub-01" / "func"


def name(func, task, rest):
    return func / f"sub-01_task-{task}_{rest}"


def test_every_run_has_what_fmriprep_writes(tree, func):
    assert tree.labels == ["01", "02"] and tree.tasks == ["story1", "story2", "story3"]
    description = json.loads((tree.derivatives / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative" and "no real data" in description["Name"]
    for task, n_frames in zip(tree.tasks, (60, 50, 44), strict=True):
        bold = nib.load(name(func, task, f"space-{SPACE}_desc-preproc_bold.nii.gz"))
        assert bold.shape[3] == n_frames and bold.get_data_dtype() == np.int16
        assert bold.dataobj.slope != 1
        assert bold.header.get_zooms() == pytest.approx((9, 9, 9, 2))
        assert bold.header.get_xyzt_units() == ("mm", "sec")
        assert bold.header["sform_code"] == bold.header["qform_code"] == 4
        sidecar = json.loads(name(func, task, f"space-{SPACE}_desc-preproc_bold.json").read_text())
        assert sidecar["RepetitionTime"] == 2
        for other in ("desc-brain_mask", "boldref", "desc-truth_bold"):
            image = nib.load(name(func, task, f"space-{SPACE}_{other}.nii.gz"))
            assert image.shape[:3] == bold.shape[:3]
            np.testing.assert_allclose(image.affine, bold.affine)


def test_stored_series_are_the_simulated_ones(tree, func):
    group = simulate_group("tiny", 0)
    subject = simulate_subject(group, 0)
    for rest, mask, runs in (
        ("desc-preproc_bold", group.geometry.brain, subject.bold),
        ("desc-truth_bold", group.geometry.volume(group.geometry.grey), subject.clean),
    ):
        image = nib.load(name(func, "story2", f"space-{SPACE}_{rest}.nii.gz"))
        np.testing.assert_allclose(image.get_fdata()[mask], runs[1], atol=image.dataobj.slope)
        assert not image.get_fdata()[~mask].any()
    mask = nib.load(name(func, "story2", f"space-{SPACE}_desc-brain_mask.nii.gz")).get_fdata()
    np.testing.assert_array_equal(mask > 0, group.geometry.brain)


@pytest.mark.parametrize("strategy", ["simple", "scrubbing", "compcor"])
def test_nilearn_reads_the_confounds(func, strategy):
    image = name(func, "story1", f"space-{SPACE}_desc-preproc_bold.nii.gz")
    regressors, kept = load_confounds_strategy(str(image), strategy)
    assert len(regressors) == 60 and regressors.shape[1] >= 8
    assert not {0, 1} & set(kept)  # non-steady-state
    if strategy == "scrubbing":
        truth = pd.read_csv(func / "sub-01_desc-truth_artefacts.tsv", sep="\t")
        frames = truth[(truth["kind"] == "frame") & (truth["task"] == "story1")]["frame"]
        assert not set(frames.astype(int)) & set(kept)


def test_confounds_are_those_of_the_images(func):
    table = pd.read_csv(name(func, "story3", "desc-confounds_timeseries.tsv"), sep="\t")
    bold = nib.load(name(func, "story3", f"space-{SPACE}_desc-preproc_bold.nii.gz")).get_fdata()
    mask = nib.load(name(func, "story3", f"space-{SPACE}_desc-brain_mask.nii.gz")).get_fdata() > 0
    np.testing.assert_allclose(table["global_signal"], bold[mask].mean(axis=0), rtol=1e-4)
    assert np.isnan(table["framewise_displacement"][0]) and len(table) == 44
    first = [c for c in table if c.startswith("non_steady_state_outlier")]
    assert table[first].sum(axis=1).tolist() == [1, 1] + [0] * 42


def test_atlas_and_its_labels(tree):
    dseg = nib.load(tree.atlas).get_fdata()
    labels = pd.read_csv(tree.atlas_labels, sep="\t")
    assert list(labels) == ["index", "name", "network"]
    assert set(np.unique(dseg[dseg > 0])) == set(labels["index"])
    assert labels["network"].nunique() == 17
    assert all(n.split("_")[2] == network for n, network in zip(labels["name"], labels["network"], strict=True))


def test_truth_tables(tree, func):
    group = simulate_group("tiny", 0)
    subject = simulate_subject(group, 0)
    latents = nib.load(func / f"sub-01_space-{SPACE}_desc-truth_latents.nii.gz").get_fdata()
    grey = group.geometry.volume(group.geometry.grey)
    np.testing.assert_allclose(latents[grey], subject.latents.table(), rtol=1e-5)
    truth = pd.read_csv(func / "sub-01_desc-truth_artefacts.tsv", sep="\t")
    voxels = truth[truth["kind"] != "frame"][["i", "j", "k"]].to_numpy(int)
    where = np.argwhere(group.geometry.brain)[subject.artefacts.voxels]
    np.testing.assert_array_equal(voxels, where)
    stimulus = pd.read_csv(tree.derivatives / "task-story_desc-truth_stimulus.tsv", sep="\t")
    assert len(stimulus) == 154 and stimulus.shape[1] == 18
    people = pd.read_csv(tree.derivatives / "participants.tsv", sep="\t")
    assert people["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert people["score"][0] == pytest.approx(subject.score)


def test_equal_seeds_give_equal_files(tree, tmp_path):
    again = write_tree(tmp_path / "again", "tiny", seed=0, n_subjects=1)
    for path in sorted((again.derivatives / "sub-01").rglob("*.*")):
        other = tree.derivatives / path.relative_to(again.derivatives)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_no_subjects(tmp_path):
    with pytest.raises(ValueError, match="0 subjects cannot be simulated"):
        write_tree(tmp_path, "tiny", n_subjects=0)
