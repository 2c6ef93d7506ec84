"""FitCvae, Encode and Reconstruct on small files: what they write, repeat, and refuse."""

import json
import stat
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import fit_pca
from pydra_vae.tasks.encode import Encode
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.judge_fit import JudgeFit
from pydra_vae.tasks.reconstruct import Reconstruct

SHAPE = (10, 8, 6)
N, T = 480, 60
QUICK = {"network": "dense", "latent_dim": 4, "max_steps": 60, "device": "cpu"}


def write_mask(path, keep=None, affine=None, shape=SHAPE):
    values = np.ones(shape, np.uint8) if keep is None else keep.astype(np.uint8)
    nib.save(nib.Nifti1Image(values, np.diag([3.0, 3, 3, 1]) if affine is None else affine), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Series of four planted courses in scanner units, scaled per voxel, with mask, frames and split."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    courses = np.cumsum(rng.normal(size=(4, T)), axis=1)
    series = (500 + 20 * (rng.normal(size=(N, 4)) @ courses + rng.normal(size=(N, T)))).astype(np.float32)
    for method in ("minmax", "zscore"):
        scaling = Scaling.fit([series], method=method)
        scaling.save(folder / f"{method}.safetensors")
        np.save(folder / f"{method}.npy", np.asarray(scaling.apply([series]), np.float32))
    np.save(folder / "split.npy", rng.permutation(np.repeat([0, 1, 2], [336, 48, 96])).astype(np.int8))
    frames = pd.DataFrame({"run": 0, "frame": range(T), "weight": [0, 0, *[1] * (T - 2)], "reason": "n/a"})
    frames.to_csv(folder / "frames.tsv", sep="\t", index=False)
    write_mask(folder / "mask.nii.gz")
    return folder


@pytest.fixture(scope="module")
def inputs(folder):
    return {
        "scaled": folder / "minmax.npy",
        "voxel_split": folder / "split.npy",
        "frames": folder / "frames.tsv",
        "scaling": folder / "minmax.safetensors",
        "mask": folder / "mask.nii.gz",
    }


@pytest.fixture(scope="module")
def fitted(inputs, tmp_path_factory):
    return call(FitCvae, cwd=tmp_path_factory.mktemp("fit"), **inputs, **QUICK, linear_skip="pca", mixing=0.5)


def test_fit_encode_reconstruct_beat_pca_never_by_losing(folder, inputs, fitted, tmp_path):
    x, split = np.load(folder / "minmax.npy"), np.load(folder / "split.npy")
    latents = call(
        Encode, cwd=tmp_path, model=fitted.model, config=fitted.config, device="cpu",
        **{name: inputs[name] for name in ("scaled", "scaling", "mask")},
    ).latents  # fmt: skip
    made = call(Reconstruct, cwd=tmp_path, latents=latents, model=fitted.model, config=fitted.config, device="cpu")
    z, reconstruction = np.load(latents), np.load(made.reconstruction)
    assert z.shape == (N, 4) and z.dtype == reconstruction.dtype == np.float32
    used = slice(2, None)  # the first two frames have weight 0
    weights = np.array([0, 0, *[1] * (T - 2)])
    pca = fit_pca(x, 4, weights, rows=split == 0).reconstruct(x)
    test = split == 2
    of_pca, ours = (np.square(x - r)[test][:, used].mean() for r in (pca, reconstruction))
    assert ours <= 1.01 * of_pca

    history = pd.read_csv(fitted.history, sep="\t", na_values="n/a")
    validation = split == 1
    start = np.square(x - pca)[validation][:, used].mean()
    assert history["val_mse"][0] == pytest.approx(start, rel=1e-4)
    chosen = history[history["best"] == 1].iloc[-1]
    kept = np.square(x - reconstruction)[validation][:, used].mean()
    assert chosen["val_mse"] == pytest.approx(kept, rel=1e-4)
    assert list(history)[:4] == ["step", "epoch", "lr", "loss_mse"]
    assert history["step"].tolist() == [0, 50, 60] and np.isnan(history["loss_mse"][0])


def test_the_model_file_says_how_it_was_made(fitted):
    made = json.loads(Path(fitted.config).read_text())
    assert (made["n_frames"], made["latent_dim"], made["network"], made["linear_skip"]) == (T, 4, "dense", "pca")
    assert made["scaling"] == {"method": "minmax", "run_lengths": [T], "residual": False}
    assert made["mask"]["voxels"] == N and made["mask"]["shape"] == list(SHAPE)
    assert (made["device"], made["threads"], made["seed"], made["steps"]) == ("cpu", 1, 0, 60)
    assert made["voxels"] == {"train": 336, "validation": 48, "test": 96}
    assert made["recipe"]["max_steps"] == 60 and made["parameters"] > 0 and made["seconds"] > 0


def verdict_of(made, inputs, folder):
    common = {name: inputs[name] for name in ("scaled", "voxel_split", "frames")}
    controls = call(FitControls, cwd=folder, **common, latent_dim=4, extra_dim=8).controls
    judged = call(
        JudgeFit, cwd=folder, **common, model=made.model, config=made.config, history=made.history, controls=controls
    )
    return json.loads(Path(judged.verdict).read_text())


def test_the_verdict_warns_of_few_voxels_and_sees_no_collapse(fitted, inputs, tmp_path):
    verdict = verdict_of(fitted, inputs, tmp_path)
    assert (verdict["collapsed"], verdict["active_units"]) == (False, 4)
    assert "few_voxels" in [warning["code"] for warning in verdict["warnings"]]


def test_the_verdict_does_not_depend_on_the_threads_of_its_process(fitted, inputs, tmp_path, monkeypatch):
    import torch

    from pydra_vae.training import apply

    plain, seen = apply.encode, []
    monkeypatch.setattr(apply, "encode", lambda *a: seen.append(torch.get_num_threads()) or plain(*a))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        verdict_of(fitted, inputs, tmp_path)
    finally:
        torch.set_num_threads(before)
    assert seen == [1]  # as in the fit


def test_an_over_regularised_fit_is_called_collapsed(inputs, tmp_path):
    made = call(FitCvae, cwd=tmp_path, **inputs, **QUICK, kl_weight=1.0, kl_annealing_steps=10)
    assert verdict_of(made, inputs, tmp_path)["collapsed"]
    assert "val_kl" in pd.read_csv(made.history, sep="\t")


def read(path):
    return json.loads(Path(path).read_text())


def test_beta_becomes_a_weight_by_the_error_of_pca_and_the_frames_that_count(folder, inputs, tmp_path):
    made = read(call(FitCvae, cwd=tmp_path / "beta", **inputs, **QUICK, beta=2.0).config)
    x, split = np.load(folder / "minmax.npy"), np.load(folder / "split.npy")
    weights = np.array([0, 0, *[1] * (T - 2)])
    pca = fit_pca(x, 4, weights, rows=split == 0)
    error = np.square(x - pca.reconstruct(x))[split == 1][:, 2:].mean()
    assert made["noise_variance"] == pytest.approx(error, rel=1e-6)
    assert made["kl_weight"] == pytest.approx(2 * 2.0 * error / (T - 2), rel=1e-6)
    given = read(call(FitCvae, cwd=tmp_path / "given", **inputs, **QUICK, beta=0.5, noise_variance=0.1).config)
    assert given["kl_weight"] == pytest.approx(2 * 0.5 * 0.1 / (T - 2))
    assert (given["beta"], given["noise_variance"]) == (0.5, 0.1)


def test_a_fit_with_beta_and_mmd_can_be_judged(inputs, tmp_path):
    for name, options in {"beta": {"beta": 1.0}, "mmd": {"mmd_weight": 0.1, "kl_annealing_steps": 20}}.items():
        made = call(FitCvae, cwd=tmp_path / name, **inputs, **QUICK, **options, annealing="cyclical")
        verdict = verdict_of(made, inputs, tmp_path / name)
        # the MMD alone leaves σ free, so that a KL would mean nothing
        assert (verdict["informative_units"] is not None) == (name == "beta")
        assert read(made.config)["annealing"] == "cyclical"


def test_a_fit_may_start_from_the_weights_of_another(inputs, fitted, tmp_path):
    options = {**inputs, **QUICK, "linear_skip": "pca", "warm_start": fitted.model, "warm_start_config": fitted.config}
    made = call(FitCvae, cwd=tmp_path, **options)
    first, again = (pd.read_csv(m.history, sep="\t", na_values="n/a")["val_mse"] for m in (fitted, made))
    assert again[0] == pytest.approx(first.min(), rel=1e-6)
    assert len(read(made.config)["warm_start"]) > 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 1.0, "kl_weight": 0.1}, r"beta \(1\) and kl_weight \(0.1\) both set.*give one of them"),
        ({"beta": -1.0}, "beta is -1: it must not be negative"),
        ({"noise_variance": 0.1}, "beta not given.*give beta too"),
        ({"beta": 1.0, "noise_variance": 0.0}, "must be positive"),
        ({"latent_dim": 5}, "model.json describes a model with latent_dim 4, not 5.*of its own shape"),
        ({"network": "lk"}, "network dense, not lk"),
        ({"linear_skip": "none"}, "linear_skip pca, not none"),
        ({"warm_start_config": None}, "warm_start and warm_start_config belong together"),
        ({"kl_annealing_steps": 61, "annealing": "cyclical"}, "annealing takes 61 steps but the training only 60"),
    ],
)
def test_inputs_that_exclude_each_other_are_refused(inputs, fitted, tmp_path, options, message):
    given = {**inputs, **QUICK, "linear_skip": "pca"}
    if not {"beta", "noise_variance", "annealing"} & set(options):
        given |= {"warm_start": fitted.model, "warm_start_config": fitted.config}
    with pytest.raises(ValueError, match=message):
        call(FitCvae, cwd=tmp_path, **given | options)


