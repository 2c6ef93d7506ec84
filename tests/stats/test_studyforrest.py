"""The linear controls on real data, where their values are known."""

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.splits import TEST, TRAIN, split_voxels


@pytest.fixture(scope="module")
def series(shared_data):
    folder = shared_data / "derivatives" / "studyforrest" / "sub-02" / "func"
    bold = nib.load(next(folder.glob("*desc-preproc_bold.nii.gz")))
    mask = nib.load(next(folder.glob("*desc-brain_mask.nii.gz"))).get_fdata() > 0
    return bold.get_fdata(dtype=np.float32)[mask]


def test_pca_on_a_random_split(series):
    scaling = Scaling.fit([series])
    assert scaling.shape == (8541, 156) and not scaling.residual
    scaled = scaling.apply([series])
    np.testing.assert_allclose(scaling.invert(scaled), series, rtol=1e-6)
    split = split_voxels("random", len(scaled), seed=0)
    pca, test = fit_pca(scaled, 16, rows=split == TRAIN), scaled[split == TEST]
    errors = [np.mean((test - pca.first(k).reconstruct(test)) ** 2) for k in (9, 16)]
    assert errors[0] == pytest.approx(0.01437, abs=0.0002)
    assert errors[1] / errors[0] == pytest.approx(0.74, abs=0.01)
    assert test.var(axis=1).mean() == pytest.approx(0.0404, abs=0.0002)  # the voxel mean
