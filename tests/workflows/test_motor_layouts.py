"""motor on stand-in trees of true layout: HCP's 91,282 grayordinates, fMRIPrep's fsLR and fsaverage5, rest, a grid."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.images.surface_templates import surfaces_for
from pydra_vae.images.surfaces import load_surface
from pydra_vae.simulate.motor_standin import write_recording_tree

SHORT = ("--models", "tivae-s", "--latent-dims", "2", "--max-steps", "3", "--seeds", "1", "--n-clusters", "4",
         "--permutations", "20", "--ica-restarts", "1")  # fmt: skip
NAME = "TIVAESk2b1s1"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Five HCP subjects, 150 vertices a hemisphere."""
    folder = tmp_path_factory.mktemp("small") / "hcp"
    return write_recording_tree(folder, n_subjects=5, n_kept=150)


def series_of(tree, label):
    return tree / label / "MNINonLinear" / "Results" / "tfMRI_MOTOR_LR" / "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii"


def make_constant(path):
    """Nothing that the header shows is wrong."""
    image = nib.load(path)
    nib.save(nib.Cifti2Image(np.full(image.shape, 5, np.float32), image.header), path)


def table(output, name):
    return pd.read_csv(output / f"group_desc-motor_{name}.tsv", sep="\t", na_values="n/a")


def test_a_recording_that_fails_takes_no_other_with_it(small, motor, tmp_path):
    tree = shutil.copytree(small, tmp_path / "hcp")
    shutil.rmtree(tree / "990005")
    shutil.rmtree(tree / "990004")
    make_constant(series_of(tree, "990002"))
    done = motor(tree, "out", *SHORT, cwd=tmp_path)
    assert done.returncode == 2  # two are too few
    assert (done.computed["PrepareSurface"], done.failed["PrepareSurface"]) == (2, 1)
    assert "300 are constant over time" in done.stderr
    assert "motor: sub-990002 failed, see above; the other recordings go on" in done.stderr
    assert "2 person(s) (sub-990001, sub-990003)" in done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_study_goes_on_without_what_failed_and_says_so(small, motor, tmp_path):
    tree = shutil.copytree(small, tmp_path / "hcp")
    make_constant(series_of(tree, "990002"))
    (series_of(tree, "990003").parent / "EVs" / "lh.txt").write_text("9000 12 1\n")
    done = motor(tree, "out", *SHORT, "--learning-rate", "1e30", cwd=tmp_path)
    assert done.returncode == 1
    assert {step: n for step, n in done.failed.items() if n} == {"PrepareSurface": 1, "FitTiVae": 1}
    assert "motor: TI-VAE-S k=2 beta=1 seed=1 failed, see above; the other models go on" in done.stderr
    assert len(table(tmp_path / "out", "split")) == 3
    page = (tmp_path / "out" / "index.html").read_text()
    assert "sub-990002 failed in PrepareSurface" in page and "begins at 9000 s, outside the run" in page
    assert "beta=1 seed=1 failed in FitTiVae" in page and "lower the learning rate" in page
    assert table(tmp_path / "out", "comparison")["model"].nunique() == 10
    shutil.copy(series_of(small, "990002"), series_of(tree, "990002"))
    done = motor(tree, "out", *SHORT, cwd=tmp_path)  # the recording is mended: the others' series are there
    assert done.computed["PrepareSurface"] == 1 and done.reused["PrepareSurface"] == 3


@pytest.mark.slow
def test_one_more_seed_and_one_more_subject(small, motor, tmp_path):
    tree = shutil.copytree(small, tmp_path / "hcp")
    shutil.move(tree / "990005", tmp_path / "990005")
    assert motor(tree, "out", *SHORT, cwd=tmp_path).returncode == 0
    done = motor(tree, "out", *SHORT, "--seeds", "1", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.computed["FitTiVae"], done.reused["FitTiVae"]) == (1, 1)
    assert not done.computed["Ica"] and not done.computed["PrepareSurface"] and not done.computed["FitSurfacePca"]
    assert {"TIVAESk2b1s1", "TIVAESk2b1s2"} <= {p.name[11:23] for p in (tmp_path / "out").glob("*_model.safetensors")}
    assert len(table(tmp_path / "out", "consistency")) == 1
    shutil.move(tmp_path / "990005", tree / "990005")
    done = motor(tree, "out", *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.computed["PrepareSurface"], done.reused["PrepareSurface"]) == (1, 4)
    assert (done.computed["TaskRegressors"], done.reused["TaskRegressors"]) == (1, 4)
    assert not done.computed["GeodesicDistances"] and not done.computed["SpectralClusters"]
    assert done.computed["FitTiVae"] == 1


