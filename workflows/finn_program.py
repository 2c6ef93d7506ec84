"""finn as a program: from a command line to runs, from runs to the output folder."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import NOTHING
from pydra.utils.general import get_fields
from rich.console import Console

from pydra_vae import __version__
from pydra_vae.bids.derivatives import check_output, check_work, dataset_label, write_dataset_description
from pydra_vae.bids.files import InputError
from pydra_vae.bids.plan import SubjectPlan, plan_subjects
from pydra_vae.engine.devices import available, choices
from pydra_vae.engine.display import PIPE_WIDTH
from pydra_vae.engine.errors import EngineError
from pydra_vae.engine.runner import Outcome, run
from pydra_vae.options import finn_parser, step_options
from pydra_vae.tasks._models import read_config
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.reconstruction_error import ReconstructionError
from pydra_vae.tasks.tsnr import Tsnr
from pydra_vae.workflows.finn import SubjectCvae
from pydra_vae.workflows.finn_group import run_group
from pydra_vae.workflows.finn_outputs import deliver_subject, targets

STEPS = {"extract": MaskBold, "normalize": Normalize, "fit": FitCvae, "tsnr": Tsnr, "error": ReconstructionError}
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
MAX_PROCS = 8
SIMULATOR = "pydra_vae simulation"  # as simulate/tree.py names itself in dataset_description.json


def run_finn(argv: list[str] | None = None, prog: str | None = None) -> int:
    """Parse the command line, run what it asks for; returns the exit status."""
    parser = finn_parser(prog, __version__)
    options = parser.parse_args(argv)
    if options.derivatives is not None and (options.output is None or options.analysis_level is None):
        parser.error("DERIVATIVES, OUTPUT and participant or group belong together (or none of them, for the demo)")
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    try:
        if options.derivatives is None:
            from pydra_vae.workflows.finn_demo import demo

            return demo(options, console)
        if options.analysis_level == "group":
            check_output(options.output, options.derivatives, create=False)
            check_work(work_dir(options), options.derivatives, options.output)
            return run_group(options.output, work_dir(options), n_procs(options), options, console)
        return participant(options, console)
    except (InputError, EngineError) as error:
        say(console, error)
        return 2
    except BrokenPipeError:  # `finn … --dry-run | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def say(console: Console, problem: object) -> None:
    """Print a problem; lines are not folded, so that paths and commands can be copied."""
    console.print(f"finn: {problem}", style="red", markup=False, soft_wrap=True)


def say_all(console: Console, problems: dict[str, str]) -> None:
    """Print the problems of all subjects, one that many share only once."""
    same: dict[str, list[str]] = {}
    for label, problem in problems.items():
        same.setdefault(problem.removeprefix(f"{label}: "), []).append(label)
    for problem, labels in same.items():
        say(console, f"{', '.join(labels)}: {problem}")


def n_procs(options: argparse.Namespace) -> int:
    """Processes side by side."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return options.n_procs or min(cores, MAX_PROCS)


def work_dir(options: argparse.Namespace) -> Path:
    """Where steps are cached; as with fMRIPrep, ``work`` under the current folder by default."""
    return (options.work_dir or Path("work")).absolute()


