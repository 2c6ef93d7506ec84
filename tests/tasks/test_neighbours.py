"""Which rows touch, and how far maps reach: along a mesh, and on a grid beside it."""

import numpy as np
import pytest

from pydra_vae.images.surface_templates import surface_image
from pydra_vae.stats.correlogram import correlation_length_along
from pydra_vae.tasks._neighbours import Neighbours
from pydra_vae.tasks._space import Space

SIDE = 40


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """A flat mesh of squares of 2 mm, halved, as left and right surface; two voxels beside it."""
    folder = tmp_path_factory.mktemp("sheet")
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    xyz = np.stack([2.0 * x.ravel(), 2.0 * y.ravel(), np.zeros(SIDE**2)], axis=1)
    at = np.arange(SIDE**2).reshape(SIDE, SIDE)
    a, b, c, d = (at[i : SIDE - 1 + i, j : SIDE - 1 + j].ravel() for i in (0, 1) for j in (0, 1))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    paths = []
    for hemi in "LR":
        paths.append(folder / f"{hemi}.surf.gii")
        surface_image(xyz, triangles, hemi).to_filename(paths[-1])
    return xyz, triangles, paths


def space(vertices, xyz, n_voxels=2):
    n = len(vertices)
    ijk = np.concatenate([np.full((n, 3), -1), [[0, 0, k] for k in range(n_voxels)]]).astype(int)
    names = np.zeros(n + n_voxels, int)
    return Space(
        ijk=ijk,
        mm=np.concatenate([xyz[vertices], 500.0 + 2 * ijk[n:]]),
        parcel=names,
        name=names.astype(str),
        network=names.astype(str),
        affine=None,
        structure=np.array(["CORTEX_LEFT"] * n + ["THALAMUS_LEFT"] * n_voxels),
        vertex=np.concatenate([vertices, np.full(n_voxels, -1)]),
    )


def test_vertices_touch_along_edges_and_voxels_along_faces(sheet):
    xyz, _, paths = sheet
    chosen = np.array([0, 1, SIDE, 5])  # the first three are a triangle, the last touches none
    weights = Neighbours.of(space(chosen, xyz), paths).weights().toarray()
    wanted = np.zeros((6, 6))
    wanted[:3, :3] = 1 - np.eye(3)
    wanted[4, 5] = wanted[5, 4] = 1
    np.testing.assert_array_equal(weights, wanted)


def test_a_smooth_map_reaches_as_far_as_its_gaussian(sheet):
    from scipy.ndimage import gaussian_filter

    xyz, _, paths = sheet
    noise = np.random.default_rng(0).normal(size=(20, SIDE, SIDE))
    sigma_mm = 6.0
    smooth = np.stack([gaussian_filter(one, sigma_mm / 2, mode="wrap").ravel() for one in noise], axis=1)
    z = np.concatenate([smooth, np.zeros((2, 20))])  # subcortical voxels have no part
    found = Neighbours.of(space(np.arange(SIDE**2), xyz), paths).correlation_length(z)
    # exp(-d²/4σ²) falls to 1/e at 2σ; paths along edges are up to 8 % too long, on this lattice up to 40 %
    assert 1.6 * sigma_mm < np.median(found) < 2.6 * sigma_mm


def test_white_noise_reaches_no_further_than_the_next_place():
    places = np.arange(4000)
    first = np.repeat(places[:-5], 5)
    second = first + np.tile(np.arange(1, 6), len(places) - 5)
    noise = np.random.default_rng(0).normal(size=(4000, 3))
    found = correlation_length_along(noise, first, second, 2.0 * (second - first), 2.0)
    np.testing.assert_allclose(found, 2 * (1 - np.exp(-1)), rtol=0.05)


def test_surfaces_must_be_given_and_fit(sheet):
    xyz, _, paths = sheet
    rows = space(np.arange(10), xyz)
    with pytest.raises(ValueError, match="give `surfaces`, the left and right surface"):
        Neighbours.of(rows)
    rows.vertex[0] = 99_999
    with pytest.raises(ValueError, match=r"has 1600 vertices, but the data have vertex 99999"):
        Neighbours.of(rows, paths)


def test_a_table_names_vertices_and_voxels(sheet):
    table = space(np.array([7]), sheet[0], 1).places()
    assert list(table.columns) == ["structure", "vertex", "i", "j", "k"]
    assert table["vertex"].tolist()[0] == 7
    assert table["vertex"].isna().tolist() == table["i"].notna().tolist() == [False, True]
