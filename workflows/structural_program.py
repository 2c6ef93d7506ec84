"""structural as a program: from a command line to images and tables, and from them to a study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from pydra_vae import __version__
from pydra_vae.bids.derivatives import check_output, check_work
from pydra_vae.engine.runner import run
from pydra_vae.options.structural import structural_parser
from pydra_vae.tasks.fetch_oasis import FetchOasis
from pydra_vae.workflows.needs import prepare_for, structural_needs
from pydra_vae.workflows.program import check_device, program, running, say, say_all, work_dir
from pydra_vae.workflows.repeat import Repeat, repeat_of
from pydra_vae.workflows.structural_bold import BoldRuns, find_bold, why_no_template
from pydra_vae.workflows.structural_checks import OASIS, Plan, check_files, plan
from pydra_vae.workflows.structural_inputs import chosen_analyses
from pydra_vae.workflows.structural_outputs import targets
from pydra_vae.workflows.structural_study import RECIPE, Study

ONE_LEVEL = (
    "there is no participant level: a VAE of volumes is fitted to all persons together; leave the level out, or say "
    "group (--participant-label chooses persons)"
)


def run_structural(argv: list[str] | None = None, prog: str | None = None) -> int:
    """Parse the command line, run what it asks for; returns the exit status."""
    parser = structural_parser(prog, __version__)
    options = parser.parse_args(argv)
    if options.data is not None and options.output is None:
        parser.error("DATA and OUTPUT belong together (or neither, for the demo)")
    if options.analysis_level == "participant":
        parser.error(ONE_LEVEL)
    repeat = repeat_of(parser, options, argv, RECIPE, "group")

    def body(console: Console) -> int:
        if options.data is None:
            from pydra_vae.workflows.structural_demo import demo

            return demo(options, console)
        return study(options, console, repeat=repeat)

    return program(RECIPE, body)


def study(
    options: argparse.Namespace,
    console: Console,
    truth: Path | None = None,
    network_labels: Path | None = None,
    repeat: Repeat | None = None,
    **report: Any,
) -> int:
    """Plan, run and deliver a study; returns the exit status.

    Parameters
    ----------
    options : Namespace
    console : Console
    truth : Path, optional
        Table of planted factors, one row an image.
    network_labels : Path, optional
        Names of the networks of ``--networks-atlas``; the table beside it by default.
    repeat : Repeat, optional
        Written beside the outputs before anything runs.
    **report
        Further inputs of StructuralReport.
    """
    check_device(options)
    check_files(options)
    if options.data == OASIS and not OASIS.exists():
        status = _fetch_oasis(options, console)
        if status is not None:
            return status
    source = options.data if options.data.is_dir() else None  # a table may lie anywhere, beside the results too
    output = check_output(options.output, source, create=not options.dry_run)
    if source is not None:
        check_work(work_dir(options), source, output)
    networks, problems = _networks(options, console, network_labels)
    if chosen_analyses(options) == ["networks"]:
        found = Plan([], {}, [], pd.DataFrame(), ["networks"])
    else:
        found = plan(options)
    found.problems |= problems
    if networks and options.networks_atlas is None:
        found.skipped["comparison with a template's networks"] = why_no_template(networks)
    say_all(console, RECIPE, found.problems)
    for name, reason in found.skipped.items():
        say(console, RECIPE, f"no {name}: {reason}", "yellow")
    for note in found.notes:
        say(console, RECIPE, note, "yellow")
    running_study = Study(options, console, found, output, networks, truth)
    if options.dry_run:
        _say_plan(found, running_study, networks)
        return 1 if found.problems else 0
    if repeat is not None:
        repeat.write(output)
    volumes, n_fits = [*found.volumes, *found.second], (len(running_study.fits), running_study.n_trials)
    cost = structural_needs(volumes, *n_fits, options.resolution, options.reconstructions)
    prepare_for(cost, options, output, console, RECIPE)
    running_study.how |= running(options, console)
    return running_study.run(report)


def _fetch_oasis(options: argparse.Namespace, console: Console) -> int | None:
    """Put nilearn's OASIS maps in place of DATA; the exit status where that failed."""
    if options.dry_run:
        print("would have nilearn fetch OASIS' grey matter maps; nothing was run (--dry-run)")
        return 0
    check_output(options.output)
    given = {} if options.n_subjects is None else {"n_subjects": options.n_subjects}
    fetched = run({"OASIS": FetchOasis(**given)}, **running(options, console))
    if fetched.exit_code:
        return fetched.exit_code
    options.data = Path(fetched.outputs["OASIS"].table)
    return None


def _networks(
    options: argparse.Namespace, console: Console, labels: Path | None
) -> tuple[list[BoldRuns], dict[str, str]]:
    if "networks" not in chosen_analyses(options):
        return [], {}
    return find_bold(options, labels)


def _say_plan(found: Plan, planned: Study, networks: list[BoldRuns]) -> None:
    """Say what would be read, fitted and written; nothing was read but headers and tables."""
    for volume in found.volumes:
        print(f"{volume.label}: {volume.path}")
    for path in found.tables[:1]:
        print(f"covariates of {path}: {', '.join(name for name in found.covariates if name != 'label')}")
    for runs in networks:
        print("\n".join(f"{runs.label}: {path}" for path in runs.bolds))
    if found.volumes:
        print("\n".join(f"fits {fit.label}" for fit in planned.fits))
        persons = len({volume.person for volume in found.volumes})
        print(f"{len(planned.fits)} fits of {len(found.volumes)} images of {persons} persons")
    print(f"analyses: {', '.join(found.analyses) or 'none'}")
    if "regression" in found.analyses:
        print(f"targets: {', '.join(found.targets)}")
    print(f"writes {targets(planned.output)['report']} and the tables beside it")
    print("nothing was run (--dry-run)")
