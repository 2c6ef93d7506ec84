"""R² and its standard error against simulation, the information of Gaussian latents, verdicts on overfitting."""

import json

import numpy as np
import pytest

from pydra_vae.stats.volume_scores import gaussian_information, r_squared, r_squared_error
from pydra_vae.stats.volume_verdicts import collapse_advice, overfitting, volume_warnings


def test_r_squared_of_the_mean_is_zero_and_of_nothing_unknown():
    about = np.array([2.0, 3.0])
    assert r_squared(about, about) == 0 and r_squared(0 * about, about) == 1
    assert r_squared(2 * about, about) == -1
    assert np.isnan(r_squared(np.array([]), np.array([])))


def test_standard_error_is_the_spread_over_samples_of_persons():
    """Two visits of a person agree, so that counting them as independent would be too sure."""
    rng, found, errors = np.random.default_rng(0), [], []
    person = np.repeat(np.arange(40), 2)
    for _ in range(400):
        about = np.repeat(rng.gamma(4, 1, 40), 2)
        error = about * np.repeat(rng.uniform(0.1, 0.5, 40), 2)
        found.append(r_squared(error, about))
        errors.append(r_squared_error(error, about, person))
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.15)
    assert r_squared_error(error, about, np.arange(80)) < 0.8 * r_squared_error(error, about, person)


def test_standard_error_needs_two_persons():
    assert np.isnan(r_squared_error(np.ones(3), np.ones(3), np.array(["a"] * 3)))
    assert np.isnan(r_squared_error(np.ones(0), np.ones(0), np.array([])))


def test_information_of_gaussian_latents():
    """x → μ = L ε with posteriors of variance σ²: I = ½ log det(C/σ²), TC = −½ log det of C's correlations."""
    rng, k, sigma = np.random.default_rng(0), 4, 0.3
    mixing = np.eye(k) + 0.4 * rng.normal(size=(k, k))
    mu = rng.normal(size=(20_000, k)) @ mixing.T
    covariance = mixing @ mixing.T + sigma**2 * np.eye(k)
    parts = gaussian_information(mu, np.full_like(mu, 2 * np.log(sigma)))
    spread = np.sqrt(np.diag(covariance))
    assert parts["mi_gaussian"] == pytest.approx(0.5 * np.linalg.slogdet(covariance / sigma**2)[1], abs=0.03)
    exact = -0.5 * np.linalg.slogdet(covariance / np.outer(spread, spread))[1]
    assert parts["tc_gaussian"] == pytest.approx(exact, abs=0.03)
    each = 0.5 * np.sum(spread**2 - 1 - 2 * np.log(spread))
    assert parts["dimension_wise_gaussian"] == pytest.approx(each, abs=0.05)


def test_advice_names_the_divergence_that_was_used():
    assert "MMD weight" in collapse_advice("lower the KL weight", "mmd", 1e6, 0.8)
    assert collapse_advice("lower the KL weight", "kl", 1e4, 0.8) == "lower the KL weight"
    assert collapse_advice("train longer", "mmd", 0.0, 0.8) == "train longer"
    assert collapse_advice("", "mmd", 1e6, 0.0) == ""


def test_overfitting_is_judged_beside_pca():
    assert not overfitting(0.05).overfitted
    assert overfitting(0.25).overfitted
    assert not overfitting(0.25, 0.2).overfitted  # PCA of the size loses as much
    assert overfitting(0.25, -0.2).overfitted
    found = overfitting(0.02, 0.01, 1.5)
    assert found.overfitted and "1.50 times that of the best step" in found.reasons[0] and found.advice
    assert not overfitting(0.02, 0.01, 1.05).overfitted
    assert json.loads(json.dumps(overfitting(np.nan).to_dict())) == {
        "overfitted": False, "gap": None, "pca_gap": None, "rise": None, "reasons": [], "advice": "",
    }  # fmt: skip


def test_warnings():
    quiet = overfitting(0.0)

    def codes(r2=0.9, pca=0.9, n_train=200, best=400, steps=500, found=quiet):
        return [warning["code"] for warning in volume_warnings(r2, pca, 12, n_train, best, steps, found)]

    assert codes() == [] and codes(pca=np.nan) == [] and codes(best=500) == []
    assert codes(r2=-0.1) == ["worse_than_mean"] and codes(r2=0.8) == ["no_gain_over_pca"]
    assert codes(r2=0.8, best=490) == ["no_gain_over_pca", "still_improving"]
    assert codes(n_train=20) == ["few_images"] and codes(best=50) == ["best_step_early"]
    assert codes(found=overfitting(0.5)) == ["overfitted"]
