"""The same places in masks and grids that differ."""

import numpy as np
import pytest

from pydra_vae.stats.shared_voxels import shared_rows


def _grid(shape, edge, offset=0.0):
    return np.argwhere(np.ones(shape)) * float(edge) + offset


def test_different_masks_of_one_grid_share_their_intersection():
    rng = np.random.default_rng(0)
    grid = _grid((10, 11, 12), 3, -20)
    inside = [np.flatnonzero(rng.random(len(grid)) < 0.8) for _ in range(4)]
    shuffled = [rng.permutation(rows) for rows in inside]
    rows = shared_rows([grid[own] for own in shuffled], [np.full(3, 3.0)] * 4)
    places = [grid[own][found] for own, found in zip(shuffled, rows, strict=True)]
    assert rows.shape == (4, len(set.intersection(*map(set, inside))))
    assert all(np.array_equal(places[0], other) for other in places[1:])


@pytest.mark.parametrize("offset", [0.0, 0.7, 1.0])
def test_a_finer_grid_gives_each_coarse_voxel_one_of_its_own(offset):
    coarse, fine = _grid((8, 8, 8), 4), _grid((20, 20, 20), 2, offset - 4)
    rows = shared_rows([fine, coarse], [np.full(3, 2.0), np.full(3, 4.0)])
    apart = np.abs(fine[rows[0]] - coarse[rows[1]])
    assert apart.max() <= 2.001 and rows.shape[1] == len(coarse)
    assert len(np.unique(rows[0])) == len(rows[0])


def test_half_a_voxel_apart_all_choose_the_same_side():
    first, second = _grid((9, 9, 9), 3), _grid((9, 9, 9), 3, 1.5)
    rows = shared_rows([first, second], [np.full(3, 3.0)] * 2)
    apart = second[rows[1]] - first[rows[0]]
    assert len(apart) == 9**3 and (apart == 1.5).all()


def test_many_subjects_and_one():
    grid = _grid((6, 6, 6), 3)
    assert shared_rows([grid] * 100, [np.full(3, 3.0)] * 100).shape == (100, 216)
    assert shared_rows([grid], [np.full(3, 3.0)]).tolist() == [list(range(216))]


def test_other_spaces_are_refused_by_name():
    grid = _grid((6, 6, 6), 3)
    with pytest.raises(ValueError, match=r"only 0 voxels are shared by all 3 subjects .*03 overlaps least"):
        shared_rows([grid, grid, grid + 500], [np.full(3, 3.0)] * 3, ["01", "02", "03"])
