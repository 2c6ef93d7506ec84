"""Series on the surface: what the header says, and the same values from every way to store them."""

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.images import grayordinates
from pydra_vae.images.grayordinates import read_series
from pydra_vae.images.surface_headers import group_files, read_surface_header
from pydra_vae.images.surfaces import SurfaceError

from .surface_files import CORTEX, MESH, axis, write_dlabel, write_dtseries, write_func

T = 50
RNG = np.random.default_rng(0)
LEFT, RIGHT = np.round(RNG.normal(1000, 50, size=(2, T, MESH)))  # whole numbers: exact as int16
GRAY = np.hstack([LEFT[:, CORTEX], RIGHT[:, CORTEX], RNG.normal(size=(T, 6))])
WANTED = np.array([1, 2, 9, 39]), np.array([0, 38])
EXPECTED = np.hstack([LEFT[:, WANTED[0]], RIGHT[:, WANTED[1]]])


def test_the_header_is_nibabels(tmp_path):
    path = write_dtseries(tmp_path / "a.dtseries.nii", GRAY)
    header, models = read_surface_header(path), nib.load(path).header.get_axis(1)
    for hemi, numbers, columns in zip(("LEFT", "RIGHT"), header.vertices, header.columns, strict=True):
        here = models.name == f"CIFTI_STRUCTURE_CORTEX_{hemi}"
        np.testing.assert_array_equal(numbers, models.vertex[here])
        np.testing.assert_array_equal(columns, np.nonzero(here)[0])
    assert (header.mesh_sizes, header.n_frames, header.t_r) == ((MESH, MESH), T, 0.72)
    assert header.dtype == "float32" and header.is_cifti


@pytest.mark.parametrize(
    "how",
    [{}, {"dtype": np.int16}, {"dtype": np.int16, "scaled": True}, {"dtype": np.float64}],
    ids=["float32", "int16", "scaled int16", "float64"],
)
@pytest.mark.parametrize("columns", [2048, 7])
@pytest.mark.parametrize("suffix", ["dtseries.nii", "dtseries.nii.gz"])
def test_every_stored_type_gives_the_same_values(tmp_path, how, columns, suffix, monkeypatch):
    monkeypatch.setattr(grayordinates, "COLUMNS", columns)
    series = read_series(write_dtseries(tmp_path / f"a.{suffix}", GRAY, **how), WANTED)
    np.testing.assert_allclose(series.values, EXPECTED, atol=0.02 if "scaled" in how else 0)
    assert series.values.dtype == np.float32


@pytest.mark.parametrize(
    "models",
    [
        axis(volume=0),
        axis(left=WANTED[0], right=WANTED[1], volume=0),
        axis(volume=0)[::-1],  # columns in another order, right before left
    ],
    ids=["cortex only", "region only", "reversed"],
)
def test_any_brain_models(tmp_path, models):
    side = {"CIFTI_STRUCTURE_CORTEX_LEFT": LEFT, "CIFTI_STRUCTURE_CORTEX_RIGHT": RIGHT}
    data = np.stack([side[name][:, vertex] for name, vertex in zip(models.name, models.vertex, strict=True)], axis=1)
    path = write_dtseries(tmp_path / "a.dtseries.nii", data, models)
    np.testing.assert_array_equal(read_series(path, WANTED).values, EXPECTED)
    everything = read_series(path)
    assert all((np.diff(numbers) > 0).all() for numbers in everything.vertices)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("names", ["hemi-{}_space-fsaverage5", "space-fsaverage5_hemi-{}"])
def test_pairs_of_gifti(tmp_path, single, order, names):
    pair = [
        write_func(tmp_path / f"sub-1_{names.format(hemi)}_bold.func.gii", data, hemi, single=single)
        for hemi, data in (("L", LEFT), ("R", RIGHT))
    ][::order]
    series = read_series(pair, WANTED)
    np.testing.assert_array_equal(series.values, EXPECTED)
    assert (series.header.t_r, series.header.n_frames) == (0.72, T)
    assert series.header.path.name.count("hemi-L") == 1


def test_the_hemisphere_of_odd_names_is_the_files_own(tmp_path):
    pair = [write_func(tmp_path / name, d, hemi) for name, d, hemi in (("b.gii", RIGHT, "R"), ("a.gii", LEFT, "L"))]
    np.testing.assert_array_equal(read_series(pair, WANTED).values, EXPECTED)


