"""k-means against planted groups and against scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from pydra_vae.surface import kmeans as module
from pydra_vae.surface.kmeans import kmeans


def test_planted_groups_are_found():
    rng = np.random.default_rng(0)
    planted = np.repeat(np.arange(5), [40, 3, 20, 10, 30])
    x = 10 * rng.standard_normal((5, 6))[planted] + 0.1 * rng.standard_normal((len(planted), 6))
    labels, inertia = kmeans(x, 5)
    assert len({(a, b) for a, b in zip(planted, labels, strict=True)}) == 5
    assert inertia == pytest.approx(sum(np.square(x[planted == g] - x[planted == g].mean(0)).sum() for g in range(5)))


def test_as_good_as_scikit_learn():
    x = np.random.default_rng(1).standard_normal((400, 4))
    theirs = KMeans(12, n_init=10, random_state=0).fit(x).inertia_
    assert kmeans(x, 12)[1] < 1.02 * theirs


def test_the_same_seed_gives_the_same_clusters():
    x = np.random.default_rng(2).standard_normal((200, 3))
    assert np.array_equal(kmeans(x, 9, seed=4)[0], kmeans(x, 9, seed=4)[0])
    assert not np.array_equal(kmeans(x, 9, seed=4)[0], kmeans(x, 9, seed=5)[0])


def test_no_cluster_is_empty():
    x = np.repeat([[0.0], [1.0]], 10, axis=0)  # two places for four clusters
    assert (np.bincount(kmeans(x, 4)[0], minlength=4) > 0).all()
    assert sorted(kmeans(np.arange(5.0)[:, None], 5)[0]) == [0, 1, 2, 3, 4]
    far = np.zeros((6, 3))
    far[:, 0] = 1.0
    assert np.bincount(module._none_empty(np.zeros(6, int), far), minlength=3).tolist() == [4, 1, 1]


def test_more_clusters_than_rows():
    with pytest.raises(ValueError, match="3 rows cannot make 4 clusters"):
        kmeans(np.zeros((3, 2)), 4)
