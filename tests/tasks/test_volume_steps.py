"""PrepareVolume → MakeVolumeMask → StackVolumes → RegionalVolumes, WriteVolumes; Covariates; FetchOasis."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.tables import write_table
from pydra_vae.bids.volumes import find_volumes
from pydra_vae.engine.step import call
from pydra_vae.images.volumes import load_mask
from pydra_vae.tasks.covariates import Covariates
from pydra_vae.tasks.fetch_oasis import FetchOasis
from pydra_vae.tasks.make_volume_mask import MakeVolumeMask
from pydra_vae.tasks.prepare_volume import PrepareVolume
from pydra_vae.tasks.regional_volumes import RegionalVolumes
from pydra_vae.tasks.stack_volumes import StackVolumes
from pydra_vae.tasks.write_volumes import WriteVolumes

SHAPE = (10, 12, 8)
AFFINE = np.array([[-2, 0, 0, 9], [0, 2, 0, -8], [0, 0, 2, 3], [0, 0, 0, 1.0]])
LABELS = [f"sub-{i}" for i in range(5)]
PARTS = ["train", "train", "train", "validation", "test"]


def save(path, data, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(data, "f4"), affine), path)
    return path


def read_json(path):
    return json.loads(Path(path).read_text())


@pytest.fixture
def split(tmp_path):
    rows = [{"label": name, "person": name, "part": part} for name, part in zip(LABELS, PARTS, strict=True)]
    return write_table(tmp_path / "split.tsv", rows)


@pytest.fixture
def maps(tmp_path):
    """Probabilities: a core of .5 to .9, a rim that only test images have, a corner that is 1 in every image."""
    rng = np.random.default_rng(0)
    paths = []
    for name, part in zip(LABELS, PARTS, strict=True):
        data = np.zeros(SHAPE)
        data[2:8, 2:10, 2:6] = rng.uniform(0.5, 0.9, (6, 8, 4))
        data[0, 0, 0] = 1
        if part == "test":
            data[8, 2:10, 2:6] = 0.9
        paths.append(save(tmp_path / f"{name}.nii.gz", data))
    return paths


def test_the_mask_knows_training_images_only(tmp_path, maps, split):
    made = call(MakeVolumeMask, cwd=tmp_path / "m", volumes=maps, volume_split=split)
    mask, info = load_mask(made.mask), read_json(made.info)
    assert mask.sum() == 6 * 8 * 4 == info["n_voxels"] and not mask[8].any()
    assert not mask[0, 0, 0] and info["n_constant_dropped"] == 1
    assert (info["unit"], info["mask_rule"]) == ("probability", "mean of the training images above 0.08")
    assert info["n_training_images"] == 3
    mean = np.mean([nib.load(path).get_fdata() for path in maps[:3]], axis=0)
    np.testing.assert_allclose(nib.load(made.mean).get_fdata(), mean, atol=1e-6)


def test_stacked_rows_are_the_images_and_go_back(tmp_path, maps, split):
    made = call(MakeVolumeMask, cwd=tmp_path / "m", volumes=maps, volume_split=split)
    stack = call(StackVolumes, cwd=tmp_path / "s", volumes=maps, labels=LABELS, mask=made.mask, mask_info=made.info)
    values, info, mask = np.load(stack.volumes), read_json(stack.info), load_mask(made.mask)
    assert values.dtype == np.float32 and values.shape == (info["n_images"], info["n_voxels"]) == (5, 192)
    for row, path in zip(values, maps, strict=True):
        np.testing.assert_array_equal(row, nib.load(path).get_fdata(dtype="f4")[mask])
    assert info["shape"] == list(SHAPE) and info["affine"] == AFFINE.tolist() and info["voxel_size_mm"] == [2, 2, 2]
    assert info["labels"] == LABELS and info["mask_rule"].startswith("mean of the training")
    back = call(WriteVolumes, cwd=tmp_path / "w", values=stack.volumes, mask=made.mask, names=LABELS)
    image = nib.load(back.image)
    assert image.shape == (*SHAPE, 5) and np.array_equal(image.affine, AFFINE)
    np.testing.assert_array_equal(image.get_fdata(dtype="f4")[mask].T, values)
    assert not image.get_fdata()[~mask].any()
    filled = call(WriteVolumes, cwd=tmp_path / "f", values=stack.volumes, mask=made.mask, names=LABELS, fill=-1.0)
    assert (nib.load(filled.image).get_fdata()[~mask] == -1).all()
    assert pd.read_csv(filled.table, sep="\t").name.tolist() == LABELS


def test_a_given_mask_is_brought_to_the_grid(tmp_path, maps, split):
    coarse = save(tmp_path / "mask.nii.gz", np.ones((3, 4, 4)), np.diag([-4, 4, 4, 1.0]) + _shift(8, -7, 4))
    made = call(MakeVolumeMask, cwd=tmp_path / "m", volumes=maps, volume_split=split, mask_file=coarse)
    info = read_json(made.info)
    assert info["mask_resampled"] and "nearest voxel" in info["mask_rule"] and info["mask_file"] == "mask.nii.gz"
    # the given box is 6 × 8 × 8 voxels of 2 mm from the first one on; what varies there starts at 2, 2, 2
    assert load_mask(made.mask)[2:6, 2:8, 2:6].all() and load_mask(made.mask).sum() == 4 * 6 * 4


def _shift(*mm):
    shift = np.zeros((4, 4))
    shift[:3, 3] = mm
    return shift


def test_masks_of_intensities(tmp_path, split):
    rng = np.random.default_rng(1)
    brain = np.zeros(SHAPE, bool)
    brain[2:8, 2:10, 2:6] = True
    images = [
        save(tmp_path / f"i{i}.nii", np.where(brain, rng.normal(900, 60, SHAPE), rng.uniform(0, 9, SHAPE)))
        for i in range(5)
    ]
    made = call(MakeVolumeMask, cwd=tmp_path / "a", volumes=images, volume_split=split)
    assert np.array_equal(load_mask(made.mask), brain)
    assert read_json(made.info)["mask_rule"] == "mean of the training images above 10% of its 98th percentile"
    smaller = brain.copy()
    smaller[2] = False
    masks = [save(tmp_path / f"m{i}.nii", smaller if i in (0, 1) else brain) for i in range(5)]
    made = call(MakeVolumeMask, cwd=tmp_path / "b", volumes=images, volume_split=split, brain_masks=masks)
    assert np.array_equal(load_mask(made.mask), smaller)  # two of the three training images
    scored = [save(tmp_path / f"z{i}.nii", np.where(brain, rng.normal(size=SHAPE), 0)) for i in range(5)]
    made = call(MakeVolumeMask, cwd=tmp_path / "c", volumes=scored, volume_split=split)
    assert np.array_equal(load_mask(made.mask), brain) and read_json(made.info)["unit"] == "intensity"


def test_preparing(tmp_path):
    rng = np.random.default_rng(2)
    brain = np.zeros(SHAPE)
    brain[2:8, 2:10, 2:6] = 1
    image, mask = save(tmp_path / "i.nii.gz", rng.uniform(50, 150, SHAPE)), save(tmp_path / "b.nii", brain)
    inside = brain > 0

    def prepared(name, **options):
        made = call(PrepareVolume, cwd=tmp_path / name, image=image, **options)
        return nib.load(made.volume), read_json(made.info)

    same, info = prepared("none")
    np.testing.assert_array_equal(same.get_fdata(dtype="f4"), nib.load(image).get_fdata(dtype="f4"))
    assert same.get_data_dtype() == np.float32 and not info["resampled"] and info["unit"] == "intensity"
    values = prepared("z", normalization="zscore", brain_mask=mask)[0].get_fdata()
    assert values[inside].mean() == pytest.approx(0, abs=1e-5) and values[inside].std() == pytest.approx(1, abs=1e-5)
    assert not values[~inside].any()
    values = prepared("minmax", normalization="minmax", brain_mask=mask)[0].get_fdata()
    assert (values[inside].min(), values[inside].max()) == pytest.approx((0, 1))
    assert prepared("mean", normalization="mean")[0].get_fdata().mean() == pytest.approx(1, abs=1e-5)
    coarse, info = prepared("coarse", resolution=4.0)
    assert coarse.shape == (5, 6, 4) and info["voxel_size_mm"] == [4, 4, 4] and info["averaging_fwhm_mm"] > 3
    like, info = prepared("like", grid=coarse.get_filename())
    assert like.shape == coarse.shape and np.array_equal(like.get_fdata(), coarse.get_fdata())
    smooth = prepared("smooth", smoothing_fwhm=6.0)[0].get_fdata()
    assert smooth[3:7, 4:8, 3:5].std() < 0.3 * nib.load(image).get_fdata().std()


def test_one_box_serves_images_of_several(tmp_path):
    """With a grid and a resolution, all images go to cubic voxels over the grid's box."""
    rng = np.random.default_rng(3)
    one, other = (
        save(tmp_path / "1.nii", rng.random(SHAPE)),
        save(tmp_path / "2.nii", rng.random((6, 7, 9)), AFFINE * 1.0),
    )
    made = [call(PrepareVolume, cwd=tmp_path / i.name[0], image=i, grid=one, resolution=3.0) for i in (one, other)]
    a, b = (nib.load(m.volume) for m in made)
    assert a.shape == b.shape and np.array_equal(a.affine, b.affine)
    assert read_json(made[1].info)["outside_field_of_view"] > 0.3


