"""CompareMaps on two flat sheets with planted discs."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.compare_maps import CompareMaps

EDGE = 41  # vertices along a sheet, 1 mm apart
XY = np.stack(np.meshgrid(np.arange(EDGE), np.arange(EDGE), indexing="ij"), axis=-1).reshape(-1, 2)
N, RADIUS = len(XY), 10


def disc(side, centre, radius=RADIUS):
    """1 in a disc of one hemisphere, of all vertices of both."""
    found = np.zeros(2 * N)
    found[side * N : (side + 1) * N] = np.linalg.norm(XY - centre, axis=1) <= radius
    return found


HAND, FOOT = disc(1, [20, 20]), disc(0, [12, 20])
TONGUE = disc(0, [25, 14]) + disc(1, [25, 14])


def surface(path):
    corner = np.array([i * EDGE + j for i in range(EDGE - 1) for j in range(EDGE - 1)])
    triangles = np.concatenate([corner[:, None] + [0, 1, EDGE + 1], corner[:, None] + [0, EDGE + 1, EDGE]])
    points = np.column_stack([XY, np.zeros(N)]).astype(np.float32)
    arrays = [nib.gifti.GiftiDataArray(points, "NIFTI_INTENT_POINTSET"),
              nib.gifti.GiftiDataArray(triangles.astype(np.int32), "NIFTI_INTENT_TRIANGLE")]  # fmt: skip
    nib.save(nib.GiftiImage(darrays=arrays), path)
    return path


def table(path, **columns):
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


@pytest.fixture
def inputs(tmp_path):
    """The sheets' first row and column lie outside the region, so that columns are not vertex numbers."""
    inner = np.flatnonzero((XY >= 1).all(axis=1))
    columns = np.concatenate([inner, N + inner])
    (tmp_path / "region.json").write_text(json.dumps({"mesh_left": N, "mesh_right": N}))
    np.save(tmp_path / "reference.npy", np.stack([HAND, FOOT, TONGUE])[:, columns])
    common = {
        "vertices": table(tmp_path / "vertices.tsv", hemi=["L"] * len(inner) + ["R"] * len(inner),
                          vertex=[*inner, *inner], label="x"),
        "region": tmp_path / "region.json",
        "surfaces": [surface(tmp_path / f"{hemi}.surf.gii") for hemi in "LR"],
        "scores": table(tmp_path / "scores.tsv", subtask=["left_hand", "right_foot", "tongue"], factor=[2, 0, 1],
                        sign=[1, -1, 1]),
        "reference": tmp_path / "reference.npy",
        "reference_names": table(tmp_path / "names.tsv", index=range(3), name=["Left-Hand", "right_foot", "tongue"]),
    }  # fmt: skip
    return {"common": common, "columns": columns, "tmp_path": tmp_path}


def run(inputs, maps, **more):
    np.save(inputs["tmp_path"] / "maps.npy", np.asarray(maps, np.float32)[:, inputs["columns"]])
    made = call(CompareMaps, cwd=inputs["tmp_path"], maps=inputs["tmp_path"] / "maps.npy",
                **{**inputs["common"], **more})  # fmt: skip
    return pd.read_csv(made.map_scores.fspath, sep="\t")


def test_planted_discs(inputs):
    noise = np.random.default_rng(0).random(2 * N)
    found = run(inputs, [FOOT, TONGUE, HAND, noise], model="TI-VAE-S", beta=1.5, seed=7)
    assert (found[["model", "k", "beta", "seed"]] == ["TI-VAE-S", 4, 1.5, 7]).all(axis=None)
    assert found["reading"].tolist() == ["variance", "sd"] * 4
    assert found["factor"].tolist() == [2, 2, 0, 0, 1, 1, 3, 3] and found["subtask"].isna().tolist()[-2:] == [True] * 2
    rows = found[found["reading"] == "variance"].set_index("subtask")
    assert rows["reference"].tolist()[:3] == ["Left-Hand", "right_foot", "tongue"]
    np.testing.assert_allclose(rows["r_all"][:3], 1, atol=1e-6)
    assert (rows["others_r_all"][:3] < 0.3).all()
    assert rows["lateralisation"][:3].tolist() == pytest.approx([-1, 1, 0], abs=0.01)
    assert rows["peak_hemi"].tolist()[:3] == ["R", "L", "L"]
    hand = rows.loc["left_hand"]
    assert HAND[N + int(hand["peak_vertex"])] == 1  # a number on the mesh, not a column


