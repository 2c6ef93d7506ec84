"""Squares add up over recordings; a model of noisy frames has collapsed only where PCA would not have."""

import numpy as np
import pytest

from pydra_vae.stats.tivae_scores import Reconstruction, factor_correlation, judge_frames, tivae_warnings


def test_r2_is_that_of_all_recordings_together():
    rng = np.random.default_rng(0)
    recordings = [rng.normal(3, scale, size=(20, 6)).astype(np.float32) for scale in (1, 5)]
    whole = Reconstruction()
    for x in recordings:
        whole.add(x, 0.9 * x)
    error = sum(np.square(0.1 * x).sum() for x in recordings)
    variance = sum(np.square(x - x.mean(0)).sum() for x in recordings)
    assert whole.r2 == pytest.approx(1 - error / variance, rel=1e-5)
    assert whole.mse == pytest.approx(error / 240, rel=1e-5)
    assert np.isnan(Reconstruction().r2) and np.isnan(Reconstruction().mse)


def test_each_vertexs_own_mean_explains_nothing():
    x = np.random.default_rng(0).normal(size=(20, 6)) + np.arange(6)
    means = Reconstruction()
    means.add(x, np.broadcast_to(x.mean(0), x.shape))
    assert means.r2 == pytest.approx(0, abs=1e-6)


def test_factors_are_compared_within_recordings():
    """Recordings of other means do not make independent factors alike."""
    wave = np.array([1.0, -1, 1, -1])
    first, second = np.stack([wave, [1, 1, -1, -1]], 1), np.stack([wave, [1, 1, -1, -1]], 1) + 100
    assert factor_correlation([first, second]) == pytest.approx(0, abs=1e-12)
    assert np.isnan(factor_correlation([wave[:, None]]))


@pytest.fixture
def frames():
    """Two components in a hundred times their noise: a PCA explains 3 % of single frames."""
    rng = np.random.default_rng(0)
    z, maps = rng.normal(size=(600, 2)), rng.normal(size=(2, 200))
    signal = 0.12 * z @ maps
    return signal + rng.normal(size=(600, 200)), signal, z, np.full((600, 2), -3.0)


def test_noisy_frames_are_no_collapse_where_pca_does_no_better(frames):
    x, signal, z, log_variance = frames
    assert judge_frames(x, signal, z, log_variance).collapsed  # alone it looks like one
    assert not judge_frames(x, 0.9 * signal, z, log_variance, signal).collapsed


def test_a_constant_reconstruction_is_one_whatever_pca_does(frames):
    x, signal, z, log_variance = frames
    assert judge_frames(x, 0.05 * signal, z, log_variance, signal).collapsed
    assert judge_frames(x, np.zeros_like(x), 0.001 * z, log_variance, signal).collapsed


def test_warnings():
    def codes(train=0.2, test=0.2, pca=0.2, n_train=30, best=90):
        r2 = {"train": train, "validation": test, "test": test}
        return [warning["code"] for warning in tivae_warnings(r2, pca, n_train, best, 100)]

    assert codes() == codes(pca=float("nan")) == []
    assert codes(train=0.5) == ["overfitted"] and codes(test=0.09, train=0.1) == ["poor_reconstruction"]
    assert codes(n_train=8) == ["few_recordings"] and codes(best=10) == ["best_step_early"]
