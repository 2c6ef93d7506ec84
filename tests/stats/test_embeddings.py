"""Maps of images: distances are kept, a spiral is unrolled, and unseen points find their place."""

import numpy as np
import pytest
from sklearn.manifold import Isomap, trustworthiness

from pydra_vae.stats.embeddings import distances, embed, isometric, judge_map, knn_r2, mds, place_mds, shortest_paths


@pytest.fixture(scope="module")
def spiral():
    """A curve in 30 dimensions, its length along it, and which points train."""
    rng = np.random.default_rng(0)
    t = np.sqrt(np.linspace(0.25, 9, 160))  # about evenly along the curve
    curve = np.column_stack([t * np.cos(3 * t), t * np.sin(3 * t)]) @ rng.normal(size=(2, 30))
    length = np.concatenate([[0], np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()])
    return isometric(curve), length, np.arange(160) % 4 > 0


def test_coordinates_keep_all_distances():
    x = np.random.default_rng(0).normal(size=(12, 5000)).astype(np.float32) + 100
    rows = np.array([0, 3, 4, 7, 9])
    np.testing.assert_allclose(distances(*[isometric(x, rows)] * 2), distances(x[rows], x[rows]), rtol=1e-5, atol=1e-4)
    assert isometric(np.repeat(x[:1], 4, axis=0) + np.eye(4, 1)).shape == (4, 1)


@pytest.mark.parametrize(("method", "least"), [("Isomap", 0.99), ("LLE", 0.9)])
def test_a_spiral_is_unrolled_also_for_unseen_points(spiral, method, least):
    c, length, train = spiral
    y = embed(method, c, train, 1, 8)
    for part in (train, ~train):
        assert abs(np.corrcoef(y[part, 0], length[part])[0, 1]) > least
        # the straight axis of the widest direction does not
        assert abs(np.corrcoef(c[part, 0], length[part])[0, 1]) < 0.8


def test_mds_of_a_plane_is_exact_and_places_new_points():
    plane = np.random.default_rng(1).normal(size=(50, 2))
    c, train = isometric(plane @ np.random.default_rng(2).normal(size=(2, 9))), np.arange(50) < 40
    y = embed("MDS", c, train, 2, 5)
    np.testing.assert_allclose(distances(y[train], y[train]), distances(c[train], c[train]), atol=1e-6)
    np.testing.assert_allclose(distances(y[~train], y[train]), distances(c[~train], c[train]), atol=0.05)


def test_mds_beats_the_axes_it_starts_from():
    c = isometric(np.random.default_rng(3).normal(size=(40, 10)))
    d = distances(c, c)
    y = mds(d, c[:, :2])
    assert np.sum((distances(y, y) - d) ** 2) < 0.5 * np.sum((distances(c[:, :2], c[:, :2]) - d) ** 2)
    again = place_mds(d[:1, 1:], y[1:], 3)
    assert (
        np.sum((distances(again, y[1:]) - d[:1, 1:]) ** 2) <= np.sum((distances(y[:1], y[1:]) - d[:1, 1:]) ** 2) * 1.05
    )


def test_isomap_as_scikit_learn_and_where_that_one_refuses(spiral):
    c, _, train = spiral
    reference = Isomap(n_neighbors=8, n_components=2, eigen_solver="dense").fit(c[train])
    y = embed("Isomap", c, train, 2, 8)
    for part, expected in ((train, reference.embedding_), (~train, reference.transform(c[~train]))):
        np.testing.assert_allclose(np.abs(y[part]), np.abs(expected), atol=1e-6)
    few = isometric(np.random.default_rng(6).normal(size=(20, 500)))
    assert np.isfinite(embed("Isomap", few, np.arange(20) < 16, 12, 6)).all()


def test_pieces_are_joined_by_their_shortest_distance():
    x = np.array([0.0, 1, 2, 10, 11, 12, 40, 41])[:, None]
    np.testing.assert_allclose(shortest_paths(distances(x, x), 1), distances(x, x))
    # an image twice is at distance 0 of its copy, and not unreachable
    assert shortest_paths(distances(x[[0, 0, 1]], x[[0, 0, 1]]), 1)[0, 1] == pytest.approx(0, abs=1e-30)


def test_trustworthiness_as_scikit_learn():
    x = np.random.default_rng(4).normal(size=(60, 6))
    d, places = distances(x, x), distances(x[:, :2], x[:, :2])
    found = judge_map(d, places, np.arange(60), 7)
    assert found.trustworthiness == pytest.approx(trustworthiness(x, x[:, :2], n_neighbors=7))
    assert found.continuity == pytest.approx(trustworthiness(x[:, :2], x, n_neighbors=7))
    chance = judge_map(d, distances(*[np.random.default_rng(5).normal(size=(60, 2))] * 2), np.arange(60), 7)
    assert chance.trustworthiness == pytest.approx(0.5, abs=0.1) and chance.overlap < 0.25


def test_neighbours_predict_what_varies_along_the_map():
    x = np.linspace(0, 1, 100)[:, None]
    new = np.array([[0.2], [0.5], [0.83]])
    places, y = distances(new, x), np.sin(3 * x[:, 0])
    y[::7] = np.nan
    assert knn_r2(places, np.sin(3 * new[:, 0]), y, 5) > 0.99
    assert knn_r2(places, np.array([0.1, np.nan, 0.7]), y, 5) <= 1
    assert np.isnan(knn_r2(places, np.full(3, np.nan), y, 5))


def test_too_few_training_images_are_refused(spiral):
    c, _, train = spiral
    with pytest.raises(
        ValueError, match=r"Isomap of 4 dimensions and 30 neighbours needs more than 31 training images"
    ):
        embed("Isomap", c[:20], train[:20], 4, 30)
    with pytest.raises(ValueError, match="unknown map 'tSNE'"):
        embed("tSNE", c, train, 2, 5)