def test_regions_are_sums_in_ml(tmp_path, maps, split):
    atlas = np.zeros(SHAPE)
    atlas[2:5, 2:10, 2:6], atlas[5:8, 2:10, 2:6], atlas[9], atlas[2, 2, 2] = 1, 2, 3, 4
    dseg, table = save(tmp_path / "a_dseg.nii.gz", atlas), tmp_path / "a_dseg.tsv"
    table.write_text("index\tname\n1\tLeft\n2\tRight\n3\tFar\n4\tSmall\n")
    made = call(MakeVolumeMask, cwd=tmp_path / "m", volumes=maps, volume_split=split)
    stack = call(StackVolumes, cwd=tmp_path / "s", volumes=maps, labels=LABELS, mask=made.mask)
    out = call(
        RegionalVolumes, cwd=tmp_path / "r", volumes=stack.volumes, mask=made.mask, volumes_info=stack.info,
        atlas=dseg, labels=table,
    )  # fmt: skip
    regions, info = pd.read_csv(out.regions, sep="\t"), read_json(out.info)
    assert list(regions) == ["label", "Left", "Right", "whole mask"] and regions.label.tolist() == LABELS
    data = nib.load(maps[1]).get_fdata()
    assert regions.Right[1] == pytest.approx(data[5:8, 2:10, 2:6].sum() * 8 / 1000)
    assert regions.Left[1] == pytest.approx(data[atlas == 1].sum() * 8 / 1000)
    assert regions["whole mask"][1] == pytest.approx(data[2:8, 2:10, 2:6].sum() * 8 / 1000)
    assert info["left_out"] == {"Far": 0, "Small": 1} and info["unit"] == "ml" and info["n_voxels"]["Right"] == 96


