"""Meshes: areas, edges, pieces, and ways across two triangles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydra_vae.surface import mesh

from .meshes import bent, plane, sheet, sphere

TETRAHEDRON = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])


def test_areas_sum_to_the_sphere():
    points, triangles = sphere(2000, radius=10.0)
    areas = mesh.vertex_areas(points, triangles)
    assert areas.sum() == pytest.approx(4 * np.pi * 100, rel=0.01)
    assert areas.min() > 0 and areas.sum() == pytest.approx(mesh.triangle_areas(points, triangles).sum())


def test_edges_of_a_closed_mesh_follow_euler():
    points, triangles = sphere(300)
    assert len(points) - len(mesh.edges(triangles)) + len(triangles) == 2


def test_a_diagonal_is_as_long_bent_as_flat():
    """Bending two triangles about their edge changes no way across it."""
    triangles = np.array([[0, 1, 2], [1, 0, 3]])
    for fold in np.linspace(0, 3, 7):
        points = np.array([[0, 0, 0], [2, 0, 0], [1, 1, 0], [1, -np.cos(fold), np.sin(fold)]])
        pairs, lengths = mesh.unfolded_diagonals(points, triangles)
        assert pairs.tolist() == [[2, 3]] and lengths == pytest.approx([2.0])


def test_no_diagonal_where_the_straight_line_misses_the_edge():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [3, 1, 0], [3, -1, 0]])
    assert len(mesh.unfolded_diagonals(points, np.array([[0, 1, 2], [1, 0, 3]]))[0]) == 0


def test_no_diagonal_across_an_edge_of_three_triangles_or_of_one():
    points = np.array([[0.0, 0, 0], [2, 0, 0], [1, 1, 0], [1, -1, 0], [1, 0, 1]])
    assert len(mesh.unfolded_diagonals(points, np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]]))[0]) == 0
    assert len(mesh.unfolded_diagonals(points, np.array([[0, 1, 2]]))[0]) == 0


def test_the_shorter_of_two_ways_counts():
    """On a tetrahedron every diagonal joins vertices that share an edge: the edge is the shorter one."""
    points = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    graph = mesh.mesh_graph(points, TETRAHEDRON)
    assert graph.nnz == 12 and np.allclose(graph.data, np.sqrt(8))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_graph_is_symmetric_and_its_links_are_no_shortcuts(seed):
    flat, triangles = sheet(6, seed)
    graph = mesh.mesh_graph(plane(flat), triangles)
    assert abs(graph - graph.T).max() == 0
    i, j = graph.tocoo().coords
    assert np.allclose(graph.tocoo().data, np.linalg.norm(flat[i] - flat[j], axis=1))  # straight in the plane
    on_cylinder = mesh.mesh_graph(bent(flat), triangles).tocoo()
    i, j = on_cylinder.coords
    assert (on_cylinder.data >= np.linalg.norm(bent(flat)[i] - bent(flat)[j], axis=1) - 1e-9).all()


def test_pieces_come_by_size():
    triangles = np.array([[0, 1, 2], [3, 4, 5], [4, 5, 6], [8, 9, 10]])
    assert mesh.pieces(mesh.adjacency(triangles, 11)).tolist() == [1, 1, 1, 0, 0, 0, 0, 3, 2, 2, 2]


def test_the_real_region_is_in_pieces(left_pial, motor_vertices):
    found = mesh.pieces(mesh.adjacency(left_pial[1], len(left_pial[0])), motor_vertices[0])
    assert np.bincount(found).tolist() == [5859, 3, 2, 1, 1]


@pytest.mark.parametrize(
    ("points", "triangles", "said"),
    [
        (np.zeros((4, 2)), TETRAHEDRON, r"not \(4, 2\) and \(4, 3\)"),
        (np.full((4, 3), np.nan), TETRAHEDRON, "4 vertices of the mesh have no position"),
        (np.zeros((3, 3)), TETRAHEDRON, "has 3 vertices but its triangles name vertices 0 to 3"),
        (np.zeros((4, 3)), [[0, 0, 1]], "name a vertex twice"),
    ],
)
def test_what_is_no_mesh_is_refused(points, triangles, said):
    with pytest.raises(ValueError, match=said):
        mesh.check_mesh(points, triangles)
