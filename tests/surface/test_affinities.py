"""Graphs of distances and of correlations."""

import numpy as np
import pytest
from scipy import sparse

from pydra_vae.surface import affinities
from pydra_vae.surface.geodesics import geodesic_distances

from .meshes import sphere


def test_a_limit_changes_no_graph_that_it_does_not_reach():
    points, triangles = sphere(500)
    every = np.arange(500)
    full = affinities.distance_affinity(geodesic_distances(points, triangles, every, every), 8)
    near = affinities.distance_affinity(geodesic_distances(points, triangles, every, every, limit=25.0), 8)
    assert abs(full - near).max() == 0
    assert abs(full - full.T).max() == 0 and full.diagonal().max() == 0
    assert np.diff(full.indptr).min() >= 8


def test_weights_are_gaussian():
    distances = np.array([[0, 1, 9], [1, 0, 2], [9, 2, 0]], float)
    found = affinities.distance_affinity(distances, 2).toarray()
    assert np.allclose(found, np.where(np.eye(3), 0, np.exp(-0.5 * (distances / 2) ** 2)))  # the median is 2


def test_fewer_neighbours_where_the_radius_holds_fewer():
    distances = sparse.csr_array(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], float))
    assert affinities.distance_affinity(distances, 30).sum(axis=1).tolist() == [np.exp(-0.5), np.exp(-0.5), 0]


def _recordings(n=60, n_frames=40, n_recordings=3):
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((n_recordings, n_frames, 4))
    mixing = rng.standard_normal((4, n))
    return [10 * (x @ mixing + 0.5 * rng.standard_normal((n_frames, n))) + 100 for x in shared]


def test_correlations_are_means_over_recordings_and_negative_ones_no_links(monkeypatch):
    recordings = _recordings()
    r = np.mean([np.corrcoef(x.T) for x in recordings], axis=0)
    np.fill_diagonal(r, 0)
    found, negative = affinities.correlation_affinity(lambda: iter(recordings), 60, 59)
    assert np.allclose(found.toarray(), np.maximum(r, 0), atol=1e-5)
    assert negative == pytest.approx((r < 0).sum() / (60 * 59))
    # few neighbours: the largest of each row, both directions averaged
    few = np.where(r >= np.sort(r, axis=1)[:, [-5]], np.maximum(r, 0), 0)
    found, _ = affinities.correlation_affinity(lambda: iter(recordings), 60, 5)
    assert np.allclose(found.toarray(), (few + few.T) / 2, atol=1e-5)
    # a matrix in blocks is the same matrix
    monkeypatch.setattr(affinities, "_NUMBERS", 7 * 60)
    in_blocks, _ = affinities.correlation_affinity(lambda: iter(recordings), 60, 5)
    assert abs(found - in_blocks).max() < 1e-6


def test_a_constant_vertex_is_linked_to_none():
    recordings = _recordings()
    for x in recordings:
        x[:, 7] = 1234.567
    found, _ = affinities.correlation_affinity(lambda: iter(recordings), 60, 5)
    assert found[[7]].nnz == 0


def test_recordings_must_fit():
    with pytest.raises(ValueError, match=r"has \(40, 60\) values but \(frames, 61\) are needed"):
        affinities.correlation_affinity(lambda: iter(_recordings()), 61, 5)
    with pytest.raises(ValueError, match="at least one recording"):
        affinities.correlation_affinity(lambda: iter([]), 60, 5)
    with pytest.raises(ValueError, match="at least 1 neighbour"):
        affinities.distance_affinity(np.zeros((3, 3)), 0)


def test_the_papers_graph():
    distances = np.array([[0, 1, 4], [1, 0, 2], [4, 2, 0]], np.float32)
    assert affinities.paper_adjacency(distances).tolist() == [[0, 0.25, 1], [0.25, 0, 0.5], [1, 0.5, 0]]
    assert affinities.paper_adjacency(distances, similarity=True)[0].tolist() == [1, 0.75, 0]
    with pytest.raises(ValueError, match=r"limit=None"):
        affinities.paper_adjacency(sparse.csr_array(distances))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_the_nearest_known_vertex(kind):
    distances = kind(np.array([[0, 3, 2, 0], [3, 0, 1, 0], [2, 1, 0, 0], [0, 0, 0, 0]], float))
    known = np.array([True, True, False, False])
    assert affinities.nearest_known(distances, np.array([2]), known).tolist() == [1]
    if sparse.issparse(distances):
        assert affinities.nearest_known(distances, np.array([3]), known).tolist() == [-1]
