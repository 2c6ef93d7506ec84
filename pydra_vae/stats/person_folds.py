"""Folds of persons for cross-validation, with the target and the categories spread evenly over them.

One row is one person, so no person lies in two folds. What a fold cannot be fitted without (two persons of a class, a
category of a confound) is checked here, with messages that name the persons to look at.
"""

from collections.abc import Mapping, Sequence

import numpy as np


def deal_folds(
    target: np.ndarray,
    n_folds: int,
    categories: Sequence[np.ndarray] = (),
    classes: bool | Sequence[str] = False,
    seed: int = 0,
) -> np.ndarray:
    """The fold of each person, from 0.

    Persons sorted by their categories and then by their target are dealt out like cards, so that neighbours lie in
    different folds.

    Parameters
    ----------
    target : (n,) array
    n_folds : int
        At least 2.
    categories : sequence of (n,) arrays of str
        Of the confounds.
    classes : bool or sequence of str
        The target has classes (their names, of 0, 1, …, for messages); each needs a person in every fold.
    seed : int
        Of the order of equal persons and of the folds.

    Returns
    -------
    fold : (n,) int array

    Raises
    ------
    ValueError
        If there are fewer persons than folds, or fewer persons of a class than folds.

    Examples
    --------
    >>> folds = deal_folds(np.arange(10.0), 5)
    >>> np.bincount(folds).tolist(), bool(folds[0] != folds[1])
    ([2, 2, 2, 2, 2], True)
    """
    n = len(target)
    if n_folds < 2:
        raise ValueError(f"{n_folds} fold(s) leave nobody to be predicted: give at least 2")
    if n < n_folds:
        raise ValueError(f"{n} persons cannot be divided in {n_folds} folds: ask for at most {n}, or add persons")
    if classes:
        _check_classes(target, n_folds, classes)
    rng = np.random.default_rng(seed)
    keys = [rng.random(n), target, *(np.unique(c, return_inverse=True)[1] for c in reversed(categories))]
    if classes:  # the class first: its persons are few
        keys = [keys[0], *keys[2:], target]
    fold = np.empty(n, dtype=int)
    fold[np.lexsort(keys)] = rng.permutation(n_folds)[np.arange(n) % n_folds]
    return fold


def _check_classes(target, n_folds, names):
    for value, count in zip(*np.unique(target, return_counts=True), strict=True):
        if count < n_folds:
            name = value if names is True else names[int(value)]
            raise ValueError(
                f"the target has {count} person(s) of class {name} and {n_folds} folds, each of which needs one: "
                f"use fewer folds, or more persons of that class"
            )


def check_categories(
    columns: Mapping[str, np.ndarray], training: np.ndarray, persons: Sequence[str], where: str
) -> None:
    """Refuse categories that occur only among the persons to be predicted: nothing could be learnt about them.

    Parameters
    ----------
    columns : mapping of str to (n,) arrays
        Those of str are categories, others are not looked at.
    training : (n,) bool array
    persons : sequence of str
    where : str
        For the message, e.g. "fold 2".

    Raises
    ------
    ValueError
        Naming the column, its category and the persons.
    """
    for name, values in columns.items():
        if values.dtype.kind not in "OU":
            continue
        unseen = sorted(set(values[~training]) - set(values[training]))
        if unseen:
            who = [persons[i] for i in np.flatnonzero(values == unseen[0])]
            raise ValueError(
                f"{name} is '{unseen[0]}' only among the persons to be predicted in {where} "
                f"({', '.join(who[:5])}{' …' if len(who) > 5 else ''}), so its effect cannot be learnt: "
                f"join that category with another, leave these persons out, or do without the confound {name}"
            )
