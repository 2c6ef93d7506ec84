"""FitVolumeVae → ScoreVolumeVae on planted images of low rank: a healthy model, and models spoiled on purpose."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.score_volume_vae import ScoreVolumeVae

SHAPE, RANK, N = (9, 10, 8), 3, 120
FIT = {
    "network": "dense",
    "latent_dim": 4,
    "width": 2,
    "max_steps": 150,
    "learning_rate": 5e-3,
    "precision": "float32",
} | {"device": "cpu"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images of three smooth modes and a little noise, in a mask that is no box; every third person came twice."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    mask = (grid**2).sum(axis=0) < 1.6
    modes = np.stack([np.sin(2 * grid[0]), np.cos(2 * grid[1]) * grid[2], np.exp(-4 * (grid[0] - 0.3) ** 2)])[:, mask]
    x = 0.5 + 0.1 * rng.normal(size=(N, RANK)) @ modes + 0.01 * rng.normal(size=(N, mask.sum()))
    np.save(folder / "volumes.npy", x.astype(np.float32))
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), np.diag([6.0, 6, 6, 1])), folder / "mask.nii.gz")
    person = [f"sub-{i - i % 4 // 3:03d}" for i in range(N)]  # 0 1 2 2 4 5 6 6 …
    part = {
        name: ("train", "test", "train", "validation", "train")[i % 5] for i, name in enumerate(sorted(set(person)))
    }
    table = pd.DataFrame({"label": [f"{p}_{i}" for i, p in enumerate(person)], "person": person})
    table.assign(part=table["person"].map(part)).to_csv(folder / "split.tsv", sep="\t", index=False)
    data = {"volumes": folder / "volumes.npy", "volume_split": folder / "split.tsv"}
    return data | {"mask": folder / "mask.nii.gz", "pca": call(FitVolumePca, cwd=folder, **data, n_components=8).pca}


def fit(images, folder, **options):
    data = {name: images[name] for name in ("volumes", "volume_split", "mask")}
    return call(FitVolumeVae, cwd=folder, **data, **FIT | options)


def score(images, folder, fitted, **options):
    done = call(
        ScoreVolumeVae,
        cwd=folder,
        **images,
        model=fitted.model,
        config=fitted.config,
        history=fitted.history,
        device="cpu",
        **options,
    )
    (row,) = pd.read_csv(done.score, sep="\t", na_values="n/a").to_dict("records")
    return row, json.loads(done.verdict.fspath.read_text()), done


@pytest.fixture(scope="module")
def healthy(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("healthy")
    fitted = fit(images, folder, beta=1.0)
    return fitted, *score(images, folder, fitted, name="VAE", setting="β 1")


def test_a_healthy_model_is_called_so(healthy):
    _, row, verdict, _ = healthy
    assert not row["collapsed"] and not row["over_regularised"] and not verdict["reasons"] and not verdict["advice"]
    assert row["r2_test"] > 0.9 and row["pca_r2_test"] > 0.95 and row["variance_ratio"] > 0.5 and row["swap_ratio"] > 6
    assert not row["overfitted"] and verdict["overfitting"]["advice"] == ""
    assert (row["model"], row["setting"], row["network"], row["k"]) == ("VAE", "β 1", "dense", 4)
    assert row["learning_rate"] == 5e-3 and row["batch_size"] == 32 and row["divergence"] == "kl"


def test_its_figures_agree_with_their_definitions(healthy, images):
    fitted, row, *_ = healthy
    from pydra_vae.tasks._volume_vae import load_model, read_config
    from pydra_vae.training.volume_apply import decode, encode

    x, part = np.load(images["volumes"]), pd.read_csv(images["volume_split"], sep="\t")["part"].to_numpy()
    network = load_model(fitted.model, read_config(fitted.config))
    mu, _ = encode(network, x)
    error, about = np.square(x - decode(network, mu)).sum(1), np.square(x - x[part == "train"].mean(0)).sum(1)
    for name in ("train", "validation", "test"):
        assert row[f"r2_{name}"] == pytest.approx(1 - error[part == name].sum() / about[part == name].sum(), abs=1e-5)
    assert row["mse_test"] == pytest.approx(error[part == "test"].sum() / x[part == "test"].size, rel=1e-4)
    assert row["mi"] + row["tc"] + row["dimension_wise"] == pytest.approx(row["kl"], rel=1e-5)
    gaussian = sum(row[f"{name}_gaussian"] for name in ("mi", "tc", "dimension_wise"))
    assert gaussian == pytest.approx(row["kl"], rel=1e-5)
    n = (part != "test").sum()
    assert row["mi_ceiling"] == pytest.approx(np.log(n))
    assert row["mi"] < np.log(n) + 4 * np.sqrt(row["k"] / 2 / (8 * n))  # of eight draws, log q(z | x) being exact
    assert row["pca_r2_test"] <= row["pca2_r2_test"] and row["mean_ssim_test"] < row["ssim_test"] <= 1
    assert row["r2_validation_se"] > 0 and row["gap"] == pytest.approx(row["r2_train"] - row["r2_test"], abs=1e-6)


def test_examples_are_inputs_over_reconstructions(healthy, images):
    *_, done = healthy
    shown, table = np.load(done.examples), pd.read_csv(done.examples_table, sep="\t")
    split = pd.read_csv(images["volume_split"], sep="\t")
    assert len(shown) == len(table) == 12 and (table["kind"].to_numpy()[:6] == "input").all()
    rows = [split["label"].tolist().index(label) for label in table["label"][:6]]
    assert (split["part"].to_numpy()[rows] == "test").all()
    np.testing.assert_array_equal(shown[:6], np.load(images["volumes"])[rows])
    assert table["label"].tolist()[:6] == table["label"].tolist()[6:]
    assert (np.diff(table["r2"][:6]) <= 0).all()


def test_too_heavy_a_divergence_collapses_to_the_mean_brain(images, tmp_path):
    row, verdict, done = score(images, tmp_path, fit(images, tmp_path, beta=1e4))
    assert row["collapsed"] and row["over_regularised"] and row["variance_ratio"] < 0.05
    assert abs(row["r2_test"]) < 0.1
    assert "lower the KL weight" in verdict["advice"]
    assert {"collapsed"} <= {warning["code"] for warning in verdict["warnings"]}
    decoded = np.load(done.examples)[6:]
    assert decoded.std(axis=0).mean() < 0.2 * np.load(images["volumes"]).std(axis=0).mean()


def test_the_milder_verdict(images, tmp_path):
    """Between health and collapse lies a model that is still told apart from both."""
    row, verdict, _ = score(images, tmp_path, fit(images, tmp_path, beta=200.0))
    assert row["over_regularised"] and not row["collapsed"], verdict["reasons"]
    assert {"over_regularised"} <= {warning["code"] for warning in verdict["warnings"]}


def test_a_model_that_learns_its_training_images_by_heart(images, tmp_path):
    """Noise has nothing to learn: what is explained on the training images is lost on others."""
    part = pd.read_csv(images["volume_split"], sep="\t")["part"].to_numpy()
    rng = np.random.default_rng(1)
    noise = rng.normal(size=np.load(images["volumes"]).shape).astype(np.float32)
    noise[part == "train"] = noise[part == "train"][rng.integers(12, size=(part == "train").sum())]
    np.save(tmp_path / "noise.npy", noise)
    data = images | {"volumes": tmp_path / "noise.npy"}
    data["pca"] = call(FitVolumePca, cwd=tmp_path, volumes=data["volumes"], volume_split=data["volume_split"]).pca
    row, verdict, _ = score(data, tmp_path, fit(data, tmp_path, divergence="none", latent_dim=2, max_steps=300))
    assert row["overfitted"] and row["gap"] > 0.1, verdict["overfitting"]
    assert "more persons" in verdict["overfitting"]["advice"]
    assert "overfitted" in {warning["code"] for warning in verdict["warnings"]}


def test_without_a_kl_its_verdict_leaves_the_kl_out(images, tmp_path):
    row, *_ = score(images, tmp_path, fit(images, tmp_path, divergence="none"))
    assert np.isnan(row["informative_units"]) and not row["over_regularised"] and row["r2_test"] > 0.9


def test_more_latents_than_the_pca_has(images, tmp_path, healthy):
    data = {name: images[name] for name in ("volumes", "volume_split")}
    small = call(FitVolumePca, cwd=tmp_path, **data, n_components=4).pca
    row, *_ = score(images | {"pca": small}, tmp_path, healthy[0])
    assert np.isnan(row["pca2_r2_test"]) and np.isnan(row["pca2_ssim_test"]) and row["pca_r2_test"] > 0.9


def test_pca_says_what_it_kept_and_refuses_another_mask(images, tmp_path, healthy):
    data = {name: images[name] for name in ("volumes", "volume_split")}
    done = call(FitVolumePca, cwd=tmp_path, **data, n_components=500)
    info = json.loads(done.info.fspath.read_text())
    n_train = (pd.read_csv(images["volume_split"], sep="\t")["part"] == "train").sum()
    assert info["n_images"] == n_train and info["n_components"] == n_train - 1 and info["n_components_asked"] == 500
    np.save(tmp_path / "few.npy", np.load(images["volumes"])[:, :50])
    other = call(FitVolumePca, cwd=tmp_path, volumes=tmp_path / "few.npy", volume_split=images["volume_split"])
    with pytest.raises(ValueError, match="was fitted on 50 voxels but the images have"):
        score(images | {"pca": other.pca}, tmp_path, healthy[0])
    with pytest.raises(ValueError, match="holds no PCA of images"):
        score(images | {"pca": healthy[0].model}, tmp_path, healthy[0])
