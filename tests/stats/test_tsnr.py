"""tSNR by run and by weight, its gain, and tests that do not underflow."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from pydra_vae.stats.tests import signed_rank
from pydra_vae.stats.tsnr import choose_units, gain, tsnr

RNG = np.random.default_rng(0)


def test_runs_are_averaged_and_censored_frames_left_out():
    x = np.hstack([100 + RNG.normal(size=(20, 30)), 200 + RNG.normal(size=(20, 40))])
    weights = np.ones(70)
    weights[[2, 50]] = 0
    spoilt = x.copy()
    spoilt[:, [2, 50]] = 1e6
    used = weights.astype(bool)
    parts = [x[:, :30][:, used[:30]], x[:, 30:][:, used[30:]]]
    expected = np.mean([p.mean(axis=1) / p.std(axis=1) for p in parts], axis=0)
    np.testing.assert_allclose(tsnr(spoilt, weights, [30, 40]), expected)
    # without the runs' lengths the step between them would count as noise
    assert (tsnr(x) < 0.1 * expected).all()


def test_series_without_variance_have_no_tsnr():
    x = np.vstack([np.full(10, 5.0), 5 + RNG.normal(size=10)])
    values = tsnr(x)
    assert np.isnan(values[0]) and np.isfinite(values[1])
    found = gain(values, values * 1.1)
    assert found.n == 1 and found.mean == pytest.approx(10)
    assert gain(values[:1], values[:1]).n == 0


def test_units():
    assert choose_units("auto", "minmax", residual=False) == "scanner"
    assert choose_units("auto", "minmax", residual=True) == "scaled"
    with pytest.raises(ValueError, match=r"the data are residuals.*Give a mean image"):
        choose_units("scanner", "minmax", residual=True)
    with pytest.raises(ValueError, match="undefined for z-scored series"):
        choose_units("auto", "zscore", residual=True)
    with pytest.raises(ValueError, match="unknown units"):
        choose_units("raw", "minmax", residual=False)


@pytest.mark.parametrize("n", [6, 22, 400])
def test_signed_rank_agrees_with_scipy(n):
    before = RNG.normal(size=n)
    after = before + 0.3 + RNG.normal(size=n)
    ours = signed_rank(before, after)
    theirs = wilcoxon(after, before, method="exact" if n <= 50 else "asymptotic")
    assert 10**ours.log10_p == pytest.approx(theirs.pvalue, rel=1e-6)


def test_signed_rank_with_ties_agrees_with_scipy():
    difference = np.round(RNG.normal(0.2, 1, size=300), 1)
    theirs = wilcoxon(difference, zero_method="wilcox", correction=False, method="asymptotic")
    ours = signed_rank(np.zeros(300), difference)
    assert 10**ours.log10_p == pytest.approx(theirs.pvalue, rel=1e-6)
    assert ours.n == np.count_nonzero(difference)


def test_p_values_beyond_the_smallest_double():
    before = RNG.normal(size=20_000)
    test = signed_rank(before, before + 1)
    assert test.log10_p < -3000 and np.isfinite(test.log10_p)
    assert test.effect_size == 1
    assert signed_rank(before + 1, before).effect_size == -1


def test_rank_biserial_is_zero_in_balance():
    difference = np.array([1.0, -1, 2, -2, 3, -3])
    assert signed_rank(np.zeros(6), difference).effect_size == 0
    same = signed_rank(np.ones(5), np.ones(5))
    assert (same.log10_p, same.n) == (0, 0)
    with pytest.raises(ValueError, match="pairs are needed"):
        signed_rank(np.ones(5), np.ones(4))
