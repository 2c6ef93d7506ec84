"""finn as a program: from a command line to runs, from runs to the output folder."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae import __version__
from pydra_vae.bids.dataset import describe_dataset
from pydra_vae.bids.derivatives import check_output, check_work, dataset_label
from pydra_vae.bids.filters import read_filters
from pydra_vae.bids.ignore import note_surface_files
from pydra_vae.bids.plan import SubjectPlan, plan_subjects
from pydra_vae.bids.sidecars import named_by
from pydra_vae.engine.runner import Outcome, run
from pydra_vae.options.finn import chosen_analyses, finn_parser
from pydra_vae.workflows.finn import SERIES, SubjectCvae
from pydra_vae.workflows.finn_group_program import run_group
from pydra_vae.workflows.finn_inputs import (
    all_parameters,
    analysis_parameters,
    given_model,
    given_options,
    given_with_device,
    of_the_dataset,
    possible_analyses,
    refused,
    science_inputs,
)
from pydra_vae.workflows.finn_outputs import Delivery, analysis_targets, plan_files, targets
from pydra_vae.workflows.finn_parts import latent_dim_of
from pydra_vae.workflows.finn_science import OUTPUTS as ANALYSES
from pydra_vae.workflows.finn_science import SubjectScience, n_further_fits
from pydra_vae.workflows.needs import finn_needs, prepare_for
from pydra_vae.workflows.program import check_device, program, running, say, say_all, work_dir
from pydra_vae.workflows.repeat import Repeat, repeat_of

RECIPE = "finn"


def run_finn(argv: list[str] | None = None, prog: str | None = None) -> int:
    """Parse the command line, run what it asks for; returns the exit status."""
    parser = finn_parser(prog, __version__)
    options = parser.parse_args(argv)
    if options.derivatives is not None and (options.output is None or options.analysis_level is None):
        parser.error("DERIVATIVES, OUTPUT and participant or group belong together (or none of them, for the demo)")
    repeat = repeat_of(parser, options, argv, RECIPE, options.analysis_level or "demo")

    def body(console: Console) -> int:
        if options.derivatives is None:
            from pydra_vae.workflows.finn_demo import demo

            return demo(options, console)
        if options.analysis_level == "group":
            check_output(options.output, options.derivatives, create=False)
            check_work(work_dir(options), options.derivatives, options.output)
            return run_group(options.derivatives, options.output, options, console, repeat)
        return participant(options, console, repeat=repeat)

    return program(RECIPE, body)


def participant(
    options: argparse.Namespace,
    console: Console,
    truth: Callable[[SubjectPlan], dict[str, Any]] | None = None,
    repeat: Repeat | None = None,
) -> int:
    """Plan, run and deliver every subject; one that fails does not keep the others from it.

    Parameters
    ----------
    options : Namespace
    console : Console
    truth : callable, optional
        Of a subject's plan, the files of what was planted.
    repeat : Repeat, optional
        Written beside the outputs before anything runs.

    Returns
    -------
    status : int
    """
    output = check_output(options.output, options.derivatives, create=not options.dry_run)
    check_device(options)
    check_work(work_dir(options), options.derivatives, output)
    model = given_model(options, console)
    options.atlas = options.atlas or ("none" if options.mask else None)
    extract = given_options(options)["extract"]
    plans, problems = plan_subjects(
        options.derivatives,
        atlas=options.atlas,
        mask_file=options.mask,
        mean_image=options.mean_image,
        needs_confounds=extract.get("strategy", "none") != "none"
        or bool(extract.keys() & {"fd_threshold", "std_dvars_threshold"}),
        smoothing_fwhm=extract.get("smoothing_fwhm"),
        split_runs=options.split_runs,
        participant_label=options.participant_label,
        session_label=options.session_label,
        task_id=options.task_id,
        run=options.run,
        space=options.space,
        only=read_filters(options.bids_filter_file)["bold"],
        **{name: getattr(options, name) for name in ("res", "den", "echo", "rec", "acq", "part", "prefix")},
    )
    if options.atlas is None:
        for said in dict.fromkeys(plan.atlas_in_words for plan in plans if plan.on_surface):
            console.print(said, markup=False, soft_wrap=True)
    analyses = chosen_analyses(options.analyses, "participant")
    fits = [plan for plan in plans if not refused(plan, options, model, problems)]
    if options.dry_run:
        voxels = {plan.label: _voxels(plan, problems) for plan in fits}
        fits = [plan for plan in fits if voxels[plan.label]]
    say_all(console, RECIPE, problems)
    if not fits:
        return 2
    plans = fits
    if options.dry_run:
        given = bool(options.model)
        dry_run(plans, voxels, output, {p.label: possible_analyses(p, analyses, given, console) for p in plans}, given)
        return 1 if problems else 0

    # refuses what is missing before anything is computed
    given, *_ = [science_inputs(plan, options) for plan in plans]
    dataset = {dataset_label(options.derivatives): options.derivatives}
    describe_dataset(output, "finn", dataset)
    if repeat is not None:
        repeat.write(output)
    n_fits = 1 + (options.split == "both") + n_further_fits(analyses, given["sizes"], given["divergence"])
    prepare_for(finn_needs(plans, analyses, n_fits), options, output, console, RECIPE)
    parameters = {plan.label: all_parameters(options, plan) for plan in plans}
    sources = [path for path in (options.mean_image, options.model) if path is not None]
    delivery = {
        plan.label: Delivery(plan, output, options.derivatives, parameters[plan.label], sources) for plan in plans
    }
    shown = of_the_dataset(options.derivatives)
    tasks = {
        plan.label: SubjectCvae(
            **plan_files(plan),
            **model,
            **given_with_device(options),
            truth=truth(plan)["signal"] if truth else None,
            scheme=options.split,
            seed=options.seed,
            mean_image=options.mean_image,
            report=shown
            | {
                "background_name": plan.background[1],
                "parameters": json.dumps(named_by(parameters[plan.label], dataset), sort_keys=True),
            },
        )
        for plan in plans
    }
    how = running(options, console) | {"stop_on_first_crash": options.stop_on_first_crash}
    outcome = run(tasks, **how, on_done=lambda label, outputs: delivery[label].subject(outputs))
    note_surface_files(output, (path for plan in plans for *_, path in targets(plan, output) if path.is_file()))
    status = outcome.exit_code
    if not outcome.interrupted and not (status and options.stop_on_first_crash):
        planted = {plan.label: truth(plan)["science"] for plan in plans} if truth else {}
        science = analyses_of(outcome.outputs, plans, analyses, options, planted, console)
        if science:
            console.print("Analyses of each subject", style="bold")
            names = {f"{label} {name}": (label, name) for label, name in science}

            def deliver(both: str, outputs: Any) -> None:
                label, name = names[both]
                timing = {"t_r": delivery[label].plan.t_r}
                delivery[label].analysis(ANALYSES[name], outputs, analysis_parameters(options) | timing)

            more = run({both: science[key] for both, key in names.items()}, **how, on_done=deliver)
            status = max(status, more.exit_code)
            for both in more.failures:
                say(console, RECIPE, f"{both} failed, see above; everything else of the subject was delivered")
    _say_where(outcome, problems, output, console)
    return status or (1 if problems else 0)


def analyses_of(
    fitted: Mapping[str, Any],
    plans: list[SubjectPlan],
    analyses: list[str],
    options: argparse.Namespace,
    planted: Mapping[str, dict[str, Any]],
    console: Console,
) -> dict[tuple[str, str], SubjectScience]:
    """One task for each analysis of each fitted subject: one that fails takes nothing else with it."""
    given = given_with_device(options)["fit"]
    fit = {name: value for name, value in given.items() if not name.startswith("warm_start")}
    found = {}
    for plan in plans:
        if plan.label not in fitted:
            continue
        made = fitted[plan.label]
        files = {name: getattr(made, name) for name in (*SERIES, "scaling", "frames", "mask", "model", "config")}
        inputs = {
            **{name: value for name, value in files.items() if name != "mask_voxels"},
            **science_inputs(plan, options),
            **planted.get(plan.label, {}),
            "voxels": files["mask_voxels"],
            "surfaces": list(plan.surfaces) or None,
            "latent_dim": latent_dim_of(fit, made.config),
            "confounds": [run_.confounds for run_ in plan.runs],
            "scheme": "random" if options.split == "both" else options.split,
            "seed": options.seed,
            "fit": fit,
        }
        for name in possible_analyses(plan, analyses, bool(options.model), console):
            found[plan.label, name] = SubjectScience(analysis=name, **inputs)
    return found


def _voxels(plan: SubjectPlan, problems: dict[str, str]) -> tuple[int, str] | None:
    """Number and source of a plan's voxels; or a problem."""
    try:
        return plan.count_voxels()
    except (ValueError, OSError) as error:
        problems[plan.label] = str(error)
        return None


