"""Planted agreement of maps is found, and nothing else."""

import numpy as np
import pytest

from pydra_vae.stats.map_matches import match_maps
from pydra_vae.stats.moran import moran_basis

PLACES = np.random.default_rng(0).uniform(0, 100, size=(128, 3))
BASIS = moran_basis(PLACES)


def smooth(rng, n):
    """Random maps with most power at large scales."""
    return BASIS @ (rng.normal(size=(127, n)) / np.arange(1, 128)[:, None])


def test_a_planted_match_is_found():
    rng = np.random.default_rng(1)
    x, y = smooth(rng, 3), smooth(rng, 4)
    y[:, 2] = -5 * x[:, 1] + 0.02 * rng.normal(size=128)
    found = match_maps(x, y, BASIS, 999, rng)
    assert found.r[1, 2] < -0.99 and found.best[1] == 2
    assert found.p[1, 2] == found.p_best[1] == found.p_all[1] == 0.001
    assert found.r_all[1] > 0.99 > found.r_all_null[1]
    np.testing.assert_allclose(found.r, np.corrcoef(x.T, y.T)[:3, 3:], atol=1e-12)
    assert (found.p_best >= found.p.min(axis=1)).all()


def test_a_mixture_is_found_by_all_maps_together():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(128, 8))
    x = y.sum(axis=1, keepdims=True)
    found = match_maps(x, y, BASIS, 199, rng)
    assert found.r_all[0] == pytest.approx(1) and found.p_all[0] == 1 / 200
    assert np.abs(found.r).max() < 0.6


def test_multiple_correlation_in_closed_form():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(128, 1)), rng.normal(size=(128, 3))
    design = np.column_stack([np.ones(128), y])
    fitted = design @ np.linalg.lstsq(design, x, rcond=None)[0]
    assert match_maps(x, y, BASIS, 9, rng).r_all[0] == pytest.approx(np.corrcoef(fitted[:, 0], x[:, 0])[0, 1])


def test_constant_maps_match_nothing():
    rng = np.random.default_rng(4)
    x, y = smooth(rng, 2), smooth(rng, 2)
    x[:, 0], y[:, 1] = 3, 0
    found = match_maps(x, y, BASIS, 19, rng)
    assert np.isnan(found.r[0]).all() and np.isnan(found.r[:, 1]).all() and np.isfinite(found.r[1, 0])
    assert np.isnan([found.p[0, 0], found.p_best[0], found.p_all[0]]).all()
    assert found.best[1] == 0 and 0 < found.p_best[1] <= 1


def test_same_seed_same_answer():
    x, y = smooth(np.random.default_rng(5), 2), smooth(np.random.default_rng(6), 2)
    first, second = (match_maps(x, y, BASIS, 150, np.random.default_rng(0)) for _ in "ab")
    np.testing.assert_array_equal(first.p, second.p)
