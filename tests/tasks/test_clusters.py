"""GeodesicDistances and SpectralClusters on a small sphere for each hemisphere, and on the real region."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.surface.affinities import paper_adjacency
from pydra_vae.surface.spectral import paper_clusters
from pydra_vae.tasks._distances import load_distances
from pydra_vae.tasks.geodesic_distances import GeodesicDistances
from pydra_vae.tasks.spectral_clusters import SpectralClusters

from ..surface.meshes import sphere

N = 300


def _save_surface(path, coordinates, triangles):
    arrays = [
        nib.gifti.GiftiDataArray(np.asarray(coordinates, np.float32), intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(np.asarray(triangles, np.int32), intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), path)
    return path


def _save_region(folder, left, right, mesh_size=N):
    rows = [(hemi, vertex, "motor") for hemi, side in zip("LR", (left, right), strict=True) for vertex in side]
    pd.DataFrame(rows, columns=["hemi", "vertex", "label"]).to_csv(folder / "vertices.tsv", sep="\t", index=False)
    (folder / "region.json").write_text(json.dumps({"mesh_left": mesh_size, "mesh_right": mesh_size}))
    return {"vertices": folder / "vertices.tsv", "region": folder / "region.json"}


@pytest.fixture
def region(tmp_path):
    """The upper part of two spheres; the right one is larger."""
    points, triangles = sphere(N, radius=40.0)
    surfaces = [
        _save_surface(tmp_path / f"{hemi}.pial.surf.gii", size * points, triangles)
        for hemi, size in (("L", 1.0), ("R", 1.25))
    ]
    inside = [np.flatnonzero(points[:, 2] > height) for height in (0, 5)]
    return {"surfaces": surfaces, **_save_region(tmp_path, *inside)}


@pytest.fixture
def distances(region, tmp_path):
    out = call(GeodesicDistances, cwd=tmp_path / "distances", limit=25.0, **region)
    return [out.left, out.right]


def _inputs(region, distances):
    return {"vertices": region["vertices"], "surfaces": region["surfaces"], "distances": distances}


def _training(folder, n_vertices, n_flat=0):
    """Two training recordings made of patches of 50 vertices, and a test recording of nothing but other noise."""
    rng = np.random.default_rng(0)
    group = np.arange(n_vertices) // 50
    for label in ("sub-1", "sub-2", "sub-3"):
        x = rng.standard_normal((80, group.max() + 1))[:, group] + 0.3 * rng.standard_normal((80, n_vertices))
        x[:, :n_flat] = 0
        np.save(folder / f"{label}.npy", (x if label != "sub-2" else 0 * x).astype(np.float32))
    parts = pd.DataFrame({"label": ["sub-1", "sub-2", "sub-3"], "person": list("abc")})
    parts.assign(part=["train", "test", "train"]).to_csv(folder / "split.tsv", sep="\t", index=False)
    return {
        "series": [folder / f"sub-{i}.npy" for i in (1, 2, 3)], "subject_split": folder / "split.tsv"
    }, group  # fmt: skip


# ---- distances -----------------------------------------------------------------------------------


def test_all_pairs_and_near_pairs_agree(region, distances, tmp_path):
    full = call(GeodesicDistances, cwd=tmp_path / "full", limit=None, **region)
    table = pd.read_csv(region["vertices"], sep="\t")
    for hemi, path, near in zip("LR", (full.left, full.right), distances, strict=True):
        n = (table["hemi"] == hemi).sum()
        all_pairs, close = load_distances(path, n), load_distances(near, n).toarray()
        assert all_pairs.dtype == np.float32 and str(path).endswith(f"distances-{hemi}.npy")
        assert np.array_equal(close, np.where(all_pairs <= 25, all_pairs, 0))
    about = json.loads(full.info.fspath.read_text())
    assert about["limit_mm"] is None and about["n_subjects"] == 1 and about["diagonals"] is True
    assert about["left"]["neighbors_min"] == about["left"]["n_vertices"] - 1
    # half a great circle at most, and little more than that by the mesh
    assert 100 < about["left"]["largest_mm"] < 1.05 * np.pi * 40
    near = json.loads((tmp_path / "distances" / "distances.json").read_text())
    assert near["right"]["largest_mm"] <= 25 and near["right"]["without_neighbors"] == 0


def test_several_subjects_have_mean_distances(region, distances, tmp_path):
    """Three spheres of other sizes about the same mean."""
    surfaces = []
    for i, size in enumerate((0.8, 1.0, 1.2)):
        for path in region["surfaces"]:
            points, triangles = (array.data for array in nib.load(path).darrays)
            surfaces.append(_save_surface(tmp_path / f"sub-{i}_{path.name}", size * points, triangles))
    out = call(GeodesicDistances, cwd=tmp_path / "mean", limit=25.0, **region | {"surfaces": surfaces})
    n = (pd.read_csv(region["vertices"], sep="\t")["hemi"] == "L").sum()
    one, mean = (load_distances(path, n).toarray() for path in (distances[0], out.left))
    both = (one > 0) & (mean > 0)
    assert np.allclose(mean[both], one[both], rtol=1e-4) and ((one > 0) != (mean > 0)).mean() < 1e-3
    assert json.loads(out.info.fspath.read_text())["n_subjects"] == 3


def test_bad_surfaces(region, tmp_path):
    left, right = region["surfaces"]
    small = _save_surface(tmp_path / "small.L.surf.gii", *sphere(200))
    points, triangles = sphere(N)
    torn = _save_surface(tmp_path / "torn.L.surf.gii", points, triangles[(triangles != 10).all(axis=1)])
    for surfaces, said in (
        ([small, right], r"small.L.surf.gii has 200 vertices but the data lie on a mesh of 300: .*same space"),
        ([left], "1 surfaces were given: distances need a left and a right one"),
        ([left, left], "missing hemisphere"),
        ([torn, right], r"torn.L.surf.gii: the mesh is not connected: 1 of the asked vertices \(the first is 10\)"),
    ):
        with pytest.raises(ValueError, match=said):
            call(GeodesicDistances, cwd=tmp_path / "bad", **region | {"surfaces": surfaces})


# ---- clusters ------------------------------------------------------------------------------------


def test_structural_clusters(region, distances, tmp_path):
    out = call(SpectralClusters, cwd=tmp_path / "c", n_clusters=6, n_neighbors=10, **_inputs(region, distances))
    clusters, table = np.load(out.clusters), pd.read_csv(out.quality, sep="\t")
    sides = pd.read_csv(region["vertices"], sep="\t")["hemi"].to_numpy()
    assert clusters.dtype == np.int32 and clusters.shape == sides.shape
    assert list(table) == ["hemi", "cluster", "size", "pieces", "strays"] and len(table) == 12
    for hemi in "LR":
        assert np.bincount(clusters[sides == hemi]).tolist() == table.loc[table["hemi"] == hemi, "size"].tolist()
    assert (table["pieces"] == 1).all() and (table["strays"] == 0).all()
    about = json.loads(out.info.fspath.read_text())
    assert about["method"] == "structural" and about["n_clusters"] == 6 and about["n_neighbors"] == 10
    assert about["size_max"] == table["size"].max() and about["contiguous_share"] == 1.0 and about["strays"] == 0
    assert about["padding"] == pytest.approx(table["size"].max() * 12 / len(sides), abs=1e-3)
    assert about["left"]["n_vertices"] == (sides == "L").sum()
    again = call(SpectralClusters, cwd=tmp_path / "a", n_clusters=6, n_neighbors=10, **_inputs(region, distances))
    assert again.clusters.fspath.read_bytes() == out.clusters.fspath.read_bytes()


def test_random_clusters_of_the_same_sizes(region, distances, tmp_path):
    inputs = _inputs(region, distances) | {"n_clusters": 6}
    like = call(SpectralClusters, cwd=tmp_path / "c", **inputs)
    out = call(SpectralClusters, cwd=tmp_path / "r", method="random", like=like.clusters, **inputs)
    sizes = [pd.read_csv(path.quality, sep="\t").groupby("hemi")["size"].apply(sorted) for path in (like, out)]
    assert sizes[0].equals(sizes[1])
    assert json.loads(out.info.fspath.read_text())["contiguous_share"] < 0.2
    even = call(SpectralClusters, cwd=tmp_path / "e", method="random", vertices=region["vertices"], n_clusters=7)
    assert pd.read_csv(even.quality, sep="\t").groupby("hemi")["size"].agg(np.ptp).max() <= 1
    # without surfaces nothing is said of pieces
    assert pd.read_csv(even.quality, sep="\t")["pieces"].isna().all()
    with pytest.raises(ValueError, match="has 6 clusters in the left hemisphere and 5 were asked for"):
        call(SpectralClusters, cwd=tmp_path / "x", method="random", like=like.clusters, **inputs | {"n_clusters": 5})


def test_functional_clusters_follow_the_training_recordings(region, tmp_path):
    sides = pd.read_csv(region["vertices"], sep="\t")["hemi"].to_numpy()
    given, group = _training(tmp_path, len(sides))
    left = group[sides == "L"]
    out = call(
        SpectralClusters, cwd=tmp_path / "f", method="functional", vertices=region["vertices"],
        n_clusters=len(set(left)), **given,
    )  # fmt: skip
    found = np.load(out.clusters)[sides == "L"]
    assert len(set(zip(found, left, strict=True))) == len(set(left))
    about = json.loads(out.info.fspath.read_text())
    assert about["n_recordings"] == 2 and 0 < about["negative_share"]["left"] < 0.6
    assert about["unlike_any"] == {"left": 0, "right": 0}


def test_constant_vertices_join_the_nearest(region, distances, tmp_path):
    sides = pd.read_csv(region["vertices"], sep="\t")["hemi"].to_numpy()
    given, _ = _training(tmp_path, len(sides), n_flat=3)
    inputs = {"method": "functional", "n_clusters": 3, "vertices": region["vertices"], **given}
    out = call(SpectralClusters, cwd=tmp_path / "f", distances=distances, **inputs)
    assert json.loads(out.info.fspath.read_text())["unlike_any"]["left"] == 3
    clusters, near = np.load(out.clusters), load_distances(distances[0], (sides == "L").sum()).toarray()
    near[:, :3] = 0
    nearest = np.where(near > 0, near, np.inf).argmin(axis=1)[:3]
    assert clusters[:3].tolist() == clusters[nearest].tolist()
    with pytest.raises(ValueError, match=r"3 vertices of the left .*give distances"):
        call(SpectralClusters, cwd=tmp_path / "x", **inputs)


def test_the_papers_clusters(region, distances, tmp_path):
    full = call(GeodesicDistances, cwd=tmp_path / "full", limit=None, **region)
    inputs = {"vertices": region["vertices"], "n_clusters": 8}
    n = (pd.read_csv(region["vertices"], sep="\t")["hemi"] == "L").sum()
    for method in ("paper_literal", "paper_similarity"):
        out = call(
            SpectralClusters, cwd=tmp_path / method, method=method, distances=[full.left, full.right], **inputs
        )
        adjacent = paper_adjacency(load_distances(full.left, n), similarity=method == "paper_similarity")
        assert np.array_equal(np.load(out.clusters)[:n], paper_clusters(adjacent, 8))
        assert json.loads(out.info.fspath.read_text())["method"] == method
    with pytest.raises(ValueError, match=r"distances-L.npz: .*limit=None"):
        call(SpectralClusters, cwd=tmp_path / "x", method="paper_literal", distances=distances, **inputs)


def test_bad_requests(region, distances, tmp_path):
    vertices = region["vertices"]
    few = call(GeodesicDistances, cwd=tmp_path / "few", limit=1.0, **region)
    given, _ = _training(tmp_path, 40)
    for inputs, said in (
        ({"n_clusters": 5000}, r"5000 clusters were asked for but the left hemisphere of the region has \d+ vertices"),
        ({}, "structural clusters need the distances"),
        ({"distances": distances[:1]}, "1 distance files were given"),
        ({"distances": distances[::-1]}, "left before right"),
        ({"distances": [few.left, few.right]}, "no other vertex of the region within .* larger limit"),
        ({"distances": [vertices, vertices]}, "cannot be read as"),
        ({"method": "functional"}, "need the series of all recordings"),
        ({"method": "functional", **given}, "sub-1.npy has values .80, 40. but the region has"),
        ({"method": "functional", **given, "series": given["series"][:2]}, "2 series but the split lists 3 recordings"),
    ):
        with pytest.raises(ValueError, match=said):
            call(SpectralClusters, cwd=tmp_path / "bad", **{"vertices": vertices, "n_clusters": 4} | inputs)
