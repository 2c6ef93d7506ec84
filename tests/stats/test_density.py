"""Rarity of codes, and densities to draw new ones from."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pydra_vae.stats.density import fit_density, novelty, rarity, robust_whitener

RNG = np.random.default_rng(0)
MIXING = RNG.normal(size=(4, 4)) * [1, 10, 0.1, 3]
CLOUD = RNG.normal(size=(3000, 4))


def test_rarity_orders_codes_as_their_density_does():
    found = rarity(CLOUD @ MIXING)
    assert spearmanr(found, np.linalg.norm(CLOUD, axis=1)).statistic > 0.95


def test_outliers_do_not_hide_each_other_and_unused_latents_do_not_count():
    z = np.column_stack([CLOUD @ MIXING, np.full(3000, 2.0)])
    z[:15] += 30 * RNG.normal(size=(15, 5))
    assert set(np.argsort(rarity(z))[-15:]) == set(range(15))
    assert robust_whitener(z)[1].shape == (5, 4)


def test_rarity_does_not_depend_on_the_basis():
    a, b = rarity(CLOUD), rarity(CLOUD @ MIXING)
    assert spearmanr(a, b).statistic > 0.99


def test_codes_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="the codes do not vary"):
        rarity(np.ones((100, 3)))
    with pytest.raises(ValueError, match="10 codes are too few"):
        rarity(np.ones((10, 3)))


def test_a_gaussian_is_drawn_as_it_was_fitted():
    z = CLOUD @ MIXING + 5
    drawn = fit_density(z, "gaussian").sample(100_000, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.mean(axis=0), z.mean(axis=0), atol=0.02 * z.std(axis=0).max())
    ratio = np.linalg.solve(np.cov(z.T), np.cov(drawn.T))
    np.testing.assert_allclose(np.linalg.eigvals(ratio).real, 1, atol=0.03)


def test_a_mixture_keeps_clusters_apart_and_bic_keeps_one_gaussian_one():
    z = RNG.normal(size=(2000, 2)) + 10 * RNG.integers(0, 2, (2000, 1))
    fitted = fit_density(z)
    assert len(fitted.weights) >= 2
    between = np.abs(fitted.sample(5000, np.random.default_rng(0)) - 5).max(axis=1) < 1
    assert between.mean() < 0.001
    assert len(fit_density(CLOUD).weights) == 1
    with pytest.raises(ValueError, match="choose gmm or gaussian"):
        fit_density(z, "flow")


def test_novelty():
    assert novelty(np.random.default_rng(5).normal(size=(1000, 4)), CLOUD) == pytest.approx(1, abs=0.1)
    assert novelty(CLOUD[:500], CLOUD) == 0
    assert novelty(CLOUD[:500] + 50, CLOUD) > 10
