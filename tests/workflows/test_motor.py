"""The motor recipe as a user runs it: the embedded demo, its outputs, and what a rerun computes."""

import json

import numpy as np
import pandas as pd
import pytest

from pydra_vae.cli import main

FITS = ("TI-VAE-S", "TI-VAE-F", "β-VAE-S", "linear")


def table(folder, name):
    return pd.read_csv(folder / "output" / f"group_desc-motor_{name}.tsv", sep="\t", na_values="n/a")


def test_demo_says_what_it_is_and_ends_with_the_comparison(motor_demo):
    folder, done = motor_demo
    assert "SIMULATED" in done.stderr
    assert "r, held out: " in done.stdout
    assert str(folder / "output" / "index.html") in done.stdout.replace("\n", "")
    assert done.steps
    assert all(done.computed[step] and not done.failed[step] for step in done.steps)


def test_the_comparison_holds_every_model_with_its_nulls(motor_demo):
    comparison = table(motor_demo[0], "comparison")
    assert set(FITS) <= set(comparison["model"])
    assert comparison["model"].str.contains("Infomax").sum() >= 6
    assert (comparison["model"].str.startswith("PCA")).any()
    assert comparison[["r_test", "r_paper", "chance", "ceiling", "readout"]].notna().all(axis=None)
    assert comparison["seed"].notna().all()


def test_fits_log_what_the_paper_asks_of_them(motor_demo):
    fits = table(motor_demo[0], "fits")
    assert set(fits["model"]) == set(FITS)
    terms = fits[["mi", "tc", "dimension_wise"]].sum(axis=1)
    assert np.allclose(terms, fits["kl"], rtol=0.02, atol=1e-3)
    assert fits[["r2_train", "r2_test", "pca_r2_test"]].notna().all(axis=None)


def test_outputs_have_their_names_and_sidecars(motor_demo):
    folder, _ = motor_demo
    output = folder / "output"
    name = "TIVAESk8b1s42"
    for end in ("model.safetensors", "history.tsv"):
        assert (output / f"group_desc-{name}_{end}").is_file()
    beside = json.loads((output / f"group_desc-{name}_model.json").read_text())
    assert beside["latent_dim"] == 8
    assert beside["Parameters"]["FitTiVae"]["recipe"] == "fast"
    assert (output / f"group_space-fsLR_desc-{name}_map.dscalar.nii").is_file()
    (factors,) = output.glob(f"sub-990001/func/*_desc-{name}_factors.tsv")
    assert list(pd.read_csv(factors, sep="\t").columns) == ["time", *(f"factor-{k}" for k in range(1, 9))]


def test_second_run_computes_nothing_and_brings_back_what_was_deleted(motor_demo, motor):
    folder, first = motor_demo
    (factors,) = (folder / "output" / "sub-990002").rglob("*_desc-TIVAESk8b1s42_factors.tsv")
    maps = folder / "output" / "group_space-fsLR_desc-TIVAESk8b1s42_map.dscalar.nii"
    before = {path: path.read_bytes() for path in (factors, maps)}
    for path in before:
        path.unlink()
    done = motor(*motor.short, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert done.steps == first.steps
    assert not done.done_again and not any(done.failed.values())
    assert {path: path.read_bytes() for path in before} == before


def test_a_late_parameter_recomputes_only_what_depends_on_it(motor_demo, motor):
    folder, _ = motor_demo
    done = motor(*motor.short, "--permutations", "50", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    assert {"HrfRegression", "MotorReport"} <= set(done.done_again)
    assert set(done.done_again) <= {"HrfRegression", "CompareMaps", "GatherTables", "MotorReport"}
    assert "n_permutations" in done.why["HrfRegression"]


def test_a_dry_run_reads_headers_only(motor_demo, motor, tmp_path):
    folder, _ = motor_demo
    done = motor(folder / "data", tmp_path / "out", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "284 frames, TR 0.72 s" in done.stdout
    assert "fits TI-VAE-S k=8 beta=1 seed=42" in done.stdout
    assert "16 fits, and 20 ICA and PCA, of 12 recordings of 12 persons" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_command_finds_the_recipe(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["motor", "--help"])
    assert stop.value.code == 0
    assert "pydra-vae motor DATA OUTPUT [options]" in capsys.readouterr().out


@pytest.mark.slow
def test_a_killed_fit_resumes_to_the_uninterrupted_result(motor_demo, motor):
    folder, _ = motor_demo
    arguments = (folder / "data", "out", "--models", "tivae-s", "--latent-dims", "4", "--seeds", "1",
                 "--n-clusters", "12", "--max-steps", "150", "--permutations", "20", "--ica-restarts", "1")  # fmt: skip
    whole, killed, done = motor.killed(arguments, folder.parent)
    assert done.computed["FitTiVae"] == 1 and done.reused["PrepareSurface"] == 12
    for end in ("history.tsv", "model.safetensors"):
        name = f"group_desc-TIVAESk4b1s1_{end}"
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert json.loads((killed / "group_desc-TIVAESk4b1s1_model.json").read_text())["resumed_at"] > 0


def test_the_outputs_are_a_valid_dataset(validate, motor_demo):
    """Nobody but the user knows the authors; there is nothing else that the validator would say."""
    issues = validate(motor_demo[0] / "output")
    assert {issue[:2] for issue in issues} <= {("warning", "TOO_FEW_AUTHORS")}, issues
