"""Parcels: means, labels of cubes that agree between subjects."""

import numpy as np
import pytest

from pydra_vae.stats import parcels
from pydra_vae.stats.splits import blocks


def test_means_of_finite_values():
    values = np.array([1, 3, np.nan, np.nan, 7, 9, 100.0])
    numbers = np.array([1, 1, 1, 2, 5, 5, 0])
    labels, means = parcels.parcel_means(values, numbers)
    np.testing.assert_array_equal(labels, [1, 2, 5])
    np.testing.assert_array_equal(means, [2, np.nan, 8])
    np.testing.assert_array_equal(parcels.parcel_sizes(numbers), [3, 1, 2])
    np.testing.assert_array_equal(parcels.first_rows(numbers), [0, 3, 4])


def test_means_are_the_same_in_blocks_of_rows(monkeypatch):
    rng = np.random.default_rng(0)
    x, numbers = rng.normal(size=(500, 40)).astype(np.float32), rng.integers(0, 12, 500) * 3
    x[7, 3] = np.inf
    expected = [np.nanmean(np.where(np.isfinite(x), x, np.nan)[numbers == n], axis=0) for n in range(3, 36, 3)]
    monkeypatch.setattr(parcels, "row_chunks", lambda n, _: (slice(i, i + 64) for i in range(0, n, 64)))
    labels, means = parcels.parcel_means(x, numbers)
    np.testing.assert_array_equal(labels, np.arange(3, 36, 3))
    np.testing.assert_allclose(means, expected, atol=1e-6)  # the expected ones are summed in float32


def test_cubes_take_the_place_of_an_atlas():
    mm = np.argwhere(np.ones((20, 20, 20))) * 5.5 - 60.2
    cubes = parcels.parcels_or_blocks(np.zeros(len(mm), int), mm)
    assert cubes.min() > 0
    for cube in np.unique(cubes):
        assert np.ptp(mm[cubes == cube], axis=0).max() < 24
    n_along = int(blocks(mm).max()) + 1
    assert abs(len(np.unique(cubes)) ** (1 / 3) - n_along ** (1 / 3)) <= 1  # the grid may cut once more
    atlas = np.arange(len(mm)) % 7
    np.testing.assert_array_equal(parcels.parcels_or_blocks(atlas, mm), atlas)


def test_a_cube_has_one_number_in_all_subjects():
    mm = np.random.default_rng(0).uniform(-80, 80, (400, 3))
    one, other = (parcels.parcels_or_blocks(np.zeros(len(p), int), p) for p in (mm, mm[150:]))
    np.testing.assert_array_equal(one[150:], other)
    with pytest.raises(ValueError, match="more than a head is wide"):
        parcels.parcels_or_blocks(np.zeros(400, int), mm * 1000)


def test_centroids_and_lengths():
    mm = np.array([[0, 0, 0], [2, 4, 6], [9, 9, 9]])
    np.testing.assert_array_equal(parcels.centroids(mm, np.array([3, 3, 0])), [[1, 2, 3]])
    with pytest.raises(ValueError, match="3 rows but the parcels of 2 voxels"):
        parcels.parcel_means(mm, np.array([1, 1]))


def test_no_parcel_at_all():
    labels, means = parcels.parcel_means(np.ones((5, 3)), np.zeros(5, int))
    assert labels.shape == (0,) and means.shape == (0, 3)
    assert parcels.parcel_means(np.ones(5), np.zeros(5, int))[1].shape == (0,)
    assert parcels.parcel_sizes(np.zeros(5, int)).shape == parcels.first_rows(np.zeros(5, int)).shape == (0,)
