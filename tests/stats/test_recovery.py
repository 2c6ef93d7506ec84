"""Correlation with a planted signal, run by run."""

import numpy as np
import pytest

from pydra_vae.stats import recovery
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.recovery import correlation_with

RNG = np.random.default_rng(0)
CLEAN = RNG.normal(size=(30, 80))
NOISY = CLEAN + RNG.normal(size=CLEAN.shape)


def test_is_pearsons_r():
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(CLEAN, NOISY, strict=True)]
    np.testing.assert_allclose(correlation_with(NOISY, CLEAN), expected)
    np.testing.assert_allclose(correlation_with(3 * NOISY + 7, CLEAN), expected)


def test_steps_between_runs_and_censored_frames_do_not_count(monkeypatch):
    spoilt = NOISY.copy()
    spoilt[:, 50:] += 100
    spoilt[:, 3] = 1e5
    weights = np.ones(80)
    weights[3] = 0
    r = correlation_with(spoilt, CLEAN, weights, [50, 30])
    assert abs(r.mean() - 0.7) < 0.03
    monkeypatch.setattr(recovery, "row_chunks", lambda n, m: row_chunks(n, m, 8 * m * 7))
    np.testing.assert_allclose(correlation_with(spoilt, CLEAN, weights, [50, 30]), r)
    np.testing.assert_allclose(correlation_with(spoilt, CLEAN, weights, [50, 30], lambda x: -x), -r)


def test_shapes():
    with pytest.raises(ValueError, match="do both come from the same runs and mask"):
        correlation_with(NOISY[:, 1:], CLEAN)
