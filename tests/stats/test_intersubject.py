"""Intersubject correlation of 20 simulated subjects against its closed form."""

import numpy as np
import pytest

from pydra_vae.stats.intersubject import intersubject_correlation

N, K, T = 20, 40, 600
EVERYWHERE = np.tile(np.arange(K), (N, 1))
ALL = np.ones(T, bool)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_planted_share_of_a_common_series(share):
    rng = np.random.default_rng(0)
    common = rng.normal(size=(K, T))
    x = np.sqrt(share) * common + np.sqrt(1 - share) * rng.normal(size=(N, K, T))
    r, shifted = intersubject_correlation(list(x), EVERYWHERE, np.arange(N), ALL)
    # with the mean of N − 1 others, whose own parts cancel
    expected = share / np.sqrt(share + (1 - share) / (N - 1))
    assert r.mean() == pytest.approx(expected, abs=0.01)
    assert shifted.mean() == pytest.approx(0, abs=0.02)


def test_recordings_of_one_person_are_not_correlated_with_each_other():
    rng = np.random.default_rng(1)
    persons = np.repeat(np.arange(10), 2)
    x = rng.normal(size=(10, K, T))[persons] + 0.1 * rng.normal(size=(N, K, T))
    assert abs(intersubject_correlation(list(x), EVERYWHERE, persons, ALL)[0].mean()) < 0.02
    as_if = intersubject_correlation(list(x), EVERYWHERE, np.arange(N), ALL)[0].mean()
    # the sum of the others holds the same person once and nine others twice
    assert as_if == pytest.approx(0.99 / np.sqrt(9 * 4 + 1), abs=0.02)


def test_rows_frames_and_functions():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, K, T))
    x[1] = x[0]
    order = rng.permutation(K)
    used = rng.random(T) < 0.8
    broken = np.where(used, x[1], 1e6)[order]
    rows = np.stack([order, np.arange(K)])
    r = intersubject_correlation([x[0], lambda index: broken[index]], rows, np.arange(2), used)[0]
    assert r == pytest.approx(np.ones(K))
    x[0, order[3]] = 1
    assert np.isnan(intersubject_correlation([x[0], broken], rows, np.arange(2), used)[0]).tolist() == [
        k == 3 for k in range(K)
    ]
