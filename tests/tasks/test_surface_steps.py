"""MakeRegion → PrepareSurface → WriteSurfaceMaps: as steps, from file to file."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean

from pydra_vae.engine.step import call
from pydra_vae.tasks.make_region import MakeRegion
from pydra_vae.tasks.prepare_surface import PrepareSurface
from pydra_vae.tasks.write_surface_maps import WriteSurfaceMaps

from ..images.surface_files import CORTEX, MESH, axis, write_dtseries, write_func, write_label

T, T_R, FLAT, BAD = 120, 0.72, 2, 6  # columns of the region
REGION = np.setdiff1d(np.arange(2, 20), [3, 4, 5])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def gray(rng):
    """Series with a trend; one vertex of the region constant, one with a NaN."""
    data = rng.normal(size=(T, 80)).cumsum(axis=0) + np.arange(T)[:, None] + 1e4
    column = {int(vertex): i for i, vertex in enumerate(CORTEX)}
    data[:, column[int(REGION[FLAT])]] = 7e3
    data[9, column[int(REGION[BAD])]] = np.nan
    return data.astype(np.float32)


@pytest.fixture
def study(tmp_path, gray):
    """One recording and its region."""
    data = [write_dtseries(tmp_path / "a.dtseries.nii", gray)]
    labels = [write_label(tmp_path / f"{h}.x.label.gii", np.isin(np.arange(MESH), REGION), {1: "mot"}) for h in "LR"]
    made = call(MakeRegion, cwd=tmp_path, data=data, labels=labels, region=["mot"], space="fsLR")
    return {"data": data, "vertices": made.vertices, "region": made.info}


def prepare(folder, study, **more):
    done = call(PrepareSurface, cwd=folder, **study, **more)
    return np.load(done.series), json.loads(done.info.fspath.read_text())


def region_columns(gray):
    left = np.isin(CORTEX, REGION)
    return gray[:, :74][:, np.tile(left, 2)].astype(np.float64)


def test_make_region_writes_its_files(study):
    table = pd.read_csv(study["vertices"], sep="\t")
    assert list(table) == ["hemi", "vertex", "label"] and len(table) == 30
    assert table["vertex"].tolist() == [*REGION, *REGION] and set(table["label"]) == {"mot"}
    info = json.loads(study["region"].fspath.read_text())
    assert info["space"] == "fsLR" and info["mesh_left"] == MESH and info["n_right"] == 15


def test_series_are_those_of_nilearn(tmp_path, study, gray):
    series, info = prepare(tmp_path, study)
    x = region_columns(gray)
    x[:, [FLAT, BAD]] = np.random.default_rng(1).normal(size=(T, 2))  # replaced below
    expected = clean(x, detrend=True, standardize=None, high_pass=0.01, low_pass=0.15, t_r=T_R)
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    expected[:, [FLAT, BAD]] = 0
    np.testing.assert_allclose(series, expected, atol=1e-5)
    assert series.dtype == np.float32
    assert {k: info[k] for k in ("t_r", "n_frames", "n_vertices", "n_flat", "n_not_finite", "source", "dtype")} == {
        "t_r": T_R, "n_frames": T, "n_vertices": 30, "n_flat": 2, "n_not_finite": 1,
        "source": ["a.dtseries.nii"], "dtype": "float32",
    }  # fmt: skip


def test_without_anything_the_series_come_as_they_are(tmp_path, study, gray):
    series, _ = prepare(tmp_path, study, high_pass=None, low_pass=None, detrend=False, standardize="none")
    expected = region_columns(gray)
    expected[:, [FLAT, BAD]] = 0
    np.testing.assert_allclose(series, expected, rtol=1e-6)


def test_blocks_do_not_matter(tmp_path, study, monkeypatch):
    whole, _ = prepare(tmp_path, study)
    monkeypatch.setattr("pydra_vae.tasks.prepare_surface.BLOCK", 7)
    parts, _ = prepare(tmp_path, study)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_gifti_gives_the_same_series(tmp_path, study, gray):
    whole = [np.full((T, MESH), 5.0) for _ in "LR"]
    for side, columns in zip(whole, (gray[:, :37], gray[:, 37:74]), strict=True):
        side[:, CORTEX] = columns
    pair = [write_func(tmp_path / f"s_hemi-{h}_bold.func.gii", d, h) for h, d in zip("LR", whole, strict=True)]
    np.testing.assert_array_equal(prepare(tmp_path, study | {"data": pair[::-1]})[0], prepare(tmp_path, study)[0])


def test_dummy_scans_are_left_out(tmp_path, study, gray):
    series, info = prepare(tmp_path, study, dummy_scans=5)
    write_dtseries(tmp_path / "b.dtseries.nii", gray[5:])
    later, _ = prepare(tmp_path, study | {"data": [tmp_path / "b.dtseries.nii"]})
    np.testing.assert_allclose(series, later, atol=1e-5)
    assert info["n_frames"] == T - 5
    with pytest.raises(ValueError, match="120 dummy scans of 120 frames"):
        prepare(tmp_path, study, dummy_scans=120)


def test_confounds_are_regressed_out_and_bad_frames_interpolated(tmp_path, study, gray, rng):
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf", "white_matter"]
    names += [f"{n}{end}" for n in names for end in ("_derivative1", "_power2", "_derivative1_power2")]
    table = pd.DataFrame(rng.normal(size=(T, len(names))), columns=names)
    table["cosine00"] = np.cos(np.pi * np.arange(T) / T)
    table["non_steady_state_outlier00"] = (np.arange(T) == 0).astype(int)
    table.to_csv(tmp_path / "confounds.tsv", sep="\t", index=False)
    spoilt = gray.copy()
    spoilt[0] += 1e5
    spoilt[:, :74] += 300 * table["trans_x"].to_numpy()[:, None]
    data = {"data": [write_dtseries(tmp_path / "c.dtseries.nii", spoilt)]}
    series, info = prepare(tmp_path, study | data, confounds=tmp_path / "confounds.tsv", strategy="simple")
    assert info["censored"] == {"non_steady_state": 1} and info["n_regressors"] > 8
    p = clean(table[["trans_x"]].to_numpy(), detrend=True, standardize=None, high_pass=0.01, low_pass=0.15, t_r=T_R)
    assert np.abs(series.T @ p).max() / np.linalg.norm(p) < 1e-4 * np.sqrt(T)
    assert np.abs(series).max() < 8


def test_repetition_times_must_agree(tmp_path, study, gray):
    sidecar = tmp_path / "a.json"
    sidecar.write_text('{"RepetitionTime": 2.0}')
    with pytest.raises(ValueError, match=r"a.dtseries.nii says TR = 0.72 s, but .*a.json says RepetitionTime = 2 s"):
        prepare(tmp_path, study, sidecar=sidecar)
    with pytest.raises(ValueError, match=r"TR = 0.72 s, but the given t_r says RepetitionTime = 1 s"):
        prepare(tmp_path, study, t_r=1.0)
    silent = {"data": [write_dtseries(tmp_path / "b.dtseries.nii", gray, unit="HERTZ")]}
    with pytest.raises(ValueError, match=r"no repetition time: the header of .*b.dtseries.nii has none"):
        prepare(tmp_path, study | silent)
    assert prepare(tmp_path, study | silent, t_r=1.5)[1]["t_r"] == 1.5
    sidecar.write_text('{"RepetitionTime": 0.72}')
    with pytest.raises(ValueError, match=r"a.json says RepetitionTime = 0.72 s, but 1 s was given"):
        prepare(tmp_path, study | silent, sidecar=sidecar, t_r=1.0)


def test_data_of_another_mesh(tmp_path, study, rng):
    other = write_dtseries(
        tmp_path / "b.dtseries.nii", rng.normal(size=(T, 60)), axis(np.arange(30), np.arange(30), 50, 0)
    )
    with pytest.raises(ValueError, match=r"lies on meshes of 50 \+ 50 vertices, but the region .* on 40 \+ 40"):
        prepare(tmp_path, study | {"data": [other]})


def test_a_recording_of_nothing(tmp_path, study):
    empty = write_dtseries(tmp_path / "b.dtseries.nii", np.ones((T, 80)))
    with pytest.raises(ValueError, match=r"none of the 30 vertices of .* can be used: 30 are constant"):
        prepare(tmp_path, study | {"data": [empty]})


def test_maps_come_back_from_their_files(tmp_path, study, rng):
    maps = rng.normal(size=(2, 30)).astype(np.float32)
    np.save(tmp_path / "maps.npy", maps)
    where = {name: study[name] for name in ("vertices", "region")}
    done = call(WriteSurfaceMaps, cwd=tmp_path, maps=tmp_path / "maps.npy", **where, names=["hand", "foot"])
    image = nib.load(done.cifti)
    models = image.header.get_axis(1)
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), maps)
    assert image.header.get_axis(0).name.tolist() == ["hand", "foot"]
    assert models.nvertices == {"CIFTI_STRUCTURE_CORTEX_LEFT": MESH, "CIFTI_STRUCTURE_CORTEX_RIGHT": MESH}
    np.testing.assert_array_equal(models.vertex, [*REGION, *REGION])
    for path, part, side in ((done.left, maps[:, :15], "Left"), (done.right, maps[:, 15:], "Right")):
        shape = nib.load(path)
        whole = np.stack([array.data for array in shape.darrays])
        assert shape.meta["AnatomicalStructurePrimary"] == f"Cortex{side}" and whole.shape == (2, MESH)
        np.testing.assert_array_equal(whole[:, REGION], part)
        assert np.isnan(np.delete(whole, REGION, axis=1)).all()
        assert [array.meta["Name"] for array in shape.darrays] == ["hand", "foot"]


def test_maps_that_do_not_fit(tmp_path, study):
    where = {name: study[name] for name in ("vertices", "region")}
    np.save(tmp_path / "maps.npy", np.zeros((2, 31), np.float32))
    with pytest.raises(ValueError, match="has 31 values a map but the region has 30 vertices"):
        call(WriteSurfaceMaps, cwd=tmp_path, maps=tmp_path / "maps.npy", **where, names=["a", "b"])
    np.save(tmp_path / "maps.npy", np.zeros((2, 30), np.float32))
    with pytest.raises(ValueError, match="holds 2 maps, but 1 names were given"):
        call(WriteSurfaceMaps, cwd=tmp_path, maps=tmp_path / "maps.npy", **where, names=["a"])
