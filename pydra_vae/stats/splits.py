"""Training, validation and test voxels.

The paper splits voxels at random, 70/10/20. Neighbouring voxels share signal and smoothing, so
99.9 % of test voxels then touch a training voxel; whole blocks or whole parcels keep them apart.
"""

import numpy as np

TRAIN, VALIDATION, TEST = 0, 1, 2
SCHEMES = ("random", "blocked", "parcel")
BLOCK_MM = 24.0
MIN_BLOCKS, MIN_VOXELS_A_BLOCK = 20, 8
MIN_PARCELS = 10


class ImpossibleSplit(ValueError):
    """The voxels are too few, or too close together, for a scheme; the message says why."""


def split_voxels(
    scheme: str,
    n: int,
    coordinates_mm: np.ndarray | None = None,
    parcels: np.ndarray | None = None,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
) -> np.ndarray:
    """Assign every voxel to training (0), validation (1) or test (2).

    Parameters
    ----------
    scheme : {"random", "blocked", "parcel"}
        Single voxels, cubes of 24 mm, or parcels of an atlas.
    n : int
        Number of voxels.
    coordinates_mm : (n, 3) array, optional
        Positions of the voxels in mm; needed for "blocked".
    parcels : (n,) int array, optional
        Parcel of each voxel, 0 for none; needed for "parcel". Voxels of no parcel are for training.
    seed : int
    fractions : three floats that sum to 1

    Returns
    -------
    split : (n,) int8 array

    Raises
    ------
    ValueError
        When what the scheme needs was not given, or there are too few voxels, blocks or parcels.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"unknown split {scheme!r}: choose one of {', '.join(SCHEMES)}")
    fractions = np.asarray(fractions, dtype=float)
    if fractions.shape != (3,) or (fractions <= 0).any() or not np.isclose(fractions.sum(), 1):
        raise ValueError(f"fractions must be three positive numbers that sum to 1, not {fractions}")
    if n < 10:
        raise ValueError(f"{n} voxels cannot be split in training, validation and test voxels")
    rng = np.random.default_rng(seed)
    if scheme == "random":
        return _random(n, fractions, rng)
    if scheme == "blocked":
        possible, why = blocked_is_possible(coordinates_mm)
        if not possible:
            raise ImpossibleSplit(f"{why}: use a random split, or a larger mask")
        return _by_group(blocks(coordinates_mm), fractions, rng)
    if parcels is None:
        raise ImpossibleSplit("a split by parcel needs an atlas: give one, or use random or blocked")
    parcels = _same_length("parcels", parcels, n)
    if len(np.unique(parcels[parcels > 0])) < MIN_PARCELS:
        raise ImpossibleSplit(
            f"a split by parcel needs at least {MIN_PARCELS} parcels and there are "
            f"{len(np.unique(parcels[parcels > 0]))}: use random or blocked"
        )
    split = np.full(n, TRAIN, dtype=np.int8)
    inside = parcels > 0
    split[inside] = _by_group(parcels[inside], fractions, rng)
    return split


def blocks(coordinates_mm: np.ndarray, size_mm: float = BLOCK_MM) -> np.ndarray:
    """Number, from 0, of the cube that each voxel lies in; (n,) int64.

    Parameters
    ----------
    coordinates_mm : (n, 3) array
    size_mm : float
        Edge of a cube. The cubes are counted from the lowest coordinates.
    """
    corner = np.floor((coordinates_mm - coordinates_mm.min(axis=0)) / size_mm + 1e-6).astype(int)
    return np.unique(corner, axis=0, return_inverse=True)[1].reshape(-1)


def blocked_is_possible(coordinates_mm: np.ndarray | None) -> tuple[bool, str]:
    """Whether there are at least 20 blocks of at least 8 voxels on average; else one line why not.

    Examples
    --------
    >>> blocked_is_possible(np.zeros((100, 3)))[0]
    False
    """
    if coordinates_mm is None:
        return False, "a blocked split needs the coordinates of the voxels in mm"
    n = len(coordinates_mm)
    n_blocks = int(blocks(np.asarray(coordinates_mm, dtype=float)).max()) + 1 if n else 0
    if n_blocks >= MIN_BLOCKS and n / n_blocks >= MIN_VOXELS_A_BLOCK:
        return True, ""
    return False, (
        f"no blocked split: it needs at least {MIN_BLOCKS} blocks of {BLOCK_MM:g} mm with "
        f"{MIN_VOXELS_A_BLOCK} voxels each on average, and {n} voxels fill {n_blocks} block(s)"
        + (f" with {n / n_blocks:.1f}" if n_blocks else "")
    )


def _random(n, fractions, rng) -> np.ndarray:
    order = rng.permutation(n)
    n_train, n_validation = round(fractions[0] * n), max(1, round(fractions[1] * n))
    split = np.full(n, TEST, dtype=np.int8)
    split[order[:n_train]] = TRAIN
    split[order[n_train : n_train + n_validation]] = VALIDATION
    return split


def _by_group(groups, fractions, rng) -> np.ndarray:
    """Whole groups in random order, each to the part that lacks most voxels of its share."""
    names, members, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    wanted = fractions * len(groups)
    part = np.empty(len(names), dtype=np.int8)
    for group in rng.permutation(len(names)):
        part[group] = np.argmax(wanted)
        wanted[part[group]] -= sizes[group]
    for missing in np.setdiff1d([TRAIN, VALIDATION, TEST], part):
        # Groups of very different size can leave the smallest part empty: give it the smallest.
        candidates = np.flatnonzero(part == TRAIN)
        part[candidates[np.argmin(sizes[candidates])]] = missing
    return part[members.reshape(-1)]


def _same_length(name, values, n) -> np.ndarray:
    values = np.asarray(values)
    if len(values) != n:
        raise ValueError(f"there are {n} voxels but {len(values)} {name}")
    return values
