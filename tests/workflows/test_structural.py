"""The structural recipe as a user runs it: the embedded demo, its outputs, and what a rerun computes."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.workflows.structural_outputs import TABLES

FITS = ("KL β 10", "KL β 1", "MMD λ 2000", "DSSIM, KL β 10", "MSE + DSSIM, KL β 10", "KL β 10000")


def table(folder, name):
    return pd.read_csv(folder / "output" / f"group_desc-structural_{name}.tsv", sep="\t", na_values="n/a")


def test_demo_says_what_it_is_and_ends_with_its_tables(structural_demo):
    folder, done = structural_demo
    assert "SIMULATED" in done.stderr
    for part in ("reconstruction of unseen persons", "planted factors", "nested cross-validation", "joint model"):
        assert part in done.stdout
    assert str(folder / "output" / "index.html") in done.stdout.replace("\n", "")
    assert done.steps
    assert all(done.computed[step] and not done.failed[step] for step in done.steps)


def test_fits_stand_beside_the_mean_image_and_pca(structural_demo):
    fits = table(structural_demo[0], "fits")
    assert set(fits["setting"]) == set(FITS)
    assert (
        fits[["r2_train", "r2_test", "ssim_test", "pca_r2_test", "pca2_r2_test", "mean_ssim_test"]]
        .notna()
        .all(axis=None)
    )
    assert np.allclose(fits[["mi", "tc", "dimension_wise"]].sum(axis=1), fits["kl"], rtol=0.02, atol=1e-3)


def test_every_prediction_has_its_baselines(structural_demo):
    regression = table(structural_demo[0], "regression")
    assert set(regression["target"]) == {"age", "score", "diagnosis"}
    assert {"VAE", "PCA-12", "PCA-24"} <= set(regression["features"])
    assert {"mean", "glm", "svr", "polynomial", "spline"} <= set(regression["model"])
    joint = table(structural_demo[0], "joint")
    assert {"mean", "ceiling"} <= set(joint["method"])


def test_no_person_is_on_two_sides(structural_demo):
    split = table(structural_demo[0], "split")
    assert split.groupby("person")["part"].nunique().eq(1).all()
    assert split["person"].duplicated().any()


def test_outputs_have_their_names_and_sidecars(structural_demo):
    output = structural_demo[0] / "output"
    space = "space-MNI152NLin2009aSym"
    beside = json.loads((output / "group_desc-KLbeta10_model.json").read_text())
    assert beside["latent_dim"] == 12
    assert beside["Parameters"]["FitVolumeVae"]["beta"] == 10.0
    effects = nib.load(output / f"group_{space}_stat-effect_desc-KLbeta10_map.nii.gz")
    template = space.replace("space", "tpl")
    mask = nib.load(output / template / "anat" / f"{template}_desc-structural_mask.nii.gz")
    assert effects.shape == (*mask.shape, 12)
    assert not effects.get_fdata()[mask.get_fdata() == 0].any()
    (maps,) = output.glob("sub-001/ses-1/func/*_stat-z_desc-VAE_boldmap.nii.gz")
    assert nib.load(maps).shape[3] == 8
    sources = json.loads((output / "group_desc-structural_split.json").read_text())["Sources"]
    assert len(sources) == len(table(structural_demo[0], "split"))
    assert (output / "index.html").is_file()


def test_every_table_is_delivered(structural_demo):
    tables = (structural_demo[0] / "output").rglob("*.tsv")
    assert {path.stem.rpartition("_")[2] for path in tables} >= set(TABLES)


def test_images_say_what_their_volumes_are(structural_demo):
    output = structural_demo[0] / "output"
    counts = {"traversals": 12 * 7, "drawn": 12, "interpolation": 14, "progression": 14, "jointdecoded": 4}
    for name, count in counts.items():
        (path,) = output.glob(f"*_desc-KLbeta10{name}_map.nii.gz")
        image, said = nib.load(path), json.loads(path.with_suffix("").with_suffix(".json").read_text())
        assert image.shape[3] == len(said["Volumes"]) == len(table(structural_demo[0], name)) == count
    (path,) = output.glob("*_desc-KLbeta10reconstructions_map.nii.gz")
    said = json.loads(path.with_suffix("").with_suffix(".json").read_text())
    assert said["Volumes"] == table(structural_demo[0], "latents")["label"].tolist()
    assert nib.load(path).shape[3] == len(said["Volumes"])
    walks = nib.load(next(output.glob("*_desc-KLbeta10traversals_map.nii.gz"))).get_fdata()
    effects = nib.load(next(output.glob("*_stat-effect_desc-KLbeta10_map.nii.gz"))).get_fdata()
    # the whole walk, 4 sd, is about 4 of the change for one
    assert np.corrcoef((walks[..., 6] - walks[..., 0]).ravel(), effects[..., 0].ravel())[0, 1] > 0.9


def test_parameters_are_those_of_each_fit_and_name_no_work_folder(structural_demo):
    folder = structural_demo[0]
    said = json.loads((folder / "output" / "group_desc-MMDlambda2000_model.json").read_text())
    assert said["Parameters"]["FitVolumeVae"]["divergence"] == said["divergence"] == "mmd"
    assert said["Parameters"]["LatentRegression"]["confounds"] == ["sex", "site", "tiv"]
    for path in (folder / "output").rglob("*.json"):
        assert str(folder / "work") not in path.read_text(), path.name


def test_the_search_has_chosen_by_its_rule(structural_demo):
    trials = table(structural_demo[0], "trials")
    assert trials["chosen"].sum() == 1
    chosen = trials[trials["chosen"]].iloc[0]
    assert chosen["within"] and chosen["healthy"] == trials["healthy"].any()  # so few steps may leave none healthy


def test_second_run_computes_nothing_and_brings_back_what_was_deleted(structural_demo, structural):
    folder, first = structural_demo
    gone = folder / "output" / "group_desc-structural_latents.tsv"
    before = gone.read_bytes()
    gone.unlink()
    done = structural(*structural.short, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert done.steps == first.steps
    assert not done.done_again and not any(done.failed.values())
    assert gone.read_bytes() == before


def test_a_late_parameter_recomputes_only_what_depends_on_it(structural_demo, structural):
    folder, _ = structural_demo
    done = structural(*structural.short, "--permutations", "10", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert set(done.done_again) == {"LatentRegression", "GatherTables", "StructuralReport"}
    assert "n_permutations" in done.why["LatentRegression"]


def test_a_dry_run_reads_headers_and_tables_only(structural_demo, structural, tmp_path):
    folder, _ = structural_demo
    done = structural(folder / "data", tmp_path / "out", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fits VAE KL β 10" in done.stdout
    assert "5 fits of" in done.stdout and "images of 60 persons" in done.stdout
    assert "targets: age, sex" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_fit_resumes_to_the_uninterrupted_result(structural_demo, structural):
    folder, _ = structural_demo
    arguments = (folder / "data", "out", "--compare", "none", "--analyses", "none", "--max-steps", "2000")
    whole, killed, done = structural.killed(arguments, folder.parent)
    assert done.computed["FitVolumeVae"] == 1 and not done.computed["PrepareVolume"]
    for end in ("history.tsv", "model.safetensors"):
        name = f"group_desc-KLbeta10_{end}"
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert json.loads((killed / "group_desc-KLbeta10_model.json").read_text())["resumed_at"] > 0


def test_the_outputs_are_a_valid_dataset(validate, curate, structural_demo):
    """Nobody but the user knows the authors; there is nothing else that the validator would say."""
    issues = validate(structural_demo[0] / "output")
    assert {issue[:2] for issue in issues} <= {("warning", "TOO_FEW_AUTHORS")}, issues
    assert not curate(structural_demo[0] / "output")
