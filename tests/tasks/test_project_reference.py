"""Reference maps of every kind of file come to the right vertices."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.images.references import subtask_of
from pydra_vae.tasks.project_reference import ProjectReference

N = (20, 22)  # vertices of a small left and right mesh


def write_region(folder, left, right, mesh):
    table = pd.DataFrame({"hemi": ["L"] * len(left) + ["R"] * len(right), "vertex": [*left, *right], "label": "x"})
    table.to_csv(folder / "vertices.tsv", sep="\t", index=False)
    info = {"mesh_left": mesh[0], "mesh_right": mesh[1], "n_left": len(left), "n_right": len(right)}
    (folder / "region.json").write_text(json.dumps(info))
    return {"vertices": folder / "vertices.tsv", "region": folder / "region.json"}


@pytest.fixture
def region(tmp_path):
    return write_region(tmp_path, [3, 4, 9], [0, 21], N)


def gifti(path, values, side, name=None):
    arrays = [nib.gifti.GiftiDataArray(np.asarray(v, np.float32), meta={"Name": name or ""})
              for v in np.atleast_2d(values)]  # fmt: skip
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": f"Cortex{side}"})
    nib.save(nib.GiftiImage(darrays=arrays, meta=meta), path)
    return path


def dscalar(path, values, vertices, names, sizes=N):
    models = [nib.cifti2.BrainModelAxis.from_surface(v, size, f"Cortex{side}")
              for v, size, side in zip(vertices, sizes, ("Left", "Right"), strict=True) if len(v)]  # fmt: skip
    axis = models[0] if len(models) == 1 else models[0] + models[1]
    nib.save(nib.Cifti2Image(np.asarray(values, np.float32), (nib.cifti2.ScalarAxis(names), axis)), path)
    return path


def load(made):
    return np.load(made.maps), pd.read_csv(made.names.fspath, sep="\t")


def test_cifti_goes_by_vertex_number(region, tmp_path):
    left, right = np.array([1, 3, 9, 15]), np.array([0, 5])  # no values at left 4, right 21
    values = [[10, 30, 90, 150, -0.5, -5], [1, 3, 9, 15, 7, 8]]
    names = ["tfMRI_MOTOR_LH_hp200_s2", "tfMRI_MOTOR_AVG_hp200_s2"]
    maps, table = load(call(ProjectReference, cwd=tmp_path, **region, reference=[
        dscalar(tmp_path / "group.dscalar.nii", values, (left, right), names)]))  # fmt: skip
    np.testing.assert_array_equal(maps, np.float32([[30, np.nan, 90, -0.5, np.nan], [3, np.nan, 9, 7, np.nan]]))
    assert table.values.tolist() == [[0, "left_hand", names[0]], [1, names[1], names[1]]]


def test_gifti_pairs_in_both_orders_and_arrays(region, tmp_path):
    pair = [gifti(tmp_path / f"{side}.shape.gii", np.arange(n) + 100 * i, side, "tongue")
            for i, (side, n) in enumerate(zip(("Left", "Right"), N, strict=True))]  # fmt: skip
    np.save(tmp_path / "planted.npy", np.arange(10).reshape(2, 5))
    for reference in ([*pair, tmp_path / "planted.npy"], [tmp_path / "planted.npy", *pair[::-1]]):
        maps, table = load(call(ProjectReference, cwd=tmp_path, **region, reference=reference))
        here = table["source"].tolist().index("tongue")
        np.testing.assert_array_equal(maps[here], [3, 4, 9, 100, 121])
        assert sorted(table["name"]) == ["planted 1", "planted 2", "tongue"]


def test_names_given_count(region, tmp_path):
    np.save(tmp_path / "planted.npy", np.zeros((2, 5)))
    given = {"reference": [tmp_path / "planted.npy"], **region}
    _, table = load(call(ProjectReference, cwd=tmp_path, **given, names=["finger", "toe"]))
    assert table["name"].tolist() == ["finger", "toe"]
    with pytest.raises(ValueError, match="1 names were given for 2 reference maps"):
        call(ProjectReference, cwd=tmp_path, **given, names=["finger"])


def test_what_does_not_fit_is_refused(region, tmp_path):
    def refuse(match, *reference, **more):
        with pytest.raises(ValueError, match=match):
            call(ProjectReference, cwd=tmp_path, **region, reference=list(reference), **more)

    left = dscalar(tmp_path / "left.dscalar.nii", [[1, 2]], ([1, 2], []), ["a"])
    refuse("no values of the right cortex: missing hemisphere", left)
    other = dscalar(tmp_path / "other.dscalar.nii", [[1, 2]], ([1], [2]), ["a"], (20, 164))
    refuse("has 164 vertices, but the data's mesh has 22", other)
    one = gifti(tmp_path / "L.shape.gii", np.zeros(20), "Left")
    refuse("missing hemisphere: beside", one)
    refuse("are both L", one, one)
    np.save(tmp_path / "wrong.npy", np.zeros((2, 6)))
    refuse("maps × 5 vertices of the region are needed", tmp_path / "wrong.npy")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), tmp_path / "t.nii.gz")
    refuse("give the left and right midthickness surface", tmp_path / "t.nii.gz")


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("LF", "left_foot"),
        ("S1200_tfMRI_MOTOR_level2_RF-AVG_hp200_s2_MSMAll", "right_foot"),
        ("right-hand", "right_hand"),
        ("left-vs-right_button_press_t", None),
        ("neg_T", None),
        ("MOTOR_CUE", None),
        ("upright handle", None),
    ],
)
def test_names_of_sub_tasks(name, task):
    assert subtask_of(name) == task


@pytest.mark.parametrize(
    "file",
    ["nilearn_image_10426_left_vs_right_button_press_t.nii.gz", "niivue_spmMotor_rightTap_gt_leftTap_T.nii.gz"],
)
def test_hands_lie_in_opposite_hemispheres(shared_data, tmp_path, file):
    """Left − right hand: positive in the right hand area, negative in the left one.

    The second file holds the same, though its name says right > left: it is named, or was flipped, otherwise.
    """
    surfaces = [shared_data / "fsLR" / f"S1200.{hemi}.midthickness_MSMAll.32k_fs_LR.surf.gii" for hemi in "LR"]
    near = []
    for surface, x in zip(surfaces, (-38, 38), strict=True):  # the hand knob, in MNI space
        points = nib.load(surface).agg_data("pointset")
        near.append(np.flatnonzero(np.linalg.norm(points - [x, -24, 56], axis=1) < 10))
    made = call(ProjectReference, cwd=tmp_path, reference=[shared_data / "motor_maps" / file], surfaces=surfaces,
                **write_region(tmp_path, *near, (32492, 32492)))  # fmt: skip
    maps, table = load(made)
    left, right = maps[0, : len(near[0])], maps[0, len(near[0]) :]
    assert len(left) > 30 and len(right) > 30
    assert np.nanmean(right) > 1 and np.nanmean(left) < -1
    assert table["name"].tolist() == [file.removesuffix(".nii.gz")]
