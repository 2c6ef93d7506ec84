"""Splits of voxels: shares, determinism, and no neighbour on the other side."""

import numpy as np
import pytest

from pydra_vae.stats.splits import (
    TEST,
    TRAIN,
    VALIDATION,
    blocked_is_possible,
    blocks,
    split_voxels,
)

GRID = np.argwhere(np.ones((30, 30, 24))) * 6.0 - 90.0  # 6 mm voxels
PARCELS = np.arange(len(GRID)) // 300 + 1


def split(scheme, seed=0):
    return split_voxels(scheme, len(GRID), GRID, PARCELS, seed)


@pytest.mark.parametrize("scheme", ["random", "blocked", "parcel"])
def test_shares_and_determinism(scheme):
    parts = split(scheme)
    assert parts.dtype == np.int8 and parts.shape == (len(GRID),)
    shares = np.bincount(parts, minlength=3) / len(parts)
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.03)
    np.testing.assert_array_equal(parts, split(scheme))
    assert (parts != split(scheme, seed=1)).any()


@pytest.mark.parametrize(("scheme", "groups"), [("blocked", blocks(GRID)), ("parcel", PARCELS)])
def test_groups_stay_together(scheme, groups):
    parts = split(scheme)
    for group in np.unique(groups):
        assert len(np.unique(parts[groups == group])) == 1


def test_blocks_are_cubes_of_24_mm():
    numbers = blocks(GRID)
    for block in np.unique(numbers)[::17]:
        assert np.ptp(GRID[numbers == block], axis=0).max() == 18  # four voxels of 6 mm


def test_random_leaks_and_blocks_leak_less():
    def touching(parts):
        volume = parts.reshape(30, 30, 24)
        near = np.zeros(volume.shape, dtype=bool)
        for axis in range(3):
            for step in (-1, 1):
                near |= np.roll(volume, step, axis) == TRAIN
        return near[volume == TEST].mean()

    assert touching(split("random")) > 0.99
    assert touching(split("blocked")) < 0.8  # a cube of 4 × 4 × 4 voxels is mostly surface


def test_small_data_keep_all_three_parts():
    for n in (10, 11, 37):
        assert set(split_voxels("random", n)) == {TRAIN, VALIDATION, TEST}
    uneven = np.repeat(np.arange(1, 13), [900, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5])
    assert set(split_voxels("parcel", len(uneven), parcels=uneven)) == {TRAIN, VALIDATION, TEST}


def test_voxels_of_no_parcel_are_for_training():
    parcels = PARCELS * (np.arange(len(PARCELS)) % 2)
    assert set(split_voxels("parcel", len(GRID), parcels=parcels)[parcels == 0]) == {TRAIN}


def test_when_blocks_are_possible():
    assert blocked_is_possible(GRID) == (True, "")
    possible, why = blocked_is_possible(GRID[:129] * 4)
    assert not possible and "at least 20 blocks of 24 mm with 8 voxels" in why and "129" in why
    assert not blocked_is_possible(None)[0]
    assert not blocked_is_possible(np.empty((0, 3)))[0]
    with pytest.raises(ValueError, match="no blocked split"):
        split_voxels("blocked", 129, GRID[:129])


def test_misuse():
    with pytest.raises(ValueError, match="unknown split 'half'"):
        split_voxels("half", 100)
    with pytest.raises(ValueError, match="3 voxels cannot be split"):
        split_voxels("random", 3)
    with pytest.raises(ValueError, match="needs an atlas"):
        split_voxels("parcel", 100)
    with pytest.raises(ValueError, match="at least 10 parcels and there are 2"):
        split_voxels("parcel", 100, parcels=np.repeat([1, 2], 50))
    with pytest.raises(ValueError, match="100 voxels but 99 parcels"):
        split_voxels("parcel", 100, parcels=np.arange(99))
    with pytest.raises(ValueError, match="sum to 1"):
        split_voxels("random", 100, fractions=(0.7, 0.1, 0.1))
