"""Recovery of planted factors: mixtures are found by all features together, products only by the kernel."""

import numpy as np
import pytest

from pydra_vae.stats.factor_recovery import recover


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(400, 3))
    mixed = factors @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + 0.05 * rng.normal(size=(400, 3))
    return factors, mixed


def test_a_mixture_is_recovered_by_all_features(planted):
    factors, z = planted
    for i in range(3):
        for kind in ("linear", "kernel"):
            found = recover(z[:300], factors[:300, i], z[300:], factors[300:, i], kind)
            assert found.r2 > 0.97 and found.r > found.single_r and found.chance_r < found.r
    assert (found.n_train, found.n_test) == (300, 100)


def test_a_product_needs_the_kernel(planted):
    factors, z = planted
    y = factors[:, 0] * factors[:, 1]
    linear, kernel = (recover(z[:300], y[:300], z[300:], y[300:], kind) for kind in ("linear", "kernel"))
    assert linear.r2 < 0.1 and kernel.r2 > 0.6


def test_noise_is_not_recovered(planted):
    _, z = planted
    y = np.random.default_rng(1).normal(size=400)
    for kind in ("linear", "kernel"):
        found = recover(z[:300], y[:300], z[300:], y[300:], kind)
        assert found.r2 < 0.05 and abs(found.r) < found.chance_r


def test_units_do_not_matter_and_missing_values_are_left_out(planted):
    factors, z = planted
    y = factors[:, 0].copy()
    plain = recover(z[:300], y[:300], z[300:], y[300:], seed=3)
    scaled = recover(1000 * z[:300] + 5, y[:300] * 60 + 70, 1000 * z[300:] + 5, y[300:] * 60 + 70, seed=3)
    assert scaled.r2 == pytest.approx(plain.r2) and scaled.chance_r == pytest.approx(plain.chance_r)
    y[:40] = y[300:310] = np.nan
    found = recover(z[:300], y[:300], z[300:], y[300:])
    assert (found.n_train, found.n_test) == (260, 90) and found.r2 > 0.97


def test_nothing_to_recover(planted):
    _, z = planted
    found = recover(z[:300], np.ones(300), z[300:], np.ones(100))
    assert np.isnan(found.r2) and found.latent == -1
    assert np.isnan(recover(z[:5], np.arange(5.0), z[300:], np.arange(100.0)).r)
    with pytest.raises(ValueError, match="choose linear or kernel"):
        recover(z, z[:, 0], z, z[:, 0], "cubic")
