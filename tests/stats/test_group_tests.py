"""Tests over persons: exact p, uniform nulls, and a planted score of 20 simulated subjects."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import kstest

from pydra_vae.stats.group_tests import person_means, score_mantel, sign_flip

N = 20


def test_sign_flip_is_exact_for_few():
    d = np.array([0.3, 1.1, -0.2, 0.8, 2.0])
    null = [abs(np.dot(signs, d)) for signs in product([1, -1], repeat=5)]
    found = sign_flip(d)
    assert found.p == pytest.approx(np.mean(np.array(null) >= abs(d.sum()) - 1e-12))
    assert (found.n, found.p_smallest, found.effect) == (5, 2 / 32, pytest.approx(1 - 2 * 1 / 15))
    assert sign_flip(np.array([1.0, np.nan])).p == 1.0 and sign_flip(np.array([])).n == 0


def test_sign_flip_of_many_finds_and_is_uniform():
    rng = np.random.default_rng(0)
    assert sign_flip(1 + rng.normal(size=22), 999).p < 0.01
    p = [sign_flip(rng.normal(size=N), 199, seed).p for seed in range(200)]
    assert kstest(p, "uniform").pvalue > 1e-3


def simulated(rng, bend, persons=N, m=500):
    """Distances between parcels that a trait bends along one direction; the score follows the trait."""
    trait = rng.normal(size=persons)
    direction, common = rng.normal(size=(2, m))
    vectors = common + bend * trait[:, None] * direction + rng.normal(size=(persons, m))
    return vectors, trait + 0.2 * rng.normal(size=persons)


def test_a_planted_score_is_found_and_p_is_uniform_without():
    rng = np.random.default_rng(1)
    vectors, scores = simulated(rng, 0.7)
    found = score_mantel(vectors, scores, np.arange(N), 999)
    assert found.r > 0.3 and found.p == found.p_smallest == 0.001
    p = [score_mantel(*simulated(rng, 0.0), np.arange(N), 99, seed).p for seed in range(100)]
    assert kstest(np.array(p) - rng.uniform(0, 0.01, 100), "uniform").pvalue > 1e-3


def test_recordings_of_one_person_count_once():
    rng = np.random.default_rng(2)
    vectors, scores = simulated(rng, 0.7, persons=6)
    twice = np.repeat(vectors, 2, axis=0)
    alone, both = (
        score_mantel(v, scores, persons, 1000)
        for v, persons in ((vectors, np.arange(6)), (twice, np.repeat(np.arange(6), 2)))
    )
    assert both.r == pytest.approx(alone.r) and both.p_smallest == 1 / 720
    assert np.isnan(score_mantel(vectors[:2], scores[:2], np.arange(2)).r)
    assert np.isnan(person_means(np.array([np.nan, 1]), np.array([0, 1]))).tolist() == [True, False]
