"""Connectivity by geometry: planted agreement is found, and what distance in mm explains is removed."""

import numpy as np
import pytest

from pydra_vae.stats.connectivity import connectivity, geometry_of, large_parcels, parcel_distances, whiten

RNG = np.random.default_rng(0)


def test_planted_geometry():
    place = RNG.normal(size=(50, 3))
    mm = parcel_distances(RNG.normal(size=(50, 3)))
    fc = connectivity(place / np.linalg.norm(place, axis=1, keepdims=True) @ RNG.normal(size=(3, 2000)))
    found = geometry_of(parcel_distances(place), fc, mm, 199)
    assert found.r > 0.6 and found.p_mantel == 0.005
    assert found.r_partial == pytest.approx(found.r, abs=0.05)  # mm has no part in it
    unrelated = geometry_of(parcel_distances(RNG.normal(size=(50, 3))), fc, mm, 199)
    assert abs(unrelated.r) < 0.15 and unrelated.p_mantel > 0.05


def test_what_mm_explains_is_removed():
    place = RNG.normal(size=(60, 3))
    mm = parcel_distances(place)
    noisy = [mm + abs(n + n.T) / 4 for n in (RNG.normal(size=(60, 60)) for _ in range(2))]
    found = geometry_of(noisy[0], -noisy[1], mm, 199)
    assert found.r > 0.6 and abs(found.r_partial) < 0.1 and found.p_partial > 0.05
    own = geometry_of(mm, -noisy[1], mm, 199)
    assert own.r > 0.6 and np.isnan(own.r_partial)


def test_connectivity_leaves_out_censored_frames():
    series = RNG.normal(size=(6, 100))
    weights = np.arange(100) % 10 > 0
    broken = np.where(weights, series, 1e6)
    np.testing.assert_allclose(connectivity(broken, weights), np.corrcoef(series[:, weights]), rtol=1e-6)
    assert np.isnan(connectivity(np.ones((3, 9)))).all()
    for n in (0, 1):
        assert connectivity(np.ones((n, 9))).shape == parcel_distances(np.ones((n, 9))).shape == (n, n)


def test_distances_do_not_depend_on_rotation():
    means = RNG.normal(size=(20, 9))
    turn = np.linalg.qr(RNG.normal(size=(9, 9)))[0]
    np.testing.assert_allclose(parcel_distances(means @ turn + 3), parcel_distances(means), rtol=1e-6)


def test_whitened_distances_do_not_depend_on_any_mixture():
    z = RNG.normal(size=(500, 4))
    w = whiten(z @ RNG.normal(size=(4, 4)))
    np.testing.assert_allclose(np.cov(w.T, ddof=0), np.eye(4), atol=1e-8)
    np.testing.assert_allclose(parcel_distances(w[:20]), parcel_distances(whiten(z)[:20]), rtol=1e-6)
    unused = whiten(np.column_stack([z, np.full(500, 2.0)]))
    np.testing.assert_allclose(parcel_distances(unused[:20]), parcel_distances(whiten(z)[:20]), rtol=1e-6)


def test_small_parcels():
    np.testing.assert_array_equal(large_parcels(np.repeat([0, 3, 8], [9, 5, 4])), np.repeat([0, 3, 0], [9, 5, 4]))