def test_an_atlas_of_the_template_on_real_data(tmp_path, shared_data):
    """Schaefer's 100 parcels at 2 mm over a made-up 6 mm map of ones: ml are the parcels' own volumes."""
    folder = shared_data / "templateflow" / "tpl-MNI152NLin2009cAsym"
    stem = "tpl-MNI152NLin2009cAsym_{}atlas-Schaefer2018_desc-{}_dseg"
    for desc in ("100Parcels17Networks", "200Parcels17Networks"):
        dseg = folder / (stem.format("res-02_", desc) + ".nii.gz")
        image = nib.load(dseg)
        whole = np.asarray(image.dataobj) > 0
        ones = save(tmp_path / desc / "gm.nii", np.where(whole, 1.0, 0.0), image.affine)
        prepared = call(PrepareVolume, cwd=tmp_path / desc / "p", image=ones, resolution=6.0)
        mask = save(
            tmp_path / desc / "mask.nii", nib.load(prepared.volume).get_fdata() > 0.01, nib.load(prepared.volume).affine
        )
        stack = call(StackVolumes, cwd=tmp_path / desc / "s", volumes=[prepared.volume], labels=["a"], mask=mask)
        out = call(
            RegionalVolumes, cwd=tmp_path / desc / "r", volumes=stack.volumes, mask=mask,
            volumes_info=stack.info, atlas=dseg,
        )  # fmt: skip
        regions = pd.read_csv(out.regions, sep="\t")
        assert regions["whole mask"][0] == pytest.approx(whole.sum() * 8 / 1000, rel=0.01)
        assert read_json(out.info)["atlas_resampled"] and regions.shape[1] > 95


