"""Training, validation and test persons.

The paper shuffles its subjects and divides them 70/10/20. Here persons are divided, not recordings: two runs of one
person never lie in different parts, so that a test person is one that no fit and no choice has seen.
"""

from collections.abc import Sequence

import numpy as np

PARTS = ("train", "validation", "test")


def split_persons(
    persons: Sequence[str], fractions: Sequence[float] = (0.7, 0.1, 0.2), seed: int = 42
) -> dict[str, str]:
    """The part of each person: "train", "validation" or "test".

    Parameters
    ----------
    persons : sequence of str
        May repeat; their order does not matter.
    fractions : three positive numbers that sum to 1
        Of the persons, rounded to the nearest; each part gets one at least.
    seed : int
        Of the order in which persons are dealt out.

    Raises
    ------
    ValueError
        If there are fewer than three persons, or the fractions are none.

    Examples
    --------
    >>> parts = split_persons([f"sub-{i:02d}" for i in range(20)])
    >>> [list(parts.values()).count(part) for part in PARTS]
    [14, 2, 4]
    """
    fractions = np.asarray(fractions, dtype=float)
    if fractions.shape != (3,) or (fractions <= 0).any() or not np.isclose(fractions.sum(), 1):
        raise ValueError(f"fractions must be three positive numbers that sum to 1, not {fractions.tolist()}")
    names = sorted(set(persons))
    n = len(names)
    if n < 3:
        raise ValueError(
            f"{n} person(s) cannot be split in training, validation and test: at least 3 are needed, one for each part"
        )
    n_validation, n_test = (max(1, round(float(share) * n)) for share in fractions[1:])
    while n_validation + n_test > n - 1:  # few persons, or fractions near 1: training keeps one
        n_validation, n_test = (n_validation - 1, n_test) if n_validation > n_test else (n_validation, n_test - 1)
    n_train = n - n_validation - n_test
    order = np.random.default_rng(seed).permutation(n)
    parts = ["train"] * n_train + ["validation"] * n_validation + ["test"] * n_test
    dealt = {names[i]: part for i, part in zip(order, parts, strict=True)}
    return {name: dealt[name] for name in names}
