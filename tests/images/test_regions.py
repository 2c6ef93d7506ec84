"""Regions from every kind of label file, by vertex number."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis

from pydra_vae.images.regions import make_region
from pydra_vae.images.surface_labels import load_labels, packaged_labels, select
from pydra_vae.images.surface_templates import packaged_cortex
from pydra_vae.images.surfaces import SurfaceError

from .surface_files import (
    CORTEX,
    MESH,
    WALL,
    axis,
    write_annot,
    write_dlabel,
    write_dtseries,
    write_func,
    write_label,
    write_shape,
)

T = 40
NAMES = {1: "Hand", 2: "Foot", 3: "7Networks_2"}
LEFT = np.where(np.arange(MESH) < 10, 1, np.where(np.arange(MESH) < 20, 2, 3))
RIGHT = LEFT[::-1]
HAND = np.setdiff1d(np.arange(10), WALL), np.arange(30, 40)  # among vertices that have data
RNG = np.random.default_rng(0)


@pytest.fixture
def data(tmp_path):
    """A dense series without the medial wall."""
    return [write_dtseries(tmp_path / "a.dtseries.nii", RNG.normal(size=(T, 80)))]


@pytest.fixture(params=["dlabel of all vertices", "dlabel of grayordinates", "label.gii", "annot"])
def labels(request, tmp_path):
    """The same labels in each kind of file; right before left where it is a pair."""
    if request.param.startswith("dlabel"):
        everything = np.arange(MESH)
        models = axis(everything, everything, volume=0) if "all" in request.param else axis(volume=6)
        whole = {"CIFTI_STRUCTURE_CORTEX_LEFT": LEFT, "CIFTI_STRUCTURE_CORTEX_RIGHT": RIGHT}
        keys = [whole[n][v] if n in whole else 2 for n, v in zip(models.name, models.vertex, strict=True)]
        return [write_dlabel(tmp_path / "a.dlabel.nii", [keys], [NAMES], ["one"], models)]
    if request.param == "label.gii":
        renumbered = {4: "Hand", 2: "Foot", 3: "7Networks_2"}  # each file numbers on its own
        return [
            write_label(tmp_path / "s.R.label.gii", np.where(RIGHT == 1, 4, RIGHT), renumbered),
            write_label(tmp_path / "s.L.label.gii", LEFT, NAMES),
        ]
    return [
        write_annot(tmp_path / f"{side}.test.annot", keys - 1, list(NAMES.values()))
        for side, keys in (("rh", RIGHT), ("lh", LEFT))
    ]


def test_every_kind_of_label_file_says_the_same(data, labels):
    made = make_region(data, labels, ["Hand"])
    for found, expected in zip(made.vertices, HAND, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert made.info | {"label_file": ""} == {
        "space": "n/a", "mesh_left": MESH, "mesh_right": MESH, "n_left": 7, "n_right": 10, "label": "Hand",
        "label_file": "", "n_without_data": made.info["n_without_data"],
    }  # fmt: skip
    assert made.rows()[0] == {"hemi": "L", "vertex": 0, "label": "Hand"}
    assert made.rows()[-1] == {"hemi": "R", "vertex": 39, "label": "Hand"}


def test_one_more_recording_or_another_folder_leaves_the_region_as_it_is(tmp_path, data, labels):
    other = tmp_path / "moved"
    other.mkdir()
    moved = [path.rename(other / path.name) for path in labels]
    more = write_dtseries(tmp_path / "b.dtseries.nii", RNG.normal(size=(T, 80)))
    one, two = make_region(data, moved, ["Hand"]), make_region([*data, more], moved, ["Hand"])
    assert one.info == two.info and str(tmp_path) not in str(one.info)


def test_several_labels_and_patterns(data, labels):
    sizes = [
        [len(side) for side in make_region(data, labels, region).vertices] for region in (["Hand", "Foot"], ["*o*"])
    ]
    assert sizes[0] == [17, 20]
    assert sizes[1] == [len(CORTEX) - 7, 30 - 3]  # Foot and 7Networks_2


def test_yeos_networks_by_either_name(data, labels):
    by_number, by_name = (make_region(data, labels, [name]).vertices for name in ("7Networks_2", "Somatomotor"))
    np.testing.assert_array_equal(by_number[1], by_name[1])


def test_a_label_that_is_not_there(data, labels):
    with pytest.raises(SurfaceError, match=r"no label 'hnd' in .*; there are: Hand, Foot, 7Networks_2, Somatomotor"):
        make_region(data, labels, ["hnd"])


def test_a_label_of_another_map(tmp_path, data):
    keys = [np.full(80, 1), np.full(80, 2)]
    path = write_dlabel(tmp_path / "a.dlabel.nii", keys, [{1: "Hand", 2: "Foot"}, {2: "Foot"}], ["one", "two"], axis())
    with pytest.raises(
        SurfaceError, match=r"the label 'Foot' .*has no vertex.* it is in the map 'two' \(--label-map\)"
    ):
        make_region(data, [path], ["Foot"])
    assert make_region(data, [path], ["Foot"], map_name="two").info["n_left"] == len(CORTEX)
    with pytest.raises(SurfaceError, match=r"no map 'three' in .*; there are: 'one', 'two'"):
        make_region(data, [path], ["Foot"], map_name="three")


def test_a_region_of_one_hemisphere(tmp_path, data):
    pair = [
        write_label(tmp_path / f"s.{h}.label.gii", np.ones(MESH), {1: name})
        for h, name in (("L", "LH_Mot"), ("R", "RH_Mot"))
    ]
    with pytest.raises(SurfaceError, match="missing hemisphere: the region LH_Mot has no vertex in the right"):
        make_region(data, pair, ["LH_Mot"])
    assert make_region(data, pair, ["?H_Mot"]).info["n_right"] == len(CORTEX)
    with pytest.raises(SurfaceError, match="one label file a hemisphere is needed, left and right, but 1 given"):
        make_region(data, pair[:1], ["LH_Mot"])
    with pytest.raises(SurfaceError, match=r"missing hemisphere: .* has no labels of the right cortex"):
        left = BrainModelAxis.from_surface(np.arange(MESH), MESH, "CortexLeft")
        load_labels(write_dlabel(tmp_path / "l.dlabel.nii", np.ones((1, MESH)), [{1: "a"}], ["m"], left))


def test_a_region_without_data(tmp_path):
    data = [
        write_dtseries(tmp_path / "a.dtseries.nii", RNG.normal(size=(T, 21)), axis(np.arange(20, 40), [5], volume=0))
    ]
    pair = [write_label(tmp_path / f"s.{h}.label.gii", LEFT, NAMES) for h in "LR"]
    with pytest.raises(SurfaceError, match="none of the 10 vertices of Hand in the left hemisphere has data"):
        make_region(data, pair, ["Hand"])


def test_labels_of_another_mesh(tmp_path, data):
    pair = [write_label(tmp_path / f"s.{h}.label.gii", np.ones(50), {1: "a"}) for h in "LR"]
    with pytest.raises(
        SurfaceError, match=r"50 vertices in the left hemisphere, but the data's mesh has 40; give label"
    ):
        make_region(data, pair, ["a"])
    with pytest.raises(SurfaceError, match=r"packaged Yeo-7 labels lie on fsLR 32k .* has 40 \+ 40: give labels on"):
        make_region(data)


def test_recordings_of_other_meshes_and_vertices(tmp_path, data):
    other = write_dtseries(
        tmp_path / "b.dtseries.nii", RNG.normal(size=(T, 100)), axis(np.arange(50), np.arange(50), 50, 0)
    )
    with pytest.raises(SurfaceError, match=r"b.dtseries.nii lies on meshes of 50 \+ 50 .* on 40 \+ 40"):
        make_region([*data, other], region=["none"])
    fewer = write_dtseries(
        tmp_path / "c.dtseries.nii", RNG.normal(size=(T, 30)), axis(np.arange(10), np.arange(20), volume=0)
    )
    made = make_region([*data, fewer], region=["none"])
    np.testing.assert_array_equal(made.vertices[0], HAND[0])


def test_the_whole_cortex(tmp_path, data):
    made = make_region(data, region=["none"])
    np.testing.assert_array_equal(made.vertices[0], CORTEX)
    assert made.info["label"] == "whole cortex" and made.info["label_file"] is None
    assert made.rows()[0]["label"] == "n/a"
    pair = [write_func(tmp_path / f"s_hemi-{h}_bold.func.gii", _with_wall(), h) for h in "LR"]
    np.testing.assert_array_equal(make_region(pair, region=["none"]).vertices[1], CORTEX)


def _with_wall():
    values = RNG.normal(size=(T, MESH))
    values[:, WALL[0]], values[:, WALL[1]], values[:, WALL[2]] = 0, np.nan, 3
    return values


def test_medial_wall_files(tmp_path):
    pair = [write_func(tmp_path / f"s_hemi-{h}_bold.func.gii", RNG.normal(size=(T, MESH)), h) for h in "LR"]
    inside = np.isin(np.arange(MESH), CORTEX)
    masks = [write_shape(tmp_path / f"{h}.atlasroi.shape.gii", inside) for h in "RL"]
    walls = [write_label(tmp_path / f"{h}.aparc.label.gii", 2 - inside, {1: "cortex", 2: "Medial_Wall"}) for h in "LR"]
    for files in (masks, walls):
        np.testing.assert_array_equal(make_region(pair, region=["none"], medial_wall=files).vertices[0], CORTEX)
    with pytest.raises(SurfaceError, match="3 vertices, but the data's mesh has 40"):
        make_region(pair, region=["none"], medial_wall=[write_shape(tmp_path / f"{h}.x.gii", np.ones(3)) for h in "LR"])


def test_the_papers_region_of_the_packaged_labels():
    labels = packaged_labels()
    for name in ("Somatomotor", "7Networks_2"):
        assert [len(side) for side in select(labels, [name])] == [5866, 6094]
    cortex = packaged_cortex()
    assert [len(v) for v in cortex] == [29696, 29716]
    for numbers, side in zip(select(labels, ["*"]), cortex, strict=True):
        assert set(numbers) <= set(side)


@pytest.mark.parametrize("grayordinates", ["91k", "cortex", "all vertices"])
def test_the_papers_region_of_the_released_labels(shared_data, tmp_path, grayordinates):
    cortex = (np.arange(32492),) * 2 if grayordinates == "all vertices" else packaged_cortex()
    models = axis(*cortex, mesh=32492, volume=6 if grayordinates == "91k" else 0)
    data = [write_dtseries(tmp_path / "a.dtseries.nii", np.zeros((1, len(models))), models)]
    file = shared_data / "fsLR" / "RSN-networks.32k_fs_LR.cifti2.dlabel.nii"
    released, packaged = make_region(data, [file]), make_region(data)
    assert released.info["n_left"] + released.info["n_right"] == 11960
    assert (released.info["n_left"], released.info["n_right"], released.info["space"]) == (5866, 6094, "fsLR")
    for one, other in zip(released.vertices, packaged.vertices, strict=True):
        np.testing.assert_array_equal(one, other)
    walls = [shared_data / "fsLR" / f"{h}.atlasroi.32k_fs_LR.shape.gii" for h in "LR"]
    whole = make_region(data, region=["none"], medial_wall=walls)
    assert len(whole.rows()) == 59412


def test_whole_cortex_of_gifti_on_fslr_leaves_out_its_medial_wall(tmp_path):
    pair = [write_func(tmp_path / f"s_hemi-{h}_bold.func.gii", np.ones((1, 32492)), h) for h in "LR"]
    assert len(make_region(pair, region=["none"]).rows()) == 59412


def test_label_files_that_are_none(tmp_path, data):
    (tmp_path / "lh.a.annot").write_bytes(b"\x00\x00")
    (tmp_path / "rh.a.annot").write_bytes(b"\x00\x00")
    with pytest.raises(SurfaceError, match=r"lh.a.annot cannot be read as a FreeSurfer annotation"):
        make_region(data, [tmp_path / "lh.a.annot", tmp_path / "rh.a.annot"])
    with pytest.raises(FileNotFoundError, match="no such label file"):
        make_region(data, [tmp_path / "none.dlabel.nii"])
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4)), tmp_path / "v.nii")
    with pytest.raises(SurfaceError, match=r"cannot be read as a dlabel.nii"):
        make_region(data, [tmp_path / "v.nii"])