def test_the_same_call_gives_the_same_bytes_and_others_may_read_them(inputs, tmp_path):
    one, two, other = (
        call(FitCvae, cwd=tmp_path / str(i), **inputs, **QUICK, seed=seed) for i, seed in enumerate((5, 5, 6))
    )
    for name in ("model", "history"):
        first, second, third = (Path(getattr(made, name)).read_bytes() for made in (one, two, other))
        assert first == second != third
    assert Path(one.model).stat().st_mode & stat.S_IRUSR
    assert Path(one.model).stat().st_mode == Path(one.history).stat().st_mode


def test_another_seed_in_the_same_folder_does_not_take_up_the_checkpoint(inputs, tmp_path, monkeypatch):
    import pydra_vae.training.cvae as training

    plain = training.fit_cvae
    monkeypatch.setattr(training, "fit_cvae", lambda *a, **k: plain(*a, **k, checkpoint_seconds=0))
    resumed = []
    for seed in (1, 2, 2):
        made = call(FitCvae, cwd=tmp_path, **inputs, **QUICK, seed=seed)
        resumed.append(json.loads(Path(made.config).read_text())["resumed_at"])
    assert resumed == [None, None, 60]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("frames", r"minmax.npy has 59 frames but the model was fitted on 60.*fit a new model"),
        ("scaling", r"scaled by 'zscore' but the model was fitted on data scaled by 'minmax'"),
        ("voxels", r"other.nii.gz has 479 voxels, the model's 480"),
        ("grid", r"grid of 10×8×7 voxels, the model's of 10×8×6"),
        ("affine", r"another affine than the model's"),
        ("weights", r"does not hold the weights that its configuration describes \(dense, 60 frames, 4 latents\)"),
        ("config", r"is not the model.json of a fitted CVAE"),
    ],
)
def test_encode_refuses_what_the_model_was_not_made_for(folder, inputs, fitted, tmp_path, change, message):
    given = {name: inputs[name] for name in ("scaled", "scaling", "mask")}
    given |= {"model": fitted.model, "config": fitted.config}
    other = tmp_path / "other.nii.gz"
    if change == "frames":
        given["scaled"] = tmp_path / "minmax.npy"
        np.save(given["scaled"], np.load(folder / "minmax.npy")[:, 1:])
    elif change == "scaling":
        given |= {"scaled": folder / "zscore.npy", "scaling": folder / "zscore.safetensors"}
    elif change == "voxels":
        keep = np.ones(SHAPE)
        keep[0, 0, 0] = 0
        given["mask"] = write_mask(other, keep)
    elif change == "grid":
        given["mask"] = write_mask(other, shape=(10, 8, 7))
    elif change == "affine":
        given["mask"] = write_mask(other, affine=np.diag([3.0, 3, 3.1, 1]))
    elif change == "weights":
        given["model"] = inputs["scaling"]
    else:
        given["config"] = inputs["frames"]
    with pytest.raises(ValueError, match=message):
        call(Encode, cwd=tmp_path, device="cpu", **given)


def test_without_a_mask_a_model_may_be_carried_to_other_voxels(folder, fitted, tmp_path):
    np.save(tmp_path / "few.npy", np.load(folder / "minmax.npy")[:7])
    made = call(
        Encode, cwd=tmp_path, scaled=tmp_path / "few.npy", model=fitted.model, config=fitted.config, device="cpu"
    )
    assert np.load(made.latents).shape == (7, 4)


def test_latents_of_another_size_are_refused(fitted, tmp_path):
    np.save(tmp_path / "z.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"z.npy has the shape \(5, 3\) but the model has 4 latent dimensions"):
        call(Reconstruct, cwd=tmp_path, latents=tmp_path / "z.npy", model=fitted.model, config=fitted.config)


def test_a_gpu_that_is_not_there_is_named(inputs, tmp_path):
    with pytest.raises(ValueError, match="device 'cuda:99' is not there"):
        call(FitCvae, cwd=tmp_path, **inputs, **{**QUICK, "device": "cuda:99"})
