"""FitTiVae, EncodeFactors and ScoreTiVae on a small planted task: what they write, repeat, and refuse."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pydra_vae.bids.tables import read_table, write_table
from pydra_vae.engine.step import call
from pydra_vae.tasks import _tivae, _tivae_scores
from pydra_vae.tasks._recordings import Split
from pydra_vae.tasks.encode_factors import EncodeFactors
from pydra_vae.tasks.fit_surface_pca import FitSurfacePca
from pydra_vae.tasks.fit_tivae import FitTiVae
from pydra_vae.tasks.score_tivae import ScoreTiVae

from ..training.motor_sheets import sheets

QUICK = {"max_steps": 25, "crop": 48, "precision": "float32", "latent_dim": 4, "device": "cpu"}
NAMES = ("left_hand", "right_hand", "left_foot", "right_foot", "tongue")
SCORE = [
    "setting", "model", "k", "beta", "seed", "r2_train", "r2_validation", "r2_test", "gap", "pca_r2_test",
    "pca_r2_train", "mse_test", "kl", "mi", "tc", "dimension_wise", "mean_log_sigma", "factor_r", "active_units",
    "collapsed", "r_validation", "r_test", "r_paper", "readout", "chance", "parameters", "best_step", "seconds",
]  # fmt: skip


@pytest.fixture(scope="module")
def planted():
    return sheets(side=12, n_frames=100, parts=(8, 2, 3), noise=0.5)


@pytest.fixture(scope="module")
def files(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("motor")
    series = [folder / f"series-{i:02}.npy" for i in range(len(planted.arrays))]
    for path, array in zip(series, planted.arrays, strict=True):
        np.save(path, array)
    rows = [{"label": f"sub-{i:02}", "person": i, "part": part} for i, part in enumerate(planted.parts)]
    n = planted.side**2
    vertices = [{"hemi": hemi, "vertex": i, "label": "motor"} for hemi in "LR" for i in range(n)]
    np.save(folder / "clusters.npy", planted.clusters.astype(np.int32))
    (folder / "clusters.json").write_text(json.dumps({"method": "structural", "n_clusters": 9}))
    table = {"frame": range(100), "time": np.arange(100) * 0.72, "block": ""}
    table |= dict(zip(NAMES, planted.courses, strict=True))
    table |= {f"raw_{name}": course for name, course in zip(NAMES, planted.courses, strict=True)}
    write_table(folder / "regressors.tsv", pd.DataFrame(table))
    return {
        "series": series,
        "subject_split": write_table(folder / "split.tsv", rows),
        "vertices": write_table(folder / "vertices.tsv", vertices),
        "clusters": folder / "clusters.npy",
        "clusters_info": folder / "clusters.json",
        "regressors": [folder / "regressors.tsv"] * len(rows),
    }


def of(files, *names):
    return {name: files[name] for name in names}


def fit(files, folder, **options):
    names = ("series", "subject_split", "vertices", "clusters", "clusters_info")
    return call(FitTiVae, cwd=folder, **of(files, *names) | QUICK | options)


@pytest.fixture(scope="module")
def fitted(files, tmp_path_factory):
    return fit(files, tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def pca(files, tmp_path_factory):
    return call(
        FitSurfacePca, cwd=tmp_path_factory.mktemp("pca"), **of(files, "series", "subject_split"), n_components=6
    ).pca


def score(files, fitted, folder, **options):
    given = of(files, "series", "subject_split")
    return call(ScoreTiVae, cwd=folder, model=fitted.model, config=fitted.config, device="cpu", **given | options)


def test_the_model_file_says_how_it_was_made(fitted):
    made = json.loads(Path(fitted.config).read_text())
    assert (made["n_left"], made["n_right"], made["n_clusters"], made["cluster_size"]) == (144, 144, 9, 16)
    assert (made["kind"], made["beta"], made["latent_dim"], made["precision"]) == ("tivae", 1.0, 4, "float32")
    assert made["weights_of_terms"] == {"reconstruction": 1, "kl": 0.25, "tc": 1}
    assert made["recordings"] == {"train": 8, "validation": 2, "test": 3} and made["clusters"]["method"] == "structural"
    assert (made["crop"], made["ramp_steps"], made["steps"]) == (48, 15, 25)
    parts = made["parameters_by_part"]
    assert parts["total"] == made["parameters"] == sum(v for k, v in parts.items() if k != "total")
    assert "43,684" in made["note_on_44k"]


def test_the_history_has_every_term_with_its_weight(fitted):
    history = read_table(fitted.history)
    assert history["weight_tc"].tolist() == pytest.approx(np.minimum(history["step"] / 15, 1).tolist())
    assert history["weight_kl"].tolist() == pytest.approx((history["weight_tc"] / 4).tolist())
    parts = history["val_mi"] + history["val_tc"] + history["val_dimension_wise"]
    assert parts.tolist() == pytest.approx(history["val_kl"].tolist(), rel=1e-4)
    last = history.iloc[-1]
    loss = last["val_reconstruction"] + last["val_kl"] / 4 + last["val_tc"]
    assert last["val_loss"] == pytest.approx(loss, rel=1e-5)
    assert last["val_r2"] > 0.1 > history["val_r2"][0]


def test_factors_come_back_from_the_files_alone(fitted, files, planted, tmp_path):
    encoded = call(
        EncodeFactors, cwd=tmp_path, model=fitted.model, config=fitted.config, series=files["series"], device="cpu"
    )
    factors, sigma = np.load(encoded.factors), np.load(encoded.sigma)
    assert factors.shape == (13, 100, 4) and sigma.shape == (13, 4)
    assert factors.dtype == sigma.dtype == np.float32 and (sigma > 0).all() and factors.std() > 0.1


def test_one_row_of_scores(fitted, files, pca, planted, tmp_path):
    found = score(files, fitted, tmp_path, pca=pca, regressors=files["regressors"], setting="k=4", n_permutations=50)
    table = read_table(found.score)
    assert list(table) == SCORE and len(table) == 1
    row = table.iloc[0]
    assert (row["model"], row["setting"], row["k"], row["seed"]) == ("TI-VAE", "k=4", 4, 0)
    assert row["gap"] == pytest.approx(row["r2_train"] - row["r2_test"])
    assert row["mi"] + row["tc"] + row["dimension_wise"] == pytest.approx(row["kl"], rel=1e-4)
    test = np.concatenate(planted.arrays[-3:])
    train = np.concatenate(planted.arrays[:8])
    components = np.linalg.svd(train - train.mean(0), full_matrices=False)[2][:4]
    exact = 1 - np.square(test - test @ components.T @ components).sum() / np.square(test).sum()
    assert row["pca_r2_test"] == pytest.approx(exact, abs=2e-3)
    assert 0.1 < row["r2_test"] < row["pca_r2_test"] and not row["collapsed"]
    assert 0 <= row["chance"] <= 1 and row["r_paper"] >= abs(row["r_test"]) and row["readout"] > row["chance"]
    verdict = json.loads(Path(found.verdict).read_text())
    assert not verdict["collapsed"] and "few_recordings" in [w["code"] for w in verdict["warnings"]]


def test_frames_for_the_detector_hold_no_recording(files, fitted):
    """A slice would keep all of it in memory, of every test recording: gigabytes in a large study."""
    arrays, split = _tivae.load_series(files["series"]), Split.load(files["subject_split"])
    network = _tivae.load_model(fitted.model, _tivae.read_config(fitted.config))
    passed = _tivae_scores.Through(network, torch.device("cpu"), False, every=False)(arrays, split, None)
    assert len(passed.frames) == 3
    assert all(values.base is None for values in sum(passed.frames, ()) if values is not None)


def test_a_collapse_is_detected(files, pca, tmp_path):
    """PyTorch's own initialisation leaves nothing of the signal."""
    fitted = fit(files, tmp_path, initialisation="pytorch", max_steps=15)
    found = score(files, fitted, tmp_path, pca=pca)
    row, verdict = read_table(found.score).iloc[0], json.loads(Path(found.verdict).read_text())
    assert abs(row["r2_test"]) < 0.02 and bool(row["collapsed"]) and np.isnan(row["r_test"])
    assert verdict["collapsed"] and "poor_reconstruction" in [w["code"] for w in verdict["warnings"]]