def test_covariates_step(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\nsub-2\t50\tM\nsub-1\tn/a\tF\n")
    made = call(
        Covariates, cwd=tmp_path / "c", tables=[tmp_path / "participants.tsv"], labels=["sub-1", "sub-2"],
        persons=["sub-1", "sub-2"], sessions=["", ""],
    )  # fmt: skip
    text = Path(made.covariates).read_text()
    assert text == "label\tperson\tsession\tage\tsex\nsub-1\tsub-1\tn/a\tn/a\tF\nsub-2\tsub-2\tn/a\t50\tM\n"
    assert read_json(made.info)["columns"]["age"]["n_missing"] == 1


@pytest.fixture
def oasis(tmp_path):
    """What fetch_oasis_vbm leaves in nilearn's folder, for the first persons."""
    rng = np.random.default_rng(0)
    rows = ["ID,M/F,Hand,Age,Educ,SES,MMSE,CDR,eTIV,nWBV,ASF,Delay"]
    for n in (1, 2, 3):
        name = f"OAS1_{n:04d}_MR1"
        for tissue in "12":
            save(
                tmp_path / "oasis1" / name / f"mwrc{tissue}{name}_mpr_anon_fslswapdim_bet.nii.gz",
                rng.random((4, 4, 4)),
            )
        rows.append(f"{name},{'FM'[n % 2]},R,{70 + n},2,3,29,0,1344,0.743,1.306,N/A")
    (tmp_path / "oasis1" / "oasis_cross-sectional.csv").write_text(
        "\n".join([*rows, "OAS1_0009_MR1,F,R,20,,,,,1,1,1,N/A"])
    )
    (tmp_path / "oasis1" / "data_usage_agreement.txt").write_text("agreed")
    return tmp_path


def test_oasis_is_a_table_of_images_and_covariates(tmp_path, oasis):
    made = call(FetchOasis, cwd=tmp_path / "o", n_subjects=3, data_dir=str(oasis))
    table = pd.read_csv(made.table, sep="\t")
    assert table.participant_id.tolist() == ["sub-OAS10001", "sub-OAS10002", "sub-OAS10003"]
    assert table.age.tolist() == [71, 72, 73] and table.sex.tolist() == ["M", "F", "M"]
    assert "socioeconomic_status" in table and "ses" not in table
    volumes, problems = find_volumes(Path(made.table))
    assert [v.label for v in volumes] == table.participant_id.tolist() and not problems
    assert all("mwrc1" in v.path.name and v.session == "" for v in volumes)
    white = pd.read_csv(
        call(FetchOasis, cwd=tmp_path / "w", n_subjects=2, data_dir=str(oasis), tissue="wm").table, sep="\t"
    )
    assert white.path.str.contains("mwrc2").all() and len(white) == 2


def test_oasis_without_a_network_says_what_to_copy(tmp_path, oasis, monkeypatch):
    import requests
    from nilearn.datasets import _utils

    def offline(*_, **__):
        raise requests.exceptions.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests.Session, "send", offline)
    monkeypatch.setattr(_utils, "_NUMBER_OF_ATTEMPTS", 1, raising=False)
    with pytest.raises(ValueError, match=r"(?s)OASIS could not be downloaded.*copy its folder oasis1 to .*OAS1_\*_MR1"):
        call(FetchOasis, cwd=tmp_path / "o", n_subjects=5, data_dir=str(oasis))
