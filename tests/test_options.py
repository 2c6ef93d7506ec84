"""The command line: what it passes on, what it refuses, and that its help tells the truth."""

import importlib
import re

import pytest

from pydra_vae.options.config_file import given_values
from pydra_vae.options.finn import finn_parser
from pydra_vae.options.motor import motor_parser
from pydra_vae.options.parser import Memory, step_options
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
        ('level = "session"', "invalid choice: 'session'"),
        ('derivatves = "d"', "do you mean derivatives?"),
        ('mem = "lots"', "'lots' is no amount of memory"),
        ("latent-dim = ", "not valid TOML"),
        ("latent-dim = 4\nlatent_dim = 5", "latent-dim and latent_dim set the same: leave one out"),
        ('mem = "2GB"\nmem-gb = 3', "mem and mem-gb set the same"),
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


def test_config_file_holds_positional_arguments_switches_and_counts(tmp_path):
    config = tmp_path / "finn.toml"
    config.write_text(
        'derivatives = "d"\noutput = "o"\nlevel = "group"\nverbose = 2\nno-match-baselines = true\ntsne = false\n'
        'mem = "16GB"\n'
    )
    given = finn_parser().parse_args(["--config", str(config)])
    assert (str(given.derivatives), str(given.output), given.analysis_level) == ("d", "o", "group")
    assert (given.verbose, given.mem_gb) == (2, 16.0)
    assert step_options(given) == {"normalize": {"match_baselines": False}}
    given = finn_parser().parse_args(["e", "p", "participant", "--config", str(config), "--mem-gb", "2"])
    assert (str(given.derivatives), given.analysis_level, given.mem_gb) == ("e", "participant", 2.0)
    config.write_text('data = "d"\noutput = "o"\n')
    assert str(motor_parser().parse_args(["--config", str(config)]).data) == "d"


EVERY = {
    finn_parser: (
        "d o participant --participant-label sub-01 02 --run 1 2 --atlas none --fd-threshold 0.5 --no-match-baselines"
        " --seed 0 --kl-weight 0.1 --split both --tsne --betas 0.1 1 --mem 8000 --n-cpus 3 -vv --device cpu"
    ),
    motor_parser: (
        "d o group --task-id motor --surfaces L.gii R.gii --seeds 1 2 --no-detrend --rotate none --grid beta --mem-gb 3"
    ),
    structural_parser: (
        "d.tsv o --filter suffix=boldmap stat=alff --second suffix=boldmap --targets age --embeddings MDS LLE"
        " --write-reconstructions --search grid --regression-models glm"
    ),
}


@pytest.mark.parametrize("parser", EVERY, ids=["finn", "motor", "structural"])
def test_what_was_given_can_be_written_and_read_again(parser, tmp_path):
    import tomli_w

    made = parser()
    options = made.parse_args(EVERY[parser].split())
    values = given_values(made, options)
    config = tmp_path / "config.toml"
    config.write_text(tomli_w.dumps(values))
    other = parser()
    again = other.parse_args(["--config", str(config)])
    assert given_values(other, again) == values
    settled = {name: value for name, value in vars(options).items() if name not in ("config", "derivatives", "data")}
    found = vars(again)
    paths = ("output", "surfaces")
    assert {n: v for n, v in settled.items() if n not in paths} == {n: found[n] for n in settled if n not in paths}
    assert found["output"].is_absolute() and found["output"].name == "o"


@pytest.mark.parametrize("parser", EVERY, ids=["finn", "motor", "structural"])
def test_recipes_know_what_users_of_bids_apps_know(parser):
    known = {option for action in parser()._actions for option in action.option_strings}
    usual = "participant-label session-label task-id space work-dir n-procs nprocs n-cpus mem mem-gb mem-mb config"
    usual += " bids-filter-file stop-on-first-crash version verbose dry-run"
    assert {f"--{name}" for name in usual.split()} | {"-w", "-v", "-h"} <= known
    _, second, level = (action for action in parser()._actions if not action.option_strings)
    assert (second.dest, level.dest, level.choices) == ("output", "analysis_level", ("participant", "group"))


@pytest.mark.parametrize("arguments", [["group", "--mem", "1"], ["--participant_label", "01", "02", "group"]])
def test_the_level_is_found_wherever_it_stands(arguments):
    assert motor_parser().parse_args(["d", "o", *arguments]).analysis_level == "group"


@pytest.mark.parametrize(
    ("text", "gb"), [("20GB", 20), ("20G", 20), ("20000MB", 20), ("20000", 20), ("0.02TB", 20), ("1GiB", 1.073741824)]
)
def test_amounts_of_memory(text, gb):
    assert Memory("M")(text) == pytest.approx(gb)


def test_memory_bounds_the_processes(capsys):
    """As many as fit, never fewer than one, and the user is told."""
    from rich.console import Console

    from pydra_vae.workflows.costs import Cost
    from pydra_vae.workflows.program import within_memory

    cost, console = Cost(0, 0, 2e9), Console(stderr=True)
    for text, processes in (("9GB", 4), ("1GB", 1), ("100GB", 8)):
        options = finn_parser().parse_args(["--mem", text, "--n-procs", "8"])
        within_memory(options, cost, console, "finn")
        assert options.n_procs == processes
    said = " ".join(capsys.readouterr().err.split())
    assert "4 process(es) side by side instead of 8: one may need 2.0 GB of the 9 GB of --mem" in said
    assert "1 GB of --mem; even one may need more than that" in said
    assert "100 GB" not in said
