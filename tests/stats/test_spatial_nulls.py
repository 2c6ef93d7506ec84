"""Nulls of alignment on groups of 20 subjects: uniform p without, small p with something in common."""

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist, pdist
from scipy.stats import kstest, ortho_group

from pydra_vae.stats.alignment import SUBJECTS, Alignment
from pydra_vae.stats.procrustes import cross_products
from pydra_vae.stats.spatial_nulls import (
    _resigned,
    agreement,
    balanced,
    distance_trend,
    isotropic_basis,
    placement_null,
    prepared,
    rotation_null,
)

N, D = 20, 3
PLACES = np.argwhere(np.ones((5, 4, 4))) * 20.0
TREND = distance_trend(PLACES)
PAIRS = np.stack(np.triu_indices(N, 1), axis=1)
EACH = np.arange(N)


def fields(rng, n=N, length=30.0):
    """Smooth parcel maps of n subjects with nothing in common but their smoothness."""
    covariance = np.exp(-((cdist(PLACES, PLACES) / length) ** 2) / 2) + 0.05 * np.eye(len(PLACES))
    return np.linalg.cholesky(covariance) @ rng.normal(size=(n, len(PLACES), D))


def test_measures_are_scipys():
    a, b = np.random.default_rng(0).normal(size=(2, 30, D))
    items = prepared(np.stack([a, b]))
    disparity, r = agreement(items, np.array([[0, 1]]))
    assert disparity[0] == pytest.approx(procrustes(a, b)[2])
    assert r[0] == pytest.approx(np.corrcoef(pdist(a - a.mean(0)), pdist(b - b.mean(0)))[0, 1], abs=1e-5)


def spatial_p(rng, length):
    items = prepared(fields(rng, length=length), True)
    return [null.p for null in placement_null(items, PAIRS, EACH, 19, rng, isotropic_basis(items, PLACES), TREND)]


@pytest.mark.parametrize("length", [5.0, 15.0, 25.0])
def test_p_of_the_spatial_null_is_uniform_for_independent_smooth_subjects(length):
    rng = np.random.default_rng(1)
    p = np.array([spatial_p(rng, length) for _ in range(80)])
    assert ((p <= 0.05 + 1e-9).mean(axis=0) < 0.15).all()  # expected .05; .15 has a chance of 1e-4 among 80
    assert kstest(p[:, 0] - rng.uniform(0, 0.05, 80), "uniform").pvalue > 1e-3


def test_permuting_parcels_is_uniform_without_and_too_easy_with_smoothness():
    rng = np.random.default_rng(2)
    rough, smooth = [], []
    for found, length in ((rough, 1.0), (smooth, 30.0)):
        for _ in range(40):
            items = prepared(fields(rng, length=length), True)
            found.append([null.p for null in placement_null(items, PAIRS, EACH, 19, rng)])
    for measure in range(2):
        assert kstest(np.array(rough)[:, measure] - rng.uniform(0, 0.05, 40), "uniform").pvalue > 1e-3
    assert (np.array(smooth)[:, 0] <= 0.05 + 1e-9).mean() > 0.5


def test_a_common_space_beats_all_nulls():
    rng = np.random.default_rng(3)
    common = fields(rng, 1)
    items = (common + fields(rng)) @ ortho_group.rvs(D, size=N, random_state=rng)
    one = Alignment.of(cross_products(list(items)), EACH, True, items, PLACES)
    found = list(one.nulls(99, seed=0))
    assert [(name, null.measure) for name, null, *_ in found] == [
        ("rotation", "disparity"),
        ("parcel permutation", "disparity"), ("parcel permutation", "r_distances"),
        ("spatial", "disparity"), ("spatial", "r_distances"),
    ]  # fmt: skip
    assert {null.p for _, null, *_ in found} == {0.01}
    assert {(relation, n) for *_, relation, n in found} == {(SUBJECTS, N * (N - 1) // 2)}
    again = list(one.nulls(99, seed=0))
    assert all(np.array_equal(a[1].null, b[1].null) for a, b in zip(found, again, strict=True))


def test_random_rotations_leave_nothing_of_equal_spaces():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(200, 9))
    cross = Alignment.of(cross_products([z, z]), np.arange(2), whiten=True).cross
    null = rotation_null(cross, np.array([[0, 1]]), np.arange(2), 500, rng)
    # trace of a random 9 × 9 rotation / 9 has the variance 1/81; half of it is positive
    assert null.observed == pytest.approx(0) and null.null.mean() == pytest.approx(1 - 0.5 / 81, abs=2e-3)


def test_spatial_null_keeps_covariance_and_power_and_moves_units_together():
    rng = np.random.default_rng(5)
    items = prepared(fields(rng, 4))
    basis = isotropic_basis(items, PLACES)
    assert np.allclose(basis.T @ basis, np.eye(len(PLACES) - 1)) and np.allclose(basis.sum(axis=0), 0)
    moved = _resigned(items, np.array([0, 1, 0, 1]), basis, rng)
    assert np.allclose(moved.transpose(0, 2, 1) @ moved, items.transpose(0, 2, 1) @ items)
    assert np.allclose(np.abs(basis.T @ moved), np.abs(basis.T @ items))
    assert np.allclose(items[0].T @ items[2], moved[0].T @ moved[2])
    assert not np.allclose(items[0].T @ items[1], moved[0].T @ moved[1])


def test_balanced_parcels_have_one_size_about_their_centre():
    line = np.arange(26)[:, None] * [1.0, 0, 0]
    parcel = np.repeat([1, 2, 3, 0, 4], [8, 2, 8, 3, 5])
    kept = balanced(parcel, line)
    assert {label: int((kept == label).sum()) for label in (1, 2, 3, 4)} == {1: 3, 2: 0, 3: 3, 4: 3}
    assert np.flatnonzero(kept == 4).tolist() == [22, 23, 24]


def test_many_recordings_of_few_persons():
    rng = np.random.default_rng(6)
    items = fields(rng, 60)
    one = Alignment.of(cross_products(list(items)), np.repeat(np.arange(5), 12), False, items, PLACES)
    (name, null, relation, n_pairs), *_ = one.nulls(5, seed=0)
    # 25 recordings, five of each person
    assert (name, relation, n_pairs) == ("rotation", SUBJECTS, 250) and np.isfinite(null.p)


def test_what_the_distance_in_mm_explains_is_taken_out():
    near = pdist(PLACES)
    curve = np.sqrt(1 - np.exp(-((near / 40) ** 2)))
    left = curve - TREND @ (TREND.T @ curve)
    assert np.linalg.norm(left) < 0.02 * np.linalg.norm(curve - curve.mean())
    # two subjects whose latents are their places: all of it is distance
    items = prepared(np.stack([PLACES, PLACES @ np.diag([1.0, 1, -1])]))
    pair = np.array([[0, 1]])
    assert agreement(items, pair)[1][0] == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(pdist(items[0]) - TREND @ (TREND.T @ pdist(items[0]))) < 1e-6
