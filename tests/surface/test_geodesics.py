"""Geodesic distances against closed forms and against an exact solver."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from pydra_vae.surface import geodesics
from pydra_vae.surface.geodesics import geodesic_distances, mean_distances

from .meshes import bent, plane, sheet, sphere


def _error(found, true):
    """Relative errors of all pairs that are not a vertex with itself."""
    apart = true > 0
    return found[apart] / true[apart] - 1


def test_sphere():
    """Great circles: radius times the angle."""
    points, triangles = sphere(1500, radius=50.0)
    sources = np.arange(0, 1500, 60)
    true = 50 * np.arccos(np.clip(points[sources] @ points.T / 2500, -1, 1))
    true[np.arange(len(sources)), sources] = 0
    error = _error(geodesic_distances(points, triangles, sources), true)
    along_edges = _error(geodesic_distances(points, triangles, sources, diagonals=False), true)
    assert abs(error).mean() < 0.03 and abs(error).max() < 0.12
    assert along_edges.mean() > 2 * error.mean()


def test_bent_sheet():
    """A developable surface: distances of the flat sheet, however it is rolled."""
    flat, triangles = sheet(30)
    true = np.linalg.norm(flat[::50, None] - flat, axis=-1)
    error = _error(geodesic_distances(bent(flat), triangles, np.arange(0, len(flat), 50)), true)
    assert abs(error).mean() < 0.03
    # straight through the air it is far nearer
    assert _error(np.linalg.norm(bent(flat)[::50, None] - bent(flat), axis=-1), true).min() < -0.4


def test_paths_lie_on_the_surface():
    """On a flat sheet no distance is shorter than the straight line, and diagonals only shorten."""
    flat, triangles = sheet(12, seed=3)
    every = np.arange(len(flat))
    found = geodesic_distances(plane(flat), triangles, every)
    straight = np.linalg.norm(flat[:, None] - flat, axis=-1)
    assert (found >= straight - 1e-5).all()
    assert (geodesic_distances(plane(flat), triangles, every, diagonals=False) >= found - 1e-5).all()
    assert np.allclose(found, found.T, atol=1e-4)
    assert (found[:, :, None] <= found[:, None] + found.T[None] + 1e-4).all()  # the triangle inequality


def test_a_limit_keeps_the_near_pairs_only():
    points, triangles = sphere(600, radius=50.0)
    sources, targets = np.arange(0, 600, 7), np.arange(0, 600, 3)
    full = geodesic_distances(points, triangles, sources, targets)
    near = geodesic_distances(points, triangles, sources, targets, limit=20.0)
    wanted = (full <= 20) & (sources[:, None] != targets)
    assert near.nnz == wanted.sum() and (near.toarray() > 0).sum() == wanted.sum()
    assert np.array_equal(near.toarray()[wanted], full[wanted])


def test_several_processes_find_the_same(monkeypatch):
    monkeypatch.setattr(geodesics, "_ROWS", 16)
    points, triangles = sphere(300)
    sources = np.arange(0, 300, 4)
    alone = geodesic_distances(points, triangles, sources)
    assert np.array_equal(geodesic_distances(points, triangles, sources, threads=2), alone)
    near = geodesic_distances(points, triangles, sources, limit=30.0)
    assert (geodesic_distances(points, triangles, sources, limit=30.0, threads=2) != near).nnz == 0


def test_ways_leave_the_region():
    """Two shores of a gap in the region: the way goes over the gap, not around it."""
    flat, triangles = sheet(15)
    gap = (abs(flat[:, 0] - 7) < 1.5) & (flat[:, 1] < 12)
    region = np.flatnonzero(~gap)
    left, right = (region[np.linalg.norm(flat[region] - place, axis=1).argmin()] for place in ([5, 1], [9, 1]))
    found = geodesic_distances(plane(flat), triangles, [left], [right])[0, 0]
    assert found == pytest.approx(np.linalg.norm(flat[left] - flat[right]), rel=0.1)


def test_mean_over_subjects():
    flat, triangles = sheet(8)
    every = np.arange(len(flat))
    subjects = [size * plane(flat) for size in (1.0, 1.2, 1.4)]
    full = mean_distances(geodesic_distances(x, triangles, every) for x in subjects)
    assert np.allclose(full, geodesic_distances(subjects[1], triangles, every), rtol=1e-5)
    near = mean_distances((geodesic_distances(x, triangles, every, limit=6.0) for x in subjects), limit=4.0)
    wanted = (full <= 4) & (full > 0)
    assert near.nnz == wanted.sum() and np.allclose(near.toarray()[wanted], full[wanted], rtol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"sources": [0, 900]}, "sources are vertices 0 to 900 but the mesh has 40"),
        ({"sources": [0.5]}, "not an array .* of float64"),
        ({"sources": [0], "limit": 0.0}, "give a positive number of mm"),
        ({"sources": [0], "threads": 0}, "give at least 1"),
    ],
)
def test_bad_input(inputs, said):
    with pytest.raises(ValueError, match=said):
        geodesic_distances(*sphere(40), **inputs)


def test_a_disconnected_mesh_is_refused_where_it_matters():
    points, triangles = sphere(40)
    two = np.vstack([points, points + 200]), np.vstack([triangles, triangles + 40])
    with pytest.raises(ValueError, match=r"not connected: 3 of the asked vertices \(the first is 50\)"):
        geodesic_distances(*two, [0, 1], [2, 50, 51, 52], limit=10.0)
    assert np.isfinite(geodesic_distances(*two, [0, 1], [2, 3])).all()


def _exact(mesh, source):
    pygeodesic = pytest.importorskip("pygeodesic.geodesic")
    solver = pygeodesic.PyGeodesicAlgorithmExact(np.asarray(mesh[0], float), np.asarray(mesh[1], np.int32))
    return solver.geodesicDistances(np.array([source]), None)[0]


def _patch(mesh, centre, radius):
    """The part of a mesh that lies around a vertex, numbered anew."""
    near = np.zeros(len(mesh[0]), bool)
    near[geodesic_distances(*mesh, [centre], limit=radius).indices] = True
    near[centre] = True
    inside = mesh[1][near[mesh[1]].all(axis=1)]
    used, triangles = np.unique(inside, return_inverse=True)
    return mesh[0][used], triangles.reshape(-1, 3)


def test_real_cortex_against_an_exact_solver(left_pial, motor_vertices):
    """A patch of some 35 mm about the middle of the region."""
    patch = _patch(left_pial, motor_vertices[0][3000], 35.0)
    sources = np.linspace(0, len(patch[0]) - 1, 4).astype(int)
    exact = np.stack([_exact(patch, source) for source in sources])
    error = _error(geodesic_distances(*patch, sources), exact)
    assert len(patch[0]) > 1000 and error.min() > -1e-5
    assert abs(error).mean() < 0.03 and np.quantile(error, 0.99) < 0.1


@pytest.mark.slow
def test_real_hemisphere_against_an_exact_solver(left_pial, motor_vertices):
    """Distances over the whole hemisphere: +2.3 % on average (edges alone: +9 %), their order kept."""
    region = motor_vertices[0]
    sources = np.random.default_rng(0).choice(region, 12, replace=False)
    exact = np.stack([_exact(left_pial, source) for source in sources])[:, region]
    found = geodesic_distances(*left_pial, sources, region)
    error = _error(found, exact)
    assert error.min() > -1e-5 and error.mean() < 0.03 and np.quantile(error, 0.99) < 0.08
    assert spearmanr(found.ravel(), exact.ravel())[0] > 0.9995
    edges = _error(geodesic_distances(*left_pial, sources, region, diagonals=False), exact)
    assert edges.mean() > 0.07
