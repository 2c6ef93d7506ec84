"""Autocorrelation against all pairs by brute force, and Gaussian smoothing in closed form."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import pdist, squareform

from pydra_vae.stats.correlogram import correlation_length, correlogram


def test_every_pair_counts_once():
    rng = np.random.default_rng(0)
    ijk = np.argwhere(rng.random((5, 4, 6)) < 0.6) + np.array([3, -2, 7])
    edges = np.array([2.0, 3.0, 2.5])
    x = rng.normal(2, 3, size=(len(ijk), 2))
    distance, r = correlogram(x, ijk, edges)
    apart = squareform(pdist(ijk * edges))
    bins = np.round(apart / 1.0).astype(int)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    used = np.unique(bins)
    assert distance[0] == 0 and len(distance) == len(used)
    for at, number in enumerate(used):
        i, j = np.nonzero(bins == number)
        assert distance[at] == pytest.approx(apart[i, j].mean())
        np.testing.assert_allclose(r[at], (z[i] * z[j]).mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(r[0], 1)


@pytest.mark.parametrize(("sigma_voxels", "edge"), [(2.0, 3.0), (3.0, 2.0)])
def test_length_of_smoothed_noise(sigma_voxels, edge):
    """Noise smoothed by a Gaussian has r(h) = exp(−h²/4σ²): 1/e at 2σ."""
    shape = (48, 48, 48)
    noise = np.random.default_rng(0).standard_normal((4, *shape))
    maps = np.stack([gaussian_filter(volume, sigma_voxels, mode="wrap").ravel() for volume in noise], axis=1)
    found = correlation_length(maps, np.argwhere(np.ones(shape)), np.full(3, edge))
    assert found.mean() == pytest.approx(2 * sigma_voxels * edge, rel=0.05)


def test_noise_and_constants():
    ijk = np.argwhere(np.ones((20, 20, 20)))
    x = np.stack([np.random.default_rng(0).normal(size=len(ijk)), np.ones(len(ijk))], axis=1)
    found = correlation_length(x, ijk, np.full(3, 4.0))
    assert found[0] == pytest.approx(4 * (1 - 1 / np.e), rel=0.02)
    assert np.isnan(found[1])
    # edges of 4, 4 and 5 mm fall in one bin
    assert correlation_length(x[:, :1], ijk, np.array([4.0, 4, 5]))[0] == pytest.approx(
        13 / 3 * (1 - 1 / np.e), rel=0.02
    )
    assert np.isnan(correlation_length(x[:1, :1], ijk[:1], np.ones(3))).all()
