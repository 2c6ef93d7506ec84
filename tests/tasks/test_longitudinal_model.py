"""LongitudinalModel on images whose change is planted: tables, controls, and studies without repeated visits."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.encode_volumes import EncodeVolumes
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.longitudinal_model import COEFFICIENTS, FROZEN, PREDICTIONS, SCORES, STEPS, LongitudinalModel
from pydra_vae.tasks.split_subjects import SplitSubjects

N, AGAIN, K, SHAPE = 110, 60, 3, (6, 5, 4)
V = int(np.prod(SHAPE))
TABLES = {
    "coefficients": COEFFICIENTS,
    "predictions": PREDICTIONS,
    "scores": SCORES,
    "frozen": FROZEN,
    "progression_steps": STEPS,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """110 persons, 60 twice and 20 three times; one pattern grows by .4 a year, each person's by a rate of its own."""
    folder = tmp_path_factory.mktemp("longitudinal")
    rng = np.random.default_rng(0)
    who = np.concatenate([np.arange(N), np.arange(AGAIN), np.arange(20)])
    years = np.concatenate([np.zeros(N), np.full(AGAIN, 2.0), np.full(20, 4.0)])
    session = (1 + years / 2).astype(int)
    labels = [f"sub-{p:03d}_ses-{s}" for p, s in zip(who, session, strict=True)]
    persons = [f"sub-{p:03d}" for p in who]
    age = rng.uniform(55, 85, N)
    factors = rng.normal(size=(N, K))[who]
    factors[:, 0] += rng.normal(0.4, 0.1, N)[who] * years
    waves = np.cos(np.outer(np.arange(1, K + 1), np.linspace(0, 3, V)))
    waves[0] *= np.linspace(0, 2, V) ** 2  # changes most at one end
    x = 0.5 + 0.05 * factors @ waves + 0.01 * rng.normal(size=(len(who), V))
    np.save(folder / "volumes.npy", x.astype(np.float32))
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.diag([10.0, 10, 10, 1])), folder / "mask.nii.gz")
    split = call(SplitSubjects, cwd=folder / "split", labels=labels, persons=persons).subject_split
    sex = np.array(["F", "M"])[who % 2]
    table = pd.DataFrame({"label": labels, "person": persons, "age": age[who] + years, "time": years, "sex": sex})
    table.to_csv(folder / "covariates.tsv", sep="\t", index=False)
    data = {"volumes": folder / "volumes.npy", "volume_split": split}
    fit = call(
        FitVolumeVae, cwd=folder / "vae", **data, mask=folder / "mask.nii.gz", network="dense", latent_dim=K, width=2,
        beta=1.0, max_steps=120, device="cpu",
    )  # fmt: skip
    network = {"model": fit.model, "config": fit.config, "device": "cpu"}
    latents = call(EncodeVolumes, cwd=folder / "codes", **network, volumes=data["volumes"]).latents
    pca = call(FitVolumePca, cwd=folder / "pca", **data, n_components=8).pca
    return {**network, **data, "latents": latents, "covariates": folder / "covariates.tsv", "pca": pca}


@pytest.fixture(scope="module")
def found(study, tmp_path_factory):
    return call(LongitudinalModel, cwd=tmp_path_factory.mktemp("run"), **study)


def read(outputs):
    return {
        name: pd.read_csv(getattr(outputs, name), sep="\t", na_values="n/a", keep_default_na=False) for name in TABLES
    }


def test_the_decoded_difference_beats_the_last_visit(found, study):
    tables = read(found)
    for name, columns in TABLES.items():
        assert list(tables[name]) == list(columns)
    scores = tables["scores"].set_index(["region", "method"])
    whole, changing = scores.loc["whole"], scores.loc["changing"]
    assert set(whole.index) == set(changing.index) and len(whole) == 9
    assert (scores.xs("carry_forward", level=1).ratio_to_carry_forward == 1).all()
    for part in (whole, changing):
        assert part.ratio_to_carry_forward["true_latents"] <= part.ratio_to_carry_forward["decoded_difference"] + 0.03
        assert part.ratio_high["decoded_difference"] < 1 and part.p["decoded_difference"] < 0.01
    assert changing.ratio_to_carry_forward["decoded_difference"] < whole.ratio_to_carry_forward["decoded_difference"]
    assert (whole.ratio_low <= whole.ratio_to_carry_forward).all() and (whole.n >= whole.n_persons).all()
    predictions = tables["predictions"]
    split = pd.read_csv(study["volume_split"], sep="\t").set_index("label")
    assert (split.part[predictions.label].to_numpy() != "train").all()
    assert (predictions.part.to_numpy() == split.part[predictions.label].to_numpy()).all()
    mean = predictions.query("method == 'decoded_difference' and region == 'whole'").mse.mean()
    assert mean == pytest.approx(whole.mse["decoded_difference"], rel=1e-6)
    twice = predictions[predictions.method == "own_voxel_slope"]
    assert (twice.n_earlier == 2).all() and len(twice) > 0


