"""What the networks must reach on real data within how much CPU time: one thread, seed 0, random 70/10/20 split."""

import time

import nibabel as nib
import numpy as np
import pytest
import torch

from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.splits import TEST, TRAIN, VALIDATION, split_voxels
from pydra_vae.training.cvae import CvaeLoss, cvae_recipe, fit_cvae

pytestmark = pytest.mark.slow


def scaled(bold, mask):
    """Per-voxel min-max; constant voxels dropped."""
    x = nib.load(bold).get_fdata(dtype=np.float32)[nib.load(mask).get_fdata() > 0]
    spread = np.ptp(x, axis=1)
    x, spread = x[spread > 0], spread[spread > 0]
    return (x - x.min(1, keepdims=True)) / spread[:, None]


@pytest.fixture(scope="module")
def studyforrest(shared_data):
    stem = shared_data / "derivatives/studyforrest/sub-02/func/sub-02_task-oneback_run-1_space-T1w_desc-"
    return scaled(f"{stem}preproc_bold.nii.gz", f"{stem}brain_mask.nii.gz")


@pytest.fixture(scope="module")
def haxby(shared_data):
    stem = shared_data / "bold/haxby2001_sub001_1slice_"
    return scaled(f"{stem}12runs_bold.nii.gz", f"{stem}mask.nii.gz")


def run(x, network, skip, seed=0, mixing=0.0, **options):
    """Test MSE of the model and of PCA-9, the validation error of both at step 0, and CPU seconds of the fit."""
    split = split_voxels("random", len(x), seed=seed)
    started = time.process_time()
    pca = fit_pca(x, 9, rows=split == TRAIN)
    model, fit = fit_cvae(
        x, split, network=network, components=pca.components if skip else None, seed=seed,
        loss=CvaeLoss(mixing=mixing), recipe=cvae_recipe("fast", network, "pca" if skip else "none", **options),
    )  # fmt: skip
    seconds = time.process_time() - started
    with torch.no_grad():
        test = torch.from_numpy(x[split == TEST])
        mse = float((model(test) - test).square().mean())
    of_pca = {part: np.square(x - pca.reconstruct(x))[split == part].mean() for part in (VALIDATION, TEST)}
    return mse, of_pca[TEST], fit.history[0]["val_mse"] / of_pca[VALIDATION], seconds


@pytest.mark.parametrize(
    ("network", "skip", "options", "mse", "seconds"),
    [
        ("lk", False, {"max_steps": 500}, 0.0144, 20),
        ("lk", False, {}, 0.0128, 60),
        ("lk", True, {}, 0.0123, 30),
        ("dense", True, {}, 0.0112, 15),
    ],
)
def test_error_within_cpu_seconds(studyforrest, network, skip, options, mse, seconds):
    reached, of_pca, start, took = run(studyforrest, network, skip, **options)
    print(f"{network} skip={skip} {options}: {reached:.5f} in {took:.1f} CPU-s, PCA-9 {of_pca:.5f}")
    assert of_pca == pytest.approx(0.01437, abs=0.0002)
    assert reached <= mse
    assert took <= seconds
    if skip:
        assert start == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("mixing", [0.0, 0.5])
@pytest.mark.parametrize("network", ["lk", "dense"])
def test_with_the_skip_the_end_is_never_worse_than_pca(haxby, network, mixing):
    """One slice of 530 voxels: far too few for a network, so the best weights are PCA's."""
    reached, of_pca, start, _ = run(haxby, network, True, mixing=mixing, max_steps=100)
    assert start == pytest.approx(1, rel=1e-4)
    assert reached <= 1.01 * of_pca


@pytest.mark.parametrize(("network", "skip"), [("lk", True), ("dense", True), ("dense", False)])
def test_nothing_is_gained_on_a_gaussian_surrogate(studyforrest, network, skip):
    """Same mean and covariance, but Gaussian: no code of size 9 beats PCA-9, so a gain would be a leak."""
    mean, covariance = studyforrest.mean(0), np.cov(studyforrest.T)
    rng = np.random.default_rng(0)
    surrogate = rng.multivariate_normal(mean, covariance, len(studyforrest), method="cholesky").astype(np.float32)
    reached, of_pca, *_ = run(surrogate, network, skip)
    print(f"{network} skip={skip}: {100 * (reached / of_pca - 1):+.2f} % of PCA-9")
    assert reached >= 0.995 * of_pca
    if skip:
        assert reached <= 1.01 * of_pca
