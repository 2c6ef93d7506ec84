"""FitJoint and ScoreJoint on files of a small planted study."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.tables import read_table, write_table
from pydra_vae.engine.step import call
from pydra_vae.tasks.fit_joint import FitJoint
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.score_joint import ScoreJoint

SHAPE, N = (6, 7, 5), 110


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study whose images show factors 0 and 1, its functional maps 0 and 2; scores of 0 and 1, and of 2."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    g, n_voxels = rng.standard_normal((N, 3)), int(np.prod(SHAPE))
    maps = rng.standard_normal((2, n_voxels))
    maps[1, :100] = 0  # factor 1 lies in the second half only
    np.save(
        folder / "volumes.npy", (0.5 + 0.05 * g[:, :2] @ maps + 0.02 * rng.standard_normal((N, n_voxels))).astype("f4")
    )
    second = g[:, [0, 2]] @ rng.standard_normal((2, 30)) + 0.3 * rng.standard_normal((N, 30))
    second[::9] = np.nan  # some have none
    np.save(folder / "second.npy", second.astype("f4"))
    for name, inside in (("mask", np.ones(SHAPE)), ("region", np.arange(n_voxels).reshape(SHAPE) >= 100)):
        nib.save(nib.Nifti1Image(inside.astype("u1"), np.diag([6.0, 6, 6, 1])), folder / f"{name}.nii.gz")
    persons = [f"sub-{i:03d}" for i in range(N)]
    names = pd.DataFrame({"label": persons, "person": persons})
    part = ["train"] * 76 + ["validation"] * 12 + ["test"] * (N - 88)
    write_table(folder / "split.tsv", names.assign(part=part))
    updrs = g[:, 1] + 0.2 * rng.standard_normal(N)
    updrs[3::17] = np.nan
    word = np.where(g[:, 0] > 0, "a", "b")
    scores = {"updrs": updrs, "moca": g[:, 2] + 0.2 * rng.standard_normal(N), "group": word, "flat": 1.0}
    write_table(folder / "covariates.tsv", names.assign(**scores))
    write_table(folder / "truth.tsv", names.assign(g0=g[:, 0], g1=g[:, 1]))
    return folder


def inputs(folder):
    return {
        "volumes": folder / "volumes.npy",
        "volume_split": folder / "split.tsv",
        "mask": folder / "mask.nii.gz",
        "covariates": folder / "covariates.tsv",
    }


@pytest.fixture(scope="module")
def image(study, tmp_path_factory):
    """The image's own model."""
    own = {name: path for name, path in inputs(study).items() if name != "covariates"}
    options = {"latent_dim": 3, "network": "dense", "width": 1, "max_steps": 150, "device": "cpu"}
    return call(FitVolumeVae, cwd=tmp_path_factory.mktemp("vae"), **own, **options)


@pytest.fixture(scope="module")
def pca(study, tmp_path_factory):
    return call(
        FitVolumePca, cwd=tmp_path_factory.mktemp("pca"), volumes=study / "volumes.npy",
        volume_split=study / "split.tsv", n_components=4,
    ).pca  # fmt: skip


def fit(folder, study, image, **options):
    options = inputs(study) | {"scores": ["updrs", "moca"], "max_steps": 60, "device": "cpu"} | options
    return call(FitJoint, cwd=folder, model=image.model, config=image.config, **options)


