"""How well do the maps of a model's components agree with networks that are known?

Two figures for each pair: the spatial correlation over all voxels, and Dice's coefficient of the network with as many
of the component's highest voxels (with the sign in which they agree), so that no threshold favours a method. Signs and
order of components mean nothing: a network's component is the one of largest |r|, and its p is against the largest |r|
of maps of the same smoothness (`map_matches`). As a method may spread a network over several components, the multiple
correlation with all of them stands beside; as it may let one component serve several networks, so does the best
one-to-one assignment.
"""

from typing import NamedTuple

import numpy as np

from pydra_vae.stats.map_matches import Matches, match_maps
from pydra_vae.stats.moran import equal_patches, moran_basis, standardised

TOP_SHARE = 0.1  # of the voxels, counted as a network where its map is continuous


class Overlap(NamedTuple):
    """Agreement of k components with n networks.

    Attributes
    ----------
    r, dice : (k, n) arrays
        Over the voxels; r keeps its sign. NaN for a map that is constant.
    assigned : (n,) int array
        Component of each network in the best one-to-one assignment; −1 where components run out.
    matches : Matches or None
        Of the n networks with the k components over patches of equal size, for the p values; None where the mask has
        too few voxels for patches.
    """

    r: np.ndarray
    dice: np.ndarray
    assigned: np.ndarray
    matches: Matches | None


def overlaps(maps: np.ndarray, networks: np.ndarray, mm: np.ndarray, n_null: int = 500, seed: int = 0) -> Overlap:
    """Hold every component against every network.

    Parameters
    ----------
    maps : (k, V) array
    networks : (n, V) array
        Binary, or continuous maps.
    mm : (V, 3) array
        Places of the voxels.
    n_null : int
        Random maps.
    seed : int
        Of them.
    """
    maps, networks = np.asarray(maps, dtype=np.float64), np.asarray(networks, dtype=np.float64)
    x, y = standardised(maps.T), standardised(networks.T)
    r = x.T @ y / len(x)
    dice = np.array([[dice_of(m * np.sign(value or 1), n) for n, value in zip(networks, row, strict=True)]
                     for m, row in zip(maps, np.nan_to_num(r), strict=True)])  # fmt: skip
    return Overlap(r, np.where(np.isfinite(r), dice, np.nan), _assigned(r), _matches(maps, networks, mm, n_null, seed))


def dice_of(values: np.ndarray, network: np.ndarray) -> float:
    """Dice's coefficient of a network with as many of the highest values.

    Parameters
    ----------
    values : (V,) array
    network : (V,) array
        Binary; of a continuous map the highest tenth counts as the network.

    Examples
    --------
    >>> dice_of(np.array([.1, .9, .8, .2]), np.array([0, 1, 0, 1]))
    0.5
    """
    values, network = np.asarray(values), np.asarray(network, dtype=np.float64)
    binary = np.isin(network, (0, 1)).all()
    n = int(network.sum()) if binary else max(1, round(TOP_SHARE * len(network)))
    if not n:
        return float("nan")
    inside = network > 0 if binary else _highest(network, n)
    return float((inside & _highest(values, n)).sum() / n)


def _highest(values, n) -> np.ndarray:
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(-values, kind="stable")[:n]] = True
    return chosen


def _assigned(r) -> np.ndarray:
    """Component of each network so that the sum of |r| is largest, each component once."""
    from scipy.optimize import linear_sum_assignment

    assigned = np.full(r.shape[1], -1)
    components, networks = linear_sum_assignment(-np.nan_to_num(np.abs(r)))
    assigned[networks] = components
    return assigned


def _matches(maps, networks, mm, n_null, seed) -> Matches | None:
    patch = equal_patches(mm) - 1
    if patch.max() < 7:  # eight patches at least: fewer say nothing about smooth maps
        return None
    count = np.bincount(patch)
    x, y = (np.array([np.bincount(patch, m) / count for m in values]).T for values in (networks, maps))
    centres = np.array([np.bincount(patch, axis) / count for axis in np.asarray(mm, dtype=float).T]).T
    return match_maps(x, y, moran_basis(centres), n_null, np.random.default_rng(seed))
