"""Does what was measured in one half of a recording find its own other half among all persons?

Identification as of connectomes (Finn et al. 2015, Nature Neuroscience 18:1664): a person is found where the
correlation with the own second half is larger than with anyone else's, in both directions.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.mantel import orders


@dataclass(frozen=True)
class Identified:
    """How many persons were identified.

    Attributes
    ----------
    accuracy : float
        Share of persons found, mean of first → second and second → first half.
    chance : float
        1 / n.
    p, p_smallest : float
        Of permuted persons: all orders where they are few, else random ones.
    n : int
        Persons.
    self_r, other_r : float
        Mean correlation with the own other half, and with others'.
    """

    accuracy: float
    chance: float
    p: float
    p_smallest: float
    n: int
    self_r: float
    other_r: float


def identify(r: np.ndarray, persons: np.ndarray, n_permutations: int = 1000, seed: int = 0) -> Identified:
    """Identify persons from the correlations of all first with all second halves.

    Parameters
    ----------
    r : (S, S) array
        First halves × second halves of S recordings, in one order.
    persons : (S,) int array
        Whose each recording is, from 0. Correlations are averaged over a person's recordings; a recording's own halves
        are held against halves of other persons only.
    n_permutations : int
    seed : int

    Examples
    --------
    >>> found = identify(np.eye(4), np.arange(4))
    >>> found.accuracy, found.chance, round(found.p, 4)
    (1.0, 0.25, 0.0417)
    """
    between = by_person(r, persons)
    n = len(between)
    hits = (_only_largest(between) + _only_largest(between.T).T) / 2
    index, accuracy = np.arange(n), float(np.trace(hits) / n)
    rng = np.random.default_rng(seed)
    null = np.array([hits[index, order].mean() for order in orders(n, n_permutations, rng)])
    return Identified(
        accuracy=accuracy,
        chance=1 / n,
        p=float((1 + (null >= accuracy - 1e-9).sum()) / (1 + len(null))),
        p_smallest=1 / (1 + len(null)),
        n=n,
        self_r=float(np.trace(between) / n),
        other_r=float(between[~np.eye(n, dtype=bool)].mean()),
    )


def by_person(r: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Mean correlation of persons, (n, n); on the diagonal only those of the two halves of one recording."""
    member = np.eye(persons.max() + 1)[persons]
    count = member.sum(axis=0)
    between = member.T @ r @ member / np.outer(count, count)
    np.fill_diagonal(between, member.T @ np.diag(r) / count)
    return between


def _only_largest(r) -> np.ndarray:
    """1 where a value is larger than all others of its row."""
    ordered = np.sort(r, axis=1)
    return ((r == ordered[:, -1:]) & (ordered[:, -1:] > ordered[:, -2:-1])).astype(float)
