"""What a motor study refuses before anything is computed, and which recordings it leaves out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydra_vae.bids.files import InputError
from pydra_vae.bids.recordings import Found, Recording
from pydra_vae.tasks import _motor_plan as plan
from pydra_vae.tasks.prepare_surface import PrepareSurface
from pydra_vae.tasks.spectral_clusters import SpectralClusters
from pydra_vae.workflows.motor_inputs import given_options
from pydra_vae.workflows.parameters import filled

MIN_PERSONS = 3  # one for each part of the split
MAX_PAIRS = 12_000  # vertices of a hemisphere whose distances of all pairs fit in memory, and whose graph is solved
NOT_IN_HCP = {"session_label": "sessions", "den": "densities", "events_dir": "raw data beside it"}


def region_options(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters of MakeRegion that were given."""
    chosen = {name: getattr(options, name) for name in ("labels", "region", "space")} | {"map_name": options.label_map}
    return {name: value for name, value in chosen.items() if value}


def check_files(options: argparse.Namespace) -> None:
    """Refuse files that are not there, and options that say nothing or too little, before anything is read."""
    for name in ("surfaces", "labels", "reference"):
        for path in getattr(options, name) or ():
            if not path.is_file():
                raise InputError(f"--{name} {path}: there is no such file")
    if options.events_dir and not options.events_dir.is_dir():
        raise InputError(f"--events-dir {options.events_dir}: there is no such folder")
    if options.reference_names and not options.reference:
        raise InputError("--reference-names names the maps of --reference, which was not given")
    if options.surfaces and options.subject_surfaces:
        raise InputError("--surfaces and --subject-surfaces: distances are measured on one of them; leave one out")
    if getattr(options, "fit.crop", 2) < 2:
        raise InputError("--crop 1: the total correlation over time needs crops of 2 frames at least")
    if getattr(options, "fit.recurrent_l2", 0) and not getattr(options, "fit.temporal_decoder", False):
        raise InputError("--recurrent-l2 acts on the weights of the temporal decoder: give --temporal-decoder too")


def check_enough(recordings: Sequence[Recording], options: argparse.Namespace, least: int = MIN_PERSONS) -> None:
    """Refuse a study of fewer persons than the split has parts, or of none where only one is needed."""
    persons = list(dict.fromkeys(recording.person for recording in recordings))
    if len(persons) < least:
        needed = f"{least} at least are needed, to train, to validate and to test" if least > 1 else "one is needed"
        raise InputError(
            f"{options.data} has recordings of {len(persons)} person(s) ({', '.join(persons) or 'none'}) that can be "
            f"used, and {needed}"
        )


def check_study(recordings: Sequence[Recording], options: argparse.Namespace, most: int) -> int:
    """Refuse what could not be computed for any recording.

    Parameters
    ----------
    recordings : sequence of Recording
        Of one mesh, length and repetition time.
    options : Namespace
    most : int
        Largest number of factors.

    Returns
    -------
    n_vertices : int
        Of the region.

    Raises
    ------
    InputError
    """
    _check_labels(recordings, options)
    _check_timing(recordings, options)
    first, given = recordings[0], given_options(options)
    with _of("--hrf"):
        plan.check_hrf(options.hrf or "spm")
    prepare = filled(PrepareSurface, given["prepare"])
    with _of(str(first.data[0])):
        plan.check_series(first.n_frames, first.t_r, prepare)
    with _of(f"--region {' '.join(options.region)}" if options.region else "the region"):
        region = plan.planned_region(list(first.data), **region_options(options))
    with _of("--n-clusters"):
        plan.check_clusters(filled(SpectralClusters, given["clusters"])["n_clusters"], region)
    if options.paper_clusters and (largest := max(map(len, region.vertices))) > MAX_PAIRS:
        raise InputError(
            f"--paper-clusters needs the distances of all pairs of a hemisphere's {largest:,} vertices, "
            f"{largest**2 * 4 / 1e9:.1f} GB: leave it out, or choose a --region of at most {MAX_PAIRS:,}"
        )
    if options.surfaces:
        with _of("--surfaces"):
            plan.check_surfaces(options.surfaces, region)
    if options.reference:
        with _of(f"--reference {' '.join(map(str, options.reference))}"):
            plan.check_reference(options.reference, options.reference_names, region)
    n_frames, n_vertices = first.n_frames - prepare["dummy_scans"], sum(map(len, region.vertices))
    if most > min(n_frames - 1, n_vertices):
        raise InputError(
            f"--latent-dims {most}: {n_frames} frames of {n_vertices:,} vertices have {min(n_frames - 1, n_vertices)} "
            "components at most: ask for fewer factors"
        )
    return n_vertices


