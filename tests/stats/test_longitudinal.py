"""Repeated visits: slopes within and between persons apart, predictions that shrink, errors against the last visit."""

import numpy as np
import pytest

from pydra_vae.stats.longitudinal import NextVisit, Trajectories, next_visits, since_first, voxel_slopes
from pydra_vae.stats.next_visit import compare, image_errors, most_changing


def persons(n=150, within=0.5, between=-0.1, seed=0, sd_slope=0.1, noise=0.05):
    """Two visits each, 2 years apart, a third of some; within persons latents rise, between them they fall."""
    rng = np.random.default_rng(seed)
    visits = rng.integers(1, 4, n)
    person = np.repeat(np.arange(n), visits)
    since = np.concatenate([2.0 * np.arange(m) for m in visits])
    first = rng.uniform(50, 80, n)
    level, slope = rng.normal(0, 1, n), rng.normal(within, sd_slope, n)
    z = between * (first - 65)[person] + level[person] + slope[person] * since + noise * rng.normal(size=len(person))
    return person.astype(str), first[person] + since, z[:, None], slope


def test_slopes_within_and_between_persons_are_told_apart():
    person, age, z, _ = persons()
    rows = np.arange(len(age))
    found = Trajectories.fit(z, age, person, np.empty((len(age), 0)), rows)
    assert found.names == ["intercept", "within", "between"]
    assert found.slope("within")[0] == pytest.approx(0.5, abs=0.04)
    assert found.slope("between")[0] == pytest.approx(-0.1, abs=0.03)
    moved = found.population([60.0, 70.0, 60.0], [0.0, 0.0, 2.0])[:, 0]
    assert moved[1] - moved[0] == pytest.approx(10 * found.slope("between")[0])
    assert moved[2] - moved[0] == pytest.approx(2 * found.slope("within")[0])
    sd = np.sqrt(np.diag(found.models[0].random))
    np.testing.assert_allclose(sd, [1.0, 0.1], rtol=0.25)


def test_a_persons_own_slope_shrinks_to_the_average_and_improves_on_it():
    person, age, z, slope = persons(300, sd_slope=0.4)
    train = np.flatnonzero(person.astype(int) < 200)
    held = np.flatnonzero(person.astype(int) >= 200)
    found = Trajectories.fit(z, age, person, np.empty((len(age), 0)), train)
    third = [visit for visit in next_visits(person, age, held) if len(visit.earlier) == 2]
    own = np.array([found.own_slope(visit, z)[0] for visit in third])
    true = slope[[int(person[visit.row]) for visit in third]]
    raw = np.array([np.diff(z[list(visit.earlier), 0])[0] / 2 for visit in third])
    average = found.slope("within")[0]
    assert (np.abs(own - average) <= np.abs(raw - average) + 0.02).all()
    assert ((own - true) ** 2).mean() < 0.1 * ((average - true) ** 2).mean()
    predicted = np.array([found.predict(visit, z)[0] for visit in third])
    actual = np.array([z[visit.row, 0] for visit in third])
    last = np.array([z[visit.last, 0] for visit in third])
    assert ((predicted - actual) ** 2).mean() < 0.1 * ((last - actual) ** 2).mean()


def test_nothing_of_the_predicted_visit_is_used():
    person, age, z, _ = persons(60)
    found = Trajectories.fit(z, age, person, np.empty((len(age), 0)), np.arange(len(age)))
    visit = next_visits(person, age)[5]
    before = found.predict(visit, z), found.own_slope(visit, z)
    z[visit.row] = 1e6
    np.testing.assert_array_equal(before, (found.predict(visit, z), found.own_slope(visit, z)))


def test_without_repeated_visits_the_slope_is_between_persons():
    rng = np.random.default_rng(1)
    age = rng.uniform(50, 80, 60)
    z = (0.2 * age + rng.normal(size=60))[:, None]
    person = np.arange(60).astype(str)
    found = Trajectories.fit(z, age, person, np.empty((60, 0)), np.arange(60))
    assert found.names == ["intercept", "between"]
    assert found.slope("within")[0] == found.slope("between")[0] == pytest.approx(0.2, abs=0.05)
    same = Trajectories.fit(z, np.zeros(60), person, np.empty((60, 0)), np.arange(60))
    assert same.names == ["intercept"] and same.slope("within")[0] == 0


def test_covariates_are_fixed_effects():
    person, age, z, _ = persons(100)
    sex = (person.astype(int) % 2).astype(float)
    found = Trajectories.fit(z + 4 * sex[:, None], age, person, sex[:, None], np.arange(len(age)))
    assert found.models[0].beta[found.names.index("covariate 1")] == pytest.approx(4, abs=0.5)
    assert found.slope("within")[0] == pytest.approx(0.5, abs=0.04)


def test_visits_of_equal_times_have_no_order():
    person, time = np.array(["a", "a", "a"]), np.array([1.0, 1.0, 2.0])
    assert next_visits(person, time) == [NextVisit(2, (0,))]
    assert next_visits(person, time, [0]) == []
    np.testing.assert_array_equal(since_first(person, time), [0, 0, 1])


def test_slopes_of_voxels_are_pooled_over_persons():
    person, age, z, _ = persons(80)
    slopes = np.array([1.0, -2.0, 0.0])
    x = z * 0 + np.random.default_rng(2).normal(size=81)[person.astype(int)][:, None] + np.outer(age, slopes)
    np.testing.assert_allclose(voxel_slopes(x, person, age, np.arange(len(age))), slopes, atol=1e-9)
    alone = np.flatnonzero(since_first(person, age) == 0)
    assert not voxel_slopes(x, person, age, alone).any()
    assert most_changing(slopes, 1 / 3).tolist() == [False, True, False]


def test_errors_are_compared_over_persons():
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(30), 2).astype(str)
    carry = rng.uniform(1, 2, 60)
    found = compare(0.5 * carry, carry, person)
    assert found.ratio == pytest.approx(0.5) and found.low < 0.5 + 1e-9 <= found.high + 1e-9
    assert (found.n, found.n_persons) == (60, 30) and found.p < 0.001
    same = compare(carry[rng.permutation(60)], carry, person)
    assert same.low < 1 < same.high and same.p > 0.05
    alone = compare(0.5 * carry[:2], carry[:2], person[:2])  # one person has no spread
    assert alone.ratio == pytest.approx(0.5) and np.isnan([alone.low, alone.high]).all()
    none = compare(np.full(3, np.nan), np.ones(3), person[:3])
    assert none.n == 0 and np.isnan(none.ratio)
    regions = {"whole": slice(None), "part": np.array([True, False])}
    rows = image_errors(np.zeros(2), {"a": np.array([2.0, 0])}, regions)
    assert [row["mse"] for row in rows] == [2.0, 4.0]
