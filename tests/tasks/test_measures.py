"""Normalize → SplitVoxels → FitControls → ReconstructionError, Tsnr: as steps, from file to file."""

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.stats.normalise import Scaling
from pydra_vae.tasks._io import load_controls
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.normalize import Normalize
from pydra_vae.tasks.reconstruction_error import ReconstructionError
from pydra_vae.tasks.split_voxels import SplitVoxels
from pydra_vae.tasks.tsnr import Tsnr
from pydra_vae.tasks.write_maps import WriteDenoised

LENGTHS = (60, 40)
AFFINE = np.diag([6.0, 6, 6, 1])


def write_subject(folder, residual=False):
    """Files as MakeMask and MaskBold write them: 12 × 12 × 10 voxels, two runs, ten parcels."""
    rng = np.random.default_rng(0)
    mask = np.zeros((14, 14, 12), np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    nib.save(nib.Nifti1Image(mask, AFFINE), folder / "mask.nii.gz")
    ijk = np.argwhere(mask)
    voxels = pd.DataFrame(ijk, columns=["i", "j", "k"])
    voxels["parcel"] = ijk[:, 0]
    voxels["name"] = [f"P{p}" for p in voxels["parcel"]]
    voxels["network"] = "n/a"
    voxels.to_csv(folder / "voxels.tsv", sep="\t", index=False)
    loadings = rng.normal(size=(len(ijk), 5))
    series, frames = [], []
    for r, length in enumerate(LENGTHS):
        x = loadings @ rng.normal(size=(5, length)) + rng.normal(size=(len(ijk), length))
        x = x - x.mean(axis=1, keepdims=True) if residual else 1000 + 20 * r + 10 * x
        x[3] = np.nan
        x[4] = 0
        weight = np.ones(length, int)
        weight[:2] = 0
        reason = np.where(weight, "n/a", "dummy")
        path = folder / f"series-{r}.npy"
        np.save(path, x.astype(np.float32))
        series.append(path)
        path = folder / f"frames-{r}.tsv"
        table = pd.DataFrame({"frame": np.arange(length), "weight": weight, "reason": reason})
        table.to_csv(path, sep="\t", index=False)
        frames.append(path)
    return SimpleNamespace(mask=folder / "mask.nii.gz", voxels=folder / "voxels.tsv", series=series, frames=frames)


def up_to_controls(folder, files, scheme="random", **normalize):
    """The steps before the fit; PCA-9's reconstruction stands in for the model's."""
    n = call(Normalize, cwd=folder / "n", series=files.series, frames=files.frames, **normalize)
    split = call(
        SplitVoxels, cwd=folder / "s", mask=files.mask, voxels=files.voxels,
        scaling=n.scaling, scheme=scheme,
    )  # fmt: skip
    controls = call(FitControls, cwd=folder / "c", scaled=n.scaled, voxel_split=split.voxel_split, frames=n.frames)
    decoded = folder / "reconstruction.npy"
    x = np.load(n.scaled)
    np.save(decoded, load_controls(controls.controls)[9].reconstruct(x).astype(np.float32))
    common = {
        "scaled": n.scaled, "reconstruction": decoded, "scaling": n.scaling, "frames": n.frames,
        "controls": controls.controls, "mask": files.mask,
    }  # fmt: skip
    return SimpleNamespace(normalized=n, split=split.voxel_split, common=common)


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subject")
    files = write_subject(folder)
    return SimpleNamespace(folder=folder, files=files, **vars(up_to_controls(folder, files)))


def test_normalize(subject):
    n = subject.normalized
    x, scaling = np.load(n.scaled), Scaling.load(n.scaling)
    assert x.dtype == np.float32 and x.shape == scaling.shape == (1438, 100)
    frames = pd.read_csv(n.frames, sep="\t", keep_default_na=False)
    assert list(frames) == ["run", "frame", "weight", "reason"]
    assert frames["run"].value_counts().to_dict() == {0: 60, 1: 40}
    assert frames["reason"].value_counts().to_dict() == {"n/a": 96, "dummy": 4}
    used = frames["weight"].to_numpy(bool)
    np.testing.assert_allclose(x[:, used].max(axis=1), 1, atol=1e-5)
    info = json.loads(Path(n.info).read_text())
    assert (info["voxels_constant"], info["voxels_not_finite"], info["frames_used"]) == (1, 1, 96)
    runs = [np.load(path) for path in subject.files.series]
    restored = scaling.invert(x)
    np.testing.assert_allclose(restored, np.hstack(runs)[scaling.kept], rtol=1e-6)


def test_errors_beside_their_controls(subject):
    out = call(ReconstructionError, cwd=subject.folder / "e", voxel_split=subject.split, **subject.common)
    table = pd.read_csv(out.metrics, sep="\t").set_index("model")
    assert list(table.index) == ["cvae", "pca-9 = ica-9", "pca-16", "shrinkage", "voxel mean"]
    assert set(table["split"]) == {"random"}
    cvae, pca, mean = table.loc["cvae"], table.loc["pca-9 = ica-9"], table.loc["voxel mean"]
    np.testing.assert_allclose(cvae.drop("split").astype(float), pca.drop("split").astype(float), rtol=1e-3)
    shrunk = (1 - np.sqrt(cvae["variance_ratio"])) ** 2 * mean["mse_test"]
    assert table.loc["shrinkage", "mse_test"] == pytest.approx(shrunk, rel=1e-3)
    assert table.loc["shrinkage", "variance_ratio"] == pytest.approx(cvae["variance_ratio"], rel=1e-5)
    assert table.loc["pca-16", "mse_test"] < pca["mse_test"] < mean["mse_test"]
    assert mean["r2"] == pytest.approx(0, abs=1e-6)
    assert mean["variance_ratio"] == pytest.approx(0, abs=1e-6)
    volume = nib.load(out.mse_map).get_fdata()
    scaling = Scaling.load(subject.normalized.scaling)
    mask = nib.load(subject.files.mask).get_fdata() > 0
    assert not volume[~mask].any()
    assert np.count_nonzero(volume[mask]) == scaling.kept.sum()
    emse = pd.read_csv(out.emse, sep="\t")
    assert len(emse) == 100 and emse["cvae"][emse["weight"] == 1].mean() == pytest.approx(cvae["emse_all"], rel=1e-5)
    assert emse["cvae"][50] == pytest.approx(cvae["emse_frame"], rel=1e-5)  # the middle of 100
    codes = [w["code"] for w in json.loads(Path(out.warnings).read_text())]
    assert codes in ([], ["no_gain_over_pca"])


def test_emse_frame_out_of_range(subject):
    with pytest.raises(ValueError, match="at frame 900, but there are 100 frames"):
        call(
            ReconstructionError, cwd=subject.folder / "e2", voxel_split=subject.split, emse_frame=900,
            **subject.common,
        )  # fmt: skip


def test_tsnr(subject):
    out = call(Tsnr, cwd=subject.folder / "t", voxels=subject.files.voxels, **subject.common)
    table = pd.read_csv(out.tsnr, sep="\t").set_index("model")
    assert list(table.index) == ["cvae", "pca-9 = ica-9", "pca-16", "shrinkage"]
    assert set(table["units"]) == {"scanner"}
    # a gain that says nothing: the same factor for every voxel, known from the variance ratio
    shrinkage = table.loc["shrinkage"]
    assert shrinkage["gain_mean"] == pytest.approx(shrinkage["gain_median"], rel=1e-3)
    assert shrinkage["gain_mean"] == pytest.approx(table.loc["cvae", "gain_mean"], rel=0.3)
    assert table.loc["cvae", "wilcoxon_log10p"] < -200 and table.loc["cvae", "effect_size"] > 0.99
    assert table.loc["cvae", "n_parcels"] == 12
    assert table.loc["cvae", "wilcoxon_log10p_parcels"] == pytest.approx(np.log10(2 * 0.5**12))
    parcels = pd.read_csv(out.parcels, sep="\t", keep_default_na=False)
    assert list(parcels) == ["parcel", "name", "network", "before", "after", "gain", "n"]
    assert parcels["n"].sum() == 1438
    before, after, change = (nib.load(p).get_fdata() for p in (out.before, out.after, out.change))
    inside = before > 0
    np.testing.assert_allclose(change[inside], 100 * (after[inside] / before[inside] - 1), rtol=1e-3)
    runs = [np.load(path)[:, 2:] for path in subject.files.series]
    scaling = Scaling.load(subject.normalized.scaling)
    runs = [run[scaling.kept] for run in runs]
    expected = np.mean([r.mean(axis=1) / r.std(axis=1) for r in runs], axis=0)
    mask = nib.load(subject.files.mask).get_fdata() > 0
    np.testing.assert_allclose(before[mask][scaling.kept], expected, rtol=1e-3)


def test_scaled_units_are_another_number(subject):
    out = call(Tsnr, cwd=subject.folder / "t2", voxels=subject.files.voxels, units="scaled", **subject.common)
    table = pd.read_csv(out.tsnr, sep="\t")
    assert set(table["units"]) == {"scaled"} and table["before_mean"][0] < 10


def test_residuals(tmp_path):
    files = write_subject(tmp_path, residual=True)
    done = up_to_controls(tmp_path, files)
    assert json.loads(Path(done.normalized.info).read_text())["residual"] is True
    with pytest.raises(ValueError, match="tSNR in scanner units is undefined: the data are residuals"):
        call(Tsnr, cwd=tmp_path / "t", voxels=files.voxels, units="scanner", **done.common)
    out = call(Tsnr, cwd=tmp_path / "t", voxels=files.voxels, **done.common)
    assert set(pd.read_csv(out.tsnr, sep="\t")["units"]) == {"scaled"}
    mean = tmp_path / "mean.nii.gz"
    nib.save(nib.Nifti1Image(np.full((14, 14, 12), 800, np.float32), AFFINE), mean)
    with pytest.raises(ValueError, match="without the mask"):
        call(Normalize, cwd=tmp_path / "m", series=files.series, frames=files.frames, mean_image=mean)
    (tmp_path / "with").mkdir()
    done = up_to_controls(tmp_path / "with", files, mean_image=mean, mask=files.mask)
    out = call(Tsnr, cwd=tmp_path / "t3", voxels=files.voxels, units="scanner", **done.common)
    assert pd.read_csv(out.tsnr, sep="\t")["before_mean"][0] > 100

    # the denoised run has the residuals' own units everywhere, in dropped voxels too
    run, weight = np.load(files.series[1]), pd.read_csv(files.frames[1], sep="\t")["weight"].to_numpy(bool)
    bold, volume = tmp_path / "bold.nii.gz", np.zeros((14, 14, 12, LENGTHS[1]), np.float32)
    mask = nib.load(files.mask).get_fdata() > 0
    volume[mask] = run
    nib.save(nib.Nifti1Image(volume, AFFINE), bold)
    given = {name: done.common[name] for name in ("scaled", "reconstruction", "scaling", "frames", "mask")}
    denoised = call(WriteDenoised, cwd=tmp_path / "d", series=files.series[1], bold=bold, run_index=1, t_r=2.0, **given)
    found = nib.load(denoised.denoised).get_fdata()[mask]
    kept = Scaling.load(done.normalized.scaling).kept
    assert np.abs(found[kept][:, weight].mean(axis=1)).max() < 1  # of a mean image of 800
    assert 0.5 < found[kept].std() / run[kept].std() < 1
    np.testing.assert_array_equal(found[~kept], run[~kept])


def test_mean_image_where_none_belongs(subject, tmp_path):
    mean = tmp_path / "mean.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((14, 14, 12), np.float32), AFFINE), mean)
    with pytest.raises(ValueError, match="the series have their mean already"):
        call(
            Normalize, cwd=tmp_path, series=subject.files.series, frames=subject.files.frames,
            mean_image=mean, mask=subject.files.mask,
        )  # fmt: skip


def test_splits(subject):
    for scheme in ("blocked", "parcel"):
        split = call(
            SplitVoxels, cwd=subject.folder / scheme, mask=subject.files.mask, scheme=scheme,
            voxels=subject.files.voxels, scaling=subject.normalized.scaling,
        ).voxel_split  # fmt: skip
        assert np.load(split).dtype == np.int8 and set(np.load(split)) == {0, 1, 2}


def test_a_mask_too_small_for_blocks(subject, tmp_path):
    voxels = pd.read_csv(subject.files.voxels, sep="\t", keep_default_na=False)
    voxels["i"] //= 6  # squeezed into a few cubes
    voxels.to_csv(tmp_path / "voxels.tsv", sep="\t", index=False)
    given = {
        "mask": subject.files.mask, "voxels": tmp_path / "voxels.tsv",
        "scaling": subject.normalized.scaling, "scheme": "blocked",
    }  # fmt: skip
    with pytest.raises(ValueError, match="no blocked split: it needs at least 20 blocks"):
        call(SplitVoxels, cwd=tmp_path, **given)
    out = call(SplitVoxels, cwd=tmp_path, if_impossible="skip", **given)
    assert "no blocked split" in out.why_not and not np.load(out.voxel_split).any()


def test_too_few_frames(tmp_path):
    files = write_subject(tmp_path)
    for path in files.frames:
        table = pd.read_csv(path, sep="\t")
        table["weight"] = (np.arange(len(table)) < 10).astype(int)
        table.to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match="20 usable frames are left of 100: at least 32"):
        call(Normalize, cwd=tmp_path, series=files.series, frames=files.frames)


def test_small_data_leave_the_larger_pca_out(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "scaled.npy", rng.normal(size=(14, 40)).astype(np.float32))
    np.save(tmp_path / "split.npy", np.repeat(np.int8([0, 1, 2]), [10, 2, 2]))
    files = {"scaled": tmp_path / "scaled.npy", "voxel_split": tmp_path / "split.npy"}
    assert list(load_controls(call(FitControls, cwd=tmp_path / "a", **files).controls)) == [9]
    with pytest.raises(ValueError, match="10 voxels × 40 usable frames cannot have 12 components"):
        call(FitControls, cwd=tmp_path / "b", latent_dim=12, **files)


def test_files_of_another_kind_are_named(tmp_path, subject):
    with pytest.raises(ValueError, match=r"scaling\.safetensors holds no controls"):
        load_controls(subject.normalized.scaling)
    with pytest.raises(ValueError, match=r"voxels\.tsv has no column 'weight'"):
        call(
            FitControls, cwd=tmp_path, scaled=subject.normalized.scaled, voxel_split=subject.split,
            frames=subject.files.voxels,
        )  # fmt: skip
