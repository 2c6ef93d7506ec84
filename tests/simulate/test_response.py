"""The planted map from latents to series, from its own definitions."""

import numpy as np
import pytest

from pydra_vae.simulate.response import (
    OVERSAMPLING,
    Latents,
    clean_bold,
    haemodynamic_response,
    network_centres,
    tuning,
)

CENTRES = network_centres(17)


def latents(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return Latents(
        gradients=CENTRES[rng.integers(0, 17, n)] + 0.2 * rng.normal(size=(n, 3)),
        delay=rng.uniform(-2, 2, n),
        width=np.exp(0.1 * rng.normal(size=n)),
        amplitude=np.exp(0.3 * rng.normal(size=n)),
    )


def test_canonical_response():
    (response,) = haemodynamic_response(0, 1, dt=0.1)
    assert np.argmax(response) * 0.1 == pytest.approx(5, abs=0.1)
    assert np.argmin(response) * 0.1 == pytest.approx(15.7, abs=0.5)
    assert np.linalg.norm(response) == pytest.approx(1)
    assert response.sum() > 0


def test_delay_moves_and_width_stretches():
    late, wide = haemodynamic_response([1.5, 0], [1, 1.3], dt=0.1)
    (canonical,) = haemodynamic_response(0, 1, dt=0.1)
    assert np.argmax(late) - np.argmax(canonical) == 15
    half = [np.count_nonzero(r > r.max() / 2) for r in (canonical, wide)]
    assert half[1] / half[0] == pytest.approx(1.3, abs=0.03)


def test_centres_are_spread_over_the_sphere():
    np.testing.assert_allclose(np.linalg.norm(CENTRES, axis=1), 1)
    distance = np.linalg.norm(CENTRES[:, None] - CENTRES, axis=2) + 9 * np.eye(17)
    assert distance.min() > 0.6


def test_tuning_has_unit_length_and_prefers_the_nearest_network():
    weights = tuning(latents().gradients, CENTRES)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1)
    nearest = np.argmin(((latents().gradients[:, None] - CENTRES) ** 2).sum(axis=2), axis=1)
    np.testing.assert_array_equal(weights.argmax(axis=1), nearest)
    far = tuning(np.array([[50.0, 0, 0]]), CENTRES)
    assert np.isfinite(far).all()


def test_series_are_the_convolution_that_is_documented():
    planted, t_r = latents(), 1.0
    courses = np.random.default_rng(1).normal(size=(17, 80 * OVERSAMPLING))
    series = clean_bold(planted, courses, t_r, CENTRES)
    assert series.shape == (40, 80) and series.dtype == np.float32
    for v in (0, 17, 39):
        drive = tuning(planted.gradients[v : v + 1], CENTRES)[0] @ courses
        (response,) = haemodynamic_response(planted.delay[v], planted.width[v], t_r / OVERSAMPLING)
        expected = np.convolve(drive, response)[: len(drive) : OVERSAMPLING] * planted.amplitude[v]
        assert np.abs(series[v] - expected).max() < 0.02 * expected.std()
