"""What a finn run is given: each step's parameters, a given model, the inputs of a subject's analyses."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import derivative_name
from pydra_vae.bids.plan import SubjectPlan
from pydra_vae.bids.runs import Run
from pydra_vae.options.finn import FITS_NEEDED
from pydra_vae.options.parser import step_options
from pydra_vae.tasks._models import other_shape, read_config
from pydra_vae.tasks.connectivity_geometry import ConnectivityGeometry
from pydra_vae.tasks.diffusion_embedding import DiffusionEmbedding
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.fit_shared import FitShared
from pydra_vae.tasks.latent_views import LatentViews
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.reconstruction_error import ReconstructionError
from pydra_vae.tasks.score_mantel import read_scores
from pydra_vae.tasks.transfer_error import TransferError
from pydra_vae.tasks.tsnr import Tsnr
from pydra_vae.workflows.parameters import filled

STEPS = {"extract": MaskBold, "normalize": Normalize, "fit": FitCvae, "tsnr": Tsnr, "error": ReconstructionError}
# Steps of the analyses that have options; ``permutations`` stands for every permutation test.
ANALYSIS_STEPS = {
    "views": LatentViews,
    "gradients": DiffusionEmbedding,
    "permutations": ConnectivityGeometry,
    "transfer": TransferError,
    "shared": FitShared,
}
# What Singla et al. (2025) state; the network is our reading of it.
PAPER = {
    "normalize": {"method": "minmax"},
    "fit": {
        "network": "paper",
        "recipe": "paper",
        "latent_dim": 9,
        "batch_size": 280,
        "learning_rate": 1e-3,
        "patience": 100,
        "kl_weight": 0.0,
    },
}
SIMULATOR = "pydra_vae simulation"  # as simulate/tree.py names itself in dataset_description.json


def given_options(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters of each step: the preset's, then what the user gave."""
    given = step_options(options)
    preset = PAPER if options.preset == "paper" else {}
    return {step: preset.get(step, {}) | given.get(step, {}) for step in STEPS}


def all_parameters(options: argparse.Namespace, plan: SubjectPlan | None = None) -> dict[str, Any]:
    """Every parameter by step, defaults too, for sidecars and the report; of a plan with the atlas that it found."""
    given = given_options(options)
    general = ("atlas", "mask", "mean_image", "model", "warm_start", "preset", "split", "split_runs", "seed")
    parameters = _plain(options, general)
    if plan is not None and options.atlas is None:
        parameters["atlas"] = plan.default_atlas
    for name, step in STEPS.items():
        if step is FitCvae and options.model is not None:
            continue  # nothing is fitted
        parameters[step.__name__] = filled(step, given[name])
    return parameters


def analysis_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Those of a subject's analyses, for their sidecars."""
    given, steps = step_options(options), ("views", "gradients", "permutations")
    own = _plain(options, ("sweep_sizes", "sweep_seeds", "betas", "mmd_weights", "events_dir"))
    return {name: value for name, value in own.items() if value is not None} | {
        name: filled(ANALYSIS_STEPS[name], given.get(name, {})) for name in steps
    }


def _plain(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in names}
    return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


