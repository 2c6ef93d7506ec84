"""Identification of 20 simulated subjects: planted individuality, none, and several recordings of one person."""

import numpy as np
import pytest

from pydra_vae.stats.group_tests import standardised
from pydra_vae.stats.identification import by_person, identify

N = 20


def halves(rng, individual, n=N, m=300):
    common, own = rng.normal(size=m), rng.normal(size=(n, m))
    return (standardised(common + individual * own + 2 * rng.normal(size=(n, m))) for _ in range(2))


def test_planted_individuality_is_found():
    first, second = halves(np.random.default_rng(0), 1.0)
    found = identify(first @ second.T, np.arange(N))
    assert found.accuracy > 0.8 and found.p == found.p_smallest == 1 / 1001
    assert found.self_r > found.other_r + 0.1 and found.chance == 1 / N


def test_without_individuality_p_is_uniform():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        first, second = halves(rng, 0.0, m=60)
        found.append(identify(first @ second.T, np.arange(N), 99))
    assert np.mean([one.accuracy for one in found]) == pytest.approx(1 / N, abs=0.02)
    # accuracies are few numbers, so that p is at least, not exactly, uniform
    for level in (0.05, 0.2):
        assert np.mean([one.p <= level for one in found]) < level + 0.05


def test_recordings_of_one_person_are_no_candidates_for_each_other():
    rng = np.random.default_rng(2)
    persons = np.repeat(np.arange(5), 4)
    own = rng.normal(size=(5, 200))
    first, second = (standardised(own[persons] + 0.5 * rng.normal(size=(20, 200))) for _ in range(2))
    found = identify(first @ second.T, persons)
    assert (found.accuracy, found.n, found.chance) == (1.0, 5, 0.2)
    assert found.p == pytest.approx(1 / 120) == found.p_smallest  # 5! orders
    r = np.arange(16.0).reshape(4, 4)
    assert by_person(r, np.array([0, 0, 1, 1])).tolist() == [[(0 + 5) / 2, 4.5], [10.5, (10 + 15) / 2]]


def test_two_subjects_and_ties():
    assert identify(np.eye(2), np.arange(2)).p == 0.5
    assert identify(np.ones((3, 3)), np.arange(3)).accuracy == 0
