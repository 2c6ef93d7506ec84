"""The filter is nilearn's, applied as one matrix."""

import numpy as np
import pytest
from nilearn.signal import clean

from pydra_vae.stats.filtering import operator, standardize

T, T_R = 284, 0.72
RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(T, 40)).cumsum(axis=0) + 1e4
CONFOUNDS = RNG.normal(size=(T, 5)).cumsum(axis=0)


@pytest.mark.parametrize("detrend", [True, False])
@pytest.mark.parametrize(("high", "low"), [(0.01, 0.15), (0.01, None), (None, 0.15), (None, None)])
@pytest.mark.parametrize("confounds", [None, CONFOUNDS])
def test_equal_to_nilearn(detrend, high, low, confounds):
    found = operator(T, T_R, high, low, detrend, confounds) @ SERIES
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(UserWarning)
        expected = clean(
            SERIES, detrend=detrend, standardize=None, confounds=confounds, high_pass=high, low_pass=low, t_r=T_R,
            filter="butterworth" if high or low else False,
        )  # fmt: skip
    np.testing.assert_allclose(found, expected, atol=1e-6 * SERIES.std(axis=0).max())


def test_a_sine_in_the_band_passes_and_others_do_not():
    n = 1000  # a high-pass of 0.01 Hz rings for some 100 s at either end
    t = np.arange(n) * T_R
    waves = np.sin(2 * np.pi * t[:, None] * np.array([0.05, 0.004, 0.4]))
    passed = (operator(n, T_R) @ waves)[250:-250].std(axis=0) / waves[250:-250].std(axis=0)
    assert passed[0] == pytest.approx(1, abs=0.02)
    assert passed[1] < 0.05 and passed[2] < 0.01


def test_trend_mean_and_confounds_are_gone():
    p = operator(T, T_R, confounds=CONFOUNDS)
    assert np.abs(p @ np.ones(T)).max() < 1e-9
    assert np.abs(p @ np.arange(T)).max() < 1e-6
    band = operator(T, T_R) @ CONFOUNDS
    cleaned = p @ SERIES
    r = np.corrcoef(np.hstack([cleaned, band]).T)[:40, 40:]
    assert np.abs(r).max() < 1e-6


def test_without_anything_it_is_the_identity():
    np.testing.assert_array_equal(operator(50, None, None, None, detrend=False), np.eye(50))


def test_zero_is_no_filter():
    np.testing.assert_array_equal(operator(50, 1.0, 0, 0), operator(50, 1.0, None, None))


def test_flat_series_become_zero_and_the_rest_z_scores():
    x = np.hstack([SERIES, np.full((T, 1), 7e3), np.linspace(0, 5e3, T)[:, None]])
    filtered = operator(T, T_R) @ x
    flat = standardize(filtered, np.ptp(x, axis=0))
    assert np.nonzero(flat)[0].tolist() == [40, 41]  # constant; nothing but a trend
    assert not filtered[:, 40:].any()
    np.testing.assert_allclose(filtered[:, :40].mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(filtered[:, :40].std(axis=0), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t_r": 4.0}, "low-pass of 0.15 Hz is not to be had at TR = 4 s: it must lie between 0 and 0.125 Hz"),
        ({"t_r": None}, "needs the repetition time"),
        ({"high_pass": 0.2}, "high-pass .0.2 Hz. must lie below the low-pass .0.15 Hz."),
        ({"n_frames": 20}, "a run of 20 frames cannot be filtered"),
        ({"confounds": np.ones((3, 2))}, "the confounds have 3 rows but the run has 284 frames"),
        ({"confounds": np.ones((T, T))}, "284 confounds for 284 frames leave nothing"),
        ({"confounds": np.full((T, 2), np.nan)}, "not finite"),
    ],
)
def test_what_cannot_be_filtered(arguments, message):
    with pytest.raises(ValueError, match=message):
        operator(**({"n_frames": T, "t_r": T_R} | arguments))
