"""The streamed, randomised PCA is the exact one of everything under one another."""

import numpy as np
import pytest

from pydra_vae.stats.surface_pca import design_means, exact_pca, stacked_pca


@pytest.fixture(scope="module")
def recordings():
    """Ten strong components over a broad tail, with a mean."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(10, 400)) * np.linspace(3, 1, 10)[:, None]
    return [
        (rng.normal(size=(120, 10)) @ maps + 2 * rng.normal(size=(120, 400)) + 5).astype(np.float32) for _ in range(6)
    ]


def test_streamed_equals_exact(recordings):
    streamed, exact = stacked_pca(recordings, 10), exact_pca(np.concatenate(recordings), 10)
    np.testing.assert_allclose(streamed.mean, exact.mean, atol=1e-5)
    np.testing.assert_allclose(streamed.variance, exact.variance, rtol=1e-4)
    np.testing.assert_allclose(streamed.total, exact.total, rtol=1e-5)
    np.testing.assert_allclose(np.abs((streamed.components * exact.components).sum(axis=1)), 1, atol=1e-3)
    np.testing.assert_allclose(streamed.components @ streamed.components.T, np.eye(10), atol=1e-10)


def test_exact_is_the_singular_value_decomposition(recordings):
    x = recordings[0].astype(float)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    pca = exact_pca(x, 12)
    np.testing.assert_allclose(pca.variance, values[:12] ** 2 / len(x))
    np.testing.assert_allclose(pca.scores(x).var(axis=0), pca.variance)
    np.testing.assert_allclose(pca.scores(x, 3), pca.scores(x)[:, :3])


def test_an_exhausted_rank_keeps_orthonormal_rows():
    x = np.outer(np.sin(np.arange(40)), np.arange(1.0, 31))
    pca = exact_pca(x, 5)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(5), atol=1e-9)
    assert pca.variance[0] > 0 and pca.variance[1:].max() < 1e-9 * pca.variance[0]


def test_means_stay_within_designs(recordings):
    means = design_means(recordings, np.array([0, 1, 0, 1, 0, 2]), at_most=2)
    assert means.shape == (240, 400)
    np.testing.assert_allclose(means[:120], np.mean([recordings[i] for i in (0, 2, 4)], axis=0), atol=1e-5)
    np.testing.assert_allclose(means[120:], np.mean([recordings[i] for i in (1, 3)], axis=0), atol=1e-5)


def test_too_many_components():
    with pytest.raises(ValueError, match="ask for at most 9"):
        stacked_pca([np.zeros((5, 20)), np.zeros((5, 20))], 10)
