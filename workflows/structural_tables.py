"""What a structural study asks of the tables of persons: columns, targets and scores, checked before anything runs.

Targets and scores are refused by the same functions, and in the same words, as in the steps that use them, for the
division of the persons that the study will make.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydra_vae.bids.files import InputError
from pydra_vae.bids.people import listing
from pydra_vae.tasks._recordings import Split
from pydra_vae.tasks.latent_regression import LatentRegression
from pydra_vae.workflows.parameters import filled
from pydra_vae.workflows.structural_inputs import given_options, seed_of

if TYPE_CHECKING:
    import pandas as pd

USUAL_TARGETS = ("age", "sex")


def check_columns(covariates: pd.DataFrame, tables: Sequence[Path], options: argparse.Namespace) -> None:
    """Refuse columns that are not there, or hold nothing.

    Parameters
    ----------
    covariates : DataFrame
        One row an image.
    tables : sequence of Path
        Where it comes from, for messages.
    options : Namespace
    """
    there = [name for name in covariates if name not in ("label", "person", "session")]
    asked = {name: getattr(options, name) or () for name in ("targets", "confounds", "scores")}
    asked["visit-covariates"] = vars(options).get("longitudinal.covariates_used", ())
    for option, names in asked.items():
        unknown = [name for name in names if name not in there]
        if unknown:
            where = listing(str(path) for path in tables) if tables else "no table was found beside the data"
            raise InputError(
                f"--{option} {' '.join(unknown)}: there is no such column of covariates; there are "
                f"{listing(there) if there else 'none'} ({where}); give another with --covariates"
            )
        for name in names:
            if covariates[name].isna().all():
                raise InputError(f"--{option} {name}: the column has no value for any of the {len(covariates)} images")


def choose_targets(
    covariates: pd.DataFrame, split: Split, tables: Sequence[Path], options: argparse.Namespace
) -> tuple[list[str], dict[str, str]]:
    """The columns to predict, and of the usual ones why they are not.

    Raises
    ------
    InputError
        Of a target that was asked for and cannot be predicted.
    """
    chosen, left = [], {}
    for name in dict.fromkeys(options.targets or USUAL_TARGETS):
        if name not in covariates:
            continue
        try:
            _plan_target(covariates, split, name, _table(tables), options)
        except ValueError as error:
            if options.targets or options.confounds or "n_folds" in given_options(options)["regression"]:
                raise InputError(f"--targets {name}: {error}") from error
            left[f"regression of {name}"] = str(error)
            continue
        chosen.append(name)
    return chosen, left


def _plan_target(covariates, split: Split, name: str, table: Path, options: argparse.Namespace) -> None:
    from pydra_vae.tasks._regression import plan_regression

    made = filled(LatentRegression, given_options(options)["regression"])
    confounds = [column for column in options.confounds or () if column != name]
    plan_regression(split, covariates, name, confounds, made["link"], made["n_folds"], seed_of(options), table)


def check_scores(covariates: pd.DataFrame, split: Split, tables: Sequence[Path], options: argparse.Namespace) -> None:
    """Refuse scores that the joint model could not learn."""
    from pydra_vae.tasks import _joint

    for name in options.scores or ():
        if covariates[name].dtype.kind not in "fiu":
            there = covariates[name].dropna().astype(str).unique()
            words = [value for value in there if not _is_number(value)]
            raise InputError(f"--scores {name}: the joint model needs numbers, and this column holds {listing(words)}")
    names = list(options.scores or ())
    if names:
        values = covariates[names].to_numpy(dtype=float)[split.rows("train")]
        try:
            _joint.check_scores(values, names, _table(tables))
        except ValueError as error:
            raise InputError(f"--scores: {error}") from error


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _table(tables: Sequence[Path]) -> Path:
    return Path(tables[0]) if tables else Path("participants.tsv")
