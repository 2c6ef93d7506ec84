"""LatentRegression: planted targets of every kind, its tables, and messages for what users will meet."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.latent_regression import IMPORTANCE, PREDICTIONS, SCORES, LatentRegression
from pydra_vae.tasks.split_subjects import SplitSubjects

N, K = 100, 4
TABLES = {"scores": SCORES, "predictions": PREDICTIONS, "importance": IMPORTANCE}
QUICK = {"models": ["mean", "glm"], "n_permutations": 19}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """100 persons, 20 of them twice; age in latent 0, a product in score, a class in latent 3."""
    folder = tmp_path_factory.mktemp("regression")
    rng = np.random.default_rng(0)
    who = np.concatenate([np.arange(N), np.arange(20)])
    labels = [f"sub-{p:03d}_ses-{1 + (i >= N)}" for i, p in enumerate(who)]
    persons = [f"sub-{p:03d}" for p in who]
    z = rng.normal(size=(N, K))
    age = 65 + 8 * z[:, 0] + 4 * rng.normal(size=N)
    score = z[:, 1] * z[:, 2] + 0.2 * rng.normal(size=N)
    patient = np.where(z[:, 3] + 0.4 * rng.normal(size=N) > 0, "patient", "control")
    site = rng.choice(["a", "b"], N)
    second = np.arange(len(who)) >= N
    table = pd.DataFrame({
        "label": labels, "person": persons, "age": age[who] + 2 * second, "score": score[who], "count": 0.0,
        "diagnosis": patient[who], "site": site[who], "same": 3.0, "kind": np.array(["x", "y", "z"])[who % 3],
    })  # fmt: skip
    table["count"] = rng.poisson(np.exp(1 + 0.8 * z[:, 0]))[who]
    latents = z[who] + 0.05 * rng.normal(size=(len(who), K)) + 50.0 * second[:, None]  # later visits must not count
    np.save(folder / "latents.npy", latents.astype(np.float32))
    np.save(folder / "noise.npy", rng.normal(size=(len(who), 2)).astype(np.float32))
    table.to_csv(folder / "covariates.tsv", sep="\t", index=False)
    split = call(SplitSubjects, cwd=folder / "split", labels=labels, persons=persons).subject_split
    return {
        "features": [folder / "latents.npy", folder / "noise.npy"],
        "names": ["VAE", "noise"],
        "covariates": folder / "covariates.tsv",
        "volume_split": split,
    }


def read(outputs):
    return {
        name: pd.read_csv(getattr(outputs, name), sep="\t", na_values="n/a", keep_default_na=False) for name in TABLES
    }


def changed(study, folder, change):
    """The study with another table of covariates."""
    table = pd.read_csv(study["covariates"], sep="\t")
    folder.mkdir(parents=True, exist_ok=True)
    change(table).to_csv(folder / "covariates.tsv", sep="\t", index=False, na_rep="n/a")
    return study | {"covariates": folder / "covariates.tsv"}


def test_an_interaction_takes_a_model_with_products(study, tmp_path):
    outputs = call(LatentRegression, cwd=tmp_path, **study, target="score", n_permutations=19)
    tables = read(outputs)
    for name, columns in TABLES.items():
        assert list(tables[name]) == list(columns)
    scores = tables["scores"].set_index(["features", "model"])
    assert list(scores.index[0]) == ["none", "mean"] and len(scores) == 1 + 2 * 4
    assert scores.loc[("VAE", "polynomial"), ["r2", "r2_test"]].min() > 0.6
    assert scores.loc[("VAE", "svr"), "r2"] > 0.4 and scores.loc[("VAE", "glm"), "r2"] < 0.1
    assert scores.loc["noise", "r2"].max() < 0.1
    assert (
        scores.loc[("VAE", "polynomial"), "p_permutation"] == 0.05 and scores.loc["noise", "p_permutation"].min() > 0.05
    )
    assert scores.loc[("none", "mean"), "r2"] == 0 and np.isnan(scores.loc[("none", "mean"), "p_permutation"])
    predictions = tables["predictions"]
    assert len(predictions) == 9 * N and predictions.label.nunique() == N  # one image a person, the first
    assert not predictions.label.str.contains("ses-2").any()
    one = predictions[(predictions.model == "polynomial") & (predictions.features == "VAE")]
    assert ((one.fold == "test") == (one.part == "test")).all()
    assert predictions.corrected.isna().all()
    importance = tables["importance"].query("features == 'VAE' and model == 'polynomial'")
    assert set(importance.importance.nlargest(2).index - importance.index[0]) == {1, 2}
    info = json.loads(Path(outputs.info).read_text())
    assert info["link"] == "identity" and info["persons"] == N and info["images_of_later_visits"] == 20
    assert len(info["chosen"]) == 9 and len(info["chosen"][1]["settings"]) == 6  # five folds and the test persons


def test_age_has_its_bias_corrected(study, tmp_path):
    tables = read(call(LatentRegression, cwd=tmp_path, **study, target="age", confounds=["site"], **QUICK))
    glm = tables["scores"].set_index(["features", "model"]).loc[("VAE", "glm")]
    assert glm.confounds == "site" and glm.r2 > 0.6 and glm.gap_r_with_age < -0.2
    assert abs(glm.gap_r_with_age_corrected) < 0.15 and glm.mae < 0.7 * glm.baseline_mae
    rows = tables["predictions"]
    np.testing.assert_allclose(rows.gap, rows.predicted - rows.observed, atol=1e-5)
    np.testing.assert_allclose(rows.gap_corrected, rows.corrected - rows.observed, atol=1e-5)
    off = read(call(LatentRegression, cwd=tmp_path / "off", **study, target="age", brain_age=False, **QUICK))
    assert off["predictions"].gap.isna().all() and off["scores"].mae_corrected.isna().all()


def test_two_words_are_classes_and_counts_take_the_log_link(study, tmp_path):
    models = {"models": ["mean", "glm", "svr"], "n_permutations": 19}
    outputs = call(LatentRegression, cwd=tmp_path / "a", **study, target="diagnosis", **models)
    scores = read(outputs)["scores"].set_index(["features", "model"])
    assert (
        scores.loc[("VAE", "glm"), ["auc", "auc_test"]].min() > 0.85 and scores.loc[("VAE", "glm"), "link"] == "logit"
    )
    assert scores.loc[("VAE", "svr"), "link"] == "identity" and scores.loc[("none", "mean"), "auc"] == 0.5
    assert scores.loc[("VAE", "glm"), "p_permutation"] == 0.05 and scores.mae.isna().all()
    assert json.loads(Path(outputs.info).read_text())["classes"] == ["control", "patient"]
    counts = read(call(LatentRegression, cwd=tmp_path / "b", **study, target="count", link="log", **QUICK))["scores"]
    both = read(call(LatentRegression, cwd=tmp_path / "c", **study, target="count", **QUICK))["scores"]
    assert counts.link.tolist() == ["identity", "log", "log"]
    assert counts.r2[1] > both.r2[1]  # the planted link is the better one


def test_the_same_inputs_give_the_same_bytes(study, tmp_path):
    once, again = (call(LatentRegression, cwd=tmp_path / n, **study, target="score", **QUICK) for n in "ab")
    for name in (*TABLES, "info"):
        assert Path(getattr(once, name)).read_bytes() == Path(getattr(again, name)).read_bytes()


def test_persons_without_the_target_are_left_out_and_counted(study, tmp_path):
    given = changed(study, tmp_path, lambda t: t.assign(score=t.score.where(t.person != "sub-003")))
    outputs = call(LatentRegression, cwd=tmp_path / "run", **given, target="score", **QUICK)
    assert json.loads(Path(outputs.info).read_text())["persons_left_out"] == 1
    assert "sub-003" not in set(read(outputs)["predictions"].person)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"target": "iq"}, r"covariates.tsv has no column iq; it has age, score, count, diagnosis"),
        ({"target": "score", "confounds": ["scanner"]}, "has no column scanner"),
        ({"target": "same"}, r"the target same is '3.0' for all 100 persons: choose one that differs"),
        ({"target": "kind"}, r"the target kind has 3 values \(x, y, z\) and the logit link tells two classes apart"),
        ({"target": "diagnosis", "link": "identity"}, r"the target diagnosis has words \(control, patient\)"),
        ({"target": "score", "link": "log"}, r"the target score has values below 0"),
        ({"target": "score", "n_folds": 90}, r"80 persons cannot be divided in 90 folds"),
        ({"target": "age", "confounds": ["age"]}, "age is the target and a confound"),
        ({"target": "age", "models": ["forest"]}, "models forest are not known: choose among mean, glm, svr"),
        ({"target": "age", "names": ["VAE"]}, "2 sets of features but 1 names"),
    ],
)
def test_inputs_that_cannot_be_used(study, tmp_path, inputs, message):
    with pytest.raises(Exception, match=message):
        call(LatentRegression, cwd=tmp_path, **study | inputs)


def test_categories_of_the_predicted_persons_alone(study, tmp_path):
    split = pd.read_csv(study["volume_split"], sep="\t")
    tested = split.person[split.part == "test"].iloc[0]
    given = changed(study, tmp_path / "a", lambda t: t.assign(site=t.site.where(t.person != tested, "c")))
    with pytest.raises(
        Exception, match=rf"site is 'c' only among the persons to be predicted in the test part \({tested}"
    ):
        call(LatentRegression, cwd=tmp_path / "a", **given, target="score", confounds=["site"], **QUICK)
    trained = split.person[split.part == "train"].iloc[0]
    given = changed(study, tmp_path / "b", lambda t: t.assign(site=t.site.where(t.person != trained, "c")))
    with pytest.raises(Exception, match=rf"in fold \d of 5 \({trained}\).*join that category with another"):
        call(LatentRegression, cwd=tmp_path / "b", **given, target="score", confounds=["site"], **QUICK)
    few = changed(study, tmp_path / "c", lambda t: t.assign(rare=np.where(t.person == trained, "yes", "no")))
    with pytest.raises(Exception, match=r"the target has 1 person\(s\) of class yes and 5 folds"):
        call(LatentRegression, cwd=tmp_path / "c", **few, target="rare", **QUICK)


def test_latents_of_other_images(study, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros((7, 2)))
    with pytest.raises(Exception, match=r"short.npy has 7 rows but the split lists 120 images"):
        call(LatentRegression, cwd=tmp_path, **study | {"features": [tmp_path / "short.npy"] * 2}, target="score")