def test_spread_grows_with_the_disc_only(inputs):
    """Even discs: mean distance from the centre 2R/3, also with a disc in each hemisphere (a peak at the centre)."""
    def cone(side, centre, radius):
        return disc(side, centre, radius) * (1 + 1e-6 * disc(side, centre, 0.5))

    both = cone(0, [25, 14], 6) + cone(1, [25, 14], 6)
    found = run(inputs, [cone(0, [20, 20], 6), both, cone(1, [20, 20], 12)]).query("reading == 'sd'")
    spread = found.sort_values("factor")["spread_mm"].to_numpy()
    np.testing.assert_allclose(spread, [4, 4, 8], rtol=0.06)
    sparse = found.sort_values("factor")["sparsity"].to_numpy()
    assert sparse[0] > sparse[1] > sparse[2]


def test_signed_maps_are_turned_as_their_course(inputs):
    maps = [-FOOT + 0.5 * HAND, TONGUE, HAND]
    found = run(inputs, maps, kind="signed").set_index(["subtask", "reading"])
    foot = found.loc["right_foot"]
    assert foot["sign"].tolist() == [-1, -1]
    # only what goes up with the sub-task is shown; |map| shows the hand too
    assert foot.loc["signed", "lateralisation"] == pytest.approx(1)
    assert 0.5 < foot.loc["abs", "lateralisation"] < 0.7
    assert foot.loc["signed", "r_all"] > foot.loc["abs", "r_all"] > 0.8


def test_the_root_of_a_variance_is_its_fair_companion(inputs):
    """Squaring makes a map sparser to look at: amplitudes tell the same of both readings."""
    smooth = np.exp(-(np.concatenate([np.linalg.norm(XY - 20, axis=1)] * 2) ** 2) / 200)
    found = run(inputs, [smooth**2, TONGUE, HAND]).query("subtask == 'right_foot'")
    assert found["sparsity"].nunique() == 1 and found["spread_mm"].nunique() == 1
    assert found["r_all"].nunique() == 2


def test_without_task_or_reference(inputs):
    found = run(inputs, [FOOT, TONGUE], scores=None)
    assert found["subtask"].isna().all() and found["r_all"].isna().all() and len(found) == 4
    assert found["spread_mm"].notna().all()
    found = run(inputs, [FOOT, TONGUE, HAND], reference=None, reference_names=None)
    assert found["reference"].isna().all() and found["subtask"].notna().all()
    empty = run(inputs, [FOOT, 0 * TONGUE, HAND]).query("subtask == 'tongue'")
    assert empty[["sparsity", "spread_mm", "lateralisation", "peak_vertex", "r_all"]].isna().all(axis=None)


def test_what_does_not_belong_together_is_refused(inputs):
    with pytest.raises(ValueError, match="names factor 2, but there are 2 maps"):
        run(inputs, [FOOT, HAND])
    with pytest.raises(ValueError, match="variances are not negative"):
        run(inputs, [-FOOT, TONGUE, HAND])
    with pytest.raises(ValueError, match="the names of the maps"):
        run(inputs, [FOOT, TONGUE, HAND], reference_names=None)
    np.save(inputs["tmp_path"] / "reference.npy", np.zeros((3, 5)))
    with pytest.raises(ValueError, match="has 5 values a map but the region has 3,200 vertices"):
        run(inputs, [FOOT, TONGUE, HAND])
