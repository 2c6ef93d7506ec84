"""Mixed models: the likelihood as written, closed forms, and what was planted.

Figures of statsmodels 0.14 on the data of `planted` (MixedLM, REML, converged) are in the test that names it.
"""

import numpy as np
import pytest

from pydra_vae.stats.mixed_model import _Sums, fit_mixed_model


def planted(n_persons=200, seed=0, sd_slope=0.02**0.5):
    """Persons with 1 to 4 visits; levels of sd 1, slopes, noise .3."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_persons), rng.integers(1, 5, n_persons))
    n = len(person)
    first = np.r_[True, person[1:] != person[:-1]]
    gap = np.where(first, 0, rng.uniform(1, 3, n))
    time = np.zeros(n)
    for i in range(n):
        time[i] = 0 if first[i] else time[i - 1] + gap[i]
    age = rng.uniform(-10, 10, n_persons)[person] + time
    own = rng.multivariate_normal([0, 0], [[1, 0.35 * sd_slope], [0.35 * sd_slope, sd_slope**2]], n_persons)
    y = 2 + 0.1 * age + own[person, 0] + own[person, 1] * time + 0.3 * rng.normal(size=n)
    return y, np.column_stack([np.ones(n), age]), time, person


def test_the_likelihood_is_that_of_the_whole_covariance():
    y, x, time, person = planted(12)
    z = np.column_stack([np.ones(len(y)), time])
    sums = _Sums.of(y, x, time, person, 12)
    for theta in ([1.0, 0.2, 0.5], [0.0, 0.0, 0.0], [2.0, -0.3, 0.0]):
        factor = np.array([[theta[0], 0], [theta[1], theta[2]]])
        same = person[:, None] == person
        v = np.eye(len(y)) + same * (z @ factor @ factor.T @ z.T)
        xvx = x.T @ np.linalg.solve(v, x)
        beta = np.linalg.solve(xvx, x.T @ np.linalg.solve(v, y))
        left = y - x @ beta
        variance = left @ np.linalg.solve(v, left) / (len(y) - 2)
        deviance = np.linalg.slogdet(v)[1] + np.linalg.slogdet(xvx)[1] + (len(y) - 2) * np.log(variance)
        assert sums.deviance(np.array(theta)) == pytest.approx(deviance, abs=1e-8)
        np.testing.assert_allclose(sums.solve(np.array(theta))[0], beta, atol=1e-9)


def test_figures_of_statsmodels():
    rng = np.random.default_rng(0)  # drawn in this order when statsmodels was run
    person = np.repeat(np.arange(200), rng.integers(1, 5, 200))
    n, first = len(person), np.r_[True, person[1:] != person[:-1]]
    gap, time = np.where(first, 0, rng.uniform(1, 3, n)), np.zeros(n)
    for i in range(n):
        time[i] = 0 if first[i] else time[i - 1] + gap[i]
    age = rng.uniform(-10, 10, 200)[person] + time
    own = rng.multivariate_normal([0, 0], [[1, 0.05], [0.05, 0.02]], 200)
    y = 2 + 0.1 * age + own[person, 0] + own[person, 1] * time + 0.3 * rng.normal(size=n)
    x = np.column_stack([np.ones(n), age])
    found = fit_mixed_model(y, x, time, person)
    np.testing.assert_allclose(found.beta, [2.06186138, 0.11968669], rtol=1e-5)
    np.testing.assert_allclose(found.random, [[0.94530843, 0.0340172], [0.0340172, 0.02143796]], rtol=1e-3)
    assert found.sigma == pytest.approx(0.2943341775, rel=1e-4)
    np.testing.assert_allclose(found.se, [0.07137059, 0.0094732], rtol=0.02)  # statsmodels' are of another formula
    third = person == 3
    np.testing.assert_allclose(found.effects(x[third], time[third], y[third]), [-0.722621, -0.073947], rtol=1e-3)


def test_balanced_visits_have_a_closed_form():
    """Equal numbers of visits at equal times: β are means over persons of each person's own line."""
    rng = np.random.default_rng(1)
    person, time = np.repeat(np.arange(40), 3), np.tile([0.0, 1, 2], 40)
    own = rng.normal([5, 1], [2, 0.5], size=(40, 2))
    y = own[person, 0] + own[person, 1] * time + 0.2 * rng.normal(size=120)
    found = fit_mixed_model(y, np.column_stack([np.ones(120), time]), time, person)
    lines = np.array([np.polyfit(time[:3], part, 1)[::-1] for part in y.reshape(40, 3)])
    np.testing.assert_allclose(found.beta, lines.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.se, lines.std(axis=0, ddof=1) / np.sqrt(40), rtol=1e-3)
    residual = y.reshape(40, 3) - lines @ np.array([[1, 1, 1], [0, 1, 2]])
    assert found.sigma**2 == pytest.approx((residual**2).sum() / 40, rel=1e-3)  # one degree of freedom a person


def test_no_difference_between_slopes_lies_within_the_search():
    found = [fit_mixed_model(*planted(80, seed, sd_slope=0.0)) for seed in range(10)]
    assert min(model.random[1, 1] for model in found) < 1e-6
    assert all(np.isfinite(model.se).all() and model.random[1, 1] < 0.02 for model in found)


def test_persons_seen_once_are_fitted_without_random_effects():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(30), rng.normal(size=30)])
    y = x @ [1.0, 2] + 0.1 * rng.normal(size=30)
    found = fit_mixed_model(y, x, np.zeros(30), np.arange(30), repeated=False)
    np.testing.assert_allclose(found.beta, np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-9)
    assert not found.random.any()
    assert not found.effects(x[:1], np.zeros(1), y[:1]).any()


def test_p_of_a_slope_holds_under_the_null():
    """|β/se| > 1.96 in about 5 % of 40 studies."""
    hits = 0
    for seed in range(40):
        y, x, time, person = planted(50, seed)
        found = fit_mixed_model(y - 0.1 * x[:, 1], x, time, person)
        hits += abs(found.beta[1] / found.se[1]) > 1.96
    assert hits <= 6


def test_too_few_persons():
    with pytest.raises(ValueError, match="2 persons are too few for 2 fixed effects"):
        fit_mixed_model(np.zeros(4), np.ones((4, 2)), np.zeros(4), np.array([0, 0, 1, 1]))
