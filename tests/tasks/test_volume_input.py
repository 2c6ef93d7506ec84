"""Bad input of maps and covariates: each message says which file, what was found, what was needed, what to do."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.bids.tables import write_table
from pydra_vae.engine.step import call
from pydra_vae.tasks.covariates import Covariates
from pydra_vae.tasks.make_volume_mask import MakeVolumeMask
from pydra_vae.tasks.prepare_volume import PrepareVolume
from pydra_vae.tasks.regional_volumes import RegionalVolumes
from pydra_vae.tasks.stack_volumes import StackVolumes
from pydra_vae.tasks.write_volumes import WriteVolumes

SHAPE = (8, 9, 7)
LABELS = ["sub-1", "sub-2", "sub-3"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def study(tmp_path, rng):
    """Three maps of probabilities, their split, and a way to write another."""

    def save(name, data, affine=None):
        nib.save(
            nib.Nifti1Image(np.asarray(data, "f4"), np.diag([3, 3, 3, 1.0]) if affine is None else affine),
            tmp_path / name,
        )
        return tmp_path / name

    maps = [save(f"{label}.nii", rng.uniform(0.2, 1, SHAPE)) for label in LABELS]
    parts = ["train", "train", "test"]
    split = write_table(
        tmp_path / "split.tsv",
        [{"label": name, "person": name, "part": part} for name, part in zip(LABELS, parts, strict=True)],
    )
    return SimpleNamespace(save=save, maps=maps, split=split, mask=save("mask.nii", np.ones(SHAPE)), folder=tmp_path)


def prepare(study, image, **options):
    return call(PrepareVolume, cwd=study.folder / "p", image=image, **options)


def make_mask(study, maps=None, **options):
    return call(MakeVolumeMask, cwd=study.folder / "m", volumes=maps or study.maps, volume_split=study.split, **options)


def stack(study, maps, labels=None, mask=None):
    return call(
        StackVolumes,
        cwd=study.folder / "s",
        volumes=maps,
        labels=labels or LABELS[: len(maps)],
        mask=mask or study.mask,
    )


def test_maps_of_different_grids(study, rng):
    larger = study.save("larger.nii", rng.random((10, 9, 7)))
    shifted = study.save("shifted.nii", rng.random(SHAPE), np.diag([3, 3, 3, 1.0]) + np.eye(4, k=3))
    for other, found in ((larger, "10×9×7 voxels of 3 × 3 × 3 mm"), (shifted, r"the first at \(1, 0, 0\)")):
        message = (
            rf"(?s)different grids \(1 of 2 differ.*sub-1 \(.*8×9×7 voxels.*sub-2 \(.*{found}.*--resolution.*--grid"
        )
        with pytest.raises(ValueError, match=message):
            make_mask(study, [study.maps[0], other, study.maps[2]])
        with pytest.raises(ValueError, match=rf"(?s)the mask .*sub-2 \(.*{other.name}.*--resolution"):
            stack(study, [study.maps[0], other])


@pytest.mark.parametrize("value", [0, 1, -3.5])
def test_a_constant_map_is_named(study, value):
    flat = study.save("flat.nii", np.full(SHAPE, value))
    with pytest.raises(ValueError, match=rf"flat\.nii is constant: every voxel is {value:g}"):
        prepare(study, flat)
    with pytest.raises(ValueError, match=r"flat\.nii is constant"):
        stack(study, [study.maps[0], flat])


def test_a_map_that_is_constant_where_it_counts(study):
    data = np.zeros(SHAPE)
    data[0, 0, 0] = 1
    corner, rest = study.save("corner.nii", data), study.save("rest.nii", 1 - data)
    with pytest.raises(ValueError, match=r"sub-1 \(.*corner\.nii\) is constant \(0\) inside the mask"):
        stack(study, [corner], mask=rest)
    with pytest.raises(
        ValueError, match=r"corner\.nii cannot be scaled by zscore.*brain mask, or use the normalization none"
    ):
        prepare(study, corner, normalization="zscore", brain_mask=rest)
    with pytest.raises(ValueError, match="no voxel above 0 to take its scale from: give its brain mask"):
        prepare(study, study.save("negative.nii", data - 2), normalization="mean")


def test_copies_of_one_image_teach_nothing(study):
    with pytest.raises(ValueError, match="are constant over the 2 training images: there is nothing to learn"):
        make_mask(study, [study.maps[0]] * 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(study, rng, value):
    data = rng.random(SHAPE)
    data[2, 3, :2] = value
    image = study.save("holes.nii", data)
    message = r"holes\.nii has 2 of 504 voxels that are NaN or infinite: write 0 where there is no brain"
    with pytest.raises(ValueError, match=message):
        prepare(study, image)
    with pytest.raises(ValueError, match=message):
        stack(study, [image])
    with pytest.raises(ValueError, match=r"sub-2 \(.*holes\.nii\) has values that are not finite: prepare it"):
        make_mask(study, [study.maps[0], image, study.maps[2]])


def test_files_that_are_no_map(study, rng):
    with pytest.raises(ValueError, match=r"series\.nii has 5 volumes, but one map an image is needed.*StackFrames"):
        prepare(study, study.save("series.nii", rng.random((*SHAPE, 5))))
    broken = study.folder / "broken.nii.gz"
    broken.write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(ValueError, match=r"broken\.nii\.gz cannot be read as a NIfTI image.*download it again"):
        prepare(study, broken)
    one = study.save("one.nii", rng.random((*SHAPE, 1)))  # 4-D by name only
    assert nib.load(prepare(study, one).volume).shape == SHAPE


def test_images_of_another_space(study):
    far = study.save("far.nii", np.ones(SHAPE), np.diag([3, 3, 3, 1.0]) + 500 * np.eye(4, k=3))
    with pytest.raises(ValueError, match=r"(?s)do not overlap.*are both in one space"):
        prepare(study, study.maps[0], grid=far)
    with pytest.raises(ValueError, match=r"do not overlap|no voxel of the mask .*far\.nii lies on the grid"):
        make_mask(study, mask_file=far)


def test_resolutions_that_cannot_be_meant(study):
    with pytest.raises(ValueError, match=r"resolution is -2\.0 mm: it must be above 0"):
        prepare(study, study.maps[0], resolution=-2.0)
    with pytest.raises(ValueError, match="is it in mm"):
        prepare(study, study.maps[0], resolution=200.0)
    with pytest.raises(ValueError, match=r"smoothing is -1\.0 mm"):
        prepare(study, study.maps[0], smoothing_fwhm=-1.0)


def test_a_threshold_that_leaves_nothing(study):
    message = (
        r"no voxel is left by the rule: mean of the training images above 1\.1\. .*2 training images lies .*--mask"
    )
    with pytest.raises(ValueError, match=message):
        make_mask(study, threshold=1.1)
    with pytest.raises(ValueError, match=r"mask .*empty\.nii has no voxel"):
        make_mask(study, mask_file=study.save("empty.nii", np.zeros(SHAPE)))


def test_lists_that_do_not_match(study):
    with pytest.raises(ValueError, match="2 volumes but the split lists 3"):
        make_mask(study, study.maps[:2])
    with pytest.raises(ValueError, match="2 volumes but 1 labels: give one label for each image"):
        stack(study, study.maps[:2], ["a"])
    values = study.folder / "v.npy"
    np.save(values, np.zeros((2, 10), "f4"))
    with pytest.raises(ValueError, match="2 rows but 1 names"):
        call(WriteVolumes, cwd=study.folder / "w", values=values, mask=study.mask, names=["a"])
    with pytest.raises(ValueError, match=r"values for 10 voxels, but the mask .*mask\.nii has 504"):
        call(WriteVolumes, cwd=study.folder / "w", values=values, mask=study.mask, names=["a", "b"])
    made = stack(study, study.maps)
    with pytest.raises(ValueError, match=r"images × voxels \(2, 10\), but .* lists 3 images"):
        call(
            RegionalVolumes, cwd=study.folder / "r", volumes=values, mask=study.mask,
            volumes_info=made.info, atlas=study.mask,
        )  # fmt: skip


def test_atlases_that_do_not_fit(study):
    made = stack(study, study.maps)
    inputs = {"cwd": study.folder / "r", "volumes": made.volumes, "mask": study.mask, "volumes_info": made.info}
    small = np.zeros(SHAPE)
    small[0, 0, :3] = 1
    with pytest.raises(ValueError, match=r"no region of the atlas .*small\.nii has 5 voxels within the mask"):
        call(RegionalVolumes, atlas=study.save("small.nii", small), **inputs)
    with pytest.raises(ValueError, match="no integers: a label image"):
        call(RegionalVolumes, atlas=study.maps[0], **inputs)


def test_covariates_that_are_missing(study):
    table = study.folder / "participants.tsv"
    table.write_text("participant_id\tage\nsub-1\t30\nsub-2\t40\n")
    inputs = {"cwd": study.folder / "c", "tables": [table], "persons": LABELS, "labels": LABELS}
    with pytest.raises(
        ValueError, match=r"1 of 3 persons are in no table of covariates: sub-3\. .*lists sub-1, sub-2: add them"
    ):
        call(Covariates, **inputs)
    table.write_text("participant_id\tage\nsub-1\t30\nsub-2\t40\nsub-3\tn/a\n")
    with pytest.raises(ValueError, match=r"no covariate score .*there are: age\. Choose among these.*--covariates"):
        call(Covariates, columns=["score"], **inputs)
