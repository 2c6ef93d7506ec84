"""structural on stand-in trees of true layout: CAT12, sMRIPrep and fMRIPrep with visits, T1w images, tables, OASIS."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.simulate.structural_standin import write_volume_tree

SHORT = ("--max-steps", "5", "--compare", "none")
QUICK = (*SHORT, "--permutations", "3", "--regression-models", "mean", "glm")
SPACE = "space-MNI152NLin2009aSym"
MASK = "tpl-{0}/anat/tpl-{0}_desc-structural_mask"  # of a template


def table(output, name):
    return pd.read_csv(output / f"group_desc-structural_{name}.tsv", sep="\t", na_values="n/a")


def damage(maps):
    """Nothing that a header shows is wrong; returns what the messages say of each."""
    image = nib.load(maps[0])
    nib.save(nib.Nifti1Image(np.full(image.shape, 0.5, "f4"), image.affine), maps[0])
    values = np.array(nib.load(maps[1], mmap=False).dataobj, "f4")
    values[values > 0.5] = np.nan
    nib.save(nib.Nifti1Image(values, image.affine), maps[1])
    maps[2].write_bytes(maps[2].read_bytes()[:4000])
    return "is constant: every voxel is 0.5", "voxels that are NaN or infinite", "is truncated or damaged"


def test_cat12_goes_on_without_the_maps_that_fail_and_names_them(structural, tmp_path):
    data = write_volume_tree(tmp_path / "study", "cat12", 20, smoothed=True)
    maps = sorted((data / "mri").glob("mwp1*.nii"))
    reasons = damage(maps)
    few = (*SHORT, "--latent-dim", "4", "--analyses", "none")
    done = structural(data, "out", *few, cwd=tmp_path)
    assert done.returncode == 1
    assert (done.computed["PrepareVolume"], done.failed["PrepareVolume"]) == (17, 3)
    for path, label, reason in zip(maps, ("sub-01", "sub-02", "sub-03"), reasons, strict=False):
        assert f"{path.name}" in done.stderr and reason in done.stderr
        assert f"structural: {label} failed, see above; the other images go on" in done.stderr
    output = tmp_path / "out"
    assert sorted(table(output, "split")["label"]) == [f"sub-{n:02d}" for n in range(4, 21)]
    assert len(table(output, "fits")) == 1 and table(output, "covariates")["age"].notna().all()
    page = (output / "index.html").read_text()
    assert all(name in page for name in ("sub-01", "sub-02", "sub-03"))
    sources = json.loads((output / "group_desc-structural_split.json").read_text())["Sources"]
    assert all("mwp1" in source for source in sources)
    for path in maps[:3]:
        path.unlink()
    done = structural(data, "out", *few, cwd=tmp_path)
    assert done.returncode == 0 and set(done.done_again) == {"StructuralReport"}


@pytest.mark.slow
def test_fmriprep_with_visits_a_second_modality_and_scores(structural, tmp_path):
    data = write_volume_tree(tmp_path / "fmriprep", "fmriprep", 24, visits="all")
    asked = ("--second", "suffix=boldmap", "stat=alff", "--scores", "memory")
    done = structural(data, "out", *QUICK, *asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "out"
    split = table(output, "split")
    assert len(split) == 32 and split.groupby("person")["part"].nunique().max() == 1
    ages = table(output, "covariates").groupby("person")["age"]
    assert (ages.nunique() == ages.size()).all() and ages.size().max() > 1
    assert {"image", "memory", "functional"} <= set(table(output, "joint")["target"])
    assert len(table(output, "visits")) and len(table(output, "coefficients")) == 12
    assert (output / f"{MASK.format(SPACE[6:])}.nii.gz").is_file()
    # features are named by the components that there are: 24 training images have 23
    assert set(table(output, "regression")["features"]) - {"none"} == {"VAE", "PCA-12", "PCA-23"}


@pytest.mark.slow
def test_t1w_images_within_their_brain_masks(structural, tmp_path):
    data = write_volume_tree(tmp_path / "raw", "smriprep", 24)
    t1w = ("--kind", "t1w", "--normalization", "zscore", "--analyses", "explained")
    done = structural(data, "out", *QUICK, *t1w, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "out"
    assert not table(output, "fits")["pca_r2_test"].isna().any()
    mask = nib.load(output / f"{MASK.format(SPACE[6:])}.nii.gz").get_fdata() > 0
    brain = nib.load(next(data.glob(f"sub-01/anat/*{SPACE}*_desc-brain_mask.nii.gz"))).get_fdata() > 0
    assert (mask == brain).all()
    beside = json.loads((output / f"{MASK.format(SPACE[6:])}.json").read_text())
    assert beside["unit"] == "intensity" and "brain masks of more than half" in beside["mask_rule"]


@pytest.mark.slow
def test_images_of_several_grids(structural, tmp_path):
    data = write_volume_tree(tmp_path / "grids", "table", 20, voxels_mm=(12.0, 14.0))
    done = structural(data, "by-size", *QUICK, "--resolution", "14", "--analyses", "none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.computed["PrepareVolume"] == 20
    wanted = data.parent / "images" / "sub-01.nii.gz"
    done = structural(data, "by-grid", *QUICK, "--grid", wanted, "--analyses", "none", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made, like = nib.load(tmp_path / "by-grid" / f"{MASK.format('group')}.nii.gz"), nib.load(wanted)
    assert made.shape == like.shape and np.allclose(made.affine, like.affine)


@pytest.mark.slow
def test_oasis_from_nilearn_s_cache(structural, tmp_path, monkeypatch):
    monkeypatch.setenv("NILEARN_DATA", str(write_volume_tree(tmp_path / "nilearn", "oasis", 24)))
    done = structural("oasis", "out", *QUICK, "--n-subjects", "20", "--targets", "age", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "out"
    covariates = table(output, "covariates")
    assert len(covariates) == 20 and {"age", "sex", "education", "intracranial_ml"} <= set(covariates)
    assert set(table(output, "regression")["target"]) == {"age"}
    again = structural("oasis", "out", *QUICK, "--n-subjects", "20", "--targets", "age", cwd=tmp_path)
    assert again.returncode == 0 and not again.done_again


@pytest.mark.slow
def test_a_person_more_is_one_image_and_what_depends_on_it(structural, tmp_path):
    data = write_volume_tree(tmp_path / "study", "table", 21, visits="all")
    rows = pd.read_csv(data, sep="\t", dtype=str)
    rows[rows["participant_id"] != "sub-21"].to_csv(data, sep="\t", index=False)
    first = structural(data, "out", *QUICK, "--targets", "age", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    rows.to_csv(data, sep="\t", index=False)
    done = structural(data, "out", *QUICK, "--targets", "age", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    more = int((rows["participant_id"] == "sub-21").sum())
    assert done.computed["PrepareVolume"] == more
    assert done.reused["PrepareVolume"] == len(rows) - more
    assert done.computed["FitVolumeVae"] == 1 and len(table(tmp_path / "out", "split")) == len(rows)
