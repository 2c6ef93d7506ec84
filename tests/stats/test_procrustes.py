"""Procrustes alignment from cross-products: against scipy, and on planted common spaces."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from pydra_vae.stats.procrustes import (
    cross_products,
    disparities,
    disparity,
    disparity_to_others,
    generalized,
    normalised,
    whitened,
    whitening,
)

N, K, D = 20, 700, 5


def planted(rng, noise, scales=1.0):
    """20 subjects: one common space, rotated at random, with noise of their own."""
    common = rng.normal(size=(K, D)) * scales
    return common, [
        (common + noise * rng.normal(size=(K, D)) * scales) @ ortho_group.rvs(D, random_state=rng) * rng.uniform(0.5, 9)
        + rng.normal(size=D)
        for _ in range(N)
    ]


def pairs(n):
    return np.stack(np.triu_indices(n, 1), axis=1)


def test_disparity_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 4)), rng.normal(size=(60, 4)) + 3
    assert disparity(a, b) == pytest.approx(procrustes(a, b)[2], abs=1e-12)
    assert disparity(a, a @ b[:4]) == pytest.approx(procrustes(a, a @ b[:4])[2], abs=1e-12)


def test_rows_select_and_order_the_voxels():
    rng = np.random.default_rng(1)
    a = rng.normal(size=(100, 3)).astype(np.float32)
    order = rng.permutation(100)
    b = (a @ ortho_group.rvs(3, random_state=rng))[order].astype(np.float32)
    rows = np.stack([order[:60], np.arange(60)])
    cross = normalised(cross_products([a, b], rows))
    assert disparities(cross, pairs(2))[0] == pytest.approx(0, abs=1e-6)
    assert disparities(normalised(cross_products([a, b])), pairs(2))[0] > 0.8


def test_whitened_disparity_is_one_minus_the_mean_canonical_correlation_squared():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(500, 3)) * [1, 2, 3]
    b = a @ rng.normal(size=(3, 3))  # the same space, any linear map
    cross = cross_products([a, b])
    assert disparities(whitened(cross), pairs(2))[0] == pytest.approx(0, abs=1e-9)
    assert disparities(normalised(cross), pairs(2))[0] > 1e-3
    w = whitening(np.stack([(a - a.mean(0)).T @ (a - a.mean(0))]))[0]
    assert np.allclose(((a - a.mean(0)) @ w).T @ ((a - a.mean(0)) @ w), np.eye(3))


def test_a_dead_latent_does_not_count_in_a_whitened_space():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(300, 3))
    dead = np.c_[a, np.zeros(300)]
    assert disparity(dead, dead) == pytest.approx(0)
    assert disparities(whitened(cross_products([dead, dead @ ortho_group.rvs(4, random_state=rng)])), pairs(2))[
        0
    ] == pytest.approx(0, abs=1e-9)
    assert np.isnan(disparity(np.zeros((300, 3)), a))


def test_the_template_finds_a_planted_common_space():
    rng = np.random.default_rng(4)
    common, items = planted(rng, noise=1.0, scales=[5, 4, 3, 2, 1])
    cross = normalised(cross_products(items))
    template = generalized(cross)
    assert template.converged
    centred = [item - item.mean(0) for item in items]
    mean = sum(
        w * z / np.linalg.norm(z) @ r for w, z, r in zip(template.weights, centred, template.rotations, strict=True)
    )
    # noise of norm 1 in 20 subjects leaves a twentieth of its power in their mean
    assert disparity(common, mean) < 1.5 / 21
    to_others = disparity_to_others(cross, template, range(N))
    pairwise = disparities(cross, pairs(N))
    assert to_others.max() < pairwise.min()
    assert template.loss == pytest.approx(1 - np.linalg.norm(mean) ** 2, abs=1e-9)
    axes = mean.T @ mean
    assert np.allclose(axes, np.diag(np.diag(axes)), atol=1e-9) and (np.diff(np.diag(axes)) < 0).all()


def test_two_items_reach_the_pairs_own_optimum():
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=(80, 4)) for _ in range(2))
    a, b = a - a.mean(0), b - b.mean(0)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    template = generalized(normalised(cross_products([a, b])))
    best = orthogonal_procrustes(b, a)[0]
    assert np.allclose(template.rotations[1] @ template.rotations[0].T, best, atol=1e-5)
    assert disparity_to_others(normalised(cross_products([a, b])), template, [0, 1]) == pytest.approx(
        [disparity(a, b)] * 2
    )


def test_recordings_of_one_person_are_left_out_together():
    rng = np.random.default_rng(6)
    own = [rng.normal(size=(K, D)) for _ in range(3)]
    items = [z + 0.1 * rng.normal(size=(K, D)) for z in own for _ in range(2)]
    cross = normalised(cross_products(items))
    found = disparity_to_others(cross, generalized(cross), [0, 0, 1, 1, 2, 2])
    assert found.min() > 0.9  # the other persons have nothing in common with one
    assert disparity_to_others(cross, generalized(cross), range(6)).max() < 0.9


def test_a_hundred_subjects_and_unequal_sizes():
    rng = np.random.default_rng(7)
    cross = normalised(cross_products([rng.normal(size=(60, 2)) for _ in range(100)]))
    assert generalized(cross).rotations.shape == (100, 2, 2)
    with pytest.raises(ValueError, match=r"\[2, 3\] dimensions: align models of one latent size"):
        cross_products([np.zeros((5, 2)), np.zeros((5, 3))])
