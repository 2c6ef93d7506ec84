"""Moran's I against checkerboards, brute force and esda; the spectral null keeps what it must and is valid."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from pydra_vae.stats.map_matches import match_maps
from pydra_vae.stats.moran import (
    equal_patches,
    moran_basis,
    moran_randomise,
    morans_i,
    neighbours,
    permuted_morans_i,
)
from pydra_vae.stats.parcels import centroids, parcel_means

IJK = np.argwhere(np.random.default_rng(0).random((6, 7, 5)) < 0.7)


@pytest.mark.parametrize(("n", "reach"), [(6, 1.01), (26, 1.74)])
def test_neighbours_are_those_within_reach(n, reach):
    distance = cdist(IJK, IJK)
    order = np.random.default_rng(1).permutation(len(IJK))  # no order of the rows is needed
    expected = (distance < reach) & (distance > 0)
    np.testing.assert_array_equal(neighbours(IJK, n).toarray(), expected)
    np.testing.assert_array_equal(neighbours(IJK[order], n).toarray(), expected[order][:, order])


def test_a_voxel_has_no_neighbour_beyond_the_border():
    ends = np.array([[0, 0, 4], [0, 1, 0], [1, 0, 0], [0, 4, 4]])
    assert neighbours(ends, 6).nnz == 0
    assert neighbours(ends, 26).nnz == 2  # the two that share an edge
    assert np.isnan(morans_i(np.arange(4.0)[:, None], neighbours(ends))).all()
    with pytest.raises(ValueError, match="6 or 26 neighbours, not 18"):
        neighbours(ends, 18)


def test_checkerboard_halves_and_constants():
    ijk = np.argwhere(np.ones((6, 6, 6)))
    maps = np.stack([(-1.0) ** ijk.sum(axis=1), ijk[:, 0] >= 3, np.full(len(ijk), np.float32(0.1))], axis=1)
    found = morans_i(maps, neighbours(ijk))
    # 36 of the 540 faces are between the two halves
    np.testing.assert_allclose(found[:2], [-1, 1 - 2 * 36 / 540])
    assert np.isnan(found[2])


@pytest.mark.parametrize(
    ("n", "i", "null_sd"),
    [  # esda 2.9.0, Moran(x, w, transformation="b"): I, and VI_rand ** .5
        (6, 0.3239682045302098, 0.06784263294604459),
        (26, 0.25585918095205706, 0.034712573949501384),
    ],
)
def test_esda_finds_the_same(n, i, null_sd):
    rng = np.random.default_rng(0)
    rng.random((6, 7, 5))  # the draw of IJK
    x = np.sin(IJK[:, 0] / 2.0) + IJK[:, 1] ** 2 / 20 + rng.normal(size=len(IJK))
    weights = neighbours(IJK, n)
    assert morans_i(x[:, None], weights)[0] == pytest.approx(i, abs=1e-12)
    null = permuted_morans_i(x[:, None], weights, 4000, np.random.default_rng(1))
    assert null.std() == pytest.approx(null_sd, rel=0.04)
    assert null.mean() == pytest.approx(-1 / (len(IJK) - 1), abs=4 * null_sd / np.sqrt(4000))


def test_patches_are_equal_and_compact():
    ijk = np.argwhere(np.linalg.norm(np.indices((20, 24, 20)).T - [12, 10, 10][::-1], axis=-1) < 9.5)
    patch = equal_patches(ijk * 3.0)
    sizes = np.bincount(patch)[1:]
    assert len(sizes) == 256 and np.ptp(sizes) <= 1
    assert equal_patches(ijk[:100] * 3.0).max() == 8
    widths = [np.ptp(ijk[patch == p], axis=0).max() for p in np.unique(patch)]
    assert max(widths) <= 7
    assert equal_patches(np.zeros((3, 3))).tolist() == [1, 1, 1]


def test_basis_is_orthonormal_from_smooth_to_rough():
    mm = np.random.default_rng(5).uniform(0, 60, size=(30, 3))
    basis = moran_basis(mm)
    assert basis.shape == (30, 29)
    np.testing.assert_allclose(basis.T @ basis, np.eye(29), atol=1e-10)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-9)
    weights = 1 / np.where(np.eye(30) > 0, np.inf, cdist(mm, mm))
    eigenvalues = np.einsum("pk,pq,qk->k", basis, weights, basis)
    # brainspace 0.3.0, compute_mem(1/distance), in single precision
    np.testing.assert_allclose(eigenvalues[:4], [0.25992012, 0.2113383, 0.17455244, 0.128156], rtol=2e-6)
    np.testing.assert_allclose(eigenvalues[-3:], [-0.20077653, -0.20355164, -0.2737887], rtol=2e-6)
    y = np.cos(mm[:, 0] / 20) + mm[:, 1] / 50
    theirs = [3.24584009, 0.93477412, 0.60656836, 0.40964845, 0.49231348]
    np.testing.assert_allclose(np.abs(basis.T @ (y - y.mean()))[:5], theirs, rtol=1e-4)


def test_random_maps_keep_power_and_correlations():
    rng = np.random.default_rng(5)
    mm = rng.uniform(0, 60, size=(30, 3))
    x = np.stack([np.cos(mm[:, 0] / 20) + mm[:, 1] / 50, rng.normal(size=30) + 3], axis=1)
    basis = moran_basis(mm)
    null = moran_randomise(x, basis, 4000, rng)
    np.testing.assert_allclose(null.mean(axis=1), np.tile(x.mean(axis=0), (4000, 1)), rtol=1e-9)
    np.testing.assert_allclose(np.abs(basis.T @ null[7]), np.abs(basis.T @ x), atol=1e-9)
    np.testing.assert_allclose(np.cov(null[9].T), np.cov(x.T), rtol=1e-9)
    other = np.sin(mm[:, 2] / 15)
    r = [np.corrcoef(draw, other)[0, 1] for draw in null[:, :, 0]]
    # brainspace 0.3.0, MoranRandomization(n_rep=4000): .1586, and |r| ≥ .1209 in a share of .4565
    assert np.std(r) == pytest.approx(0.1586, rel=0.04)
    assert np.mean(np.abs(r) >= 0.12093243582305631) == pytest.approx(0.4565, abs=0.04)


@pytest.mark.parametrize("fwhm", [0, 12, 40])
def test_false_positives_of_smooth_random_maps(fwhm):
    """A head without a middle, in voxels of 6 mm: the edge makes patches of many shapes."""
    radius = np.linalg.norm((np.indices((24, 28, 22)).T - np.array([11.5, 13.5, 10.5])) / [1, 1.15, 0.9], axis=-1).T
    mask, rng = (radius < 11) & (radius > 5), np.random.default_rng(fwhm)
    mm = np.argwhere(mask) * 6.0
    patch = equal_patches(mm)
    basis = moran_basis(centroids(mm, patch))

    def maps(n):
        noise = (gaussian_filter(rng.standard_normal(mask.shape), max(fwhm, 0.01) / 2.355 / 6) for _ in range(n))
        return parcel_means(np.stack([volume[mask] for volume in noise], axis=1), patch)[1]

    found = [match_maps(maps(5), maps(5), basis, 99, rng) for _ in range(60)]
    p, p_best, p_all = (np.concatenate([getattr(m, name).ravel() for m in found]) for name in ("p", "p_best", "p_all"))
    for values, tolerance in ((p, 0.02), (p_best, 0.04), (p_all, 0.04)):
        assert np.mean(values <= 0.05) == pytest.approx(0.05, abs=tolerance)
        assert np.mean(values <= 0.5) == pytest.approx(0.5, abs=2 * tolerance)
