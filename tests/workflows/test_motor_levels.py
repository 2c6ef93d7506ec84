"""motor's participant level: recordings prepared for the group level, and encoded with the models that are there."""

import json
import shutil

import pandas as pd
import pytest

from pydra_vae.cli import main
from pydra_vae.workflows.motor_outputs import slug
from pydra_vae.workflows.motor_participant import Fitted, fitted_models
from pydra_vae.workflows.motor_specs import Vae

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
    assert len(models) >= 4
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


@pytest.mark.parametrize(
    ("n_frames", "prepare", "reason"),
    [
        (284, PREPARED, None),
        (200, PREPARED, "its recordings have 284 frames and these 200"),
        (284, PREPARED | {"high_pass": 0.02}, "its recordings were prepared with high_pass 0.01 (not 0.02)"),
    ],
)
def test_why_a_model_is_refused(tmp_path, n_frames, prepare, reason):
    model = Vae("β-VAE-S", "", 8, 2.0, 42)
    made = {"n_frames": 284, "Parameters": {"PrepareSurface": PREPARED}}
    assert Fitted(model, tmp_path, tmp_path, made).unlike(n_frames, prepare) == reason


def test_models_are_known_by_what_they_say_of_themselves(tmp_path):
    model = Vae("β-VAE-S", "", 8, 2.0, 42)
    says = {"Description": f"Weights of {model.label}", "latent_dim": 8, "beta": 2.0, "seed": 42}
    for name, text in ((slug(model), json.dumps(says)), ("other", json.dumps(says)), ("broken", "{")):
        (tmp_path / f"group_desc-{name}_model.safetensors").touch()
        (tmp_path / f"group_desc-{name}_model.json").write_text(text)
    (found,) = fitted_models(tmp_path)
    assert found.model.label == model.label
