"""Augmentation: every move takes each voxel's value from the place that it names."""

import numpy as np
import pytest

from pydra_vae.training.augmentation import moves

MASK = np.random.default_rng(0).random((4, 5, 3)) < 0.7
BOX = np.where(MASK, np.random.default_rng(1).random(MASK.shape), np.nan)


def taken(sources):
    """The image after one move; NaN where its value comes from outside the mask."""
    image = BOX.copy()
    values = BOX[MASK][np.maximum(sources, 0)]
    image[MASK] = np.where(sources < 0, np.nan, values)
    return image


@pytest.mark.parametrize("axis", range(3))
def test_a_flip_mirrors_the_box(axis):
    stay, flip = moves("flip", MASK, axis)
    np.testing.assert_array_equal(taken(stay), BOX)
    np.testing.assert_array_equal(taken(flip)[MASK], np.flip(BOX, axis)[MASK])


def test_shifts_are_by_one_voxel_and_nothing_comes_round_the_edge():
    found = moves("shift", MASK)
    assert found.shape == (7, MASK.sum())
    np.testing.assert_array_equal(taken(found[0]), BOX)
    right = np.full(BOX.shape, np.nan)
    right[1:] = BOX[:-1]
    np.testing.assert_array_equal(taken(found[2])[MASK], right[MASK])
    down = np.full(BOX.shape, np.nan)
    down[:, :, :-1] = BOX[:, :, 1:]
    np.testing.assert_array_equal(taken(found[5])[MASK], down[MASK])


def test_others_move_nothing_and_unknown_ones_are_refused():
    assert all(moves(kind, MASK) is None for kind in ("none", "noise", "mix"))
    with pytest.raises(ValueError, match="must be one of none, noise, shift, flip, mix"):
        moves("rotate", MASK)