def dry_run(
    plans: list[SubjectPlan],
    voxels: dict[str, tuple[int, str]],
    output: Path,
    analyses: dict[str, list[str]],
    given: bool,
) -> None:
    """Say what would be read and written; reads headers and masks only."""
    for plan in plans:
        n_voxels, source = voxels[plan.label]
        print(f"{plan.label}: {len(plan.runs)} run(s), {sum(plan.n_frames)} frames, TR {plan.t_r or '?'} s")
        for run_, frames in zip(plan.runs, plan.n_frames, strict=True):
            print(f"  reads  {run_.bold}  ({frames} frames)")
        atlas = f" {plan.atlas}" if plan.atlas else ""
        rows = "grayordinates" if plan.on_surface else "voxels"
        print(f"  mask   {n_voxels:,} {rows}, from the {source}{atlas}".replace("the every", "every"))
        files = [target for name, _, target in targets(plan, output) if not (given and name == "history")]
        for name in analyses[plan.label]:
            made = [output_ for output_ in ANALYSES[name] if output_ != "latent_recovery"]  # of simulated data
            files += analysis_targets(plan, output, made).values()
        print("\n".join(f"  writes {target}" for target in files))
    print("nothing was run (--dry-run)")


def _say_where(outcome: Outcome, problems: dict[str, str], output: Path, console: Console) -> None:
    done, failed = len(outcome.outputs), len(outcome.failures)
    if done:
        console.print(f"{done} subject(s) delivered in {output}", markup=False, soft_wrap=True)
    if failed:
        say(console, RECIPE, f"{failed} subject(s) failed: {', '.join(outcome.failures)}")
    if problems:
        say(console, RECIPE, f"{len(problems)} subject(s) not started, see the top: {', '.join(problems)}")