@pytest.mark.parametrize(
    "options",
    [
        {"network": "linear"},
        {"kind": "beta-vae", "beta": 2.0},
        {"share_hemispheres": False, "input_layer": "shared"},
        {"temporal_decoder": True, "recurrent_l2": 0.01},
        {"recipe": "paper", "max_epochs": 2, "max_steps": None},
    ],
)
def test_relatives_are_fitted_and_scored(files, tmp_path, options):
    fitted = fit(files, tmp_path, **{"max_steps": 4, **options})
    row = read_table(score(files, fitted, tmp_path).score).iloc[0]
    name = {"linear": "linear", "beta-vae": "β-VAE"}.get(options.get("network", options.get("kind")), "TI-VAE")
    assert row["model"] == name and row["beta"] == options.get("beta", 1.0) and np.isfinite(row["r2_test"])


def test_files_that_do_not_belong_together_are_refused(files, fitted, pca, tmp_path):
    with pytest.raises(Exception, match="12 series but the split lists 13 recordings"):
        fit(files, tmp_path, series=files["series"][1:])
    np.save(tmp_path / "short.npy", np.load(files["series"][0])[:50])
    with pytest.raises(Exception, match=r"short.npy has frames × vertices \(50, 288\).*one length"):
        fit(files, tmp_path, series=[*files["series"][:-1], tmp_path / "short.npy"])
    np.save(tmp_path / "few.npy", np.zeros(10, np.int32))
    with pytest.raises(Exception, match=r"few.npy has shape \(10,\) but .*vertices.tsv lists 288 vertices"):
        fit(files, tmp_path, clusters=tmp_path / "few.npy")
    with pytest.raises(Exception, match=r"recurrent_l2 is 0.1, but without a temporal decoder"):
        fit(files, tmp_path, recurrent_l2=0.1)
    np.save(tmp_path / "other.npy", np.zeros((100, 7), np.float32))
    with pytest.raises(Exception, match=r"other.npy has 7 vertices but the model was fitted on 288"):
        call(EncodeFactors, cwd=tmp_path, model=fitted.model, config=fitted.config, series=[tmp_path / "other.npy"])
    larger = fit(files, tmp_path, latent_dim=9, max_steps=1)
    with pytest.raises(Exception, match=r"holds 6 components and 9 are needed.*n_components=9"):
        score(files, larger, tmp_path, pca=pca)
    with pytest.raises(Exception, match=r"clusters.json is not the model.json of a fitted TI-VAE: it lacks n_left"):
        call(EncodeFactors, cwd=tmp_path, model=fitted.model, config=files["clusters_info"], series=files["series"])
    with pytest.raises(Exception, match=r"does not hold the weights that its configuration describes \(mixer, 144"):
        call(EncodeFactors, cwd=tmp_path, model=larger.model, config=fitted.config, series=files["series"])
