"""What a structural study refuses before anything is computed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydra_vae.bids.files import InputError
from pydra_vae.bids.people import listing
from pydra_vae.bids.volumes import Volume, check_grids, find_covariates, find_volumes
from pydra_vae.workflows.structural_inputs import chosen_analyses

if TYPE_CHECKING:
    import pandas as pd

MIN_PERSONS = 10  # fewer leave a validation or test part of one person, of which no variance is known
USUAL_TARGETS = ("age", "sex")


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
    grid : Path or None
        Image whose grid all maps are brought to.
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
    if options.compare and "none" in options.compare and len(options.compare) > 1:
        raise InputError("--compare none says that there is nothing to compare: leave the others out")


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
    _check_columns(found, options)
    _choose_targets(found, options)
    _find_second(found, options)
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


def _check_columns(found: Plan, options: argparse.Namespace) -> None:
    there = [name for name in found.covariates if name not in ("label", "person", "session")]
    for option in ("targets", "confounds", "scores"):
        unknown = [name for name in getattr(options, option) or () if name not in there]
        if unknown:
            tables = (
                listing(str(path) for path in found.tables) if found.tables else "no table was found beside the data"
            )
            raise InputError(
                f"--{option} {' '.join(unknown)}: there is no such column of covariates; there are "
                f"{listing(there) if there else 'none'} ({tables}); give another with --covariates"
            )
        for name in getattr(options, option) or ():
            if found.covariates[name].isna().all():
                raise InputError(
                    f"--{option} {name}: the column has no value for any of the {len(found.volumes)} images"
                )
    for name in options.scores or ():
        if found.covariates[name].dtype.kind not in "fiu":
            values = listing(found.covariates[name].dropna().astype(str).unique())
            raise InputError(f"--scores {name}: the joint model needs numbers, and this column holds {values}")


def _choose_targets(found: Plan, options: argparse.Namespace) -> None:
    usable = [name for name in USUAL_TARGETS if name in found.covariates and found.covariates[name].nunique() > 1]
    found.targets = list(options.targets or usable)


def _find_second(found: Plan, options: argparse.Namespace) -> None:
    """Maps of the second modality, each with the image of its person and visit."""
    if not options.second:
        return
    source = options.second_data or options.data
    second, problems = find_volumes(
        source, space=options.space, participant_label=options.participant_label, filters=dict(options.second)
    )
    check_grids(second, None, None)
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


def _leave_out(found: Plan, options: argparse.Namespace) -> None:
    """Analyses that these data do not allow: refused where they were asked for, else left out with a word."""
    reasons = {}
    if not found.targets:
        reasons["regression"] = f"no target: no column {' or '.join(USUAL_TARGETS)} varies; name columns with --targets"
    if not options.scores and not found.second:
        reasons["joint"] = "nothing to join images with: name columns with --scores, or a modality with --second"
    if len({volume.person for volume in found.volumes}) == len(found.volumes):
        reasons["longitudinal"] = "no person has several visits"
    elif found.time not in found.covariates:
        reasons["longitudinal"] = "no column age or time"
    for name, reason in reasons.items():
        if name not in found.analyses:
            continue
        if name in (options.analyses or ()):
            raise InputError(f"--analyses {name}: {reason}")
        found.analyses.remove(name)
        found.skipped[name] = reason
