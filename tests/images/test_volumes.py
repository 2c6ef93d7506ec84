"""Streaming between 4-D images and voxels × time: the same numbers as nibabel and nilearn."""

import gzip
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.images.headers import check_runs, check_same_grid, check_t_r
from pydra_vae.images.volumes import (
    extract,
    load_mask,
    load_volume,
    read_header,
    save_nifti,
    save_series,
    unmask,
)

SHAPE = (6, 5, 4)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def mask(rng):
    return rng.random(SHAPE) > 0.5


@pytest.mark.parametrize("name", ["bold.nii", "bold.nii.gz"])
@pytest.mark.parametrize(
    ("dtype", "endian", "slope"),
    [("i2", "<", None), ("i2", ">", (0.25, -3)), ("u1", "<", (2, 0)), ("f4", ">", None), ("f8", "<", None),
     ("i4", ">", None), ("u2", "<", (0.1, 7))],
)  # fmt: skip
def test_extract_is_what_nibabel_reads(tmp_path, rng, mask, name, dtype, endian, slope, write):
    data = rng.integers(0, 200, (*SHAPE, 40)).astype(np.float64)
    path = write(tmp_path / name, data, dtype=np.dtype(dtype), endian=endian, slope=slope)
    expected = nib.load(path).get_fdata()[mask]
    series = extract(path, mask)
    assert series.dtype == np.float32
    assert series.flags.c_contiguous
    np.testing.assert_allclose(series, expected, rtol=1e-6)


def test_order_and_smoothing_are_those_of_nilearn(tmp_path, rng, mask, write, affine):
    from nilearn.image import smooth_img
    from nilearn.masking import apply_mask

    path = write(tmp_path / "bold.nii.gz", rng.normal(100, 10, (*SHAPE, 33)).astype("f4"))
    mask_image = nib.Nifti1Image(mask.astype("u1"), affine)
    np.testing.assert_array_equal(extract(path, mask), apply_mask(str(path), mask_image).T)
    expected = apply_mask(smooth_img(str(path), 6.0), mask_image).T
    np.testing.assert_allclose(extract(path, mask, smoothing_fwhm=6.0), expected, rtol=1e-5)


def test_smoothing_leaves_nan_voxels_as_they_are(tmp_path, rng, write):
    data = rng.normal(100, 1, (*SHAPE, 3)).astype("f4")
    data[2, 2, 2] = np.nan
    series = extract(write(tmp_path / "b.nii", data), np.ones(SHAPE, bool), smoothing_fwhm=5)
    image = unmask(series, np.ones(SHAPE, bool))
    assert np.isnan(image[2, 2, 2]).all()
    assert np.isfinite(image).sum() == (np.prod(SHAPE) - 1) * 3


def test_unmask_inverts_the_mask(rng, mask):
    values = rng.normal(size=(mask.sum(), 7)).astype("f4")
    np.testing.assert_array_equal(unmask(values, mask)[mask], values)
    assert not unmask(values, mask)[~mask].any()
    with pytest.raises(ValueError, match=rf"mask has {mask.sum()} voxels but there are values for 3"):
        unmask(np.zeros(3), mask)


@pytest.mark.parametrize("units", ["sec", "msec"])
@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_save_series_round_trip_keeps_geometry_and_timing(tmp_path, rng, mask, name, units, write):
    t_r = {"sec": 2.5, "msec": 2500}[units]
    like = read_header(write(tmp_path / "in.nii", np.zeros((*SHAPE, 40), "i2"), t_r, units=units, endian=">"))
    assert like.t_r == 2.5
    rows = rng.normal(size=(mask.sum(), 70)).astype("f4")
    out = save_series(tmp_path / name, rows, mask, like, t_r=like.t_r)
    np.testing.assert_array_equal(extract(out, mask), rows)
    image, old = nib.load(out), nib.load(like.path)
    np.testing.assert_array_equal(image.affine, old.affine)
    for code in ("sform_code", "qform_code", "xyzt_units"):
        assert image.header[code] == old.header[code]
    np.testing.assert_allclose(image.header["pixdim"][:5], old.header["pixdim"][:5], rtol=1e-6)
    assert not np.asarray(image.dataobj)[~mask].any()
    assert [p.name for p in tmp_path.iterdir()] == ["in.nii", name] or len(list(tmp_path.iterdir())) == 2


def test_equal_data_give_equal_files(tmp_path, rng, mask, write):
    like = read_header(write(tmp_path / "in.nii", np.zeros(SHAPE, "i2")))
    array = rng.normal(size=SHAPE)
    one, two = (save_nifti(tmp_path / n, array, like).read_bytes() for n in ("a.nii.gz", "b.nii.gz"))
    assert one == two


