"""GatherTables, PcaScores, ScoreFit, TransferError, ChooseSize: around a sweep of fits and a matrix of transfer."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import fit_pca
from pydra_vae.tasks.choose_size import ChooseSize
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.gather_tables import GatherTables
from pydra_vae.tasks.judge_fit import JudgeFit
from pydra_vae.tasks.pca_scores import PcaScores
from pydra_vae.tasks.score_fit import ScoreFit
from pydra_vae.tasks.transfer_error import TransferError

SHAPE = (10, 8, 6)
N, T = 480, 60
QUICK = {"network": "dense", "latent_dim": 4, "max_steps": 60, "device": "cpu", "linear_skip": "pca"}


def write_subject(folder, seed=0, n_frames=T, courses=None):
    """One subject of four planted courses; its networks are loadings on the first of them."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    courses = np.cumsum(rng.normal(size=(4, n_frames)), axis=1) if courses is None else courses
    parcel = np.arange(N) // 24  # 20 parcels of 24 voxels
    loadings = rng.normal(size=(N, 4)) + 6 * (parcel % 2)[:, None] * np.eye(4)[0]
    series = (500 + 20 * (loadings @ courses + rng.normal(size=(N, n_frames)))).astype(np.float32)
    scaling = Scaling.fit([series], method="zscore")
    scaling.save(folder / "scaling.safetensors")
    np.save(folder / "scaled.npy", np.asarray(scaling.apply([series]), np.float32))
    np.save(folder / "split.npy", rng.permutation(np.repeat([0, 1, 2], [336, 48, 96])).astype(np.int8))
    weight = [0, 0, *[1] * (n_frames - 2)]
    frames = pd.DataFrame({"run": 0, "frame": range(n_frames), "weight": weight, "reason": "n/a"})
    frames.to_csv(folder / "frames.tsv", sep="\t", index=False)
    mask = np.ones(SHAPE, np.uint8)
    nib.save(nib.Nifti1Image(mask, np.diag([3.0, 3, 3, 1])), folder / "mask.nii.gz")
    voxels = pd.DataFrame(np.argwhere(mask), columns=["i", "j", "k"])
    voxels["parcel"], voxels["name"] = parcel + 1, [f"P{p}" for p in parcel]
    voxels["network"] = np.where(parcel % 2, "Vis", "Default")
    voxels.to_csv(folder / "voxels.tsv", sep="\t", index=False)
    return {
        "scaled": folder / "scaled.npy", "voxel_split": folder / "split.npy", "frames": folder / "frames.tsv",
        "scaling": folder / "scaling.safetensors", "mask": folder / "mask.nii.gz",
    }  # fmt: skip


def subset(files, *names):
    return {name: files[name] for name in names}


