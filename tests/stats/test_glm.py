"""Effects of conditions, beside drifts of each run."""

import numpy as np

from pydra_vae.stats.glm import effects, joint_design, temporal_sd

RNG = np.random.default_rng(0)
BOXES = [RNG.random((40, 3)) < 0.3, RNG.random((30, 3)) < 0.3]
BOXES = [box.astype(float) for box in BOXES]
DRIFTS = [np.vander(np.linspace(-1, 1, n), 3) for n in (40, 30)]


def test_effects_come_back_whatever_the_drifts():
    truth = RNG.normal(size=(20, 3))
    drift = np.hstack([RNG.normal(size=(20, 3)) @ d.T for d in DRIFTS])
    x = truth @ np.vstack(BOXES).T + 50 * drift
    estimator, present = joint_design(BOXES, DRIFTS, np.ones(70))
    assert present.all()
    np.testing.assert_allclose(effects(x, estimator), truth, atol=1e-8)
    np.testing.assert_allclose(effects(x, estimator, lambda rows: -rows), -truth, atol=1e-8)


def test_censored_frames_do_not_count():
    truth = RNG.normal(size=(20, 3))
    x, weights = truth @ np.vstack(BOXES).T, np.ones(70)
    weights[[0, 45, 46]] = 0
    x[:, weights == 0] = 1e6
    estimator, _ = joint_design(BOXES, DRIFTS, weights)
    assert not estimator[:, weights == 0].any()
    np.testing.assert_allclose(effects(x, estimator), truth, atol=1e-6)
    assert temporal_sd(x, weights).max() < 10


def test_a_condition_that_is_not_there_is_undefined():
    without = [box * [1, 0, 1] for box in BOXES]
    estimator, present = joint_design(without, DRIFTS, np.ones(70))
    assert present.tolist() == [True, False, True]
    assert np.isnan(estimator[1]).all() and np.isfinite(estimator[[0, 2]]).all()
