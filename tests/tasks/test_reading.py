"""MakeMask → MaskBold → … → WriteLatentMaps, WriteDenoised: as steps, from file to file."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.images.volumes import extract, load_mask
from pydra_vae.tasks.make_mask import MakeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.write_maps import WriteDenoised, WriteLatentMaps

SHAPE, LENGTHS, T_R = (5, 6, 4), (50, 40), 1.5
AFFINE = np.array([[-2, 0, 0, 9], [0, 2, 0, -8], [0, 0, 2.5, 3], [0, 0, 0, 1.0]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def save(path, data, t_r=T_R):
    image = nib.Nifti1Image(data, AFFINE)
    image.set_sform(AFFINE, 4)
    image.set_qform(AFFINE, 2)
    if data.ndim == 4:
        image.header.set_zooms((2, 2, 2.5, t_r))
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return path


@pytest.fixture
def subject(tmp_path, rng):
    """Two runs with one NaN, one infinite and one constant voxel, and their brain masks."""
    bolds, masks, brain = [], [], np.zeros(SHAPE, "u1")
    brain[1:-1, 1:-1] = 1
    for r, length in enumerate(LENGTHS):
        data = rng.normal(1000 + 50 * r, 20, (*SHAPE, length)).astype("f4")
        data[1, 1, 0, 7], data[1, 1, 1, 3], data[1, 1, 2] = np.nan, np.inf, 42
        bolds.append(save(tmp_path / f"run{r}_bold.nii.gz", data))
        masks.append(save(tmp_path / f"run{r}_mask.nii.gz", brain))
    return bolds, masks


@pytest.fixture
def confounds(tmp_path, rng):
    table = pd.DataFrame(
        {
            "framewise_displacement": [np.nan, *rng.uniform(0, 0.3, LENGTHS[0] - 1)],
            "std_dvars": 1.0,
            "csf": rng.normal(size=LENGTHS[0]),
            "white_matter": rng.normal(size=LENGTHS[0]),
            "non_steady_state_outlier00": [1, *[0] * (LENGTHS[0] - 1)],
        }
    )
    for axis in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"):
        table[axis] = rng.normal(size=LENGTHS[0])
    table.loc[[20, 21], "framewise_displacement"] = 2.0
    path = tmp_path / "sub-1_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def read_json(file):
    return json.loads(Path(file).read_text())


def mask_runs(folder, bolds, masks, **options):
    made = call(MakeMask, cwd=folder / "mask", bolds=bolds, brain_masks=masks)
    runs = [call(MaskBold, cwd=folder / f"r{i}", bold=b, mask=made.mask, **options) for i, b in enumerate(bolds)]
    return made, runs


def test_series_are_the_volumes_voxels(tmp_path, subject):
    made, runs = mask_runs(tmp_path, *subject)
    mask = load_mask(made.mask)
    assert read_json(made.info) == {"mask_from": "brain mask", "n_brain_masks": 2, "n_voxels": 48}
    assert len(pd.read_csv(made.voxels, sep="\t")) == 48
    for bold, run in zip(subject[0], runs, strict=True):
        np.testing.assert_array_equal(np.load(run.series), nib.load(bold).get_fdata(dtype="f4")[mask])
        frames = pd.read_csv(run.frames, sep="\t", keep_default_na=False)
        assert list(frames) == ["frame", "weight", "reason"]
        assert frames["weight"].all()
        assert set(frames["reason"]) == {"n/a"}
        info = read_json(run.info)
        assert (info["n_voxels_not_finite"], info["n_voxels_constant"], info["repetition_time"]) == (2, 1, T_R)


def test_options_of_one_run(tmp_path, subject, confounds):
    made, _ = mask_runs(tmp_path, *subject)
    run = call(
        MaskBold, cwd=tmp_path / "clean", bold=subject[0][0], mask=made.mask, confounds=confounds, strategy="simple",
        motion="basic", fd_threshold=0.5, dummy_scans=3, smoothing_fwhm=4.0, high_pass=0.02,
    )  # fmt: skip
    frames = pd.read_csv(run.frames, sep="\t", keep_default_na=False)
    expected = ["dummy+non_steady_state", "dummy", "dummy", "scrub", "scrub"]
    assert frames.loc[frames["weight"] == 0, "reason"].tolist() == expected
    assert np.nonzero(frames["weight"] == 0)[0].tolist() == [0, 1, 2, 20, 21]
    info = read_json(run.info)
    assert info["censored"] == {"dummy": 3, "non_steady_state": 1, "scrub": 2}
    assert (info["n_frames"], info["n_frames_used"]) == (50, 45)
    assert len(info["regressors"]) == 8
    series, mask = np.load(run.series), load_mask(made.mask)
    smooth = extract(subject[0][0], mask, 4.0)
    usable = np.isfinite(smooth).all(axis=1)
    kept = frames["weight"].to_numpy(bool)
    np.testing.assert_allclose(series[usable][:, kept].mean(1), smooth[usable][:, kept].mean(1), rtol=1e-6)
    table = pd.read_csv(confounds, sep="\t", na_values="n/a")
    residual = series[usable][:, kept] - series[usable][:, kept].mean(1, keepdims=True)
    csf = table["csf"][kept] - table["csf"][kept].mean()
    assert np.abs(residual @ csf).max() < 1e-3 * np.linalg.norm(residual) * np.linalg.norm(csf)
    np.testing.assert_allclose(series[usable, 0], series[usable, 3])
    np.testing.assert_array_equal(series[~usable], smooth[~usable])


def test_runs_that_leave_nothing(tmp_path, subject, confounds):
    made, _ = mask_runs(tmp_path, *subject)
    bold = subject[0][0]

    def masked(**options):
        return call(MaskBold, cwd=tmp_path / "x", mask=made.mask, **{"bold": bold} | options)

    with pytest.raises(
        ValueError, match=r"31 of 50 frames of .*run0_bold\.nii\.gz are left after censoring \(dummy 19"
    ):
        masked(dummy_scans=19)
    flat = save(tmp_path / "flat.nii.gz", np.full((*SHAPE, 40), 7, "f4"))
    with pytest.raises(ValueError, match=r"none of the 48 voxels of .*flat\.nii\.gz .* 48 are constant over time"):
        masked(bold=flat)
    with pytest.raises(ValueError, match=r"has 1 volume: at least 32"):
        masked(bold=save(tmp_path / "one.nii.gz", np.zeros(SHAPE, "f4")))
    sidecar = tmp_path / "bold.json"
    sidecar.write_text('{"RepetitionTime": 2}')
    with pytest.raises(ValueError, match=r"run0_bold.* says TR = 1\.5 s, but .*bold\.json says RepetitionTime = 2 s"):
        masked(sidecar=sidecar)
    sidecar.write_text("[")
    with pytest.raises(ValueError, match=r"bold\.json cannot be read as a JSON object"):
        masked(sidecar=sidecar)
    table = pd.read_csv(confounds, sep="\t", na_values="n/a").assign(cosine00=np.arange(50))
    table.to_csv(confounds, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(ValueError, match="the strategy simple removes slow drifts already"):
        masked(confounds=confounds, strategy="simple", motion="basic", high_pass=0.01)


def test_denoised_runs_have_the_inputs_frames_geometry_and_units(tmp_path, subject):
    """With the scaled series themselves as reconstruction, each run comes back as it was read."""
    bolds, masks = subject
    made, runs = mask_runs(tmp_path, bolds, masks, dummy_scans=2)
    joined = call(Normalize, cwd=tmp_path / "n", series=[r.series for r in runs], frames=[r.frames for r in runs])
    mask = load_mask(made.mask)
    for index, (bold, run) in enumerate(zip(bolds, runs, strict=True)):
        denoised = call(
            WriteDenoised, cwd=tmp_path / f"d{index}", reconstruction=joined.scaled, scaled=joined.scaled,
            scaling=joined.scaling, frames=joined.frames, series=run.series, mask=made.mask, bold=bold, run_index=index,
        ).denoised  # fmt: skip
        image, old = nib.load(denoised), nib.load(bold)
        assert image.shape == old.shape
        np.testing.assert_array_equal(image.affine, old.affine)
        assert image.header.get_zooms() == old.header.get_zooms()
        for key in ("sform_code", "qform_code", "xyzt_units"):
            assert image.header[key] == old.header[key]
        found, read = image.get_fdata()[mask], np.load(run.series)
        np.testing.assert_allclose(found, read, rtol=1e-5)  # NaN, inf and constant voxels included
        assert not image.get_fdata()[~mask].any()


def test_means_are_restored(tmp_path, subject, rng):
    bolds, masks = subject
    made, runs = mask_runs(tmp_path, bolds, masks)
    joined = call(Normalize, cwd=tmp_path / "n", series=[r.series for r in runs], frames=[r.frames for r in runs])
    scaled = np.load(joined.scaled)
    np.save(tmp_path / "rec.npy", scaled * 0.5 + rng.normal(size=(len(scaled), 1)).astype("f4"))
    usable = np.isfinite(np.load(runs[0].series)).all(1) & (np.ptp(np.load(runs[0].series), axis=1) > 0)

    def mean_of(**options):
        found = call(
            WriteDenoised, cwd=tmp_path / "d", reconstruction=tmp_path / "rec.npy", scaled=joined.scaled,
            scaling=joined.scaling, frames=joined.frames, series=runs[0].series, mask=made.mask, bold=bolds[0],
            run_index=0, **options,
        ).denoised  # fmt: skip
        return extract(found, load_mask(made.mask))[usable].mean(1)

    truth = np.load(runs[0].series)[usable].mean(1)
    assert np.abs(mean_of() - truth).max() < 0.1 * np.abs(mean_of(restore_mean=False) - truth).max()


def test_files_of_other_runs_are_refused(tmp_path, subject):
    bolds, masks = subject
    made, runs = mask_runs(tmp_path, bolds, masks)
    joined = call(Normalize, cwd=tmp_path / "n", series=[r.series for r in runs], frames=[r.frames for r in runs])
    same = {"scaled": joined.scaled, "scaling": joined.scaling, "frames": joined.frames, "mask": made.mask}
    with pytest.raises(
        ValueError, match=r"run 1 of the scaling has 48 voxels × 40 frames, but .*\(48, 50\).* 50 volumes"
    ):
        call(WriteDenoised, cwd=tmp_path / "d", reconstruction=joined.scaled, series=runs[0].series, bold=bolds[0],
             run_index=1, **same)  # fmt: skip
    np.save(tmp_path / "few.npy", np.zeros((3, 90), "f4"))
    with pytest.raises(ValueError, match=r"few\.npy has 3 rows, but the scaling kept 45 voxels"):
        call(WriteDenoised, cwd=tmp_path / "d", reconstruction=tmp_path / "few.npy", series=runs[0].series,
             bold=bolds[0], run_index=0, **same)  # fmt: skip
    with pytest.raises(ValueError, match="run_index is 2, but the scaling was made for 2 runs"):
        call(WriteDenoised, cwd=tmp_path / "d", reconstruction=joined.scaled, series=runs[0].series, bold=bolds[0],
             run_index=2, **same)  # fmt: skip


def test_latent_maps(tmp_path, subject, rng):
    bolds, masks = subject
    made, runs = mask_runs(tmp_path, bolds, masks)
    joined = call(Normalize, cwd=tmp_path / "n", series=[r.series for r in runs], frames=[r.frames for r in runs])
    latents = rng.normal(size=(45, 9)).astype("f4")
    np.save(tmp_path / "latents.npy", latents)
    maps = nib.load(
        call(
            WriteLatentMaps,
            cwd=tmp_path / "l",
            latents=tmp_path / "latents.npy",
            scaling=joined.scaling,
            mask=made.mask,
        ).maps
    )
    assert maps.shape == (*SHAPE, 9)
    np.testing.assert_array_equal(maps.affine, AFFINE)
    values = maps.get_fdata(dtype="f4")[load_mask(made.mask)]
    dropped = ~values.any(axis=1)
    assert dropped.sum() == 3
    np.testing.assert_array_equal(values[~dropped], latents)


def test_real_runs(tmp_path, shared_data):
    func = shared_data / "derivatives" / "haxby" / "sub-01" / "func"
    bolds, masks = (sorted(func.glob(f"*run-[12]_*_{kind}.nii.gz")) for kind in ("bold", "mask"))
    made = call(MakeMask, cwd=tmp_path / "m", bolds=bolds, brain_masks=masks)
    run = call(
        MaskBold, cwd=tmp_path / "r", bold=bolds[0], mask=made.mask,
        sidecar=bolds[0].with_name(bolds[0].name.replace(".nii.gz", ".json")),
        confounds=func / bolds[0].name.replace("space-T1w_desc-preproc_bold.nii.gz", "desc-confounds_timeseries.tsv"),
    )  # fmt: skip
    assert np.load(run.series).shape == (129, 121)