def score(folder, study, image, fitted, **options):
    return call(
        ScoreJoint, cwd=folder, **inputs(study), model=image.model, config=image.config, joint=fitted.model,
        joint_config=fitted.config, device="cpu", **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def two(study, image, pca, tmp_path_factory):
    """Both steps in two stages, with a second modality."""
    second = {"second": study / "second.npy"}
    fitted = fit(tmp_path_factory.mktemp("two"), study, image, **second, second_dim=2)
    more = {"pca": pca, "truth": study / "truth.tsv", "region": study / "region.nii.gz"}
    return fitted, score(tmp_path_factory.mktemp("scored"), study, image, fitted, **second, **more)


def figure(table, direction, method, region="whole"):
    rows = table[(table.direction == direction) & (table.method == method) & (table.region == region)]
    assert len(rows) == 1, (direction, method, region)
    return rows.iloc[0]


def test_each_score_is_told_by_the_modality_that_holds_its_factor(two):
    table = read_table(two[1].scores)
    assert figure(table, "image → updrs", "two-stage").r2 > 0.7
    assert figure(table, "functional → moca", "two-stage").r2 > 0.7
    assert figure(table, "image → moca", "two-stage").r2 < 0.2
    for score_name in ("updrs", "moca"):
        assert figure(table, f"both → {score_name}", "two-stage").r2 > 0.65
        assert figure(table, f"image → {score_name}", "mean").r2 == pytest.approx(0, abs=1e-9)
    methods = set(table[table.direction == "image → updrs"].method)
    assert methods == {
        "two-stage",
        "same head on latents",
        "ridge on latents",
        "same head on PCA",
        "ridge on PCA",
        "mean",
    }


def test_images_are_decoded_from_scores_where_the_factor_lies(two):
    table = read_table(two[1].scores)
    found = {r: figure(table, "scores → image", "two-stage", r).r2 for r in ("whole", "planted", "related")}
    assert figure(table, "scores → image", "ridge").r2 - 0.05 < found["whole"] < found["planted"]
    assert found["whole"] < figure(table, "scores → image", "planted factors").r2
    straight, bent = (figure(table, "scores → image", name).r2 for name in ("ridge", "ridge on products"))
    assert bent == pytest.approx(straight, abs=0.1)  # no planted product
    assert figure(table, "scores → image", "ceiling").r2 > 0.8
    assert figure(table, "functional → image", "two-stage").r2 > 0.2


def test_low_and_high_scores_give_opposite_images(two, study):
    decoded, table = np.load(two[1].decoded), read_table(two[1].table)
    assert decoded.shape == (4, np.prod(SHAPE))
    assert table.level.tolist() == ["low", "high"] * 2
    assert (table[table.level == "low"].sd < 0).all()
    mean = np.load(study / "volumes.npy")[:76].mean(0)
    low, high = decoded[table[table.score == "updrs"].row] - mean
    assert np.corrcoef(low[100:], high[100:])[0, 1] < -0.9
    assert np.abs(high[100:]).mean() > 3 * np.abs(high[:100]).mean()


def test_predictions_are_of_test_persons_with_a_score(two, study):
    table = read_table(two[1].predictions)
    split, covariates = read_table(study / "split.tsv"), read_table(study / "covariates.tsv")
    known = split[(split.part == "test") & covariates.updrs.notna()].label.tolist()
    rows = table[(table.score == "updrs") & (table.source == "image") & (table.method == "two-stage")]
    assert rows.label.tolist() == known
    np.testing.assert_allclose(rows.observed, covariates.set_index("label").updrs[known], rtol=1e-6)
    missing = split[split.part == "test"].label[~np.isfinite(np.load(study / "second.npy")[88:, 0])]
    assert not set(table[table.source == "functional"].label) & set(missing)


def test_configuration_states_scaling_and_weight_of_each_modality(two):
    made = json.loads(two[0].config.fspath.read_text())
    assert set(made["modalities"]) == {"image", "second", "scores"}
    for own in made["modalities"].values():
        assert own["weight"] == 1.0
        assert "training images" in own["scaling"]
        assert "Gaussian" in own["likelihood"]
    assert set(read_table(two[0].history).part) == {"fusion", "head updrs", "head moca"}


def test_joint_training_uses_the_image_network_itself(study, image, pca, tmp_path):
    for name in ("fit", "score"):
        (tmp_path / name).mkdir()
    fitted = fit(tmp_path / "fit", study, image, stages="joint", max_steps=150, scores=["updrs"])
    table = read_table(score(tmp_path / "score", study, image, fitted, pca=pca).scores)
    assert figure(table, "image → updrs", "joint").r2 > 0.3
    assert figure(table, "scores → image", "ceiling").r2 > 0.4


def test_without_scores_the_two_images_are_joined(study, image, tmp_path):
    for name in ("fit", "score"):
        (tmp_path / name).mkdir()
    second = {"second": study / "second.npy"}
    fitted = fit(tmp_path / "fit", study, image, scores=[], max_steps=20, **second)
    outputs = score(tmp_path / "score", study, image, fitted, **second)
    table = read_table(outputs.scores)
    assert set(table.direction) == {"image → functional", "functional → image"}
    assert len(np.load(outputs.decoded)) == 0
    assert not len(read_table(outputs.table))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"scores": ["upsdr"]}, "has no column upsdr; it has label, person, updrs"),
        ({"scores": ["group"]}, "holds text .a, b.: the joint model needs numbers"),
        ({"scores": ["flat"]}, "is 1 for all 76 training images: leave it out"),
        ({"scores": []}, "nothing to join the images with"),
    ],
)
def test_scores_that_cannot_be_modelled_are_refused(study, image, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, study, image, **options)


def test_scores_of_few_and_broken_images_are_refused(study, image, tmp_path):
    table = read_table(study / "covariates.tsv")
    table.loc[5:, "moca"] = np.nan
    few = write_table(tmp_path / "few.tsv", table)
    with pytest.raises(ValueError, match="known of 5 of 76 training images: at least 10"):
        fit(tmp_path, study, image, covariates=few, scores=["moca"])
    second = np.load(study / "second.npy")
    second[1, 0] = np.nan
    np.save(tmp_path / "second.npy", second)
    with pytest.raises(ValueError, match="the image of sub-001 has values that are not finite"):
        fit(tmp_path, study, image, second=tmp_path / "second.npy")


def test_another_image_model_is_refused(two, study, image, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    own = {name: path for name, path in inputs(study).items() if name != "covariates"}
    options = {"latent_dim": 3, "network": "dense", "width": 1, "max_steps": 5, "device": "cpu", "seed": 1}
    another = call(FitVolumeVae, cwd=other, **own, **options)
    with pytest.raises(ValueError, match="is not the image model that"):
        score(tmp_path, study, another, two[0], second=study / "second.npy")
    with pytest.raises(ValueError, match="was fitted with a second modality"):
        score(tmp_path, study, image, two[0])
