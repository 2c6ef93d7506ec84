"""Voxels and grayordinates behind one face: masks, rows, maps and series that come back as they went."""

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.images.cifti import is_dense, read_models, write_dense_series
from pydra_vae.images.geometry import Grayordinates, check_grayordinates, load_geometry, read_bold_header
from pydra_vae.images.hemispheres import join_hemispheres, split_hemispheres
from pydra_vae.images.surface_headers import read_surface_header
from pydra_vae.images.surface_masks import make_surface_mask, resolve_surface_atlas
from pydra_vae.images.surface_templates import surface_image
from pydra_vae.images.surfaces import SurfaceError

from .surface_files import CORTEX, MESH, axis, write_dtseries, write_func, write_label

T, N = 40, 2 * len(CORTEX) + 6


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A dtseries in int16 with a scale, float truth, and surfaces of its small mesh."""
    folder = tmp_path_factory.mktemp("surface")
    rng = np.random.default_rng(0)
    data = (10_000 + 100 * rng.normal(size=(T, N))).astype(np.float32)
    for hemi in "LR":
        xyz = rng.normal(size=(MESH, 3)) * 40
        triangles = np.stack([np.arange(MESH), np.roll(np.arange(MESH), -1), np.roll(np.arange(MESH), -2)], axis=1)
        nib.save(surface_image(xyz, triangles, hemi), folder / f"{hemi}.surf.gii")
    bold = write_dtseries(folder / "a_bold.dtseries.nii", data, dtype=np.int16, scaled=True, t_r=2.0)
    return folder, data, bold, [folder / "L.surf.gii", folder / "R.surf.gii"]


def masked(files, inside=None, **options):
    """The mask of a dtseries as a file; `inside` (N,) bool in its place."""
    from pydra_vae.images.cifti import write_dense_maps

    folder, _, bold, surfaces = files
    made = make_surface_mask([bold], surfaces, **options)
    path = folder / "mask.dscalar.nii"
    values = made.inside if inside is None else inside
    write_dense_maps(path, values.astype(np.float32)[:, None], ["mask"], made.models)
    return made, load_geometry(path)


def test_every_grayordinate_is_a_row_with_its_place(files):
    surfaces = files[3]
    made, geometry = masked(files)
    assert isinstance(geometry, Grayordinates)
    assert len(geometry) == N == made.info["n_voxels"]
    assert (made.info["n_vertices"], made.info["n_subcortical"]) == (N - 6, 6)
    table = made.table()
    assert table["vertex"].tolist()[: len(CORTEX)] == CORTEX.tolist()
    left = nib.load(surfaces[0]).darrays[0].data[CORTEX]
    np.testing.assert_allclose(table[["x", "y", "z"]].to_numpy()[: len(CORTEX)], left, atol=1e-3)
    assert table["vertex"].isna().sum() == 6
    assert table.loc[table["vertex"].isna(), ["i", "j", "k"]].notna().all(axis=None)


def test_scaled_int16_is_read_in_its_units_and_comes_back_with_its_brain_models(files, tmp_path):
    _, data, bold, _ = files
    _, geometry = masked(files)
    rows = geometry.extract(bold)
    assert rows.shape == (N, T)
    assert nib.load(bold).get_data_dtype() == np.int16
    np.testing.assert_allclose(rows, data.T, atol=0.05)  # the step of int16 over the range
    written = geometry.write_series(tmp_path / "denoised", rows, bold, 2.0)
    image = nib.load(written)
    assert image.header.get_axis(1) == nib.load(bold).header.get_axis(1)
    assert image.header.get_axis(0).step == 2.0
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32).T, rows)
    assert read_bold_header(written).n_frames == T


def test_maps_are_0_outside_the_mask_and_named(files, tmp_path):
    inside = np.zeros(N, bool)
    inside[::3] = True
    _, geometry = masked(files, inside)
    rows = np.random.default_rng(1).normal(size=(inside.sum(), 2)).astype(np.float32)
    path = geometry.write_maps(tmp_path / "latents", rows, ["z1", "z2"])
    image = nib.load(path)
    assert path.name == "latents.dscalar.nii"
    assert list(image.header.get_axis(0).name) == ["z1", "z2"]
    assert not image.get_fdata()[:, ~inside].any()
    np.testing.assert_array_equal(geometry.read_maps(path), rows)


def test_two_masks_are_told_apart(files):
    _, one = masked(files)
    first = one.describe()
    assert first == masked(files)[1].describe()
    other = np.ones(N, bool)
    other[0] = False
    assert masked(files, other)[1].describe()["digest"] != first["digest"]


def test_labels_of_a_pair_choose_vertices_and_no_voxel(files):
    folder, *_ = files
    keys = np.arange(MESH) % 3  # 0 has no name that counts
    names = {
        0: "Background+FreeSurfer_Defined_Medial_Wall",
        1: "17Networks_LH_VisCent_1",
        2: "17Networks_LH_DefaultA_1",
    }
    paths = [write_label(folder / f"x_hemi-{hemi}.label.gii", keys, names, hemi) for hemi in "LR"]
    assert resolve_surface_atlas(paths[1], (MESH, MESH)) == tuple(paths)  # either side names the pair
    made, _ = masked(files, atlas=paths)
    assert made.info["n_subcortical"] == 0
    table = made.table()
    assert (table["vertex"].astype(int) % 3 > 0).all()
    assert set(table["network"]) == {"VisCent", "DefaultA"}
    assert made.info["n_parcels"] == 2


def test_smoothing_is_refused_with_advice(files):
    _, geometry = masked(files)
    with pytest.raises(SurfaceError, match="wb_command -cifti-smoothing"):
        geometry.extract(files[2], 6.0)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (axis(volume=0), "has 74 grayordinates, but .* has 80"),
        (axis(left=np.arange(len(CORTEX))), "as many grayordinates, but not the same"),
    ],
)
def test_series_of_other_grayordinates_are_refused(files, tmp_path, models, message):
    _, geometry = masked(files)
    other = write_dtseries(tmp_path / "b.dtseries.nii", np.ones((T, len(models))), models)
    with pytest.raises(SurfaceError, match=message):
        geometry.extract(other)


def test_a_volume_is_no_mask_of_vertices_nor_the_other_way(files, tmp_path):
    _, geometry = masked(files)
    volume = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), volume)
    with pytest.raises(SurfaceError, match="no CIFTI file, but the data are grayordinates"):
        geometry.check(volume, "mean image")
    with pytest.raises(ValueError, match="is a CIFTI file, but the BOLD is a volume"):
        load_geometry(volume).check(geometry.path, "mean image")
    with pytest.raises(SurfaceError, match="is on the surface"):
        check_grayordinates(volume, read_surface_header(files[2]))


def test_an_atlas_of_another_kind_or_with_one_side_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the BOLD is on the surface, and its atlas must be too"):
        resolve_surface_atlas("Schaefer.nii.gz", (MESH, MESH))
    alone = write_label(tmp_path / "lh.x.label.gii", np.ones(MESH), {1: "a"})
    with pytest.raises(ValueError, match=r"missing hemisphere.*rh\.x\.label\.gii"):
        resolve_surface_atlas(alone, (MESH, MESH))
    with pytest.raises(ValueError, match="no such atlas file"):
        resolve_surface_atlas(tmp_path / "no.dlabel.nii", (MESH, MESH))
    assert resolve_surface_atlas("none", (MESH, MESH)) == ()


def test_a_pair_joined_and_split_is_the_pair(tmp_path):
    rng = np.random.default_rng(2)
    data = {hemi: rng.normal(size=(T, MESH)).astype(np.float32) for hemi in "LR"}
    left, right = (write_func(tmp_path / f"hemi-{h}_bold.func.gii", data[h], h, t_r=1.5) for h in "LR")
    dense = join_hemispheres(left, right, tmp_path / "bold.dtseries.nii")
    assert read_bold_header(dense).t_r == 1.5
    for hemi, path in zip("LR", split_hemispheres(dense, tmp_path / "again"), strict=True):
        image = nib.load(path)
        np.testing.assert_array_equal(np.stack([a.data for a in image.darrays]), data[hemi])
        assert (path.name, image.meta["TimeStep"]) == (f"again_hemi-{hemi}.func.gii", "1500")


def test_a_pair_without_a_step_takes_the_sidecars_repetition_time(tmp_path):
    left, right = (write_func(tmp_path / f"hemi-{h}_bold.func.gii", np.ones((T, MESH)), h, t_r=None) for h in "LR")
    assert read_bold_header(join_hemispheres(left, right, tmp_path / "a.dtseries.nii", 0.8)).t_r == 0.8
    assert read_bold_header(join_hemispheres(left, right, tmp_path / "b.dtseries.nii")).t_r is None


def test_files_that_are_not_dense_are_named(tmp_path):
    path = tmp_path / "x.dtseries.nii"
    path.write_bytes(b"no image")
    assert is_dense(path)
    with pytest.raises(SurfaceError, match=r"x\.dtseries\.nii cannot be read as a CIFTI file"):
        read_models(path)
    with pytest.raises(ValueError, match="there are 80 grayordinates but the rows have the shape"):
        write_dense_series(tmp_path / "y.dtseries.nii", np.ones((3, 4)), axis(), 1.0)
