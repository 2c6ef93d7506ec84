"""SpatialMaps, SubjectMaps and ClockControl on models whose decoder and memory are known."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from pydra_vae.engine.step import call
from pydra_vae.models.tivae import TiVae, TiVaeConfig
from pydra_vae.tasks._models import save_weights
from pydra_vae.tasks.clock_control import ClockControl
from pydra_vae.tasks.spatial_maps import SpatialMaps
from pydra_vae.tasks.subject_maps import SubjectMaps

PARTS = ["train"] * 3 + ["validation"] + ["test"] * 3
T, K, SIDE = 80, 2, 6


@pytest.fixture
def study(tmp_path):
    """Seven recordings, their factors, a split and an untrained model of 12 vertices."""
    rng = np.random.default_rng(0)
    labels = [f"sub-{i}" for i in range(len(PARTS))]
    split = pd.DataFrame({"label": labels, "person": labels, "part": PARTS})
    split.to_csv(tmp_path / "split.tsv", sep="\t", index=False)
    z = rng.normal(size=(len(PARTS), T, K)).astype(np.float32)
    z[5:] *= 100  # the test's range must not count
    np.save(tmp_path / "factors.npy", z)
    series = []
    for i in range(len(PARTS)):
        x = np.cumsum(rng.normal(size=(T, 2 * SIDE)), axis=0)
        np.save(tmp_path / f"series{i}.npy", ((x - x.mean(0)) / x.std(0)).astype(np.float32))
        series.append(tmp_path / f"series{i}.npy")
    return {"subject_split": tmp_path / "split.tsv", "factors": tmp_path / "factors.npy", "series": series,
            "device": "cpu"}  # fmt: skip


def only(study, *names):
    return {name: study[name] for name in (*names, "device")}


def save_model(folder, model, **more):
    made = {**asdict(model.config), "kind": "tivae", "beta": 1.5, "seed": 7, "threads": 1, "precision": "float32"}
    (folder / "model.json").write_text(json.dumps({**made, **more}))
    return {"model": save_weights(folder / "model.safetensors", model), "config": folder / "model.json"}


def mixer(**options):
    torch.manual_seed(0)
    return TiVae(TiVaeConfig(SIDE, SIDE, 2, 3, latent_dim=K, **options), torch.tensor([0, 0, 0, 1, 1, 1] * 2))


@pytest.fixture
def fitted(tmp_path):
    """A linear network whose decoder is, over the factors' range, one matrix (ELU is the identity above 0)."""
    model = TiVae(TiVaeConfig(SIDE, SIDE, 0, 0, latent_dim=K, network="linear"))
    weights = np.abs(np.random.default_rng(1).normal(size=(K, 2 * SIDE))).astype(np.float32)
    layers = [layer for layer in model.decoder if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer in layers:
            layer.weight.zero_(), layer.bias.zero_()
        layers[0].weight[:K] = torch.eye(K)
        layers[0].bias[:K] = 1000
        layers[1].weight[:K, :K] = torch.eye(K)
        layers[2].weight[:, :K] = torch.from_numpy(weights.T)
    return model, weights


def test_maps_are_those_of_the_range_of_training_and_validation(study, fitted, tmp_path):
    model, weights = fitted
    files = save_model(tmp_path, model)
    made = call(SpatialMaps, cwd=tmp_path, **files, **only(study, "factors", "subject_split"), n_steps=20)
    z = np.load(study["factors"])[:4].reshape(-1, K)
    expected = ((z.max(0) - z.min(0)) ** 2 * 21 / (12 * 19))[:, None] * weights**2
    maps = np.load(made.maps)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, rtol=2e-3)  # of a thousand, float32 keeps three digits behind the point


def test_a_subjects_own_range_and_its_own_anatomy(study, fitted, tmp_path):
    model, weights = fitted
    z = np.load(study["factors"])
    z -= z.mean(1, keepdims=True)
    own = np.random.default_rng(2).normal(size=(K, 2 * SIDE))  # where the data of sub-5 follow its factors
    np.save(study["series"][5], (z[5] @ own + 0.3).astype(np.float32))
    made = call(SubjectMaps, cwd=tmp_path, **save_model(tmp_path, model), factor=[1], labels=["sub-5", "sub-0"],
                **only(study, "factors", "subject_split", "series"))  # fmt: skip
    names = pd.read_csv(made.names.fspath, sep="\t")
    assert names.values.tolist() == [[0, "sub-5", 1], [1, "sub-0", 1]]
    width = np.ptp(z[[5, 0], :, 1], axis=1) ** 2 * 51 / (12 * 49)
    np.testing.assert_allclose(np.load(made.maps), width[:, None] * weights[1] ** 2, rtol=5e-3)
    followed = np.load(made.regression)
    np.testing.assert_allclose(followed[0], own[1] * z[5, :, 1].std(), rtol=1e-3, atol=1e-3)


def test_subjects_that_are_not_there(study, fitted, tmp_path):
    inputs = save_model(tmp_path, fitted[0]) | only(study, "factors", "subject_split", "series")
    made = call(SubjectMaps, cwd=tmp_path, **inputs, n_recordings=2)
    names = pd.read_csv(made.names.fspath, sep="\t")
    assert names["label"].tolist() == ["sub-4", "sub-4", "sub-5", "sub-5"] and names["factor"].tolist() == [0, 1] * 2
    with pytest.raises(ValueError, match="no recording is labelled sub-9"):
        call(SubjectMaps, cwd=tmp_path, **inputs, labels=["sub-9"])
    with pytest.raises(ValueError, match="factors 2 were asked for: there are 0 to 1"):
        call(SubjectMaps, cwd=tmp_path, **inputs, factor=[2])


def checks(made):
    return pd.read_csv(made.clock.fspath, sep="\t").set_index("check")


def test_a_network_that_only_looks_at_the_data_has_no_clock(study, tmp_path):
    """A GRU without hidden-to-hidden weights forgets about half a frame: nothing in it can count."""
    model = mixer()
    with torch.no_grad():
        for name, weight in model.gru.named_parameters():
            if "hh" in name or "recurrent" in name:
                weight.zero_()
    made = call(ClockControl, cwd=tmp_path, name="TI-VAE-S", **save_model(tmp_path, model),
                **only(study, "subject_split", "series"))  # fmt: skip
    found = checks(made)
    assert (found[["model", "k", "beta", "seed"]] == ["TI-VAE-S", K, 1.5, 7]).all(axis=None)
    for check in ("rolled input, rolled factors", "zero input", "later frames"):
        assert found.loc[check, "passed"] in (True, "True"), found
    assert np.isnan(found.loc["zero input, first frames", "expected"])
    with pytest.raises(ValueError, match="shift is 70 frames of 80"):
        call(ClockControl, cwd=tmp_path, shift=70, **save_model(tmp_path, model),
             **only(study, "subject_split", "series"))  # fmt: skip


def test_series_of_another_region_are_refused(study, tmp_path):
    np.save(study["series"][4], np.zeros((T, 5), np.float32))
    for i in (5, 6):
        np.save(study["series"][i], np.zeros((T, 5), np.float32))
    with pytest.raises(ValueError, match="has 5 vertices but the model was fitted on 12"):
        call(ClockControl, cwd=tmp_path, **save_model(tmp_path, mixer()), **only(study, "subject_split", "series"))
