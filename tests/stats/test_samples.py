"""Autocovariance and spectrum against closed forms."""

import numpy as np
import pytest
from scipy.signal import lfilter

from pydra_vae.stats import samples
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.samples import autocovariance, spectrum

PHI = 0.6


def ar1(n=400, length=600, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n, length + 50)) * np.sqrt(1 - PHI**2)
    return lfilter([1], [1, -PHI], noise, axis=1)[:, 50:]


def test_autocovariance_of_a_first_order_process():
    covariance, variance = autocovariance(ar1(), max_lag=10)
    np.testing.assert_allclose(covariance, PHI ** np.arange(11), atol=0.02)
    assert variance.mean() == pytest.approx(covariance[0])


def test_spectrum_of_a_first_order_process_integrates_to_the_variance():
    covariance, _ = autocovariance(ar1(length=1300))
    frequency, power = spectrum(covariance, t_r=2.0)
    assert frequency[-1] == 0.25
    assert np.trapezoid(power, frequency) == pytest.approx(covariance[0], rel=1e-3)
    exact = 2 * 2.0 * (1 - PHI**2) / np.abs(1 - PHI * np.exp(-2j * np.pi * frequency * 2)) ** 2
    np.testing.assert_allclose(power[4:], exact[4:], rtol=0.08)


def test_censored_frames_and_borders_of_runs_enter_no_pair(monkeypatch):
    x = ar1()
    weights = np.ones(600)
    weights[[10, 11, 300]] = 0
    spoilt = x.copy()
    spoilt[:, weights == 0] = 1e3
    spoilt[:, 400:] += 1e3
    monkeypatch.setattr(samples, "row_chunks", lambda n, m: row_chunks(n, m, 8 * m * 33))
    covariance, variance = autocovariance(spoilt, weights, [400, 200], 10)
    np.testing.assert_allclose(covariance, PHI ** np.arange(11), atol=0.03)
    assert variance.max() < 3


def test_lags_without_a_pair_are_undefined():
    weights = np.tile([1, 0], 30)
    covariance, _ = autocovariance(ar1(5, 60), weights)
    assert np.isnan(covariance[1::2]).all() and np.isfinite(covariance[::2]).all()
    assert np.isfinite(spectrum(covariance)[1]).all()
