"""Encoders with and without a clock."""

import numpy as np
import pytest

from pydra_vae.stats.clock import clock_checks

RNG = np.random.default_rng(0)
X = np.cumsum(RNG.normal(size=(284, 6)), axis=0)
X = X - X.mean(axis=0)
WEIGHTS = RNG.normal(size=(6, 3))


def causal(x):
    """A leaky integrator: a linear network with a memory."""
    z, state = [], np.zeros(3)
    for frame in x @ WEIGHTS:
        state = 0.7 * state + frame
        z.append(state)
    return np.array(z)


def with_clock(share):
    clock = np.sin(np.arange(284) / 9)[:, None] * [3.0, -2, 1]
    own = causal(X).std()
    return lambda x: (1 - share) * causal(x) + share * own * clock


def failed(checks):
    return [name for name, (value, expected, tolerance) in checks.items() if abs(value - expected) > tolerance]


def test_a_causal_network_without_clock_passes():
    checks = clock_checks(causal, X, 20)
    assert failed(checks) == []
    assert checks["rolled input, rolled factors"][0] > 0.999
    assert checks["zero input"][0] == checks["zero input, first frames"][0] == checks["later frames"][0] == 0


def test_a_clock_is_seen():
    checks = clock_checks(with_clock(0.95), X, 30)
    assert set(failed(checks)) == {"rolled input, rolled factors", "rolled input, unrolled factors", "zero input"}
    assert checks["rolled input, unrolled factors"][0] > 0.9
    assert "zero input" in failed(clock_checks(with_clock(0.3), X, 30))  # also a small one


def test_a_model_that_sees_the_future_is_seen():
    assert failed(clock_checks(lambda x: causal(x[::-1])[::-1], X)) == ["later frames"]


def test_collapsed_factors_say_nothing():
    checks = clock_checks(lambda x: np.zeros((len(x), 3)), X)
    assert all(np.isnan(value) for value, *_ in checks.values())


def test_too_long_a_shift():
    with pytest.raises(ValueError, match="shift is 270 frames of 284: give 1 to 261"):
        clock_checks(causal, X, 270)