def test_the_latent_that_changes_is_named(found):
    tables = read(found)
    coefficients, frozen = tables["coefficients"], tables["frozen"]
    assert (coefficients.n_repeated < coefficients.n_persons).all() and coefficients.q.min() < 1e-3
    steepest = coefficients.slope_sd_per_year.abs().idxmax()
    whole = frozen[frozen.region == "whole"].set_index("latent")
    assert whole.loss.idxmax() == steepest and whole.loss.max() > 0.05
    np.testing.assert_allclose(frozen.slope_per_year, np.tile(coefficients.slope_per_year, 2), rtol=1e-6)
    assert (coefficients.q >= coefficients.p).all()


def test_progression_goes_along_age_and_along_years(found, study):
    steps, images = read(found)["progression_steps"], np.load(found.progression)
    assert images.shape == (14, V) == (len(steps), V) and steps.row.tolist() == list(range(14))
    within, between = steps[steps.kind == "within"], steps[steps.kind == "between"]
    assert within.years.max() == 4 and within.change.is_monotonic_increasing and within.change.iloc[0] == 0
    assert between.age.is_monotonic_increasing and between.years.isna().all()
    change = images[13] - images[7]
    pattern = np.cos(np.linspace(0, 3, V)) * np.linspace(0, 2, V) ** 2
    assert np.corrcoef(change, pattern)[0, 1] > 0.9
    assert json.loads(Path(found.info).read_text())["message"] == ""


def test_the_same_inputs_give_the_same_bytes(found, study, tmp_path):
    again = call(LongitudinalModel, cwd=tmp_path, **study)
    for name in (*TABLES, "progression", "info"):
        assert Path(getattr(found, name)).read_bytes() == Path(getattr(again, name)).read_bytes()


def test_years_and_covariates(study, tmp_path):
    inputs = {name: value for name, value in study.items() if name != "pca"}
    tables = read(call(LongitudinalModel, cwd=tmp_path, **inputs, time="time", covariates_used=["sex"]))
    assert "pca_change" not in set(tables["scores"].method)
    assert tables["coefficients"].slope_between.isna().all()  # all persons begin at year 0
    assert set(tables["progression_steps"].kind) == {"within"} and tables["progression_steps"].age.isna().all()


def only(study, folder, keep):
    """The study with other times: where `keep` is false, the visit has none."""
    folder.mkdir()
    table = pd.read_csv(study["covariates"], sep="\t")
    table["age"] = table.age.where(keep(table))
    table.to_csv(folder / "covariates.tsv", sep="\t", index=False, na_rep="n/a")
    return study | {"covariates": folder / "covariates.tsv"}


def test_no_repeated_visits_are_said_to_be_none(study, tmp_path):
    outputs = call(
        LongitudinalModel, cwd=tmp_path / "run", **only(study, tmp_path / "a", lambda t: t.label.str.endswith("1"))
    )
    tables, info = read(outputs), json.loads(Path(outputs.info).read_text())
    assert info["message"].startswith("no person has a second visit") and info["images_left_out"] == AGAIN + 20
    assert all(tables[name].empty for name in ("predictions", "scores", "frozen"))
    assert tables["coefficients"].slope_per_year.isna().all() and tables["coefficients"].slope_between.notna().all()
    assert set(tables["progression_steps"].kind) == {"between"} and np.load(outputs.progression).shape == (7, V)


def test_repeated_visits_on_one_side_only(study, tmp_path):
    part = pd.read_csv(study["volume_split"], sep="\t").part
    first = lambda t: t.label.str.endswith("1")  # noqa: E731
    trained = call(
        LongitudinalModel, cwd=tmp_path / "b", **only(study, tmp_path / "a", lambda t: first(t) | (part == "train"))
    )
    assert "no validation or test person" in json.loads(Path(trained.info).read_text())["message"]
    assert read(trained)["scores"].empty and read(trained)["coefficients"].slope_per_year.notna().all()
    held = call(
        LongitudinalModel, cwd=tmp_path / "d", **only(study, tmp_path / "c", lambda t: first(t) | (part != "train"))
    )
    assert "no training person" in json.loads(Path(held.info).read_text())["message"]
    assert (
        len(read(held)["scores"]) and (read(held)["coefficients"].note == "no training person has a second visit").all()
    )


def test_one_age_for_everyone_leaves_the_average_person(study, tmp_path):
    table = pd.read_csv(study["covariates"], sep="\t").assign(age=70.0)
    table.to_csv(tmp_path / "same.tsv", sep="\t", index=False)
    outputs = call(LongitudinalModel, cwd=tmp_path / "run", **study | {"covariates": tmp_path / "same.tsv"})
    assert np.load(outputs.progression).shape == (1, V) and read(outputs)["progression_steps"].age.tolist() == [70]


def test_columns_that_are_absent_or_no_numbers(study, tmp_path):
    with pytest.raises(Exception, match=r"covariates.tsv has no column education; it has age, time, sex"):
        call(LongitudinalModel, cwd=tmp_path / "a", **study, covariates_used=["education"])
    table = pd.read_csv(study["covariates"], sep="\t").assign(age="old")
    table.to_csv(tmp_path / "words.tsv", sep="\t", index=False)
    with pytest.raises(Exception, match=r"words.tsv: age has words \(old\), and years are needed"):
        call(LongitudinalModel, cwd=tmp_path / "b", **study | {"covariates": tmp_path / "words.tsv"})
