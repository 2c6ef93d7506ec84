"""The detector fires on models collapsed on purpose and passes healthy ones."""

import json

import numpy as np
import pytest

from pydra_vae.stats.collapse import detect_collapse, kl_per_unit
from pydra_vae.stats.pca import fit_pca

RNG = np.random.default_rng(0)
N, T, D = 600, 80, 9
Z = RNG.normal(size=(N, D))
COURSES = RNG.normal(size=(D, T))
X = Z @ COURSES + 0.8 * RNG.normal(size=(N, T))
LOGVAR = np.full((N, D), -4.0)


def ridge(penalty):
    """A linear autoencoder whose latents are shrunk: (μ, x̂)."""
    pca = fit_pca(X, D)
    mu = pca.encode(X) / np.sqrt(T)
    shrink = 1 / (1 + penalty)
    return mu * shrink, pca.decode(pca.encode(X) * shrink)


def test_healthy():
    mu, decoded = ridge(0.0)
    verdict = detect_collapse(X, decoded, mu, LOGVAR)
    assert not verdict.collapsed and not verdict.over_regularised
    assert verdict.active_units == verdict.informative_units == D
    assert verdict.variance_ratio > 0.8 and verdict.swap_ratio > 6
    assert not verdict.reasons and not verdict.advice


def test_every_sample_gets_the_mean_series():
    """The mean series varies in time as much as the data: only variance across voxels tells."""
    mean = np.sin(np.arange(T)) * 5
    x = X + mean
    decoded = np.tile(x.mean(axis=0), (N, 1))
    assert decoded.var(axis=1).mean() > 0.5 * x.var(axis=1).mean()
    verdict = detect_collapse(x, decoded + 1e-3 * RNG.normal(size=X.shape), Z, LOGVAR)
    assert verdict.collapsed and verdict.over_regularised
    assert verdict.active_units == D  # active units alone are unreliable
    assert "lower the KL weight" in verdict.advice and len(verdict.reasons) == 2


def test_posterior_equals_prior():
    mu = 1e-3 * RNG.normal(size=(N, D))
    verdict = detect_collapse(X, X * 0.9, mu, np.zeros((N, D)))
    assert verdict.collapsed and verdict.active_units == 0 and verdict.informative_units == 0


@pytest.mark.parametrize("penalty", [1.2, 2.0])
def test_over_regularised_but_not_collapsed(penalty):
    mu, decoded = ridge(penalty)
    verdict = detect_collapse(X, decoded, mu, LOGVAR)
    assert verdict.over_regularised and not verdict.collapsed
    assert json.loads(json.dumps(verdict.to_dict()))["over_regularised"] is True


def test_few_informative_dimensions():
    mu, logvar = Z.copy(), LOGVAR.copy()
    mu[:, 3:], logvar[:, 3:] = 0.0, 0.0
    verdict = detect_collapse(X, ridge(0.0)[1], mu, logvar)
    assert verdict.over_regularised and not verdict.collapsed
    assert verdict.reasons == ("only 3 of 9 dimensions have a KL above 0.1 nat",)


def test_noisy_data_are_no_collapse():
    """Where PCA itself explains a fifth, the thresholds follow it."""
    noisy = X + 6 * RNG.normal(size=X.shape)
    pca = fit_pca(noisy, D)
    mu, linear = pca.encode(noisy) / np.sqrt(T), pca.reconstruct(noisy)
    assert detect_collapse(noisy, linear, mu).over_regularised
    assert not detect_collapse(noisy, linear, mu, reference=linear).over_regularised
    mean = np.tile(noisy.mean(axis=0), (N, 1))
    assert detect_collapse(noisy, mean, mu, reference=linear).collapsed


def test_frames_of_weight_zero_do_not_count():
    weights = np.ones(T)
    weights[5] = 0
    decoded = ridge(0.0)[1].copy()
    decoded[:, 5] = 1e4 * RNG.normal(size=N)
    assert detect_collapse(X, decoded, Z, weights=weights).variance_ratio < 1
    assert detect_collapse(X, decoded, Z).variance_ratio > 1


def test_kl_against_monte_carlo():
    mu, logvar = np.array([[0.7, -0.2]]), np.array([[-0.5, 0.3]])
    sd = np.exp(0.5 * logvar)
    z = mu + sd * RNG.normal(size=(400_000, 2))
    log_ratio = -0.5 * logvar - 0.5 * ((z - mu) / sd) ** 2 + 0.5 * z**2
    np.testing.assert_allclose(kl_per_unit(mu, logvar), log_ratio.mean(axis=0), atol=0.01)


def test_misuse():
    with pytest.raises(ValueError, match="do not describe the same samples"):
        detect_collapse(X, X[:, :3], Z)
    with pytest.raises(ValueError, match="1 is too few"):
        detect_collapse(X[:1], X[:1], Z[:1])
