"""Common grids: the box is kept, values stay in range, averages over larger voxels keep the total."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydra_vae.images.grids import check_common_grid, isotropic_grid, resample, same_grid, smooth, target_grid
from pydra_vae.images.headers import read_header

AFFINE = np.array([[-2, 0, 0, 40], [0, 2, 0, -50], [0, 0, 2.5, -30], [0, 0, 0, 1.0]])


def save(path, data, affine=AFFINE):
    nib.save(nib.Nifti1Image(np.asarray(data, "f4"), affine), path)
    return read_header(path)


@pytest.fixture
def ball(tmp_path):
    """A smooth ball of radius 14 mm, off the centre of a box of 82 × 90 × 75 mm."""
    ijk = np.indices((41, 45, 30)).reshape(3, -1)
    mm = (AFFINE[:3, :3] @ ijk).T + AFFINE[:3, 3]
    distance = np.linalg.norm(mm - [-3, -10, 4], axis=1)
    values = (1 / (1 + np.exp(distance - 14))).reshape(41, 45, 30).astype("f4")
    return SimpleNamespace(values=values, header=save(tmp_path / "ball.nii.gz", values))


def centre_of_mass(values, affine):
    place = [(values * index).sum() / values.sum() for index in np.indices(values.shape)]
    return affine[:3] @ np.append(place, 1)


@given(resolution=st.floats(2.6, 12))
@settings(max_examples=25, deadline=None)
def test_an_isotropic_grid_covers_the_box_around_one_centre(tmp_path_factory, resolution):
    header = save(tmp_path_factory.mktemp("grid") / "a.nii", np.zeros((41, 45, 30)))
    grid = isotropic_grid(header, resolution)
    np.testing.assert_allclose(grid.voxel_sizes, resolution, rtol=1e-6)
    extent, covered = np.array(header.shape) * header.voxel_sizes, np.array(grid.shape) * resolution
    assert (covered > extent - 1e-3).all() and (covered < extent + resolution).all()
    for one in (header, grid):
        middle = one.affine[:3] @ np.append((np.array(one.shape) - 1) / 2, 1)
        np.testing.assert_allclose(middle, [0, -6, 6.25], atol=1e-4)
    assert np.linalg.det(grid.affine[:3, :3]) < 0  # left stays left


@pytest.mark.parametrize(
    ("resolution", "interpolation"), [(6, "continuous"), (6, "linear"), (4, "nearest"), (1.5, "continuous")]
)
def test_total_place_and_range_survive(ball, resolution, interpolation):
    grid = isotropic_grid(ball.header, resolution)
    moved, info = resample(ball.values, ball.header, grid, interpolation)
    assert moved.shape == grid.shape and moved.dtype == np.float32 and info["resampled"]
    total = ball.values.sum() * 10, moved.sum() * resolution**3
    assert total[1] == pytest.approx(total[0], rel=0.01 if interpolation != "nearest" else 0.05)
    where = centre_of_mass(moved, grid.affine) - centre_of_mass(ball.values, ball.header.affine)
    assert np.abs(where).max() < 0.1 if interpolation != "nearest" else 0.5
    assert moved.min() >= 0 and moved.max() <= ball.values.max()


def test_larger_voxels_are_averages_not_samples(tmp_path):
    """White noise of sd 1 over 1 mm voxels has sd 1 / √216 in 6 mm averages; samples would keep 1."""
    noise = np.random.default_rng(0).normal(size=(60, 60, 60)).astype("f4")
    header = save(tmp_path / "noise.nii", noise, np.eye(4))
    moved, info = resample(noise, header, isotropic_grid(header, 6), "linear")
    assert info["averaging_fwhm_mm"] == pytest.approx(np.sqrt(35), abs=1e-3)
    assert moved[1:-1, 1:-1, 1:-1].std() < 0.12


def test_finer_grids_agree_with_nilearn(ball):
    from nilearn.image import resample_img

    grid = isotropic_grid(ball.header, 1.8)
    ours, _ = resample(ball.values, ball.header, grid, "continuous")
    theirs = resample_img(
        nib.Nifti1Image(ball.values, ball.header.affine), grid.affine, grid.shape, "continuous",
        copy_header=True, force_resample=True,
    ).get_fdata()  # fmt: skip
    core = (slice(2, -2),) * 3  # nilearn has 0 beyond the outermost voxels' centres
    np.testing.assert_allclose(ours[core], np.clip(theirs, 0, ball.values.max())[core], atol=1e-4)


def test_outside_the_box_there_is_nothing(ball):
    there = isotropic_grid(ball.header, 4)
    far = target_grid(ball.header, None, None)
    assert far is ball.header
    shifted = np.array(there.affine)
    shifted[2, 3] += 40
    from pydra_vae.images.grids import new_grid

    moved, info = resample(ball.values, ball.header, new_grid(there.shape, shifted, ball.header), "continuous")
    assert 0.4 < info["outside_field_of_view"] < 0.65
    assert not moved[:, :, -5:].any()
    shifted[2, 3] += 400
    with pytest.raises(ValueError, match="do not overlap"):
        resample(ball.values, ball.header, new_grid(there.shape, shifted, ball.header))


def test_same_grid_is_left_as_it_is(ball):
    moved, info = resample(ball.values, ball.header, ball.header)
    np.testing.assert_array_equal(moved, ball.values)
    assert info == {"resampled": False, "averaging_fwhm_mm": 0, "outside_field_of_view": 0}
    assert isotropic_grid(save(ball.header.path.with_name("iso.nii"), np.zeros((9, 9, 9)), np.eye(4)), 1).shape == (
        9,
        9,
        9,
    )


def test_smoothing_has_the_width_it_says():
    point = np.zeros((41, 41, 31), "f4")
    point[20, 20, 15] = 1
    smoothed = smooth(point, 10, np.array([2, 2, 2.5]))
    assert smoothed.sum() == pytest.approx(1, rel=1e-3)
    profile = smoothed[:, 20, 15] / smoothed.max()
    assert np.interp(5, np.arange(21) * 2, profile[20:]) == pytest.approx(0.5, abs=0.02)  # half of it at 5 mm


def test_different_grids_are_named(tmp_path, ball):
    other = save(tmp_path / "other.nii", np.zeros((20, 20, 20)), np.diag([4, 4, 4, 1.0]))
    check_common_grid([ball.header, ball.header])
    assert not same_grid(ball.header, other)
    with pytest.raises(
        ValueError,
        match=r"(?s)ball\.nii\.gz has 41×45×30 voxels of 2 × 2 × 2\.5 mm.*other\.nii 20×20×20 .*--resolution.*--grid",
    ):
        check_common_grid([ball.header, ball.header, other])


def test_resolutions_of_no_use(ball):
    for wrong, message in ((0, "above 0"), (-2, "above 0"), (0.05, "is it in mm"), (60, "is it in mm")):
        with pytest.raises(ValueError, match=message):
            isotropic_grid(ball.header, wrong)
