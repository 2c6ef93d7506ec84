"""Gaussian surrogates have the data's mean and covariance, and nothing else of them."""

import numpy as np
import pytest

from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.surrogate import GaussianRows

RNG = np.random.default_rng(0)
DATA = np.exp(RNG.normal(size=(4000, 5)) @ RNG.normal(size=(5, 40)) / 3 + RNG.normal(size=40))  # far from Gaussian


def test_mean_and_covariance_are_exact():
    fitted = GaussianRows.fit(DATA)
    np.testing.assert_allclose(fitted.mean, DATA.mean(axis=0))
    np.testing.assert_allclose(fitted.root @ fitted.root.T, np.cov(DATA.T, bias=True), atol=1e-10)


def test_rows_are_independent_gaussians():
    fitted = GaussianRows.fit(DATA)
    drawn = fitted.sample(40_000, np.random.default_rng(1)).astype(float)
    sd = DATA.std(axis=0)
    np.testing.assert_allclose((drawn.mean(axis=0) - fitted.mean) / sd, 0, atol=0.03)
    np.testing.assert_allclose((np.cov(drawn.T) - np.cov(DATA.T)) / np.outer(sd, sd), 0, atol=0.04)
    standard = (drawn - fitted.mean) / sd
    assert np.abs((standard**3).mean(axis=0)).max() < 0.15  # no skew is left; the data's is above 1
    assert np.abs(((DATA - fitted.mean) ** 3).mean(axis=0) / sd**3).min() > 0.5


def test_pca_explains_as_much_of_them_as_of_the_data():
    fitted = GaussianRows.fit(DATA)
    drawn = fitted.sample(20_000, np.random.default_rng(1))
    assert fit_pca(drawn, 3).explained.sum() == pytest.approx(fit_pca(DATA, 3).explained.sum(), rel=0.03)


def test_fewer_voxels_than_frames():
    few = DATA[:10]
    drawn = GaussianRows.fit(few).sample(500, np.random.default_rng(0))
    assert np.linalg.matrix_rank(drawn - few.mean(axis=0), tol=1e-3) == 9
