"""motor as a program: from a command line to recordings, and from them to a study."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae import __version__
from pydra_vae.bids.derivatives import check_output, check_work
from pydra_vae.bids.filters import read_filters
from pydra_vae.bids.recordings import Recording, find_recordings
from pydra_vae.options.motor import motor_parser
from pydra_vae.workflows.motor_checks import MIN_PERSONS, check_enough, check_files, check_study, usable
from pydra_vae.workflows.motor_inputs import chosen_grid, chosen_models
from pydra_vae.workflows.motor_outputs import targets
from pydra_vae.workflows.motor_specs import Decomposition, Vae
from pydra_vae.workflows.motor_study import RECIPE, Models, Study
from pydra_vae.workflows.needs import motor_needs, prepare_for
from pydra_vae.workflows.program import check_device, program, say, say_all, work_dir
from pydra_vae.workflows.repeat import Repeat, repeat_of

NO_EVENTS = "no recording has events: there will be factors, maps and trajectories, and no scores against a task"


def run_motor(argv: list[str] | None = None, prog: str | None = None) -> int:
    """Parse the command line, run what it asks for; returns the exit status."""
    parser = motor_parser(prog, __version__)
    options = parser.parse_args(argv)
    if options.data is not None and options.output is None:
        parser.error("DATA and OUTPUT belong together (or neither, for the demo)")
    repeat = repeat_of(parser, options, argv, RECIPE, options.analysis_level or "group")

    def body(console: Console) -> int:
        if options.data is None:
            from pydra_vae.workflows.motor_demo import demo

            return demo(options, console)
        return study(options, console, repeat=repeat)

    return program(RECIPE, body)


def study(
    options: argparse.Namespace,
    console: Console,
    models: Models | None = None,
    repeat: Repeat | None = None,
    **report: Any,
) -> int:
    """Plan, run and deliver a study; returns the exit status.

    Parameters
    ----------
    options : Namespace
    console : Console
    models : pair of lists, optional
        The fits and decompositions, instead of those that the options ask for.
    repeat : Repeat, optional
        Written beside the outputs before anything runs.
    **report
        Further inputs of MotorReport.
    """
    output = check_output(options.output, options.data, create=not options.dry_run)
    check_device(options)
    check_work(work_dir(options), options.data, output)
    check_files(options)
    recordings, problems = find_recordings(
        options.data,
        task=options.task_id,
        participant_label=options.participant_label,
        session_label=options.session_label,
        direction=options.direction,
        run=options.run,
        space=options.space,
        den=options.den,
        t_r=options.repetition_time,
        events_dir=options.events_dir,
        surfaces=options.subject_surfaces,
        only=read_filters(options.bids_filter_file)["bold"],
    )
    say_all(console, RECIPE, problems)  # and only then what may end it
    least = 1 if options.analysis_level == "participant" else MIN_PERSONS
    check_enough(recordings, options, least)
    recordings, without = usable(recordings, options)
    say_all(console, RECIPE, without)
    check_enough(recordings, options, least)
    problems |= without
    if options.analysis_level == "participant":
        return participant(options, console, recordings, output, problems, repeat)
    fits, others = models or chosen_models(options)
    grid = chosen_grid(options)
    most = max(_sizes(fits, others, grid))
    n_vertices = check_study(recordings, options, most)
    if not (options.paper_timing or any(recording.events for recording in recordings)):
        say(console, RECIPE, NO_EVENTS, "yellow")
    if options.dry_run:
        _say_plan(recordings, fits, others, grid, output)
        return 1 if problems else 0
    if repeat is not None:
        repeat.write(output)
    cost = motor_needs(recordings, n_vertices, len(fits) + len(grid), len(others), most)
    prepare_for(cost, options, output, console, RECIPE)
    return Study(options, console, recordings, output, (fits, others)).run(report, problems)


def participant(
    options: argparse.Namespace,
    console: Console,
    recordings: list[Recording],
    output: Path,
    problems: Mapping[str, str],
    repeat: Repeat | None,
) -> int:
    """Prepare the recordings, and encode them with the models that the output folder holds; returns the status."""
    from pydra_vae.workflows.motor_participant import Participants, fitted_models

    n_vertices = check_study(recordings, options, 1)
    if options.dry_run:
        _say_recordings(recordings)
        unlike = {one.model.label: one.unlike(recordings[0], options) for one in fitted_models(output)}
        told = [f"no factors of {label}: {why}" if why else f"encodes with {label}" for label, why in unlike.items()]
        print("\n".join(told) or f"{output} holds no models to encode with")
        print("nothing was run (--dry-run)")
        return 1 if problems or any(unlike.values()) else 0
    if repeat is not None:
        repeat.write(output)
    prepare_for(motor_needs(recordings, n_vertices), options, output, console, RECIPE)
    return Participants(options, console, recordings, output).run({}, problems)


def _sizes(fits: list[Vae], others: list[Decomposition], grid: list[Vae]) -> set[int]:
    return {fit.latent_dim for fit in (*fits, *grid)} | {other.n_components for other in others}


def _say_plan(
    recordings: list[Recording], fits: list[Vae], others: list[Decomposition], grid: list[Vae], output: Path
) -> None:
    """Say what would be read, fitted and written; nothing was read but headers and events."""
    _say_recordings(recordings)
    print("\n".join(f"fits {model.label}" for model in [*fits, *others]))
    n_persons = len({recording.person for recording in recordings})
    more = f", and a grid of {len(grid)} for figure 2A" if grid else ""
    print(
        f"{len(fits)} fits{more}, and {len(others)} ICA and PCA, of {len(recordings)} recordings of {n_persons} persons"
    )
    print("\n".join(f"writes {target}" for target in targets(output).values()))
    print("nothing was run (--dry-run)")


def _say_recordings(recordings: list[Recording]) -> None:
    for recording in recordings:
        events = f", {len(recording.events)} file(s) of events" if recording.events else ", no events"
        print(f"{recording.label}: {recording.n_frames} frames, TR {recording.t_r:g} s{events}")
        print("\n".join(f"  reads  {path}" for path in recording.data))