def _check_labels(recordings: Sequence[Recording], options: argparse.Namespace) -> None:
    for name, what in NOT_IN_HCP.items():
        if recordings[0].layout == "hcp" and getattr(options, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option}: {options.data} is in HCP's layout, which has no {what}: leave it out")
    if options.subject_surfaces and not any(recording.surfaces for recording in recordings):
        raise InputError(f"--subject-surfaces: no surfaces of the data's mesh beside it in {options.data}")
    persons = {recording.person.removeprefix("sub-") for recording in recordings}
    unknown = [label for label in options.subject_maps or () if label not in persons]
    if unknown:
        raise InputError(
            f"--subject-maps {' '.join(unknown)}: no recording of such a subject is analysed; there are "
            f"{', '.join(sorted(persons))}"
        )


def _check_timing(recordings: Sequence[Recording], options: argparse.Namespace) -> None:
    """The paper's onsets are those of LR runs; in RL runs the sub-tasks come in another order."""
    other = [recording for recording in recordings if recording.entities.get("dir") == "RL"]
    if options.paper_timing and other:
        raise InputError(
            f"--paper-timing is the timing of LR runs, but {other[0].data[0]} is one of direction RL: leave it out, so "
            "that each run's own events are read, or choose --direction LR"
        )


def usable(recordings: Sequence[Recording], options: argparse.Namespace) -> Found:
    """Keep recordings whose companions serve; one that lacks something does not keep the others from it.

    Returns
    -------
    recordings : list of Recording
    problems : dict
        Label to the reason why a recording cannot be used.

    Raises
    ------
    InputError
        If no recording has the sub-tasks, or the confounds, that were asked for.
    """
    layout = "paper" if options.paper_timing else "auto"
    _check_subtasks(recordings, options, layout)
    strategy = given_options(options)["prepare"].get("strategy", "none")
    if strategy != "none" and not any(recording.confounds for recording in recordings):
        raise InputError(
            f"--confounds {strategy}: no recording in {options.data} has fMRIPrep's table of confounds "
            "(*_desc-confounds_timeseries.tsv), which HCP's folders never have: leave the option out"
        )
    good, problems = [], {}
    for recording in recordings:
        try:
            if strategy != "none" and recording.confounds is None:
                raise ValueError(f"{recording.data[0]} has no table of confounds beside it, which --confounds needs")
            if options.paper_timing or recording.events:
                events = () if options.paper_timing else recording.events
                plan.check_run(events, layout, options.subtasks, recording.n_frames * recording.t_r)
        except ValueError as error:
            problems[recording.label] = f"{recording.label}: left out: {error}"
        else:
            good.append(recording)
    return good, problems


def _check_subtasks(recordings: Sequence[Recording], options: argparse.Namespace, layout: str) -> None:
    if not options.subtasks:
        return
    there: dict[str, None] = {}
    for recording in recordings:
        try:
            there |= dict.fromkeys(plan.subtasks_of(() if options.paper_timing else recording.events, layout))
        except (ValueError, OSError):
            continue
    unknown = [name for name in options.subtasks if name not in there]
    if unknown:
        known = ", ".join(there) or "none"
        raise InputError(f"--subtasks {' '.join(unknown)}: no recording has such events; there are {known}")


@contextmanager
def _of(what: str) -> Iterator[None]:
    """Say of what a problem is, and that nothing was computed."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{what}: {error}") from error
