"""The motor recipe as a user runs it: the embedded demo, its outputs, and what a rerun computes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.recordings import Recording
from pydra_vae.cli import main
from pydra_vae.options.motor import motor_parser
from pydra_vae.workflows.motor_outputs import slug
from pydra_vae.workflows.motor_participant import Fitted, fitted_models
from pydra_vae.workflows.motor_specs import Vae

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


def test_the_outputs_are_a_valid_dataset(validate, curate, motor_demo):
    """Nobody but the user knows the authors; there is nothing else that the validator would say."""
    issues = validate(motor_demo[0] / "output")
    assert {issue[:2] for issue in issues} <= {("warning", "TOO_FEW_AUTHORS")}, issues
    assert not curate(motor_demo[0] / "output")


# ---- levels and configuration files --------------------------------------------------------------


PREPARED = {"high_pass": 0.01, "dummy_scans": 0}


@pytest.fixture(scope="module")
def group_output(motor_demo, tmp_path_factory):
    """What the group level left of its models, without any factors: its folder is a copy."""
    output = tmp_path_factory.mktemp("levels") / "out"
    shutil.copytree(motor_demo[0] / "output", output, ignore=shutil.ignore_patterns("sub-*", "*.html", "*.gii"))
    return output


@pytest.fixture(scope="module")
def encoded(motor_demo, motor, group_output):
    """A run of the participant level on one subject of the demo, in the work folder of its group level."""
    demo, _ = motor_demo
    arguments = (demo / "data", group_output, "participant", "--participant-label", "990002", "-w", demo / "work")
    done = motor(*arguments, cwd=group_output.parent)
    assert done.returncode == 0, done.stderr
    return done


def test_prepared_series_are_those_of_the_group_level(encoded):
    assert set(encoded.done_again) <= {"MakeRegion", "EncodeFactors", "WriteFactors"}
    assert encoded.reused["PrepareSurface"] == encoded.reused["TaskRegressors"] == 1


def test_factors_of_every_model_are_those_that_the_group_level_gave(encoded, group_output, motor_demo):
    models = fitted_models(group_output)
    assert len(models) >= 4 and {model.made["RepetitionTime"] for model in models} == {0.72}
    tables = sorted((group_output / "sub-990002" / "func").glob("*_factors.tsv"))
    assert len(tables) == len(models)
    shown = [path for path in tables if (motor_demo[0] / "output" / path.relative_to(group_output)).is_file()]
    assert shown
    for path in shown:
        pd.testing.assert_frame_equal(
            pd.read_csv(path, sep="\t"),
            pd.read_csv(motor_demo[0] / "output" / path.relative_to(group_output), sep="\t"),
            rtol=1e-4,
            atol=1e-5,
        )
        assert "Factors of " in json.loads(path.with_suffix(".json").read_text())["Description"]


def test_its_configuration_repeats_it_and_computes_nothing(encoded, group_output, motor):
    config = group_output / "code" / "motor_participant.toml"
    before = config.read_bytes()
    done = motor("--config", config, cwd=group_output)  # from another folder
    assert done.returncode == 0, done.stderr
    assert done.steps and not done.done_again
    assert config.read_bytes() == before


def test_models_of_otherwise_prepared_recordings_are_refused(encoded, group_output, motor):
    config = group_output / "code" / "motor_participant.toml"
    done = motor("--config", config, "--dummy-scans", "4", cwd=group_output)
    assert done.returncode == 1
    assert "its recordings have 284 frames and these 280; give the options of its group level" in done.stderr
    assert done.done_again["PrepareSurface"] == 1 and "EncodeFactors" not in done.steps


def test_dry_run_names_the_models(encoded, group_output, motor_demo, capsys):
    arguments = [motor_demo[0] / "data", group_output, "participant", "--participant-label", "990002", "--dry-run"]
    assert main(["motor", *map(str, arguments)]) == 0
    said = capsys.readouterr().out
    assert "sub-990002: 284 frames" in said and "encodes with TI-VAE-S k=8 beta=1 seed=42" in said
    assert main(["motor", *map(str, arguments), "--dummy-scans", "4"]) == 1
    assert "no factors of TI-VAE-S k=8 beta=1 seed=42: its recordings have 284 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("n_frames", "t_r", "options", "reason"),
    [
        (284, 0.7200001, [], None),  # as a header's float32 may have it
        (200, 0.72, [], "its recordings have 284 frames and these 200"),
        (284, 1.0, [], "its recordings have a repetition time of 0.72 s and these 1 s"),
        (284, 0.72, ["--high-pass", "0.02"], "its recordings were prepared with high_pass 0.01 (not 0.02)"),
    ],
)
def test_why_a_model_is_refused(tmp_path, n_frames, t_r, options, reason):
    made = {"n_frames": 284, "RepetitionTime": 0.72, "Parameters": {"PrepareSurface": PREPARED}}
    fitted = Fitted(Vae("β-VAE-S", "", 8, 2.0, 42), tmp_path, tmp_path, made)
    recording = Recording("sub-01", "sub-01", (), "hcp", {}, n_frames=n_frames, t_r=t_r)
    assert fitted.unlike(recording, motor_parser().parse_args(options)) == reason


def test_models_are_known_by_what_they_say_of_themselves(tmp_path):
    model = Vae("β-VAE-S", "", 8, 2.0, 42)
    says = {"Description": f"Weights of {model.label}", "latent_dim": 8, "beta": 2.0, "seed": 42}
    for name, text in ((slug(model), json.dumps(says)), ("other", json.dumps(says)), ("broken", "{")):
        (tmp_path / f"group_desc-{name}_model.safetensors").touch()
        (tmp_path / f"group_desc-{name}_model.json").write_text(text)
    (found,) = fitted_models(tmp_path)
    assert found.model.label == model.label