def given_options(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters of each step: the preset's, then what the user gave."""
    given = step_options(options)
    preset = PAPER if options.preset == "paper" else {}
    return {step: preset.get(step, {}) | given.get(step, {}) for step in STEPS}


def all_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Every parameter by step, defaults too, for sidecars and the report."""
    given = given_options(options)
    general = ("atlas", "mask", "mean_image", "model", "preset", "split", "seed")
    parameters: dict[str, Any] = {name: getattr(options, name) for name in general}
    parameters |= {name: str(value) for name, value in parameters.items() if isinstance(value, Path)}
    for name, step in STEPS.items():
        if step is FitCvae and options.model is not None:
            continue  # nothing is fitted
        fields = [f for f in get_fields(step) if f.default is not NOTHING and not _is_of_the_run(f)]
        parameters[step.__name__] = {f.name: given[name].get(f.name, f.default) for f in fields}
    return parameters


def _is_of_the_run(field: Any) -> bool:
    """Whether a field is a file, or set for all steps together."""
    return "File" in str(field.type) or field.name in ("function", "seed", "scheme", "device", "t_r", "tsnr_units")


def participant(
    options: argparse.Namespace,
    console: Console,
    truth: Callable[[SubjectPlan], list[Path]] | None = None,
) -> int:
    """Plan, run and deliver every subject; one that fails does not keep the others from it."""
    output = check_output(options.output, options.derivatives, create=not options.dry_run)
    _check_device(options.device)
    check_work(work_dir(options), options.derivatives, output)
    model = _given_model(options, console)
    options.atlas = options.atlas or ("none" if options.mask else "Schaefer2018")
    extract = given_options(options)["extract"]
    plans, problems = plan_subjects(
        options.derivatives,
        atlas=options.atlas,
        mask_file=options.mask,
        mean_image=options.mean_image,
        needs_confounds=extract.get("strategy", "none") != "none"
        or bool(extract.keys() & {"fd_threshold", "std_dvars_threshold"}),
        participant_label=options.participant_label,
        session_label=options.session_label,
        task_id=options.task_id,
        run=options.run,
        space=options.space,
        **{name: getattr(options, name) for name in ("res", "echo", "rec", "acq", "part", "prefix")},
    )
    fits = [plan for plan in plans if not _refused(plan, options, model, problems)]
    if options.dry_run:
        voxels = {plan.label: _voxels(plan, problems) for plan in fits}
        fits = [plan for plan in fits if voxels[plan.label]]
    say_all(console, problems)
    if not fits:
        return 2
    plans = fits
    if options.dry_run:
        dry_run(plans, voxels, output)
        return 1 if problems else 0

    dataset = {dataset_label(options.derivatives): options.derivatives}
    write_dataset_description(output, "pydra_vae: latent spaces of BOLD series", dataset)
    parameters = all_parameters(options)
    by_label = {plan.label: plan for plan in plans}

    def deliver(label: str, outputs: Any) -> None:
        sources = [path for path in (options.mean_image, options.model) if path is not None]
        deliver_subject(by_label[label], outputs, output, options.derivatives, parameters, sources)

    shown = _of_the_dataset(options.derivatives) | {"parameters": json.dumps(parameters, sort_keys=True)}
    tasks = {
        plan.label: SubjectCvae(
            **plan_inputs(plan),
            **model,
            **given_with_device(options),
            truth=truth(plan) if truth else None,
            scheme=options.split,
            seed=options.seed,
            mean_image=options.mean_image,
            report=shown | {"background_name": plan.background[1]},
        )
        for plan in plans
    }
    outcome = run(
        tasks,
        work_dir=work_dir(options),
        n_procs=n_procs(options),
        on_done=deliver,
        break_locks=options.break_locks,
        stop_on_first_crash=options.stop_on_first_crash,
        fits_per_gpu=options.fits_per_gpu,
        verbose=options.verbose,
        console=console,
    )
    _say_where(outcome, problems, output, console)
    return outcome.exit_code or (1 if problems else 0)


def plan_inputs(plan: SubjectPlan) -> dict[str, Any]:
    """A subject's files, as inputs of `SubjectCvae`."""
    runs = plan.runs
    masks = [run.mask for run in runs if run.mask]
    return {
        "label": plan.label,
        "bolds": [run.bold for run in runs],
        "brain_masks": masks if len(masks) == len(runs) else None,
        "confounds": [run.confounds for run in runs],
        "confounds_json": [run.confounds_json for run in runs],
        "sidecars": [run.sidecar for run in runs],
        "atlas": plan.atlas,
        "atlas_labels": plan.atlas_labels,
        "mask_file": plan.mask_file,
        "background": plan.background[0],
        "t_r": plan.t_r if plan.headers[0].t_r is None else None,
    }


def given_with_device(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters of each step, the device of the run put in where a step computes on one."""
    given = given_options(options)
    return given | {"fit": given["fit"] | {"device": options.device}}


def _voxels(plan: SubjectPlan, problems: dict[str, str]) -> tuple[int, str] | None:
    """Number and source of a plan's voxels; or a problem."""
    try:
        return plan.count_voxels()
    except (ValueError, OSError) as error:
        problems[plan.label] = str(error)
        return None


def dry_run(plans: list[SubjectPlan], voxels: dict[str, tuple[int, str]], output: Path) -> None:
    """Say what would be read and written; reads headers and masks only."""
    for plan in plans:
        n_voxels, source = voxels[plan.label]
        print(f"{plan.label}: {len(plan.runs)} run(s), {sum(plan.n_frames)} frames, TR {plan.t_r or '?'} s")
        for run_, frames in zip(plan.runs, plan.n_frames, strict=True):
            print(f"  reads  {run_.bold}  ({frames} frames)")
        atlas = f" {plan.atlas}" if plan.atlas else ""
        print(f"  mask   {n_voxels:,} voxels, from the {source}{atlas}")
        for _, _, target in targets(plan, output):
            print(f"  writes {target}")
    print("nothing was run (--dry-run)")


def _check_device(name: str) -> None:
    """Refuse a device that is not there before anything is computed."""
    if name not in ("auto", "cpu"):  # asking for the others loads torch
        try:
            choices(name, available())
        except ValueError as error:
            raise InputError(f"--device {name}: {error}") from error


def _given_model(options: argparse.Namespace, console: Console) -> dict[str, Path | None]:
    """The files of ``--model``, or none; the split is then the model's, so that no training voxel is held out."""
    if options.model is None:
        options.split, options.seed = options.split or "random", options.seed or 0
        return {"model": None, "config": None}
    config = options.model.with_suffix(".json")
    for path in (options.model, config):
        if not path.is_file():
            raise InputError(
                f"--model {options.model}: {path} is not there; give a *_model.safetensors with its .json beside it"
            )
    if options.model == config:
        raise InputError(f"--model {options.model}: give the *_model.safetensors that lies beside it")
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


def _refused(
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
    elif options.split == "parcel" and plan.atlas is None:
        problems[plan.label] = "--split parcel needs parcels: give --atlas NAME or FILE, or another --split"
    return plan.label in problems


def _of_the_dataset(derivatives: Path) -> dict[str, Any]:
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



def _say_where(outcome: Outcome, problems: dict[str, str], output: Path, console: Console) -> None:
    done, failed = len(outcome.outputs), len(outcome.failures)
    if done:
        console.print(f"{done} subject(s) delivered in {output}", markup=False, soft_wrap=True)
    if failed:
        say(console, f"{failed} subject(s) failed: {', '.join(outcome.failures)}")
    if problems:
        say(console, f"{len(problems)} subject(s) not started, see the top: {', '.join(problems)}")


