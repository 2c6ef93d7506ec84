"""Spectral clusters of graphs whose parts are known, and of the real region."""

import numpy as np
import pytest
from scipy import sparse

from pydra_vae.surface import affinities, mesh, quality, spectral
from pydra_vae.surface.geodesics import geodesic_distances

from .meshes import plane, sheet, sphere


@pytest.mark.parametrize("dense", [10**6, 0], ids=["all eigenvectors", "Lanczos"])
def test_two_patches_have_two_zero_eigenvalues_and_are_two_clusters(dense, monkeypatch):
    monkeypatch.setattr(spectral, "_DENSE", dense)
    points, triangles = sphere(300)
    graph = mesh.mesh_graph(points, triangles)
    both = sparse.csr_array(sparse.block_diag([graph, graph]))
    degree = both.sum(axis=1)
    values = np.linalg.eigvalsh(np.eye(600) - both.toarray() / np.sqrt(np.outer(degree, degree)))
    assert (abs(values) < 1e-10).sum() == 2
    assert spectral.spectral_clusters(both, 2).tolist() == [0] * 300 + [1] * 300


def _of_sheet(n_clusters, seed=0):
    flat, triangles = sheet(36)
    every = np.arange(len(flat))
    distances = geodesic_distances(plane(flat), triangles, every, every, limit=8.0)
    affinity = affinities.distance_affinity(distances, 20)
    return spectral.spectral_clusters(affinity, n_clusters, seed), mesh.adjacency(triangles, len(flat))


def test_clusters_of_a_sheet_are_patches_of_like_size():
    clusters, neighbours = _of_sheet(16)  # 1,296 vertices: more than all eigenvectors are taken of
    found = quality.cluster_quality(clusters, neighbours)
    assert (found.pieces == 1).all() and found.strays.sum() == 0 and found.region_pieces == 1
    assert found.summary()["padding"] < 1.6 and found.size.sum() == 1296 and len(found.size) == 16
    first = [np.flatnonzero(clusters == number)[0] for number in range(16)]
    assert first == sorted(first)


def test_the_same_seed_gives_the_same_clusters():
    assert np.array_equal(_of_sheet(9, seed=3)[0], _of_sheet(9, seed=3)[0])


def test_as_many_clusters_as_vertices_and_one():
    affinity = sparse.csr_array(np.ones((5, 5)) - np.eye(5))
    assert spectral.spectral_clusters(affinity, 5).tolist() == [0, 1, 2, 3, 4]
    assert spectral.spectral_clusters(affinity, 1).tolist() == [0] * 5
    with pytest.raises(ValueError, match="5 vertices cannot make 6 clusters: ask for 1 to 5"):
        spectral.spectral_clusters(affinity, 6)


def test_a_vertex_without_links_is_named():
    with pytest.raises(ValueError, match=r"1 vertices .*the first is number 2"):
        spectral.spectral_clusters(sparse.csr_array(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], float)), 2)


def test_random_clusters_have_the_sizes_and_are_scattered():
    clusters, neighbours = _of_sheet(16)
    sizes = np.bincount(clusters)
    scattered = spectral.random_clusters(sizes, seed=1)
    assert sorted(np.bincount(scattered)) == sorted(sizes)
    assert np.array_equal(scattered, spectral.random_clusters(sizes, seed=1))
    assert not np.array_equal(scattered, spectral.random_clusters(sizes, seed=2))
    found = quality.cluster_quality(scattered, neighbours).summary()
    assert found["contiguous_share"] == 0 and found["strays"] > 1000
    assert spectral.even_sizes(11, 4).tolist() == [3, 3, 3, 2]


def test_the_papers_graph_makes_uneven_clusters_taken_literally():
    """With distances as weights the far vertices belong together; 1 − distance mends it."""
    flat, triangles = sheet(24)
    every = np.arange(len(flat))
    distances = geodesic_distances(plane(flat), triangles, every, every)
    padding = [
        quality.cluster_quality(
            spectral.paper_clusters(affinities.paper_adjacency(distances, similarity), 16)
        ).summary()["padding"]
        for similarity in (False, True)
    ]
    assert padding[0] > 3 > 2 > padding[1]


def test_quality_of_pieces():
    clusters = np.array([0, 0, 1, 1, 0, 2])
    line = sparse.csr_array(np.eye(6, k=1) + np.eye(6, k=-1))
    found = quality.cluster_quality(clusters, line)
    assert found.rows() == [(0, 3, 2, 1), (1, 2, 1, 0), (2, 1, 1, 0)]
    assert found.summary() == {
        "n_vertices": 6, "size_min": 1, "size_median": 2.0, "size_max": 3, "padding": 1.5,
        "contiguous_share": 0.6667, "strays": 1, "region_pieces": 1, "region_strays": 0,
    }  # fmt: skip
    both = quality.joined([found, quality.cluster_quality(np.array([0, 1, 2, 2, 2, 2]), line)])
    assert both.summary()["padding"] == 2.0 and both.summary()["region_pieces"] == 2
    assert quality.joined([found, quality.cluster_quality(clusters)]).summary()["strays"] is None


@pytest.mark.slow
def test_the_real_region(left_pial, motor_vertices):
    """64 clusters of the left somatomotor region: 92 vertices each on average, even and nearly all contiguous."""
    region = motor_vertices[0]
    assert [len(side) for side in motor_vertices] == [5866, 6094]
    distances = geodesic_distances(*left_pial, region, region, limit=15.0)
    assert distances.nnz / len(region) == pytest.approx(336, abs=1)  # the notes' 337 count the vertex itself
    clusters = spectral.spectral_clusters(affinities.distance_affinity(distances), 64)
    found = quality.cluster_quality(clusters, mesh.adjacency(left_pial[1], 32492)[region][:, region]).summary()
    assert found["size_min"] > 30 and found["size_max"] < 160 and found["padding"] < 1.7
    # seven strays of the region itself lie on islands
    assert found["region_strays"] == 7 and found["strays"] < 30 and found["contiguous_share"] > 0.9
