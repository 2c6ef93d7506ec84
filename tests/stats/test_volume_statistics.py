"""Statistics of drawn images: what is planted in them is what comes out."""

import numpy as np
import pytest

from pydra_vae.stats.volume_statistics import compare, reference, spectrum_distance, squared_distances

N, V = 200, 60


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    sources = rng.normal(size=(4, V))
    return (0.5 + rng.normal(size=(2 * N, 4)) @ sources + 0.3 * rng.normal(size=(2 * N, V))).astype(np.float32)


@pytest.fixture(scope="module")
def data(images):
    return reference(images, np.arange(N))


def test_new_images_of_the_same_kind(images, data):
    found = compare(images[N:], data, voxel_ml=0.1)
    assert found.voxel_variance_ratio == pytest.approx(1, abs=0.25)  # four sources: their sampling sd is .07
    assert found.voxel_mean_error < 0.2 and found.variance_map_r > 0.9 and found.spectrum_distance < 0.15
    assert found.out_of_range == pytest.approx(2 / (N + 1), rel=0.6)  # either side of the sample's extremes
    assert found.nearest_image == pytest.approx(1, abs=0.1)
    assert found.total == pytest.approx(images[N:].sum(axis=1).mean() * 0.1, rel=1e-5)
    assert np.isnan(compare(images[N:], data).total)


def test_scaled_shifted_and_impossible(images, data):
    narrow = data.mean + 0.5 * (images[:N] - data.mean)
    found = compare(narrow, data)
    assert found.voxel_variance_ratio == pytest.approx(0.25, rel=1e-4)
    assert found.voxel_mean_error == pytest.approx(0, abs=1e-5) and found.out_of_range == 0
    # all eigenvalues a quarter: |√λ/2 − √λ| is half of √λ
    assert spectrum_distance(narrow, images, np.arange(N)) == pytest.approx(0.5, rel=1e-4)
    shift = np.sqrt(data.variance.mean())
    assert compare(images[:N] + shift, data).voxel_mean_error == pytest.approx(1, rel=1e-4)
    far = images[:N] + 100
    assert compare(far, data).out_of_range == compare(far, data).impossible == 1


def test_distances_among_and_between(images, data):
    direct = ((images[:5, None].astype(float) - images[None, 7:9]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(images[:5], images, np.array([7, 8]), data.mean), direct, rtol=1e-6)
    among = squared_distances(None, images, np.arange(5), data.mean)
    np.testing.assert_allclose(np.diag(among), 0, atol=1e-9)
    assert compare(images[:N], data).nearest_image == pytest.approx(0, abs=1e-6)


def test_one_training_image_is_refused(images):
    with pytest.raises(ValueError, match="1 training image has no spread"):
        reference(images, np.array([0]))
