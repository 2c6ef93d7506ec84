"""Maps by regression and the shift test, from planted courses and closed forms."""

import numpy as np
import pytest

from pydra_vae.stats.network_courses import maps_of_each, regression_maps, shift_test


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_regression_returns_the_planted_maps(rng):
    courses, maps = rng.normal(size=(400, 3)), rng.normal(size=(3, 50))
    found = regression_maps(courses @ maps + 0.1 * rng.normal(size=(400, 50)) + 7, courses)
    np.testing.assert_allclose(found.beta, maps, atol=0.03)
    np.testing.assert_allclose(found.z[0] / found.beta[0], np.median(found.z[0] / found.beta[0]), rtol=0.2)


def test_z_is_standard_normal_without_a_relation(rng):
    found = regression_maps(rng.normal(size=(300, 5000)), rng.normal(size=(300, 2)))
    assert abs(found.z.mean()) < 0.05 and found.z.std() == pytest.approx(1, abs=0.05)


def test_constant_voxels_and_exact_fits_have_no_z(rng):
    courses = rng.normal(size=(40, 1))
    x = np.column_stack([np.full(40, 3.0), 2 * courses[:, 0]])
    found = regression_maps(x, courses)
    np.testing.assert_allclose(found.beta, [[0, 2]], atol=1e-12)
    np.testing.assert_array_equal(found.z, 0)


def test_maps_see_the_rows_they_are_given_only(rng):
    x, courses = rng.normal(size=(60, 8)), rng.normal(size=(60, 2))
    rows = np.arange(0, 60, 2)
    before = maps_of_each(x, courses, rows).z
    x[1::2] = 1e6
    np.testing.assert_array_equal(maps_of_each(x, courses, rows).z, before)


def test_uncorrelated_courses_have_the_same_maps_each_and_jointly(rng):
    courses = np.linalg.qr(rng.normal(size=(200, 4)) - 0)[0]
    courses -= courses.mean(axis=0)
    courses = np.linalg.qr(courses)[0]
    x = rng.normal(size=(200, 6))
    np.testing.assert_allclose(maps_of_each(x, courses).beta, regression_maps(x, courses).beta, atol=1e-10)


def test_too_few_frames_are_refused(rng):
    with pytest.raises(ValueError, match="5 frames cannot tell 6 courses apart: give more frames or fewer latents"):
        regression_maps(rng.normal(size=(5, 3)), rng.normal(size=(5, 6)))


def smooth(rng, n, k):
    return np.apply_along_axis(lambda x: np.convolve(x, np.ones(9), "same"), 0, rng.normal(size=(n, k)))


def test_a_course_that_follows_the_task_is_found(rng):
    task, courses = smooth(rng, 200, 2), smooth(rng, 200, 5)
    courses[:, 3] -= 3 * task[:, 1]
    found = shift_test(courses, [task[:120], task[120:]], [np.arange(120), np.arange(80)], 300)
    assert np.abs(found.r[:, 1]).argmax() == 3 and found.r[3, 1] < -0.8
    assert found.p[3, 1] < 0.02 and found.p_any[3, 1] < 0.05
    assert (found.p_any >= found.p - 1e-12).all()
    assert found.n_shifts == 119 and ((found.chance > 0.1) & (found.chance < 0.6)).all()


def test_smooth_courses_without_a_task_are_not_found_too_often(rng):
    p, p_any = [], []
    for seed in range(120):
        found = shift_test(smooth(rng, 150, 4), [smooth(rng, 150, 1)], [np.arange(150)], 99, seed)
        p.append(found.p[0, 0])
        p_any.append(found.p_any.min())
    assert np.mean(np.array(p) <= 0.1) < 0.2 and np.mean(np.array(p_any) <= 0.1) < 0.2
    assert np.mean(np.array(p) <= 0.1) > 0.02


def test_censored_frames_and_constants(rng):
    task, kept = smooth(rng, 100, 2), np.setdiff1d(np.arange(100), [3, 40, 41])
    task[:, 1] = 1.0
    courses = np.column_stack([task[kept, 0], np.zeros(len(kept))])
    found = shift_test(courses, [task], [kept], 50)
    assert found.r[0, 0] == pytest.approx(1) and np.isnan(found.r[1]).all() and np.isnan(found.r[:, 1]).all()
    assert np.isnan(found.p[1, 0]) and found.p[0, 0] == pytest.approx(1 / 51)
