"""Regression, filtering and interpolation of voxel series."""

import numpy as np
import pytest

from pydra_vae.images import clean as module
from pydra_vae.images.clean import clean, interpolate, usable


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def weights(rng):
    weights = np.ones(80, int)
    weights[[0, 1, 7, 30, 31, 32, 79]] = 0
    return weights


def test_interpolation_is_the_line_between_neighbours(weights):
    line = np.linspace(0, 79, 80) * np.array([[1.0], [-2.0]])
    spoiled = np.where(weights, line, 1e6)
    interpolate(spoiled, weights)
    inside = slice(2, 79)
    np.testing.assert_allclose(spoiled[:, inside], line[:, inside], atol=1e-9)
    assert (spoiled[:, :2] == line[:, [2]]).all()
    assert (spoiled[:, 79] == line[:, 78]).all()


def test_only_censored_frames_change(rng, weights):
    series = rng.normal(size=(5, 80)).astype("f4")
    before = series.copy()
    interpolate(series, weights)
    np.testing.assert_array_equal(series[:, weights == 1], before[:, weights == 1])
    assert np.abs(series).max() <= np.abs(before[:, weights == 1]).max()
    with pytest.raises(ValueError, match="every frame is censored"):
        interpolate(series, np.zeros(80))


@pytest.mark.parametrize("high_pass", [None, 0.01])
def test_clean_is_nilearn_s_on_the_frames_that_count(rng, weights, high_pass, monkeypatch):
    from nilearn.signal import clean as reference

    monkeypatch.setattr(module, "ROWS", 4)  # several blocks
    series = rng.normal(1000, 10, (11, 80))
    regressors = rng.normal(size=(80, 3))
    kept = np.nonzero(weights)[0]
    expected = reference(
        series.T, confounds=regressors, sample_mask=kept, detrend=False, standardize=None,
        filter="cosine" if high_pass else False, high_pass=high_pass, t_r=2.0,
    ).T  # fmt: skip
    means = series[:, kept].mean(axis=1)
    clean(series, weights, regressors, high_pass, t_r=2.0)
    np.testing.assert_allclose(series[:, kept], expected, atol=1e-9)
    np.testing.assert_allclose(series[:, kept].mean(axis=1), means, rtol=1e-12)


def test_planted_confound_and_drift_are_gone(rng):
    t = np.arange(200)
    confound = rng.normal(size=200)
    drift = np.cos(np.pi * (t + 0.5) / 200)
    signal = np.sin(2 * np.pi * t / 8)
    series = 500 + signal + np.array([[3.0], [-7.0]]) * confound + 20 * drift
    clean(series, np.ones(200), confound[:, None], high_pass=0.01, t_r=1.0)
    for row in series:
        assert abs(np.corrcoef(row, confound)[0, 1]) < 1e-6
        assert np.corrcoef(row, signal)[0, 1] > 0.98
        assert row.mean() == pytest.approx(500, abs=0.5)


def test_dropped_voxels_stay_as_they_were_read(rng, weights):
    series = rng.normal(size=(4, 80)).astype("f4")
    series[0] = 7
    series[1, 12] = np.nan
    series[2, 0] = np.inf  # in a censored frame: usable
    before = series.copy()
    finite, varies = usable(series, weights)
    assert finite.tolist() == [True, False, True, True]
    assert varies.tolist() == [False, False, True, True]
    clean(series, weights, rng.normal(size=(80, 2)))
    np.testing.assert_array_equal(series[:2], before[:2])
    assert np.isfinite(series[2:]).all()
    assert not np.allclose(series[3], before[3])


def test_what_leaves_nothing_is_refused(rng):
    series = rng.normal(size=(2, 40))
    with pytest.raises(ValueError, match="39 regressors for 40 frames leave nothing"):
        clean(series, np.ones(40), rng.normal(size=(40, 39)))
    with pytest.raises(ValueError, match=r"0\.001 Hz has no effect on a run of 80 s: it must be at least 0\.00625"):
        clean(series, np.ones(40), high_pass=0.001, t_r=2)
    with pytest.raises(ValueError, match=r"0\.3 Hz removes everything at TR = 2 s: it must be below 0\.25"):
        clean(series, np.ones(40), high_pass=0.3, t_r=2)
