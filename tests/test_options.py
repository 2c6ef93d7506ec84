"""The command line: what it passes on, what it refuses, and that its help tells the truth."""

import importlib
import re

import pytest

from pydra_vae.options.finn import finn_parser
from pydra_vae.options.motor import motor_parser
from pydra_vae.options.parser import step_options
from pydra_vae.options.structural import structural_parser

FINN = {
    "extract": ("mask_bold", "MaskBold"),
    "normalize": ("normalize", "Normalize"),
    "fit": ("fit_cvae", "FitCvae"),
    "tsnr": ("tsnr", "Tsnr"),
    "error": ("reconstruction_error", "ReconstructionError"),
    "views": ("latent_views", "LatentViews"),
    "gradients": ("diffusion_embedding", "DiffusionEmbedding"),
    "permutations": ("connectivity_geometry", "ConnectivityGeometry"),
    "transfer": ("transfer_error", "TransferError"),
    "shared": ("fit_shared", "FitShared"),
}
MOTOR = {
    "prepare": ("prepare_surface", "PrepareSurface"),
    "geodesics": ("geodesic_distances", "GeodesicDistances"),
    "clusters": ("spectral_clusters", "SpectralClusters"),
    "fit": ("fit_tivae", "FitTiVae"),
    "ica": ("ica", "Ica"),
    "task": ("hrf_regression", "HrfRegression"),
}
STRUCTURAL = {
    "prepare": ("prepare_volume", "PrepareVolume"),
    "mask": ("make_volume_mask", "MakeVolumeMask"),
    "fit": ("fit_volume_vae", "FitVolumeVae"),
    "regression": ("latent_regression", "LatentRegression"),
    "joint": ("fit_joint", "FitJoint"),
    "longitudinal": ("longitudinal_model", "LongitudinalModel"),
    "traverse": ("traverse_volumes", "TraverseVolumes"),
    "draw": ("draw_volumes", "DrawVolumes"),
    "interpolate": ("interpolate_volumes", "InterpolateVolumes"),
    "embed": ("embed_volumes", "EmbedVolumes"),
    "extract": ("mask_bold", "MaskBold"),
}


def _step_actions():
    recipes = ((finn_parser(), FINN), (motor_parser(), MOTOR), (structural_parser(), STRUCTURAL))
    return [
        pytest.param(action, steps, id=f"{name}.{action.dest}")
        for name, (parser, steps) in zip(("finn", "motor", "structural"), recipes, strict=True)
        for action in parser._actions
        if "." in action.dest
    ]


def _field(action, steps):
    from pydra.utils.general import get_fields

    step, parameter = action.dest.split(".")
    module, name = steps[step]
    task = getattr(importlib.import_module(f"pydra_vae.tasks.{module}"), name)
    return get_fields(task)[parameter]


@pytest.mark.parametrize(("action", "steps"), _step_actions())
def test_step_options_exist_with_the_stated_default_and_choices(action, steps):
    field = _field(action, steps)
    if action.choices and field.allowed_values:  # a list's items have none
        assert set(action.choices) == set(field.allowed_values)
    stated = re.search(r"\(default: (.+)\)$", action.help or "")
    if stated and stated[1] not in ("the recipe's", "no", "none", "all") and "900" not in stated[1]:
        assert str(field.default) in (stated[1], f"{stated[1]}.0")
    elif stated and stated[1] in ("no", "none"):
        assert field.default in (None, "none", 0, 0.0, [])


def test_only_what_was_given_reaches_a_step():
    given = finn_parser().parse_args(["d", "o", "participant", "--latent-dim", "5", "--max_steps=7"])
    assert step_options(given) == {"fit": {"latent_dim": 5, "max_steps": 7}}
    assert step_options(finn_parser().parse_args([])) == {}


def test_labels_with_and_without_their_prefix():
    given = finn_parser().parse_args(["d", "o", "participant", "--participant_label", "sub-01", "02"])
    assert given.participant_label == ["01", "02"]


def test_options_of_two_values_on_the_command_line_and_in_a_config_file(tmp_path, capsys):
    config = tmp_path / "motor.toml"
    config.write_text('surfaces = ["L.gii", "R.gii"]\n')
    for arguments in (["d", "o", "--surfaces", "L.gii", "R.gii", "--seeds", "1"], ["d", "o", "--config", str(config)]):
        assert [str(path) for path in motor_parser().parse_args(arguments).surfaces] == ["L.gii", "R.gii"]
    config.write_text('surfaces = "L.gii"\n')
    with pytest.raises(SystemExit):
        motor_parser().parse_args(["--config", str(config)])
    assert "surfaces takes 2 values, not 'L.gii'" in capsys.readouterr().err


def test_config_file_gives_defaults_and_the_command_line_wins(tmp_path):
    config = tmp_path / "finn.toml"
    config.write_text('latent-dim = 4\nparticipant_label = ["sub-03"]\nnetwork = "dense"\n')
    given = finn_parser().parse_args(["--config", str(config), "--network", "lk"])
    assert step_options(given)["fit"] == {"latent_dim": 4, "network": "lk"}
    assert given.participant_label == ["03"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latent-dims = 4", "unknown key 'latent-dims'"),
        ('network = "resnet"', "invalid choice: 'resnet'"),
        ("latent-dim = [4, 5]", "latent-dim takes one value"),
        ("dry-run = 3", "dry-run is a switch"),
        ("latent-dim = ", "not valid TOML"),
    ],
)
def test_a_bad_config_is_named(tmp_path, capsys, text, message):
    config = tmp_path / "finn.toml"
    config.write_text(text)
    with pytest.raises(SystemExit):
        finn_parser().parse_args(["--config", str(config)])
    error = capsys.readouterr().err
    assert str(config) in error
    assert message in error
