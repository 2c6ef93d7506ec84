"""Separability: chance where nothing is planted, what is planted found, and no leak between parcels."""

import numpy as np
import pytest

from pydra_vae.stats import separability
from pydra_vae.stats.separability import _distances, parcel_folds, sample_voxels, separability_of

N_NETWORKS, N_PARCELS, VOXELS = 6, 60, 20
RNG = np.random.default_rng(0)
LABEL = RNG.permutation(np.arange(N_PARCELS) % N_NETWORKS)
PARCEL = np.repeat(np.arange(N_PARCELS), VOXELS) + 1
Y = LABEL[PARCEL - 1]
NETWORK = np.array([f"N{n}" for n in range(N_NETWORKS)])[Y]


def space(n=9, network=0.0, parcel=0.0, seed=0):
    """Voxels with a common part in each network and one in each parcel."""
    rng = np.random.default_rng(seed)
    parts = network * rng.normal(size=(N_NETWORKS, n))[Y], parcel * rng.normal(size=(N_PARCELS, n))[PARCEL - 1]
    return sum(parts) + rng.normal(size=(len(Y), n))


@pytest.mark.parametrize("n", [2, 9, 300])
def test_parcels_that_differ_do_not_leak(n):
    """Each parcel has a place of its own, networks have none: held-out parcels are at chance in any dimension."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    found = [separability_of(space(n, parcel=1.5, seed=seed), NETWORK, PARCEL, seed) for seed in range(8)]
    assert {f.chance for f in found} == {1 / N_NETWORKS}
    for name in ("knn_accuracy", "probe_accuracy"):
        assert np.mean([getattr(f, name) for f in found]) == pytest.approx(1 / N_NETWORKS, abs=0.04)
    if n > 2:  # folds over voxels would call the same space well separated
        x = space(n, parcel=1.5)
        voxelwise = StratifiedKFold(5, shuffle=True, random_state=0)
        assert cross_val_score(KNeighborsClassifier(15), x, NETWORK, cv=voxelwise).mean() > 0.7


def test_planted_networks_are_found_and_shuffled_ones_are_not():
    x = space(network=2, parcel=0.5)
    found, null = separability_of(x, NETWORK, PARCEL), separability_of(x, NETWORK, PARCEL, n_shuffles=20)
    assert (found.n_networks, found.n_parcels, found.n_voxels) == (6, 60, 1200)
    assert found.knn_accuracy > 0.95 and found.probe_accuracy > 0.95 and found.silhouette > 0.2
    assert found.variance_ratio > 5 * null.variance_ratio
    assert null.knn_accuracy == pytest.approx(1 / 6, abs=0.05) and null.probe_accuracy == pytest.approx(1 / 6, abs=0.05)
    assert null.silhouette < 0 and 0 < null.knn_sd < 0.1


def test_silhouette_and_probe_are_those_of_sklearn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score, silhouette_score

    x = space(network=0.5, parcel=0.5)
    found = separability_of(x, NETWORK, PARCEL)
    assert found.silhouette == pytest.approx(silhouette_score(x, NETWORK), abs=1e-5)
    fold = parcel_folds(LABEL, np.random.default_rng([0, 1]))[PARCEL - 1]
    theirs = np.empty(len(Y), int)
    for f in range(5):
        lda = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(N_NETWORKS, 1 / N_NETWORKS))
        theirs[fold == f] = lda.fit(x[fold != f], Y[fold != f]).predict(x[fold == f])
    assert found.probe_accuracy == pytest.approx(balanced_accuracy_score(Y, theirs), abs=0.01)


@pytest.mark.parametrize("n_parcels", [N_PARCELS, 12])  # 12: parcels of 100 voxels, more than the candidates
def test_neighbours_are_those_of_sklearn(n_parcels, monkeypatch):
    from sklearn.neighbors import KNeighborsClassifier

    monkeypatch.setattr(separability, "N_CANDIDATES", 60)
    label, parcel = np.arange(n_parcels) % N_NETWORKS, np.arange(len(Y)) * n_parcels // len(Y)
    y = label[parcel]
    x = np.random.default_rng(0).normal(size=(n_parcels, 9))[parcel] + np.eye(9)[y] + space()
    found = separability_of(x, np.array([f"N{n}" for n in range(N_NETWORKS)])[y], parcel + 1)
    fold, recall = parcel_folds(label, np.random.default_rng([0, 1]))[parcel], np.zeros((len(y), N_NETWORKS))
    for f in range(5):
        knn = KNeighborsClassifier(15).fit(x[fold != f], y[fold != f])
        recall[fold == f] = knn.predict_proba(x[fold == f]) / np.bincount(y[fold != f])
    right = recall.argmax(axis=1) == y
    assert found.knn_accuracy == pytest.approx(np.mean([right[y == n].mean() for n in range(N_NETWORKS)]), abs=2e-3)


def test_variance_ratio_in_closed_form():
    x = np.repeat([[0.0], [0.0], [4.0], [4.0]], 2, axis=0) + np.tile([[-1.0], [1.0]], (4, 1))
    found = separability_of(x, np.repeat(["A", "B"], 4), np.repeat([1, 2, 3, 4], 2))
    assert found.variance_ratio == pytest.approx(4)  # 8 · 2² / 8 · 1²


def test_scale_and_rotation_do_not_matter():
    x = space(network=0.7, parcel=0.5)
    turn = np.linalg.qr(RNG.normal(size=(9, 9)))[0]
    one, turned = (separability_of(z, NETWORK, PARCEL) for z in (x, 1e-3 * x @ turn + 50))
    for name in ("silhouette", "knn_accuracy", "probe_accuracy", "variance_ratio"):
        assert getattr(turned, name) == pytest.approx(getattr(one, name), abs=5e-3), name
    bent = separability_of(x @ turn * np.linspace(1, 4, 9), NETWORK, PARCEL)  # nearly, by the shrinkage
    assert bent.probe_accuracy == pytest.approx(one.probe_accuracy, abs=0.01)
    unused = separability_of(np.hstack([x, np.zeros((len(x), 1))]), NETWORK, PARCEL)
    assert unused.knn_accuracy == one.knn_accuracy
    assert unused.probe_accuracy == pytest.approx(one.probe_accuracy, abs=0.01)


def test_accuracy_counts_networks_alike():
    """One network holds most of the voxels; guessing it is worth no more than chance."""
    label = np.zeros(40, int)
    label[:4], label[4:8] = 1, 2
    parcel = np.repeat(np.arange(40), 10)
    x = np.random.default_rng(0).normal(size=(400, 5))
    found = separability_of(x, np.array(["a", "b", "c"])[label[parcel]], parcel + 1)
    assert found.chance == 1 / 3
    assert found.knn_accuracy == pytest.approx(1 / 3, abs=0.1)
    assert found.probe_accuracy == pytest.approx(1 / 3, abs=0.1)


def test_folds_hold_every_network_and_whole_parcels():
    label = np.repeat(np.arange(17), [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 32])
    fold = parcel_folds(label, np.random.default_rng(0))
    for network in range(17):
        counts = np.bincount(fold[label == network], minlength=5)
        assert counts.max() - counts.min() <= 1 and (counts > 0).sum() >= 2
    sizes = np.bincount(fold, minlength=5)
    assert sizes.max() - sizes.min() <= 1


def test_what_cannot_be_used_is_left_out():
    network = NETWORK.copy()
    network[PARCEL <= 3] = ""
    network[PARCEL == 4] = "n/a"
    network[PARCEL == 5] = "lonely"
    parcel = PARCEL.copy()
    parcel[:40] = 0
    found = separability_of(space(), network, parcel)
    assert (found.n_networks, found.n_parcels, found.n_voxels) == (6, 55, 1100)
    few = separability_of(space(), network, parcel, n_voxels=333)
    assert few.n_voxels == 333
    rows = sample_voxels(network, parcel, 333)
    np.testing.assert_array_equal(rows, sample_voxels(network, parcel, 333))
    same = separability_of(space()[rows], network[rows], parcel[rows])
    assert same.silhouette == few.silhouette


def test_sample_is_even_over_parcels():
    parcel = np.repeat(np.arange(1, 5), [1000, 500, 40, 3])
    network = np.where(parcel % 2, "A", "B")
    rows = sample_voxels(network, parcel, 200)
    assert np.bincount(parcel[rows])[1:].tolist() in ([79, 78, 40, 3], [78, 79, 40, 3])
    assert (rows != sample_voxels(network, parcel, 200, seed=1)).any()


@pytest.mark.parametrize("network", ["", "n/a", "one"])
def test_without_networks_nothing_is_claimed(network):
    found = separability_of(space(), np.full(len(Y), network), PARCEL)
    assert np.isnan([found.silhouette, found.knn_accuracy, found.chance]).all()
    assert (found.n_networks, found.n_parcels, found.n_voxels) == (0, 0, 0)
    with pytest.raises(ValueError, match="1200 voxels in the space, networks of 5 and parcels of 1200"):
        separability_of(space(), np.full(5, network), PARCEL)


def test_distances_of_far_away_voxels():
    x = space(3) + 1e4  # float32 would lose the differences, were the mean not removed first
    expected = np.linalg.norm(x[:50, None] - x[None, :50], axis=2)
    np.testing.assert_allclose(_distances(x)[:50, :50] * x.std(axis=0).mean(), expected, rtol=0.05, atol=0.01)
