"""Overlap of components and networks: closed forms, planted matches, and maps that are merely smooth."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pydra_vae.stats.network_overlap import dice_of, overlaps

SIDE = 14
MM = np.argwhere(np.ones((SIDE,) * 3)) * 5.0


def smooth_maps(n, seed, sigma=2.0):
    rng = np.random.default_rng(seed)
    return np.array([gaussian_filter(rng.normal(size=(SIDE,) * 3), sigma).ravel() for _ in range(n)])


def test_dice_takes_as_many_voxels_as_the_network_has():
    network = np.zeros(100)
    network[:20] = 1
    values = np.linspace(1, 0, 100)
    assert dice_of(values, network) == 1 and dice_of(-values, network) == 0
    assert dice_of(np.roll(values, 10), network) == 0.5
    assert dice_of(values, np.linspace(5, -5, 100)) == 1, "of a continuous map the highest tenth"
    assert np.isnan(dice_of(values, np.zeros(100)))


def test_a_component_in_disguise_is_found_whatever_its_sign_and_scale():
    networks = (smooth_maps(3, 0) > 0.04).astype(float)
    components = np.vstack([smooth_maps(2, 1), -7 * networks[[2]] + 0.2 * smooth_maps(1, 2), networks[[0]]])
    found = overlaps(components, networks, MM, 199)
    assert np.abs(found.r).argmax(axis=0).tolist()[0] == 3 and np.abs(found.r[:, 2]).argmax() == 2
    assert found.r[2, 2] < -0.9 and found.dice[2, 2] > 0.9
    assert found.r[3, 0] == pytest.approx(1) and found.dice[3, 0] == 1
    assert found.assigned[0] == 3 and found.assigned[2] == 2
    assert found.matches.p_best[0] == pytest.approx(1 / 200) and found.matches.p_best[2] == pytest.approx(1 / 200)


def test_merely_smooth_maps_do_not_match():
    p = np.concatenate([overlaps(smooth_maps(4, s), smooth_maps(4, 99 + s), MM, 99).matches.p_best for s in range(8)])
    assert np.mean(p <= 0.1) < 0.3 and p.max() > 0.5


def test_fewer_components_than_networks_and_constant_maps():
    networks = (smooth_maps(3, 0) > 0.04).astype(float)
    found = overlaps(np.vstack([networks[[1]], np.zeros((1, len(MM)))]), networks, MM, 19)
    assert found.assigned.tolist().count(-1) == 1 and found.assigned[1] == 0
    assert np.isnan(found.r[1]).all() and np.isnan(found.dice[1]).all()


def test_few_voxels_have_no_p():
    maps = np.random.default_rng(0).normal(size=(2, 40))
    found = overlaps(maps, maps, MM[:40], 19)
    assert found.matches is None and np.diag(found.dice).tolist() == [1, 1]
