"""Elbows that were planted are found; curves without one have none, however they fall."""

import numpy as np
import pytest

from pydra_vae.stats.elbow import bootstrap, breaks_of, find_elbow, find_near, mean_curve, near_sizes

DEMO = np.array([2, 4, 6, 9, 12, 16])
ALL = np.arange(2, 17)


def planted(sizes, at):
    """The error of a PCA of `at` equally strong factors in white noise: linear to `at`, then nearly flat."""
    return 0.3 + np.maximum(at - sizes, 0) / at + 0.003 * (sizes.max() - sizes)


SMOOTH = {
    "straight": lambda k: -k / 10,
    "exponential": lambda k: np.exp(-k / 6),
    "slow exponential": lambda k: np.exp(-k / 20),
    "power": lambda k: k**-0.5,
    "steep power": lambda k: k**-2.0,
    "logarithm": lambda k: -np.log(k),
    "sum of a falling spectrum": lambda k: np.array([np.sum(1 / np.arange(s + 1, 1300) ** 1.2) for s in k]),
    "harmonic, cut off": lambda k: np.array([np.sum(1 / np.arange(s + 1, 13)) for s in k]),
    "bent the other way": lambda k: -np.maximum(0, k - 9.0),
    "rising": lambda k: k / 10,
    "flat": np.zeros_like,
}


def subjects(curve, noise, n=6, seeds=2, seed=0):
    """Curves of several subjects of another level each."""
    rng = np.random.default_rng(seed)
    shape = (seeds, len(curve))
    return [curve + rng.normal(0, 0.3) + noise * np.ptp(curve) * rng.normal(size=shape) for _ in range(n)]


@pytest.mark.parametrize("noise", [0, 0.02])
@pytest.mark.parametrize(("sizes", "at"), [(DEMO, 6), (DEMO, 9), (DEMO, 12), (ALL, 4), (ALL, 9), (ALL, 13)])
def test_a_planted_elbow_is_found(sizes, at, noise):
    found = find_elbow(sizes, subjects(planted(sizes, at), noise), 200)
    assert (found.size, found.verdict) == (at, "elbow")
    assert found.low <= at <= found.high and found.high - found.low <= 3
    assert found.shares[at] > 0.8 and f"an elbow at {at}" in found.sentence and "(12 curves)" in found.sentence


@pytest.mark.parametrize("sizes", [DEMO, ALL])
@pytest.mark.parametrize("shape", SMOOTH)
def test_a_curve_without_an_elbow_has_none(sizes, shape):
    curve = SMOOTH[shape](sizes.astype(float))
    for noise in (0, 0.01):
        found = find_elbow(sizes, subjects(curve, noise), 200)
        assert found.verdict == "none" and found.size is None
        assert found.sentence.startswith("no elbow: the error")
        assert ("falls smoothly" in found.sentence) == (shape not in ("rising", "flat"))


def test_an_elbow_between_two_sizes_lies_in_the_interval():
    sizes = np.arange(2, 17, 2)
    found = find_elbow(sizes, subjects(planted(sizes, 9), 0.02), 200)
    assert found.verdict == "elbow" and (found.low, found.high) == (8, 10)


def test_noise_makes_it_uncertain():
    verdicts = [find_elbow(DEMO, subjects(planted(DEMO, 9), 0.6, n=2, seed=s), 100).verdict for s in range(20)]
    assert verdicts.count("elbow") < 5 and "uncertain" in verdicts


def test_subjects_that_differ_make_it_uncertain():
    curves = [planted(ALL, at)[None] for at in (4, 4, 13)]
    found = find_elbow(ALL, curves, 300)
    assert found.verdict != "elbow"


def test_one_curve_says_nothing_of_another():
    found = find_elbow(DEMO, [planted(DEMO, 9)[None]], 100)
    assert (found.size, found.low, found.high, found.verdict, found.shares) == (9, None, None, "uncertain", {})
    assert "of a single curve: fit more seeds or subjects" in found.sentence


def test_too_few_sizes():
    found = find_elbow(DEMO[:4], subjects(planted(DEMO[:4], 4), 0), 50)
    assert found.verdict == "none" and found.sentence == "no elbow can be told from 4 sizes: give at least 5"


def test_a_break_is_that_of_any_scale_and_level():
    curves = np.array([planted(DEMO, 9), 1e-6 * planted(DEMO, 9), 1e4 + planted(DEMO, 9), planted(DEMO, 6)])
    assert breaks_of(DEMO, curves).tolist() == [9, 9, 9, 6]


def test_the_smallest_size_near_the_largest_ones_error():
    curve = np.array([2, 1.2, 1.06, 1.04, 1.02, 1.0])
    found = find_near(DEMO, subjects(curve, 0)[:2], 50)
    assert found.size == 9 and found.low is not None  # levels differ by subject, and with them what 5 % is
    near = find_near(DEMO, [np.tile(curve, (2, 1)), np.tile(curve, (3, 1))], 50)
    assert (near.size, near.low, near.high) == (9, 9, 9)
    assert near.sentence == (
        "9 is the smallest size with an error within 5 % of that at 16, the largest tried (the same in 95 % of the "
        "draws)"
    )
    assert find_near(DEMO, [curve[None]], 50).low is None  # a single curve has no interval
    falling = find_near(DEMO, [1.0 / DEMO[None]], 50)
    assert falling.size == 16 and falling.sentence.endswith("the largest tried: the error is still falling")


def test_the_near_size_is_uncertain_where_subjects_differ():
    curves = [np.array([[2, 1.5, 1.04, 1.0]]), np.array([[2, 1.5, 1.2, 1.0]]), np.array([[2, 1.04, 1.02, 1.0]])]
    found = find_near(np.array([2, 4, 6, 9]), curves, 300)
    assert (found.size, found.low, found.high) == (9, 4, 9) and "(4 to 9 in 95 % of the draws)" in found.sentence


def test_a_rising_curve_is_near_from_the_start():
    assert near_sizes(DEMO, [np.arange(6.0) + 1, np.ones(6)]).tolist() == [2, 2]


def test_subjects_count_alike_whatever_their_seeds():
    curves = [np.zeros((5, 3)), np.ones((1, 3))]
    assert mean_curve(curves).tolist() == [0.5] * 3
    draws = bootstrap(curves, 400, seed=1)
    assert sorted(set(draws[:, 0])) == [0, 0.5, 1]
    assert draws.mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(draws, bootstrap(curves, 400, seed=1))