@pytest.mark.slow
def test_hcp_grayordinates_both_directions_own_surfaces_and_own_maps(motor, tmp_path):
    tree = write_recording_tree(tmp_path / "hcp", n_subjects=3, grayordinates="91k", directions=("LR", "RL"),
                                dtype="int16", surfaces=True)  # fmt: skip
    options = ("--direction", "both", "--subject-surfaces", "--subject-maps", "990001")
    done = motor(tree, "out", *SHORT, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "out"
    assert len(table(output, "split")) == 6 and table(output, "split").groupby("person")["part"].nunique().max() == 1
    assert (table(output, "comparison")["n_designs"] == 2).all()
    for direction in ("LR", "RL"):
        name = f"sub-990001_task-motor_dir-{direction}_desc-{NAME}_factors.tsv"
        assert (output / "sub-990001" / "func" / name).is_file()
    maps = nib.load(output / f"group_space-fsLR_desc-{NAME}subjects_map.dscalar.nii")
    assert maps.shape == (4, 11_960)
    assert maps.header.get_axis(0).name[0] == "sub-990001_dir-LR factor-1"


@pytest.mark.slow
@pytest.mark.parametrize("region", [(), ("--region", "none")])
def test_fmriprep_s_grayordinates(motor, tmp_path, region):
    tree = write_recording_tree(tmp_path / "fmriprep", "fmriprep", 3, grayordinates="91k")
    done = motor(tree, "out", *SHORT, *region, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    vertices = pd.read_csv(tmp_path / "out" / "group_desc-region_vertices.tsv", sep="\t")
    assert len(vertices) == (59_412 if region else 11_960)


@pytest.mark.slow
@pytest.mark.parametrize("hemi_first", [True, False])
def test_fsaverage5_with_labels_and_confounds(motor, tmp_path, hemi_first):
    tree = write_recording_tree(tmp_path / "fmriprep", "fsaverage5", 3, hemi_first=hemi_first)
    sizes = []
    for hemi, path in zip("lr", surfaces_for("fsaverage5", (10_242, 10_242), "pial"), strict=True):
        place = load_surface(path)[0]
        inside = (place[:, 2] > 30) & (np.abs(place[:, 1] + 20) < 25)
        colours = np.array([[25, 5, 25, 0, 0], [200, 20, 20, 0, 0]])
        nib.freesurfer.write_annot(tmp_path / f"{hemi}h.annot", inside.astype(int), colours, ["none", "motor"], True)
        sizes.append(inside.sum())
    labels = ("--labels", "lh.annot", "rh.annot", "--region", "motor")
    done = motor(tree, "out", *SHORT, *labels, "--confounds", "simple", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    vertices = pd.read_csv(tmp_path / "out" / "group_desc-region_vertices.tsv", sep="\t")
    assert vertices["hemi"].value_counts().loc[["L", "R"]].tolist() == sizes
    assert (tmp_path / "out" / f"group_hemi-L_space-fsaverage5_desc-{NAME}_map.shape.gii").is_file()


@pytest.mark.slow
def test_rest_gives_factors_and_maps_without_scores(small, motor, tmp_path):
    tree = shutil.copytree(small, tmp_path / "hcp")
    for results in tree.glob("*/MNINonLinear/Results"):
        run = results / "rfMRI_REST1_LR"
        (results / "tfMRI_MOTOR_LR").rename(run)
        shutil.rmtree(run / "EVs")
        (run / "tfMRI_MOTOR_LR_Atlas_MSMAll.dtseries.nii").rename(run / "rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii")
    done = motor(tree, "out", *SHORT, "--task-id", "rest", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no recording has events" in done.stderr and "HrfRegression" not in done.steps
    output = tmp_path / "out"
    assert not (output / "group_desc-motor_comparison.tsv").exists() and len(table(output, "fits")) == 1
    assert (output / f"group_space-fsLR_desc-{NAME}_map.dscalar.nii").is_file()
    assert "No recording has events" in (output / "index.html").read_text()


@pytest.mark.slow
def test_the_paper_s_preset_and_a_grid(small, motor, tmp_path):
    few = ("--models", "tivae-s", "--latent-dims", "2", "--n-clusters", "4", "--permutations", "20")
    done = motor(small, "out", "--preset", "paper", *few, "--max-epochs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(table(tmp_path / "out", "fits")["seed"]) == {42, 1337, 9999, 1212}
    beside = json.loads((tmp_path / "out" / "group_desc-TIVAESk2b1s42_model.json").read_text())
    assert beside["Parameters"]["FitTiVae"]["recipe"] == "paper"
    done = motor(small, "grid", *SHORT, "--grid", "beta", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    swept = table(tmp_path / "grid", "sweep")
    assert sorted(swept.groupby("model")["beta"].nunique()) == [3, 5]
