"""FitVolumeVae, EncodeVolumes and DecodeVolumes on small planted images: what they write, repeat, and refuse."""

import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from pydra_vae.bids.tables import read_table, write_table
from pydra_vae.engine.runner import run
from pydra_vae.engine.step import call
from pydra_vae.tasks._volume_vae import load_box, load_model, read_config
from pydra_vae.tasks.decode_volumes import DecodeVolumes
from pydra_vae.tasks.encode_volumes import EncodeVolumes
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.training.volume_apply import decode, encode

N, GRID = 50, (9, 10, 8)
QUICK = {"latent_dim": 3, "width": 2, "max_steps": 20, "batch_size": 10, "precision": "float32", "device": "cpu"}
HISTORY = [
    "step", "epoch", "lr", "loss_reconstruction", "loss_kl", "loss_mmd", "val_loss", "train_r2", "val_r2", "val_mse",
    "val_reconstruction", "val_kl", "val_mmd", "val_log_likelihood", "mmd_ratio", "mmd_weight_paper", "best",
    "weight_reconstruction", "weight_kl", "weight_mmd",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    rng = np.random.default_rng(0)
    mask = np.zeros(GRID, np.uint8)
    mask[1:8, 2:10, 1:7] = rng.random((7, 8, 6)) < 0.8
    affine = np.array([[0, 6.0, 0, -30], [-6.0, 0, 0, 20], [0, 0, 6.0, 0], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(mask, affine), folder / "mask.nii.gz")
    x = 0.5 + 0.1 * rng.normal(size=(N, 3)) @ rng.normal(size=(3, mask.sum()))
    np.save(folder / "volumes.npy", x.astype(np.float32))
    parts = ["train"] * 34 + ["validation"] * 6 + ["test"] * 10
    rows = [{"label": f"sub-{i:02}", "person": f"sub-{i // 2:02}", "part": part} for i, part in enumerate(parts)]
    return {
        "volumes": folder / "volumes.npy",
        "volume_split": write_table(folder / "split.tsv", rows),
        "mask": folder / "mask.nii.gz",
    }


def fit(files, folder, **options):
    return call(FitVolumeVae, cwd=folder, **files | QUICK | options)


@pytest.fixture(scope="module")
def fitted(files, tmp_path_factory):
    return fit(files, tmp_path_factory.mktemp("fit"), divergence="mmd", annealing="linear", annealing_steps=10)


def test_the_model_file_says_how_it_was_made(fitted, files):
    made = json.loads(Path(fitted.config).read_text())
    assert (made["network"], made["latent_dim"], made["divergence"], made["mmd_weight"]) == (
        "conv-dense",
        3,
        "mmd",
        2000,
    )
    assert made["images"] == {"train": 34, "validation": 6, "test": 10}
    assert made["persons"] == {"train": 17, "validation": 3, "test": 5}
    assert (made["precision"], made["annealing"], made["annealing_steps"]) == ("float32", "linear", 10)
    assert made["best_step"] >= 10 and made["steps"] == 20 and made["device"] == "cpu"
    assert made["shape"] == [7, 8, 6] and made["box_start"] == [1, 2, 1]
    state = load_file(fitted.model)
    weights = [value for name, value in state.items() if name not in ("mean", "scale", "mask")]
    assert made["parameters"] == sum(value.size for value in weights)
    x = np.load(files["volumes"])
    np.testing.assert_allclose(state["mean"], x[:34].mean(0), atol=1e-6)
    assert made["scale"] == pytest.approx(float((x[:34] - x[:34].mean(0)).std()), rel=1e-5)


def test_the_history_has_every_term_with_its_weight(fitted, files):
    history, n_voxels = read_table(fitted.history), np.load(files["volumes"]).shape[1]
    assert list(history) == HISTORY
    rise = np.minimum(history["step"] / 10, 1)
    assert history["weight_mmd"].tolist() == pytest.approx((rise * 2000 / n_voxels).tolist())
    assert (history["weight_kl"] == 0).all()
    loss = (history["val_reconstruction"] + 2000 * history["val_mmd"]) / n_voxels
    assert history["val_loss"].tolist() == pytest.approx(loss.tolist(), rel=1e-4)
    ratio = 2000 * history["val_mmd"] / history["val_log_likelihood"].abs()
    assert history["mmd_ratio"].tolist() == pytest.approx(ratio.tolist(), rel=1e-4)
    positive = history[history["val_mmd"] > 0]
    assert (positive["mmd_weight_paper"] * positive["mmd_ratio"] / 2000).tolist() == pytest.approx(
        [1.0] * len(positive)
    )
    made, best = json.loads(Path(fitted.config).read_text()), history[history["best"] == 1].iloc[-1]
    assert made["r2_validation"] == pytest.approx(best["val_r2"], rel=1e-4)
    assert best["val_r2"] > history["val_r2"][0]


def test_latents_and_images_come_back_from_the_files_alone(fitted, files, tmp_path):
    encoded = call(
        EncodeVolumes, cwd=tmp_path, model=fitted.model, config=fitted.config, volumes=files["volumes"],
        mask=files["mask"], device="cpu",
    )  # fmt: skip
    mu, log_variance = np.load(encoded.latents), np.load(encoded.log_variance)
    assert mu.shape == log_variance.shape == (N, 3) and mu.dtype == log_variance.dtype == np.float32
    model, x = load_model(fitted.model, read_config(fitted.config)), np.load(files["volumes"])
    np.testing.assert_array_equal(mu, encode(model, x)[0])
    decoded = call(
        DecodeVolumes, cwd=tmp_path, model=fitted.model, config=fitted.config, latents=encoded.latents, device="cpu"
    )
    volumes = np.load(decoded.volumes)
    assert volumes.shape == x.shape and volumes.dtype == np.float32
    np.testing.assert_array_equal(volumes, decode(model, mu))


def test_the_same_call_gives_the_same_bytes(files, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    first, second = (fit(files, tmp_path / folder, max_steps=5, seed=3) for folder in ("a", "b"))
    assert Path(first.model).read_bytes() == Path(second.model).read_bytes()
    assert Path(first.history).read_bytes() == Path(second.history).read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"network": "conv", "divergence": "none"},
        {"network": "dense", "free_bits": 0.5, "n_samples": 2, "augmentation": "flip"},
        {"reconstruction": "mse+dssim", "dssim": "half", "ssim_window": 5, "precision": "bfloat16"},
    ],
    ids=str,
)
def test_every_option_fits(files, tmp_path, options):
    fitted = fit(files, tmp_path, **options)
    history, made = read_table(fitted.history), json.loads(Path(fitted.config).read_text())
    assert np.isfinite(history[["val_loss", "val_r2", "val_kl"]]).all(axis=None)
    assert ("val_ssim" in history) == ("dssim" in made["reconstruction"])
    assert made["precision"] == options.get("precision", "float32")


