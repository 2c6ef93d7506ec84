"""Factors of two seeds: planted agreement, and none."""

import numpy as np
import pytest

from pydra_vae.stats.factor_consistency import match_factors, shift_null, standardised_recordings


def test_order_and_sign_do_not_matter():
    rng = np.random.default_rng(0)
    a, order = rng.normal(size=(200, 6)), rng.permutation(6)
    b = a[:, order] * rng.choice([-2.0, 5], 6) + 3
    found = match_factors(a, b)
    assert found.r == pytest.approx(1)
    np.testing.assert_array_equal(order[found.pairs[:, 1]], found.pairs[:, 0])
    np.testing.assert_allclose(np.abs(found.correlations), 1)


def test_planted_correlation_comes_back():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(20_000, 4))
    b = 0.6 * a + 0.8 * rng.normal(size=a.shape)
    assert match_factors(a, b).r == pytest.approx(0.6, abs=0.02)


def test_matching_is_for_the_whole_set():
    """The best pair first would leave the other factor with nothing."""
    rng = np.random.default_rng(2)
    u, v, w = np.linalg.qr(rng.normal(size=(500, 3)))[0].T
    a = np.column_stack([u, 0.7 * u + 0.7 * v])
    b = np.column_stack([0.75 * u + 0.66 * v, 0.95 * u + 0.3 * w])
    assert match_factors(a, b).pairs.tolist() == [[0, 1], [1, 0]]


def test_collapsed_factors_are_found_again_by_no_seed():
    a = np.random.default_rng(3).normal(size=(100, 2))
    b = np.column_stack([a[:, 0], np.full(100, 0.25)])
    assert match_factors(a, b).r == pytest.approx(0.5)


def test_null_of_smooth_factors_is_not_nothing():
    """Independent slow factors match by chance; planted agreement goes beyond that."""
    rng = np.random.default_rng(4)
    a, other = (np.cumsum(rng.normal(size=(284, 8)), axis=0) for _ in "ab")
    null = shift_null(a, other, 100)
    assert null.mean() > 0.25 and len(null) == 100
    assert null.min() - 0.1 < match_factors(a, other).r < null.max() + 0.1
    assert match_factors(a, a + 0.1 * other).r > shift_null(a, a + 0.1 * other, 100).max()
    np.testing.assert_array_equal(null, shift_null(a, other, 100))


def test_recordings_are_standardised_apart():
    z = np.random.default_rng(5).normal(size=(3, 50, 2)) * [[[1.0, 4]], [[10, 1]], [[2, 0]]]
    found = standardised_recordings(z).reshape(3, 50, 2)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=1), [[1, 1], [1, 1], [1, 0]])


def test_recordings_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="give fits to the same recordings"):
        match_factors(np.ones((5, 2)), np.ones((6, 2)))
