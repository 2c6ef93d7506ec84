"""Intrinsic dimension of planted manifolds; the interval covers; scikit-dimension finds the same."""

import numpy as np
import pytest

from pydra_vae.stats.dimension import participation_ratio, sample_rows, twonn


def torus(angles):
    """A flat torus: as many dimensions as angles, twice as many coordinates, no edge."""
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_interval_covers_the_planted_dimension(d):
    draws = [twonn(torus(np.random.default_rng(s).uniform(0, 2 * np.pi, (1000, d)))) for s in range(60)]
    assert np.mean([found.value for found in draws]) == pytest.approx(d, rel=0.03)
    assert np.mean([found.low <= d <= found.high for found in draws]) >= 0.88
    assert np.mean([found.high - found.low for found in draws]) < 0.5 * d


def test_neither_rotation_nor_further_coordinates_change_it():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(600, 3))
    turned = points @ np.linalg.qr(rng.normal(size=(100, 100)))[0][:3] + 5
    assert twonn(turned).value == pytest.approx(twonn(points).value, rel=1e-6)
    assert 2.6 < twonn(points).value < 3.4


def test_scikit_dimension_finds_the_same():
    z = np.random.default_rng(1).normal(size=(800, 4))
    # skdim 0.5.0, TwoNN(method="mle", discard_fraction=.1); its linear fit gives 3.924
    assert twonn(np.c_[z, z[:, 0] ** 2]).value == pytest.approx(3.88898543851223, abs=1e-9)


def test_copies_grids_and_few_points():
    rng = np.random.default_rng(2)
    points = rng.normal(size=(300, 2))
    doubled = twonn(np.concatenate([points, points]))
    assert doubled.n_points == 300 and doubled.value == pytest.approx(twonn(points).value)
    assert np.isnan(twonn(np.argwhere(np.ones((9, 9))).astype(float)).value)
    assert np.isnan(twonn(np.zeros((500, 3))).value) and twonn(points[:19]).n_points == 19
    with pytest.raises(ValueError, match="not finite"):
        twonn(np.where(points > 2, np.nan, points))


def test_a_sample_is_seeded():
    x = np.random.default_rng(3).normal(size=(3000, 2))
    assert twonn(x, 500, seed=1) == twonn(x, 500, seed=1) != twonn(x, 500, seed=2)
    assert twonn(x, 500).n_points == 500
    np.testing.assert_array_equal(sample_rows(x, 3000, 0), x)
    assert (np.diff(sample_rows(np.arange(100)[:, None], 10, 0)[:, 0]) > 0).all()


def test_participation_ratio():
    rng = np.random.default_rng(4)
    x = np.linalg.qr(rng.normal(size=(200, 5)) - 0.0)[0]
    x -= x.mean(axis=0)
    x = np.linalg.svd(x, full_matrices=False)[0]  # centred, of unit variance in five directions
    assert participation_ratio(x + 7) == pytest.approx(5)
    variance = np.array([4.0, 1, 1, 0, 0])
    assert participation_ratio(x * np.sqrt(variance)) == pytest.approx(36 / 18)
    wide = (x * np.sqrt(variance)) @ np.linalg.qr(rng.normal(size=(400, 400)))[0][:5]
    assert participation_ratio(wide) == pytest.approx(2)  # more columns than rows
    assert np.isnan(participation_ratio(np.ones((10, 3))))