def test_save_nifti_types(tmp_path, mask, write):
    like = read_header(write(tmp_path / "in.nii", np.zeros(SHAPE, "i2")))
    np.testing.assert_array_equal(load_mask(save_nifti(tmp_path / "m.nii.gz", mask, like), like), mask)
    assert nib.load(tmp_path / "m.nii.gz").get_data_dtype() == np.uint8
    four = np.random.default_rng(1).normal(size=(*SHAPE, 3))
    np.testing.assert_allclose(nib.load(save_nifti(tmp_path / "f.nii", four, like)).get_fdata(), four, rtol=1e-6)


@pytest.mark.parametrize("name", ["bold.nii", "bold.nii.gz"])
@pytest.mark.parametrize("keep", [0.7, 0.97])
def test_truncated_image_is_named(tmp_path, rng, mask, name, keep, write):
    path = write(tmp_path / name, rng.integers(0, 9999, (*SHAPE, 200)).astype("i2"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ValueError, match=rf"{name} is truncated or damaged: volume \d+ of 200"):
        extract(path, mask)


def test_truncated_header_and_checksum(tmp_path, rng, mask, write):
    path = write(tmp_path / "bold.nii.gz", rng.integers(0, 9999, (*SHAPE, 40)).astype("i2"))
    whole = path.read_bytes()
    for damaged in (whole[:40], b"", b"no image"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"bold\.nii\.gz cannot be read as a NIfTI image"):
            read_header(path)
    path.write_bytes(whole[:-8] + b"\0" * 8)
    with pytest.raises(ValueError, match=r"bold\.nii\.gz (is truncated or damaged|cannot be read)"):
        extract(path, mask)


def test_gzip_in_several_members_with_padding_is_read(tmp_path, rng, mask, write):
    """bgzip writes many members; some tools pad the end with zeros."""
    whole = write(tmp_path / "bold.nii", rng.normal(size=(*SHAPE, 40)).astype("f4"))
    data = whole.read_bytes()
    parts = [data[i : i + 5000] for i in range(0, len(data), 5000)]
    other = tmp_path / "bold.nii.gz"
    other.write_bytes(b"".join(map(gzip.compress, parts)) + bytes(512))
    np.testing.assert_array_equal(extract(other, mask), extract(whole, mask))


def test_missing_files_and_datalad_links(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such image: .*x\.nii"):
        read_header(tmp_path / "x.nii")
    (tmp_path / "link.nii").symlink_to(tmp_path / "annex")
    with pytest.raises(FileNotFoundError, match=r"datalad get link\.nii"):
        read_header(tmp_path / "link.nii")


def test_mask_of_another_grid(tmp_path, write, affine):
    bold = read_header(write(tmp_path / "bold.nii", np.zeros((*SHAPE, 40), "i2")))
    shape = write(tmp_path / "shape.nii", np.ones((6, 5, 5), "u1"))
    with pytest.raises(ValueError, match=r"mask .*shape\.nii has 6×5×5 voxels, but .*bold\.nii has 6×5×4"):
        load_mask(shape, bold)
    moved = affine.copy()
    moved[0, 3] += 1
    turned = write(tmp_path / "affine.nii", np.ones(SHAPE, "u1"), affine=moved)
    with pytest.raises(ValueError, match=r"mask .*affine\.nii and .*bold\.nii have other affines .*difference 1"):
        load_mask(turned, bold)
    with pytest.raises(ValueError, match=r"empty\.nii has no voxel"):
        load_mask(write(tmp_path / "empty.nii", np.zeros(SHAPE, "u1")), bold)
    with pytest.raises(ValueError, match="mask has the shape"):
        extract(bold.path, np.ones((2, 2, 2), bool))


def test_runs_that_cannot_be_joined(tmp_path, write, affine):
    def bold(name, shape=SHAPE, frames=40, **kwargs):
        return write(tmp_path / name, np.zeros((*shape, frames), "i2"), **kwargs)

    one = bold("one.nii")
    assert [h.n_frames for h in check_runs([one, bold("more.nii", frames=33)], [2.0, None])] == [40, 33]
    moved = affine.copy()
    moved[2, 3] += 2
    for other, message in (
        (bold("t_r.nii", t_r=1.5), r"t_r\.nii has TR = 1\.5 s, but .*one\.nii has 2 s"),
        (bold("grid.nii", (6, 5, 3)), r"run .*grid\.nii has 6×5×3 voxels, but .*one\.nii has 6×5×4"),
        (bold("moved.nii", affine=moved), r"run .*moved\.nii and .*one\.nii have other affines"),
        (bold("short.nii", frames=31), r"short\.nii has 31 volumes: at least 32 are needed"),
        (write(tmp_path / "flat.nii", np.zeros(SHAPE)), r"flat\.nii has 1 volume: at least 32"),
    ):
        with pytest.raises(ValueError, match=message):
            check_runs([one, other])


def test_header_against_sidecar(tmp_path, write):
    header = read_header(write(tmp_path / "bold.nii", np.zeros((*SHAPE, 40), "i2")))
    assert check_t_r(header, 2.0) == check_t_r(header, None) == 2.0
    with pytest.raises(ValueError, match=r"bold\.nii says TR = 2 s, but x\.json says RepetitionTime = 1\.5 s"):
        check_t_r(header, 1.5, "x.json")
    none = read_header(write(tmp_path / "none.nii", np.zeros((*SHAPE, 40), "i2"), t_r=0))
    assert none.t_r is None
    assert check_t_r(none, 1.5) == 1.5
    with pytest.raises(ValueError, match=r"no repetition time: the header of .*none\.nii has none"):
        check_t_r(none, None)


FULL_DISK = """
import resource, sys, numpy as np
from pathlib import Path
from pydra_vae.images.volumes import read_header, save_nifti, save_series
like = read_header(Path("in.nii"))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
rows = np.random.default_rng(0).normal(size=(120, 500)).astype("f4")
mask = np.ones((6, 5, 4), bool)
for write in (lambda: save_series(Path(sys.argv[1]), rows, mask, like, 2.0),
              lambda: save_nifti(Path(sys.argv[1]), rows.reshape(6, 5, 4, 500), like)):
    try:
        write()
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_a_full_disk_leaves_nothing_under_the_final_name(tmp_path, name, write):
    write(tmp_path / "in.nii", np.zeros(SHAPE, "i2"))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, name], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.count(f"nothing was kept under this name: '{name}'") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["in.nii"]


MEMORY = """
import resource, sys, numpy as np
from pathlib import Path
from pydra_vae.images.volumes import extract, load_mask, read_header, save_series
mask = load_mask(Path("mask.nii.gz"))
extract(Path("mask4.nii.gz"), mask)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
series = extract(Path("bold.nii.gz"), mask)
save_series(Path("out.nii.gz"), series, mask, read_header(Path("bold.nii.gz")), 1.0)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, series.nbytes)
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="ru_maxrss has another unit there")
def test_memory_is_that_of_the_mask(tmp_path, write):
    """300 volumes of 64³ are 315 MB as float32; a mask of 2,000 voxels, 2.4 MB."""
    mask = np.zeros((64, 64, 64), bool)
    mask[10:20, 10:20, 10:30] = True
    like = read_header(write(tmp_path / "mask.nii.gz", mask.astype("u1")))
    save_nifti(tmp_path / "mask4.nii.gz", np.zeros((64, 64, 64, 1)), like)
    save_series(tmp_path / "bold.nii.gz", np.ones((2000, 300), "f4"), mask, like, 1.0)
    done = subprocess.run([sys.executable, "-c", MEMORY], cwd=tmp_path, capture_output=True, text=True, check=True)
    grown, series = map(int, done.stdout.split())
    assert grown < 4 * series + 10e6


def test_real_scaled_and_unscaled_masks(shared_data):
    template = shared_data / "templateflow" / "tpl-MNI152NLin2009cAsym"
    scaled = template / "tpl-MNI152NLin2009cAsym_res-02_desc-brain_mask.nii.gz"
    values, _ = load_volume(scaled)
    np.testing.assert_allclose(values, nib.load(scaled).get_fdata(), rtol=1e-6)


def test_real_bold_is_what_nilearn_reads(shared_data):
    from nilearn.masking import apply_mask

    func = shared_data / "derivatives" / "studyforrest" / "sub-02" / "func"
    bold = next(func.glob("*_bold.nii.gz"))
    brain = next(func.glob("*_mask.nii.gz"))
    header = read_header(bold)
    assert (header.shape, header.n_frames, header.t_r) == ((42, 45, 29), 156, 2.0)
    check_same_grid(read_header(brain), header, "mask")
    np.testing.assert_array_equal(
        extract(bold, load_mask(brain, header)), apply_mask(str(bold), str(brain), dtype="f4").T
    )
