"""Meshes and template surfaces."""

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.images import surface_templates
from pydra_vae.images.surface_templates import (
    KINDS,
    packaged_cortex,
    space_of,
    surface_image,
    surfaces_for,
)
from pydra_vae.images.surfaces import SurfaceError, left_right, load_surface

from .surface_files import write_shape

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.5]])
FACES = np.array([[0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 2, 3]])


def write_surface(path, points=POINTS, faces=FACES, hemi="L"):
    nib.save(surface_image(points, faces, hemi), path)
    return path


@pytest.mark.parametrize("name", ["a.surf.gii", "a.surf.gii.gz"])
def test_a_surface_comes_back(tmp_path, name):
    points, faces = load_surface(write_surface(tmp_path / name))
    np.testing.assert_array_equal(points, POINTS)
    np.testing.assert_array_equal(faces, FACES)
    assert points.dtype == np.float64


def test_files_that_are_no_surface(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such GIFTI surface"):
        load_surface(tmp_path / "none.surf.gii")
    shape = write_shape(tmp_path / "a.shape.gii", np.ones(4))
    with pytest.raises(SurfaceError, match=r"holds 0 sets of coordinates and 0 of triangles: .* give a \*.surf.gii"):
        load_surface(shape)
    (tmp_path / "b.surf.gii").write_text("<html>not found</html>")
    with pytest.raises(SurfaceError, match=r"b.surf.gii cannot be read as a GIFTI surface"):
        load_surface(tmp_path / "b.surf.gii")
    with pytest.raises(SurfaceError, match="4 vertices, but its triangles name vertex 9"):
        load_surface(write_surface(tmp_path / "c.surf.gii", faces=np.array([[0, 1, 9]])))
    with pytest.raises(SurfaceError, match="not finite"):
        load_surface(write_surface(tmp_path / "d.surf.gii", points=POINTS * np.nan))


def test_pairs_are_put_in_order():
    assert [p.name for p in left_right(["s.R.pial.surf.gii", "s.L.pial.surf.gii"])] == [
        "s.L.pial.surf.gii",
        "s.R.pial.surf.gii",
    ]
    assert [p.name for p in left_right(["one.gii", "two.gii"])] == ["one.gii", "two.gii"]
    with pytest.raises(SurfaceError, match=r"missing hemisphere: both label files are L .* give the R one too"):
        left_right(["lh.aparc.annot", "lh.yeo.annot"], "label")
    with pytest.raises(SurfaceError, match="one surface file a hemisphere is needed, left and right, but 1 given"):
        left_right(["lh.pial.gii"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_s1200_surfaces(kind):
    left, right = surfaces_for("fsLR", (32492, 32492), kind)
    assert ".L." in left.name and ".R." in right.name and kind in left.name
    points, faces = load_surface(left)
    assert points.shape == (32492, 3) and faces.shape == (64980, 3)
    if kind != "inflated" and kind != "sphere":
        assert points[:, 0].mean() < -20 < 20 < load_surface(right)[0][:, 0].mean()


def test_the_packaged_pial_surface_is_the_released_one(shared_data):
    for hemi, path in zip("LR", surfaces_for(None, (32492, 32492), "pial"), strict=True):
        released = shared_data / "fsLR" / f"S1200.{hemi}.pial_MSMAll.32k_fs_LR.surf.gii"
        np.testing.assert_array_equal(load_surface(path)[0], load_surface(released)[0])


def test_fsaverage5_is_nilearns(tmp_path, monkeypatch):
    left, _ = surfaces_for("fsaverage5", (10242, 10242), "pial")
    assert len(load_surface(left)[0]) == 10242
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(surface_templates, "_templateflow", _refuse)
    with pytest.raises(SurfaceError, match="not here"):
        surfaces_for("fsaverage5", (10242, 10242), "midthickness")
    middle, _ = surfaces_for("fsaverage5", (10242, 10242), "midthickness", tmp_path)
    np.testing.assert_allclose(np.abs(load_surface(middle)[0] - load_surface(left)[0]).mean(), 0.55, atol=0.5)


def _refuse(*_):
    raise SurfaceError("not here")


def test_other_meshes_come_from_templateflow(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    folder = tmp_path / "tpl-fsaverage"
    folder.mkdir()
    points = np.random.default_rng(0).normal(size=(2562, 3))
    for hemi in "LR":
        write_surface(folder / f"tpl-fsaverage_hemi-{hemi}_den-3k_white.surf.gii", points, FACES, hemi)
        write_surface(folder / f"tpl-fsaverage_hemi-{hemi}_den-3k_pial.surf.gii", points, FACES, hemi)
    left, right = surfaces_for("fsaverage4", (2562, 2562), "pial")
    assert left.name == "tpl-fsaverage_hemi-L_den-3k_pial.surf.gii" and "hemi-R" in right.name
    write_surface(folder / "tpl-fsaverage_hemi-L_den-3k_pial.surf.gii")
    with pytest.raises(SurfaceError, match=r"has 4 vertices, but the data's mesh has 2,562: give surfaces and data"):
        surfaces_for("fsaverage4", (2562, 2562), "pial")


def test_a_mesh_of_no_template():
    with pytest.raises(SurfaceError, match=r"no template surface in the space fsLR has 50 \+ 40 vertices .*--surfaces"):
        surfaces_for("fsLR", (50, 40))
    with pytest.raises(SurfaceError, match="no kind of surface 'veryinflated': choose one of pial"):
        surfaces_for("fsLR", (32492, 32492), "veryinflated")
    assert space_of((32492, 32492)) == "fsLR" and space_of((7, 7)) is None


def test_the_packaged_cortex_is_the_atlas_roi(shared_data):
    for hemi, numbers in zip("LR", packaged_cortex(), strict=True):
        roi = nib.load(shared_data / "fsLR" / f"{hemi}.atlasroi.32k_fs_LR.shape.gii").darrays[0].data
        np.testing.assert_array_equal(numbers, np.nonzero(roi)[0])
