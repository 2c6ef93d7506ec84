"""Scores of outliers, and how well they find what was planted."""

import numpy as np
import pytest
from scipy.stats import norm, spearmanr
from sklearn.metrics import roc_auc_score

from pydra_vae.stats import outliers
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.outliers import auc, dvars, error_scores, frame_codes, residuals, robust_z

RNG = np.random.default_rng(0)


def test_robust_z_is_z_where_data_are_gaussian_and_outliers_do_not_move_it():
    values = RNG.normal(5, 3, 4000)
    z = robust_z(np.concatenate([values, np.full(100, 1e6), [np.nan]]))
    np.testing.assert_allclose(z[:4000], (values - 5) / 3, atol=0.15)
    assert np.isnan(z[-1])
    assert (robust_z(np.ones(5)) == 0).all()


def test_errors_are_compared_with_those_of_like_variance():
    variance = np.exp(RNG.normal(size=6000))
    expected = variance / (1 + variance)  # the noisier, the less is explained
    error = expected * np.exp(RNG.normal(0, 0.1, 6000))
    planted = np.arange(6000) < 40
    error[planted] *= 2
    score = error_scores(error, variance)
    assert auc(score, planted).value > 0.99  # beyond the outermost bins a planted one can look ordinary
    assert abs(spearmanr(score[~planted], variance[~planted]).statistic) < 0.1
    assert np.std(score[~planted]) == pytest.approx(1, abs=0.1)


def test_a_voxel_of_the_least_variance_is_not_excused_by_it():
    """A spike makes the range, so the scaled variance is tiny; nothing of it is explained."""
    variance = np.append(np.exp(RNG.normal(0, 0.3, 2000)), 0.02)
    share = np.append(np.full(2000, 0.4) * np.exp(RNG.normal(0, 0.1, 2000)), 1)
    assert error_scores(share * variance, variance)[-1] > 3.5


def test_residuals_leave_means_and_censored_frames_out(monkeypatch):
    x, decoded = RNG.normal(size=(50, 30)), RNG.normal(size=(50, 30))
    weights = np.ones(30)
    weights[[0, 7]] = 0
    used = weights.astype(bool)
    off = decoded + RNG.normal(size=(50, 1))
    off[:, 7] += 100
    monkeypatch.setattr(outliers, "row_chunks", lambda n, m: row_chunks(n, m, 8 * m * 7))
    errors, (voxel, frame) = residuals(x, {"array": off, "function": lambda rows: 0 * rows}, weights)
    difference = (x - decoded)[:, used]
    np.testing.assert_allclose(errors["array"][0], difference.var(axis=1))
    centred = difference - difference.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(errors["array"][1][used], (centred**2).mean(axis=0))
    np.testing.assert_allclose(errors["function"][0], voxel)
    np.testing.assert_allclose(errors["function"][1], frame)


def test_frames_are_found_in_the_span_of_the_maps():
    codes, courses = RNG.normal(size=(200, 3)), RNG.normal(size=(40, 3))
    courses -= courses.mean(axis=0)
    x = 10 + codes @ courses.T
    np.testing.assert_allclose(frame_codes(x, codes), courses, atol=1e-8)


def test_dvars_does_not_cross_runs():
    x = np.hstack([np.zeros((3, 4)), np.ones((3, 4)) * 7])
    change = dvars(x, [4, 4])
    assert np.isnan(change[[0, 4]]).all() and (change[[1, 2, 3, 5, 6, 7]] == 0).all()


def test_auc_is_that_of_scikit_learn_with_ties():
    score, planted = RNG.integers(0, 5, 300).astype(float), RNG.random(300) < 0.1
    assert auc(score, planted).value == pytest.approx(roc_auc_score(planted, score))
    spoilt = np.append(score, np.nan)
    assert auc(spoilt, np.append(planted, True)).value == auc(score, planted).value


def test_nothing_planted_gives_no_auc():
    assert np.isnan([auc(np.arange(5.0), np.zeros(5, bool)).value, auc(np.arange(5.0), np.ones(5, bool)).low]).all()


def test_the_interval_covers_the_truth():
    truth, covered = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        planted = np.arange(230) < 30
        found = auc(rng.normal(size=230) + planted, planted, seed, n_bootstrap=300)
        covered += found.low <= truth <= found.high
    assert 88 <= covered <= 99
