"""BOLD runs whose functional networks are looked for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydra_vae.bids.common_space import check_networks
from pydra_vae.bids.files import InputError, index, is_preprocessed
from pydra_vae.bids.filters import read_filters
from pydra_vae.bids.people import listing
from pydra_vae.bids.plan import SubjectPlan, labels_beside, plan_subjects
from pydra_vae.workflows.structural_inputs import given_options


@dataclass(frozen=True)
class BoldRuns:
    """One subject's (and session's) runs.

    Attributes
    ----------
    label : str
    entities : mapping
        That all its runs share.
    bolds : list of Path
    inputs : mapping
        Of `Networks`.
    labels : Path or None
        Names of the networks that it is compared with.
    background : Path or None
        Image on the runs' grid behind the maps.
    """

    label: str
    entities: Mapping[str, str]
    bolds: list[Path]
    inputs: Mapping[str, Any]
    labels: Path | None
    background: Path | None


def find_bold(options: argparse.Namespace, labels: Path | None = None) -> tuple[list[BoldRuns], dict[str, str]]:
    """The runs of every subject, and by label why there are none.

    Parameters
    ----------
    options : Namespace
    labels : Path, optional
        Names of the networks of ``--networks-atlas``; the table beside it by default.

    Raises
    ------
    InputError
        If no run at all can be used.
    """
    folder = options.bold or options.data
    if not folder.is_dir():
        raise InputError(f"networks need BOLD runs, and {folder} is no folder: give fMRIPrep's derivatives with --bold")
    strategy = given_options(options)["extract"].get("strategy", "none")
    there = {file.entities["sub"] for file in index(folder) if is_preprocessed(file)}
    wanted = sorted(there.intersection(options.participant_label or there))
    if not wanted:
        asked = listing(f"sub-{label}" for label in options.participant_label)
        raise InputError(
            f"{folder} has no preprocessed BOLD (*_desc-preproc_bold.nii.gz) of {asked}; there is that of "
            f"{listing(f'sub-{label}' for label in there)}"
        )
    plans, problems = plan_subjects(
        folder,
        atlas="none",
        needs_confounds=strategy != "none",
        participant_label=wanted,
        session_label=options.session_label,
        task_id=options.task_id,
        only=read_filters(options.bids_filter_file)["bold"],
    )
    if not plans:
        raise InputError("\n".join(problems.values()))
    if options.networks_atlas and labels is None:
        check_networks(options.networks_atlas, {plan.label: plan.runs[0].entities.get("space", "") for plan in plans})
        labels = labels_beside(options.networks_atlas)
    return [_runs_of(plan, labels) for plan in plans], problems


def why_no_template(runs: Sequence[BoldRuns]) -> str:
    """Why networks are not compared with those of a template, where none were given."""
    own = [one.label for one in runs if one.entities.get("space", "") in ("", "T1w", "func", "boldref")]
    if own:
        return (
            f"the runs of {listing(own)} lie in the subject's own space, where no template's networks are: their maps "
            "are held against the task's own, where there are events"
        )
    return (
        "no networks were given (--networks-atlas, in the runs' space): maps are held against the task's own, where "
        "there are events"
    )


def _runs_of(plan: SubjectPlan, labels: Path | None) -> BoldRuns:
    first, *others = (run.entities for run in plan.runs)
    shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    events = [run.events for run in plan.runs]
    masks = [run.mask for run in plan.runs if run.mask]
    inputs = {
        "bolds": [run.bold for run in plan.runs],
        "n_frames": plan.n_frames,
        "t_r": plan.t_r,
        "brain_masks": masks or None,
        "confounds": [run.confounds for run in plan.runs],
        "confounds_json": [run.confounds_json for run in plan.runs],
        "sidecars": [run.sidecar for run in plan.runs],
        "events": events if all(events) else None,
    }
    return BoldRuns(plan.label, shared, inputs["bolds"], inputs, labels, plan.boldref)