def read(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return write_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture(scope="module")
def fitted(subject, tmp_path_factory):
    return call(FitCvae, cwd=tmp_path_factory.mktemp("fit"), **subject, **QUICK)


@pytest.fixture(scope="module")
def controls(subject, tmp_path_factory):
    given = subset(subject, "scaled", "voxel_split", "frames")
    return call(FitControls, cwd=tmp_path_factory.mktemp("pca"), **given, latent_dim=4, extra_dim=8).controls


# ---- GatherTables --------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path):
    texts = ["a\tb\n1\tn/a\n0012\tx\n", "b\tc\n\t1e-300\n", "a\tb\n"]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.tsv").write_text(text)
    return [tmp_path / f"{number}.tsv" for number in range(3)]


def test_tables_are_gathered_as_their_text_stands(tables, tmp_path):
    made = call(GatherTables, cwd=tmp_path, tables=tables, labels=["01", "02", "03"]).table
    expected = "participant_id a b c\n01 1 n/a n/a\n01 0012 x n/a\n02 n/a  1e-300\n"
    assert Path(made).read_text() == expected.replace(" ", "\t")
    made = call(GatherTables, cwd=tmp_path, tables=tables[2:]).table
    assert Path(made).read_text() == "a\tb\n"


def test_labels_that_do_not_fit_are_refused(tables, tmp_path):
    with pytest.raises(ValueError, match="3 tables but 1 labels were given"):
        call(GatherTables, cwd=tmp_path, tables=tables, labels=["01"])
    (tmp_path / "own.tsv").write_text("participant_id\tx\n")
    with pytest.raises(ValueError, match=r"own.tsv has a column participant_id already"):
        call(GatherTables, cwd=tmp_path, tables=[tmp_path / "own.tsv"], labels=["01"])
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(ValueError, match=r"empty.tsv cannot be read as a tab-separated table"):
        call(GatherTables, cwd=tmp_path, tables=[tmp_path / "empty.tsv"])


# ---- PcaScores -----------------------------------------------------------------------------------


def test_scores_are_those_of_the_training_voxels_pca(subject, controls, tmp_path):
    given = subset(subject, "scaled", "frames")
    raw, white = (
        np.load(call(PcaScores, cwd=tmp_path / str(w), **given, controls=controls, latent_dim=3, whiten=w).latents)
        for w in (False, True)
    )
    x, weights = np.load(subject["scaled"]), np.array([0, 0, *[1] * (T - 2)])
    pca = fit_pca(x, 3, weights, rows=np.load(subject["voxel_split"]) == 0)
    np.testing.assert_allclose(raw, pca.encode(x), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(white.std(axis=0), 1, rtol=1e-6)
    assert white.dtype == np.float32 and white.shape == (N, 3)
    for a, b in zip(raw.T, white.T, strict=True):
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(1)


def test_more_components_than_there_are_and_other_frames_are_refused(subject, controls, tmp_path):
    given = subset(subject, "scaled", "frames")
    with pytest.raises(ValueError, match="at most 8 components and 9 were asked for: run FitControls with latent_d"):
        call(PcaScores, cwd=tmp_path, **given, controls=controls, latent_dim=9)
    other = write_subject(tmp_path / "other", n_frames=50)
    with pytest.raises(ValueError, match="fitted on 60 frames but the series has 50"):
        call(PcaScores, cwd=tmp_path, **subset(other, "scaled", "frames"), controls=controls, latent_dim=2)


# ---- ScoreFit ------------------------------------------------------------------------------------

COLUMNS = [
    "setting", "latent_dim", "seed", "network", "linear_skip", "kl_weight", "beta", "mmd_weight", "annealing",
    "mse_val", "mse_test", "r2", "pca_mse_val", "pca_mse_test", "active_units", "kl_nats", "variance_ratio",
    "swap_ratio", "collapsed", "over_regularised", "knn_accuracy", "silhouette", "best_step", "seconds",
]  # fmt: skip


def score(fitted, subject, cwd, **more):
    made = call(ScoreFit, cwd=cwd, model=fitted.model, config=fitted.config, **subject, device="cpu", **more)
    table = read(made.score)
    assert list(table) == COLUMNS and len(table) == 1
    return table.iloc[0]


def test_a_fit_is_scored_as_elsewhere(subject, fitted, controls, tmp_path):
    row = score(fitted, subject, tmp_path, setting="a")
    history = read(fitted.history)
    assert row["mse_val"] == pytest.approx(history["val_mse"][history["best"] == 1].iloc[-1], rel=1e-4)
    judged = call(
        JudgeFit, cwd=tmp_path, model=fitted.model, config=fitted.config, controls=controls,
        **subset(subject, "scaled", "voxel_split", "frames"),
    )  # fmt: skip
    verdict = json.loads(Path(judged.verdict).read_text())
    for name in ("active_units", "variance_ratio", "swap_ratio", "collapsed", "over_regularised"):
        assert row[name] == pytest.approx(verdict[name], rel=1e-6), name
    x, weights = np.load(subject["scaled"]), np.array([0, 0, *[1] * (T - 2)])
    split = np.load(subject["voxel_split"])
    pca = fit_pca(x, 4, weights, rows=split == 0)
    errors = np.square(x - pca.reconstruct(x))[:, 2:].mean(axis=1)
    assert row["pca_mse_test"] == pytest.approx(errors[split == 2].mean(), rel=1e-5)
    assert row["pca_mse_val"] == pytest.approx(errors[split == 1].mean(), rel=1e-5)
    assert (row["setting"], row["latent_dim"], row["linear_skip"], row["kl_weight"]) == ("a", 4, "pca", 0)
    assert np.isnan(row["kl_nats"]) and np.isnan(row["silhouette"])
    with_controls = score(fitted, subject, tmp_path / "c", setting="a", controls=controls)
    assert with_controls["pca_mse_test"] == pytest.approx(row["pca_mse_test"], rel=1e-4)


def test_planted_networks_are_told_apart(subject, fitted, tmp_path):
    pytest.importorskip("pydra_vae.stats.separability")
    row = score(fitted, subject, tmp_path, voxels=subject["scaled"].with_name("voxels.tsv"))
    assert row["knn_accuracy"] > 0.9 and row["silhouette"] > 0.1


def test_a_weighted_kl_is_told_in_nats(subject, tmp_path):
    made = call(FitCvae, cwd=tmp_path, **subject, **QUICK | {"linear_skip": "none"}, kl_weight=1e-3)
    row = score(made, subject, tmp_path)
    assert 0 < row["kl_nats"] < 100 and row["kl_weight"] == 1e-3


# ---- TransferError -------------------------------------------------------------------------------

OF_TARGET = ("scaled", "frames", "scaling", "voxel_split")


def transfer(fitted, controls, files, cwd, **more):
    model = {"model": fitted.model, "config": fitted.config, "controls": controls, "source": "a"}
    made = call(TransferError, cwd=cwd, **model, **subset(files, *OF_TARGET), device="cpu", **more)
    table = read(made.row)
    assert list(table) == ["source", "target", "mse", "r2", "pca_mse", "pca_r2", "n_voxels", "reason"]
    return table.iloc[0]


def test_transfer_within_and_across(subject, fitted, controls, tmp_path):
    within = transfer(fitted, controls, subject, tmp_path, target="a")
    row = score(fitted, subject, tmp_path)
    assert within["n_voxels"] == 96
    assert within["mse"] == pytest.approx(row["mse_test"], rel=1e-5)
    assert within["pca_mse"] == pytest.approx(row["pca_mse_test"], rel=1e-4)
    assert within["r2"] == pytest.approx(row["r2"], rel=1e-5)
    # other courses are other subspaces: a model of four latents cannot follow
    other = write_subject(tmp_path / "other", seed=7)
    across = transfer(fitted, controls, other, tmp_path, target="b", n_voxels=100)
    assert across["n_voxels"] == 100 and across["mse"] > 2 * within["mse"] and across["pca_mse"] > 2 * within["pca_mse"]
    assert pd.isna(across["reason"])


def test_what_cannot_be_transferred_says_why(fitted, controls, subject, tmp_path):
    short = write_subject(tmp_path / "short", n_frames=50)
    row = transfer(fitted, controls, short, tmp_path, target="b")
    assert np.isnan(row["mse"]) and row["n_voxels"] == 0
    assert row["reason"] == "b has 50 frames, the model of a takes 60"
    scaling = Scaling.fit([np.load(subject["scaled"])], method="minmax")
    scaling.save(tmp_path / "minmax.safetensors")
    other = {**subject, "scaling": tmp_path / "minmax.safetensors"}
    row = transfer(fitted, controls, other, tmp_path, target="b")
    assert row["reason"] == "b is scaled by minmax, the model of a takes zscore"


# ---- ChooseSize ----------------------------------------------------------------------------------

SIZES = (2, 4, 6, 9, 12, 16)


def sweep_of(path, subjects=("a", "b", "c"), seeds=(0, 1), sizes=SIZES, at=9):
    """A table of ScoreFit's columns with an elbow of the CVAE at `at`, none of the PCA."""
    rng = np.random.default_rng(0)
    rows = [
        {"participant_id": who, "latent_dim": size, "seed": seed, "setting": "n/a",
         "mse_val": max(at - size, 0) + 2 + level, "mse_test": max(at - size, 0) + 3 + level,
         "pca_mse_val": 10 / size, "pca_mse_test": 11 / size}
        for who in subjects for level in [rng.normal()] for seed in seeds for size in sizes
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_csv(path, sep="\t", index=False)
    return table


def choose(table, cwd):
    made = call(ChooseSize, cwd=cwd, sweep=table, n_bootstrap=100)
    return json.loads(Path(made.choice).read_text()), read(made.curve)


def test_the_planted_size_is_chosen(tmp_path):
    table = sweep_of(tmp_path / "sweep.tsv")
    choice, curve = choose(tmp_path / "sweep.tsv", tmp_path)
    assert (choice["size"], choice["low"], choice["high"], choice["verdict"]) == (9, 9, 9, "elbow")
    assert choice["shares"]["9"] == 1 and choice["n_curves"] == 6 and choice["n_subjects"] == 3
    assert choice["pca_size"] is None and choice["pca_sentence"].startswith("no elbow")
    assert "elbow of the mean validation error" in choice["rule"]
    assert choice["near_low"] <= choice["near_size"] <= choice["near_high"] and choice["near_within"] == 0.05
    assert f"{choice['near_size']} is the smallest size" in choice["near_sentence"] and choice["pca_near_size"] == 16
    assert list(curve) == ["model", "latent_dim", "mse_mean", "mse_sd", "mse_low", "mse_high", "n", "val_mean"]
    assert curve["model"].tolist() == ["cvae"] * 6 + ["pca"] * 6 and curve["latent_dim"].tolist() == [*SIZES, *SIZES]
    by_size = table.groupby("latent_dim")
    np.testing.assert_allclose(curve["mse_mean"][:6], by_size["mse_test"].mean(), rtol=1e-6)
    np.testing.assert_allclose(curve["mse_sd"][:6], by_size["mse_test"].std(), rtol=1e-6)
    np.testing.assert_allclose(curve["val_mean"][6:], by_size["pca_mse_val"].mean(), rtol=1e-6)
    assert (curve["mse_low"] <= curve["mse_mean"] + 1e-6).all()
    assert (curve["mse_mean"] <= curve["mse_high"] + 1e-6).all()


def test_a_sweep_of_one_subject_or_of_one_fit_is_not_refused(tmp_path):
    sweep_of(tmp_path / "one.tsv", subjects=("a",), seeds=(0,))
    choice, curve = choose(tmp_path / "one.tsv", tmp_path)
    assert (choice["size"], choice["low"], choice["verdict"], choice["n_curves"]) == (9, None, "uncertain", 1)
    assert curve["mse_sd"].isna().all()
    table = sweep_of(tmp_path / "few.tsv", sizes=(4, 9)).drop(columns="participant_id")
    table[table["seed"] == 0][:2].to_csv(tmp_path / "few.tsv", sep="\t", index=False)
    choice, _ = choose(tmp_path / "few.tsv", tmp_path)
    assert choice["size"] is None and "give at least 5" in choice["sentence"]


def test_incomplete_curves_are_left_out_and_strange_tables_refused(tmp_path):
    table = sweep_of(tmp_path / "sweep.tsv")
    table[3:].to_csv(tmp_path / "part.tsv", sep="\t", index=False)
    assert choose(tmp_path / "part.tsv", tmp_path)[0]["n_curves"] == 5
    pd.concat([table, table]).to_csv(tmp_path / "twice.tsv", sep="\t", index=False)
    with pytest.raises(ValueError, match="several fits of 2 latents with seed 0 of a: give those of one setting"):
        choose(tmp_path / "twice.tsv", tmp_path)
    table.drop(columns=["mse_val", "seed"]).to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    with pytest.raises(ValueError, match="lacks the columns seed, mse_val"):
        choose(tmp_path / "other.tsv", tmp_path)
    table[:0].to_csv(tmp_path / "none.tsv", sep="\t", index=False)
    with pytest.raises(ValueError, match="has no rows"):
        choose(tmp_path / "none.tsv", tmp_path)
