"""A regression of a covariate before any latent is known: its persons, their target, confounds and folds.

LatentRegression starts from these, and so does the check of a study's tables before anything is computed: what the
one would refuse, the other refuses in the same words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.tasks._covariates import Target, check_columns, typed
from pydra_vae.tasks._recordings import Split


@dataclass(frozen=True)
class Planned:
    """What there is to predict, and from whom.

    Attributes
    ----------
    rows : (n,) int array
        First images of the persons with target and confounds, as rows of the split.
    y : (n,) float array
        The target; classes are 0 and 1.
    classes : list of str
        Their names; empty for numbers.
    link : str
        identity, logit or log.
    columns : mapping of str to (n,) arrays
        The confounds.
    fold : (n,) int array
        From 0; −1 for test persons.
    n_first : int
        Persons in all.
    """

    rows: np.ndarray
    y: np.ndarray
    classes: list[str]
    link: str
    columns: Mapping[str, np.ndarray]
    fold: np.ndarray
    n_first: int


def plan_regression(
    split: Split, table, target: str, confounds: list[str], link: str, n_folds: int, seed: int, path: Path
) -> Planned:
    """Choose the persons and deal their folds.

    Parameters
    ----------
    split : Split
    table : DataFrame
        Covariates, in the split's order.
    target, confounds, link, n_folds, seed
        As LatentRegression has them.
    path : Path
        Of the table, for messages.

    Raises
    ------
    ValueError
        A column that is not there, a target that does not vary or has too many classes, too few persons for the folds,
        or categories that cannot be learnt.
    """
    from pydra_vae.tasks._volume_latents import once

    check_columns(table, [target, *confounds], path)
    first = once(split, table)
    found = Target.of(table[target].iloc[first], target, link)
    known = np.isfinite(found.values) & table[confounds].iloc[first].notna().all(axis=1).to_numpy()
    rows, y = first[known], found.values[known]
    resolved = link if link != "auto" else "logit" if found.classes else "identity"
    _check_target(y, known, target, resolved, path)
    columns = {name: typed(table[name].iloc[rows]) for name in confounds}
    fold = _folds(y, columns, split, rows, found.classes, n_folds, seed)
    return Planned(rows, y, found.classes, resolved, columns, fold, len(first))


def _check_target(y, known, target, link, path):
    if len(np.unique(y)) < 2:
        raise ValueError(
            f"{known.sum()} of {len(known)} persons in {path} have {target} and all confounds, and {target} does not "
            "differ between them: choose other columns, or add persons"
        )
    if link == "log" and (y < 0).any():
        raise ValueError(f"the target {target} has values below 0 (smallest {y.min():g}): the log link needs none")


def _folds(y, columns, split, rows, classes, n_folds, seed):
    """Fold of each person, −1 for test persons; categories that cannot be learnt are refused."""
    from pydra_vae.stats.person_folds import check_categories, deal_folds

    test = split.part[rows] == "test"
    words = {name: values for name, values in columns.items() if values.dtype.kind in "OU"}
    fold = np.full(len(y), -1)
    fold[~test] = deal_folds(y[~test], n_folds, [values[~test] for values in words.values()], classes, seed)
    check_categories(words, ~test, split.person[rows], "the test part")
    developed = {name: values[~test] for name, values in words.items()}
    for number in range(n_folds):
        persons = split.person[rows][~test]
        check_categories(developed, fold[~test] != number, persons, f"fold {number + 1} of {n_folds}")
    return fold
