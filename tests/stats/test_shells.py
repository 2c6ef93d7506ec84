"""Concentration in high dimensions: closed forms against draws, and the appendix's slips."""

import numpy as np
import pytest

from pydra_vae.stats.shells import (
    ball_share,
    gaussian_like,
    gaussian_radius,
    gaussian_share,
    measure_shell,
    shuffled_columns,
    whitened,
)


@pytest.mark.parametrize("n", [1, 3, 12])
def test_share_of_a_balls_shell_against_draws(n):
    rng = np.random.default_rng(n)
    direction = rng.normal(size=(20_000, n))
    points = direction / np.linalg.norm(direction, axis=1, keepdims=True) * rng.random((20_000, 1)) ** (1 / n)
    measured = np.mean(np.linalg.norm(points, axis=1) > 0.9)
    assert ball_share(n) == pytest.approx(measured, abs=0.015)


def test_the_share_stays_below_one_where_the_printed_one_does_not():
    assert 24 * 0.1 > 1 > ball_share(24) > 0.9
    # for thin shells in few dimensions they agree: it is the first order of the same thing
    assert ball_share(3, 1e-4) == pytest.approx(3e-4, rel=1e-3)
    with pytest.raises(ValueError, match="does not fit into a ball"):
        ball_share(3, 1.5)


@pytest.mark.parametrize("n", [2, 12, 100])
def test_radius_of_a_gaussian(n):
    radius = np.linalg.norm(np.random.default_rng(0).normal(size=(20_000, n)), axis=1)
    mean, sd = gaussian_radius(n)
    assert (mean, sd) == pytest.approx((radius.mean(), radius.std()), rel=0.02)
    assert mean == pytest.approx(np.sqrt(n), rel=0.5 / n)
    assert gaussian_share(n) == pytest.approx(np.mean(np.abs(radius / np.sqrt(n) - 1) <= 0.1), abs=0.015)


def test_shell_of_points():
    z = np.random.default_rng(1).normal(size=(4000, 8)) @ np.diag([1, 2, 3, 4, 5, 6, 7, 0])
    found = measure_shell(z)
    assert found.dims == 7  # the last does not vary
    assert found.radius_mean == pytest.approx(found.expected_mean, rel=0.02)
    assert found.share == pytest.approx(found.share_gaussian, abs=0.03)
    # as they are, they are no standard Gaussian, and that shows
    assert measure_shell(z, whiten=False).radius_mean > 3 * measure_shell(z, whiten=False).expected_mean
    # on a sphere, all lie in the shell
    sphere = z[:, :7] / np.arange(1, 8)
    sphere *= np.sqrt(7) / np.linalg.norm(sphere, axis=1, keepdims=True)
    assert measure_shell(sphere, whiten=False).share == 1
    with pytest.raises(ValueError, match="no spread"):
        measure_shell(z[:1])


def test_controls_keep_what_they_should():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(3000, 2)) @ [[2, 1], [0, 1]] + 5
    same = gaussian_like(z, rng)
    np.testing.assert_allclose(np.cov(same.T), np.cov(z.T))
    np.testing.assert_allclose(same.mean(axis=0), z.mean(axis=0))
    few = z[:2].repeat(3, axis=1)  # fewer points than dimensions
    np.testing.assert_allclose(np.cov(gaussian_like(few, rng).T), np.cov(few.T))
    # a ring is no Gaussian: its radii are all alike, those of the control are not
    ring = np.column_stack([np.cos(z[:, 0] * 9), np.sin(z[:, 0] * 9)])
    assert measure_shell(ring).radius_sd < 0.1 < 0.5 < measure_shell(gaussian_like(ring, rng)).radius_sd
    np.testing.assert_allclose(np.cov(whitened(z).T), np.eye(2), atol=1e-9)
    mixed = shuffled_columns(z, rng)
    np.testing.assert_array_equal(np.sort(mixed, axis=0), np.sort(z, axis=0))
    assert abs(np.corrcoef(mixed.T)[0, 1]) < 0.06 < np.corrcoef(z.T)[0, 1]