def given_with_device(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters of each step, the device of the run put in where a step computes on one."""
    given = given_options(options)
    start = {}
    if options.warm_start is not None:
        start = {
            "warm_start": options.warm_start,
            "warm_start_config": _config_beside("--warm-start", options.warm_start),
        }
    return given | {"fit": given["fit"] | {"device": options.device} | start}


def possible_analyses(plan: SubjectPlan, analyses: list[str], given: bool, console: Console) -> list[str]:
    """The analyses that a subject's runs and a given model allow; says why some are left out."""
    reasons = {}
    if given:
        text = "it fits models, and this one was given (--model)"
        reasons = {name: text for name in analyses if name in FITS_NEEDED}
    elif "reliability" in analyses and not plan.can_be_halved:
        reasons = {"reliability": f"half of its {sum(plan.n_frames)} frames are too few for a fit"}
    for name, reason in reasons.items():
        console.print(f"{plan.label}: no {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    return [name for name in analyses if name not in reasons]


def science_inputs(plan: SubjectPlan, options: argparse.Namespace) -> dict[str, Any]:
    """Inputs of the subject's analyses beside its series."""
    given = step_options(options)
    if given.get("views", {}).get("umap") and find_spec("umap") is None:  # said after the fits, else
        raise InputError("--umap: umap-learn is not installed: pip install 'pydra-vae[umap]', or leave --umap out")
    sizes = {"sizes": options.sweep_sizes, "seeds": options.sweep_seeds}
    divergence = {"betas": options.betas, "mmd_weights": options.mmd_weights}
    events = [_events(run_, options.events_dir) for run_ in plan.runs]
    return {
        "sizes": {name: value for name, value in sizes.items() if value},
        "divergence": {name: tuple(value) for name, value in divergence.items() if value},
        "events": events if all(events) else None,
        "lengths": plan.n_frames,
        "t_r": plan.t_r,
        "tasks": [run_.entities.get("task", "") for run_ in plan.runs],
        **{name: given[name] for name in ("views", "gradients", "permutations") if name in given},
    }


def _events(run_: Run, folder: Path | None) -> Path | None:
    """A run's table of events: among the derivatives, else in the raw data."""
    if folder is None:
        return run_.events
    entities = {key: value for key, value in run_.entities.items() if key not in ("space", "res", "den", "cohort")}
    session = f"ses-{entities['ses']}" if "ses" in entities else ""
    path = folder / f"sub-{entities['sub']}" / session / "func" / derivative_name(entities, "events", ".tsv")
    if not path.is_file():
        raise InputError(f"--events-dir {folder}: {path} is not there; give the BIDS folder of the raw data")
    return path


def _config_beside(option: str, model: Path) -> Path:
    """The JSON of a given model."""
    config = model.with_suffix(".json")
    for path in (model, config):
        if not path.is_file():
            raise InputError(
                f"{option} {model}: {path} is not there; give a *_model.safetensors with its .json beside it"
            )
    if model == config:
        raise InputError(f"{option} {model}: give the *_model.safetensors that lies beside it")
    return config


def given_model(options: argparse.Namespace, console: Console) -> dict[str, Path | None]:
    """The files of ``--model``, or none; the split is then the model's, so that no training voxel is held out."""
    if options.model is None:
        options.split, options.seed = options.split or "random", options.seed or 0
        return {"model": None, "config": None}
    config = _config_beside("--model", options.model)
    try:
        made = read_config(config)
    except ValueError as error:
        raise InputError(f"--model {options.model}: {error}") from error
    needed = (made["scaling"] or {}).get("method")
    method = all_parameters(options)["Normalize"]["method"]
    if needed not in (None, method):
        raise InputError(
            f"--model {options.model} was fitted on data scaled by {needed}, and these would be scaled by {method}: "
            f"give --normalize {needed}, or fit a new model"
        )
    for name, there in (("split", made.get("scheme") or "random"), ("seed", made["seed"])):
        if getattr(options, name) not in (None, there):
            raise InputError(
                f"--model {options.model} was fitted with --{name} {there}: its test voxels are known only with that; "
                f"leave --{name} {getattr(options, name)} out, or fit a new model"
            )
        setattr(options, name, there)
    console.print(f"Held-out voxels are the model's: split {options.split}, seed {options.seed}", markup=False)
    return {"model": options.model, "config": config}


def refused(
    plan: SubjectPlan, options: argparse.Namespace, model: dict[str, Path | None], problems: dict[str, str]
) -> bool:
    """Whether an option does not fit a subject's runs; `problems` then has why."""
    n, given = sum(plan.n_frames), given_options(options)
    frame, size = given["error"].get("emse_frame"), given["fit"].get("latent_dim", 1)
    if frame is not None and frame >= n:
        problems[plan.label] = f"--emse-frame {frame}: its runs have {n} frames, counted from 0; give one up to {n - 1}"
    elif size >= n:
        problems[plan.label] = f"--latent-dim {size}: its runs have {n} frames; give fewer latent dimensions"
    elif model["config"] is not None and (made := read_config(model["config"])["n_frames"]) != n:
        problems[plan.label] = (
            f"--model {options.model} was fitted on {made} frames, and its runs have {n}: it takes series of that "
            "length only; choose as many with --task-id and --run, or fit a new model"
        )
    elif model["config"] is None and options.warm_start is not None and (other := _other_start(options, n)):
        problems[plan.label] = f"--warm-start {options.warm_start} holds {other}"
    elif options.split == "parcel" and plan.atlas is None:
        problems[plan.label] = "--split parcel needs parcels: give --atlas NAME or FILE, or another --split"
    return plan.label in problems


def _other_start(options: argparse.Namespace, n_frames: int) -> str:
    """Why fits cannot start from the model of ``--warm-start``, or ""."""
    try:
        made = read_config(_config_beside("--warm-start", options.warm_start))
    except ValueError as error:
        raise InputError(f"--warm-start {options.warm_start}: {error}") from error
    fit = all_parameters(options)["FitCvae"]
    shape = {name: fit[name] for name in ("network", "latent_dim", "linear_skip")}
    return other_shape(made, {"n_frames": n_frames, **shape})


def check_choices(
    options: argparse.Namespace, analyses: list[str], persons: list[str], participants: Path, output: Path
) -> None:
    """Refuse a group's options that name subjects or columns that are not there, before anything is computed.

    Parameters
    ----------
    options : Namespace
    analyses : list of str
        Those that will be done.
    persons : list of str
        ``sub-01`` and so on, whose results are in the output folder.
    participants : Path
        participants.tsv.
    output : Path
    """
    labels = [person.removeprefix("sub-") for person in persons]
    unknown = sorted(set(options.shared_training_labels or ()) - set(labels))
    if unknown and "shared" in analyses:
        raise InputError(
            f"--shared-training-labels: no results of {', '.join(unknown)} in {output}; it has {', '.join(labels)}"
        )
    if options.score is None or "statistics" not in analyses:
        return
    try:
        if not participants.is_file():
            raise ValueError(f"{participants} is not there: give --participants FILE")
        read_scores(participants, options.score, persons)
    except (ValueError, OSError) as error:
        raise InputError(f"--score {options.score}: {error}") from error


def of_the_dataset(derivatives: Path) -> dict[str, Any]:
    """What dataset_description.json tells the report."""
    try:
        description = json.loads((derivatives / "dataset_description.json").read_text(encoding="utf-8"))
        makers = [str(maker["Name"]) for maker in description.get("GeneratedBy") or []]
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        description, makers = {}, []
    return {
        "dataset": str(description.get("Name") or derivatives.absolute().name),
        "generated_by": ", ".join(makers),
        "simulated": SIMULATOR in makers,
    }