@pytest.mark.parametrize(("unit", "meta", "t_r"), [(1000, None, 0.72), (1, None, 0.72), (1, {}, None)])
def test_the_repetition_time_of_gifti(tmp_path, unit, meta, t_r):
    pair = [write_func(tmp_path / f"hemi-{h}_bold.func.gii", LEFT, h, unit=unit, meta=meta) for h in "LR"]
    assert read_surface_header(pair).t_r == t_r


def test_hertz_are_no_seconds(tmp_path):
    assert read_surface_header(write_dtseries(tmp_path / "a.dtseries.nii", GRAY, unit="HERTZ")).t_r is None


def test_lists_are_told_apart():
    files = ["a.dtseries.nii", "s_hemi-L_bold.func.gii", "s_hemi-R_bold.func.gii", "b.dtseries.nii"]
    assert [len(group) for group in group_files(files)] == [1, 2, 1]
    with pytest.raises(SurfaceError, match=r"missing hemisphere: s_hemi-R.* comes without its L file"):
        group_files(["s_hemi-R_bold.func.gii"])


def test_missing_hemispheres(tmp_path):
    one = write_dtseries(tmp_path / "a.dtseries.nii", GRAY[:, :37], axis(right=None, volume=0))
    with pytest.raises(SurfaceError, match=r"missing hemisphere: .* has no right cortex; it has CORTEX_LEFT"):
        read_surface_header(one)
    left = write_func(tmp_path / "s_hemi-L_bold.func.gii", LEFT, "L")
    with pytest.raises(SurfaceError, match=r"missing hemisphere: .* comes without its R file"):
        read_surface_header([left])
    other = write_func(tmp_path / "t_hemi-L_bold.func.gii", LEFT, "L")
    with pytest.raises(SurfaceError, match="missing hemisphere: both files are L"):
        read_surface_header([left, other])


def test_pairs_that_do_not_agree(tmp_path):
    left = write_func(tmp_path / "s_hemi-L_bold.func.gii", LEFT, "L")
    with pytest.raises(SurfaceError, match=r"has 50 frames but .* has 40: do they belong to one run"):
        read_surface_header([left, write_func(tmp_path / "s_hemi-R_bold.func.gii", RIGHT[:40], "R")])
    with pytest.raises(SurfaceError, match=r"says TR = 0.72 s but .* 2 s"):
        read_surface_header([left, write_func(tmp_path / "t_hemi-R_bold.func.gii", RIGHT, "R", t_r=2.0)])


def test_files_that_are_no_series(tmp_path):
    labels = write_dlabel(tmp_path / "a.dlabel.nii", np.ones((1, 74)), [{1: "a"}], ["m"], axis(volume=0))
    with pytest.raises(SurfaceError, match="holds labels × brain_models: a dense series is needed"):
        read_surface_header(labels)
    nib.save(nib.Nifti2Image(np.zeros((2, 2, 2, 40)), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(SurfaceError, match="is a NIfTI image, not CIFTI"):
        read_surface_header(tmp_path / "b.nii")
    (tmp_path / "c.dtseries.nii").write_bytes(b"nothing")
    with pytest.raises(SurfaceError, match=r"c.dtseries.nii cannot be read as a CIFTI file"):
        read_surface_header(tmp_path / "c.dtseries.nii")
    with pytest.raises(FileNotFoundError, match="no such surface series"):
        read_surface_header(tmp_path / "d.dtseries.nii")
    (tmp_path / "e.dtseries.nii").symlink_to(tmp_path / "annex")
    with pytest.raises(FileNotFoundError, match=r"datalad get e.dtseries.nii"):
        read_surface_header(tmp_path / "e.dtseries.nii")


def test_a_file_that_is_cut_off(tmp_path):
    path = write_dtseries(tmp_path / "a.dtseries.nii", GRAY)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(SurfaceError, match="is cut off or damaged"):
        read_series(path)


def test_vertices_without_data(tmp_path):
    path = write_dtseries(tmp_path / "a.dtseries.nii", GRAY)
    with pytest.raises(SurfaceError, match="has no data for 2 of the region's 3 vertices in the left hemisphere"):
        read_series(path, (np.array([3, 4, 6]), np.array([0])))
    with pytest.raises(SurfaceError, match="has no data for 1 of the region's 1 vertices in the right hemisphere"):
        read_series(path, (np.array([6]), np.array([4000])))
