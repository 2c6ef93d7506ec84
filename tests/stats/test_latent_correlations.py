"""Latents against covariates: the textbook's tests, missing values, and one false-discovery rate."""

import numpy as np
import pytest
from scipy import stats

from pydra_vae.stats.latent_correlations import correlation, false_discovery, first_visits, relate


@pytest.fixture(scope="module")
def z():
    return np.random.default_rng(0).normal(size=(60, 3))


def test_numbers_as_scipy(z):
    y = z[:, 1] + np.random.default_rng(1).normal(size=60)
    found = relate(z, y)
    for i in range(3):
        pearson, spearman = stats.pearsonr(z[:, i], y), stats.spearmanr(z[:, i], y)
        assert (found.r[i], found.p[i]) == pytest.approx((pearson.statistic, pearson.pvalue), rel=1e-9)
        assert found.rho[i] == pytest.approx(spearman.statistic)
    assert found.n == 60 and np.isnan(found.f).all() and found.type == "number"


def test_missing_values_are_left_out(z):
    y = z[:, 0].copy()
    y[:10] = np.nan
    assert relate(z, y).n == 50
    np.testing.assert_allclose(relate(z, y).r, relate(z[10:], y[10:]).r)
    texts = np.array([None, "", *["a", "b"] * 29], dtype=object)
    np.testing.assert_allclose(relate(z, texts).f, relate(z[2:], texts[2:]).f)


def test_categories_as_analysis_of_variance(z):
    group = np.arange(60) % 3
    found = relate(z + group[:, None] * [0, 0, 1], np.array(list("abc"))[group])
    for i in range(3):
        expected = stats.f_oneway(*(z[group == g, i] + g * (i == 2) for g in range(3)))
        assert (found.f[i], found.p[i]) == pytest.approx((expected.statistic, expected.pvalue))
    assert np.isnan(found.r).all() and found.levels == ("a", "b", "c") and found.eta2.argmax() == 2


def test_two_levels_are_a_point_biserial_correlation(z):
    group = np.arange(60) % 2
    two, number = relate(z, np.array(["F", "M"])[group]), relate(z, group)
    for name in ("r", "rho", "p"):
        np.testing.assert_allclose(getattr(two, name), getattr(number, name))
    np.testing.assert_allclose(two.eta2, two.r**2)


@pytest.mark.parametrize(
    "column", [np.ones(60), np.full(60, np.nan), np.full(60, "a"), np.arange(60).astype(str), np.full(60, None)]
)
def test_nothing_to_correlate(z, column):
    found = relate(z, column)
    assert np.isnan(found.p).all() and np.isnan(found.r).all()


def test_a_latent_that_does_not_vary(z):
    z = z.copy()
    z[:, 1] = 3
    for column in (np.arange(60.0), np.array(["a", "b"] * 30)):
        assert np.isfinite(relate(z, column).p).tolist() == [True, False, True]


def test_false_discoveries_are_few_under_the_null():
    rng = np.random.default_rng(2)
    found = [
        np.any(false_discovery(relate(rng.normal(size=(40, 20)), rng.normal(size=40)).p) < 0.05) for _ in range(200)
    ]
    assert np.mean(found) < 0.1  # a discovery at all is a false one here: 5 % is promised


def test_first_visits_by_time_and_without():
    person = np.array(["b", "a", "b", "a", "c"])
    assert first_visits(person).tolist() == [0, 1, 4]
    assert first_visits(person, np.array([70, 60, 69, np.nan, np.nan])).tolist() == [2, 1, 4]


def test_perfect_correlation_stays_within_one():
    y = np.linspace(0, 1, 7) ** 3
    assert -1 <= correlation(y[:, None] * -1e-7, y)[0] < -1 + 1e-12
    assert relate(y[:, None], y).p[0] < 1e-30


def test_lengths_must_match(z):
    with pytest.raises(ValueError, match="59 values of a covariate beside 60 images"):
        relate(z, np.ones(59))