def test_the_box_knows_which_axis_runs_from_left_to_right(files):
    box = load_box(files["mask"])
    assert box.mask.shape == (7, 8, 6) and box.start == (1, 2, 1) and box.left_right == 1


def test_what_does_not_belong_together_is_refused(fitted, files, tmp_path):
    x = np.load(files["volumes"])
    np.save(tmp_path / "few.npy", x[:, :-3])
    with pytest.raises(ValueError, match=r"few.npy has shape .* but the mask .*mask.nii.gz has \d+ voxels"):
        fit(files | {"volumes": tmp_path / "few.npy"}, tmp_path)
    np.save(tmp_path / "short.npy", x[:-1])
    with pytest.raises(ValueError, match=r"has 49 images but .*split.tsv lists 50"):
        fit(files | {"volumes": tmp_path / "short.npy"}, tmp_path)
    with pytest.raises(ValueError, match="annealing takes 21 steps but the training only 20"):
        fit(files, tmp_path, annealing="linear", annealing_steps=21)
    of_model = {"model": fitted.model, "config": fitted.config, "device": "cpu"}
    with pytest.raises(ValueError, match="stack the volumes within the model's mask"):
        call(EncodeVolumes, cwd=tmp_path, volumes=tmp_path / "few.npy", **of_model)
    other = nib.load(files["mask"])
    nib.save(nib.Nifti1Image(np.asarray(other.dataobj)[::-1], other.affine), tmp_path / "other.nii.gz")
    with pytest.raises(ValueError, match="they are not the same ones: give the mask that the model was fitted in"):
        call(EncodeVolumes, cwd=tmp_path, volumes=files["volumes"], mask=tmp_path / "other.nii.gz", **of_model)
    np.save(tmp_path / "latents.npy", np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match=r"\(2, 5\) but the model has 3 latents"):
        call(DecodeVolumes, cwd=tmp_path, latents=tmp_path / "latents.npy", **of_model)
    (tmp_path / "model.json").write_text('{"n_voxels": 3}')
    with pytest.raises(ValueError, match=r"not the model.json of a fitted volumetric VAE: it lacks shape"):
        read_config(tmp_path / "model.json")
    with pytest.raises(ValueError, match="does not hold the weights that its configuration describes"):
        load_model(fitted.model, read_config(fitted.config) | {"latent_dim": 4})


def test_fits_of_two_sizes_and_weights_train_together_to_what_they_are_alone(files, tmp_path):
    points = [{"latent_dim": 2, "beta": 1.0}, {"latent_dim": 4, "seed": 1}]

    def of(work, limit):
        tasks = {str(i): FitVolumeVae(**files | QUICK | point) for i, point in enumerate(points)}
        outcome = run(tasks, work_dir=work, n_procs=1, console=Console(file=io.StringIO()), fits_together=limit)
        assert outcome.exit_code == 0, outcome.failures
        return [outcome.outputs[label] for label in tasks], outcome.table[0]["computed"]

    (together, n_together), (alone, n_alone) = of(tmp_path / "a", 2), of(tmp_path / "b", 1)
    assert n_together == n_alone == 2 and of(tmp_path / "a", 1)[1] == 0
    for ours, theirs, point in zip(together, alone, points, strict=True):
        made, solo = (json.loads(Path(one.config).read_text()) for one in (ours, theirs))
        assert (made["stacked_with"], solo["stacked_with"]) == (1, 0) and made["latent_dim"] == point["latent_dim"]
        histories = [pd.read_csv(one.history, sep="\t", na_values="n/a") for one in (ours, theirs)]
        np.testing.assert_allclose(histories[0]["val_mse"], histories[1]["val_mse"], rtol=1e-3)
        assert load_file(ours.model).keys() == load_file(theirs.model).keys()
