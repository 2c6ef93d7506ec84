"""What a structural study refuses before anything is computed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydra_vae.bids.common_space import check_given
from pydra_vae.bids.files import InputError
from pydra_vae.bids.filters import read_filters
from pydra_vae.bids.people import listing
from pydra_vae.bids.volumes import Volume, check_grids, find_covariates, find_volumes
from pydra_vae.tasks._recordings import Split
from pydra_vae.tasks._volume_vae import planned_steps
from pydra_vae.workflows.structural_inputs import chosen_analyses, given_options, main_fit, split_seed_of
from pydra_vae.workflows.structural_tables import USUAL_TARGETS, check_columns, check_scores, choose_targets

if TYPE_CHECKING:
    import pandas as pd

OASIS = Path("oasis")  # in place of DATA
MIN_PERSONS = 15  # fewer leave one person to validate on, of whom no variance is known


@dataclass
class Plan:
    """What a study reads, found and checked.

    Attributes
    ----------
    volumes : list of Volume
    problems : dict of str
        Label to the reason why a map is left out.
    tables : list of Path
        Of persons and visits.
    covariates : DataFrame
        One row a volume.
    analyses : list of str
    targets : list of str
    second : list of Volume
        Maps of the second modality.
    second_labels : list of str
        Of each, the label of its image.
    skipped : dict of str
        Analysis to the reason why it is not made.
    grid, second_grid : Path or None
        Image whose grid all maps are brought to; the same of the second modality.
    notes : list of str
        What the user should know, and nothing is wrong with.
    """

    volumes: list[Volume]
    problems: dict[str, str]
    tables: list[Path]
    covariates: pd.DataFrame
    analyses: list[str]
    targets: list[str] = field(default_factory=list)
    second: list[Volume] = field(default_factory=list)
    second_labels: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    grid: Path | None = None
    second_grid: Path | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def time(self) -> str:
        """The column that is time, in years."""
        return "age" if "age" in self.covariates else "time"


def check_files(options: argparse.Namespace) -> None:
    """Refuse files that are not there, and options that say nothing or too little, before anything is read."""
    for name in ("grid", "mask", "atlas", "networks_atlas"):
        path = getattr(options, name)
        if path is not None and not path.is_file():
            raise InputError(f"--{name.replace('_', '-')} {path}: there is no such file")
    for name in ("bold", "second_data"):
        path = getattr(options, name)
        if path is not None and not path.is_dir():
            raise InputError(f"--{name.replace('_', '-')} {path}: there is no such folder")
    if (options.trials or options.search_over or options.use_best) and options.search is None:
        raise InputError("--trials, --search-over and --use-best belong to a search: give --search grid or optuna")
    if options.trials and options.search == "grid":
        raise InputError("--trials is of --search optuna; a grid has as many points as it has")
    for name in ("compare", "analyses"):
        given = getattr(options, name) or ()
        if "none" in given and len(given) > 1:
            raise InputError(f"--{name} none says that there is nothing to do: leave it out, or the others")
    if options.second_data and not options.second:
        raise InputError("--second-data says where, and --second which maps: add it, such as --second suffix=boldmap")
    if options.second and not options.second_data and options.data is not None and options.data.is_file():
        raise InputError(
            f"--second: {options.data} is a table, whose images have no entities to choose by: give the folder of the"
            " second modality with --second-data"
        )
    if options.n_subjects and options.data is not None and options.data != OASIS:
        raise InputError("--n-subjects is of oasis; choose subjects with --participant-label")


def plan(options: argparse.Namespace) -> Plan:
    """Find images and tables and check that they allow what was asked for; only headers and tables are read.

    Raises
    ------
    InputError
        Of the first thing that stands in the way, with what to do.
    """
    from pydra_vae.bids.covariates import join_covariates

    analyses = chosen_analyses(options)
    volumes, problems = find_volumes(
        options.data,
        kind=options.kind,
        participant_label=options.participant_label,
        session_label=options.session_label,
        space=options.space,
        res=options.res,
        filters=dict(options.filter or ()),
        only=read_filters(options.bids_filter_file),
    )
    grid = check_grids(volumes, options.grid, options.resolution)
    check_enough([volume.person for volume in volumes], options)
    tables = find_covariates(options.data, options.covariates)
    names = [[getattr(volume, name) for volume in volumes] for name in ("label", "person", "session")]
    try:
        covariates, _ = join_covariates(tables, *names)
    except ValueError as error:
        raise InputError(str(error)) from error
    found = Plan(volumes, problems, tables, covariates, analyses, grid=grid)
    target = check_given(volumes, grid, options.resolution, options.mask, options.atlas)
    split = Split.dealt(names[0], names[1], split_seed_of(options))
    _check_training(found, split, min(target.shape), options)
    check_columns(covariates, tables, options)
    if "regression" in analyses:
        found.targets, left = choose_targets(covariates, split, tables, options)
        found.skipped |= left
    check_scores(covariates, split, tables, options)
    _find_second(found, options)
    _note_intensities(found, options)
    if "epochs" in (options.search_over or ()) and "fit.max_steps" in vars(options):
        found.notes.append("--search-over epochs: each trial takes its own epochs; --max-steps is of the other fits")
    _leave_out(found, options)
    return found


def check_enough(persons: Iterable[str], options: argparse.Namespace) -> None:
    """Refuse a study of so few persons that its parts could not be judged."""
    n = len(set(persons))
    if n < MIN_PERSONS:
        raise InputError(
            f"{options.data} has maps of {n} person(s) that can be used, and {MIN_PERSONS} at least are needed, to"
            " train, to validate and to test on different ones"
        )


def _check_training(found: Plan, split: Split, shortest: int, options: argparse.Namespace) -> None:
    """Refuse a main fit that could not be made of so many training images."""
    given, made, n = given_options(options)["fit"], main_fit(options), len(split.rows("train"))
    images = f"{n} of the {len(split.label)} images are for training"
    if made["latent_dim"] >= n:
        raise InputError(
            f"--latent-dim {made['latent_dim']}: {images}, which differ in {n - 1} directions: ask for fewer latents, "
            f"{max(n // 3, 1)} or less, or give more images"
        )
    window = made["ssim_window"]
    if made["reconstruction"] != "mse" or "ssim_window" in given:
        if window < 3 or window % 2 == 0:
            raise InputError(f"--ssim-window {window}: an odd number of voxels from 3 on is needed, such as 7 or 11")
        if window > shortest:
            raise InputError(
                f"--ssim-window {window}: the images are {shortest} voxels wide along their shortest axis: give at "
                f"most {shortest - 1 + shortest % 2}, or use a finer grid"
            )
    if given.get("annealing", "none") != "none" or given.get("annealing_steps"):
        if made["annealing"] == "none":
            raise InputError("--annealing-steps are of an annealing: give --annealing linear, cyclical or sigmoid")
        steps, ramp = planned_steps(made, n)
        if ramp > steps:
            raise InputError(
                f"--annealing-steps {ramp}: the training has {steps} steps ({images}), and the weight would never "
                "reach its value: shorten the annealing, or give more --max-steps"
            )
    if given.get("batch_size", 0) > n:
        found.notes.append(f"--batch-size {given['batch_size']}: {images}, so each batch holds them all")


def _find_second(found: Plan, options: argparse.Namespace) -> None:
    """Maps of the second modality, each with the image of its person and visit."""
    if not options.second:
        return
    source = options.second_data or options.data
    try:
        second, problems = find_volumes(
            source,
            space=options.space,
            participant_label=options.participant_label,
            filters=dict(options.second),
            only=read_filters(options.bids_filter_file),
        )
    except InputError as error:
        raise InputError(f"--second: {str(error).replace('--filter', '--second')}") from error
    try:
        found.second_grid = check_grids(second, None, options.resolution)
    except InputError as error:
        reason = str(error).partition(" Bring all to one")[0]
        raise InputError(f"--second: {reason} Bring all to one, with --resolution in mm") from error
    visits = {(volume.person, volume.session): volume.label for volume in found.volumes}
    first = {volume.person: volume.label for volume in reversed(found.volumes)}
    for volume in second:
        label = visits.get((volume.person, volume.session)) or (None if volume.session else first.get(volume.person))
        if label is not None:
            found.second.append(volume)
            found.second_labels.append(label)
    found.problems |= {f"{label} (second modality)": text for label, text in problems.items()}
    if not found.second:
        raise InputError(
            f"--second: {source} has {len(second)} such maps, none of a person and visit of the {len(found.volumes)} "
            f"images; they are of {listing(volume.label for volume in second)}"
        )


def _note_intensities(found: Plan, options: argparse.Namespace) -> None:
    """Images in scanner units differ by their gain, which a model then learns first."""
    scaled = given_options(options)["prepare"].get("normalization", "none") != "none"
    first = found.volumes[0]
    named = first.path.name.partition(".")[0].endswith(("_T1w", "_T2w")) and "prefix" not in first.entities
    if not scaled and (options.kind in ("t1w", "t2w") or named):
        found.notes.append("T1w and T2w images have a scale of their own each: --normalization zscore is wanted")


def _leave_out(found: Plan, options: argparse.Namespace) -> None:
    """Analyses that these data do not allow: refused where they were asked for, else left out with a word."""
    reasons = {}
    if not found.targets:
        reasons["regression"] = (
            f"no target: no usable column {' or '.join(USUAL_TARGETS)}; name columns with --targets"
            if found.tables
            else f"no participants.tsv was found in {options.data} or above it: give a table with --covariates"
        )
    if not options.scores and not found.second:
        reasons["joint"] = "nothing to join images with: name columns with --scores, or a modality with --second"
    if len({volume.person for volume in found.volumes}) == len(found.volumes):
        reasons["longitudinal"] = "no person has several visits"
    elif (time := vars(options).get("longitudinal.time", found.time)) not in found.covariates:
        reasons["longitudinal"] = (
            f"no column {time}" if "longitudinal.time" in vars(options) else "no column age or time"
        )
    for name, reason in reasons.items():
        if name not in found.analyses:
            continue
        if name in (options.analyses or ()):
            raise InputError(f"--analyses {name}: {reason}")
        found.analyses.remove(name)
        found.skipped[name] = reason
