"""The PCA of images against a singular value decomposition, both ways round and a block at a time."""

import numpy as np
import pytest

from pydra_vae.stats import volume_pca
from pydra_vae.stats.volume_pca import fit_volume_pca


@pytest.mark.parametrize("shape", [(30, 200), (200, 30)], ids=["more voxels", "more images"])
def test_agrees_with_the_singular_values(shape, monkeypatch):
    monkeypatch.setattr(volume_pca, "BLOCK_BYTES", 8 * 30 * 7)  # several blocks, the last one shorter
    rng = np.random.default_rng(0)
    x = (rng.normal(size=shape) * rng.gamma(1, 1, shape[1]) + 5).astype(np.float32)
    rows = np.sort(rng.permutation(len(x))[: len(x) * 2 // 3])
    pca = fit_volume_pca(x, rows, 6)
    centred = x[rows].astype(float) - x[rows].astype(float).mean(axis=0)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(pca.variance, values[:6] ** 2 / len(rows), rtol=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(pca.components * vectors[:6], axis=1)), 1, atol=1e-8)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(6), atol=1e-10)
    assert pca.total == pytest.approx((values**2).sum() / len(rows))


def test_images_of_another_part_have_no_influence():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20, 50))
    spoiled = x.copy()
    spoiled[15:] += 1e6
    rows = np.arange(15)
    np.testing.assert_array_equal(fit_volume_pca(x, rows, 4).components, fit_volume_pca(spoiled, rows, 4).components)


def test_no_components_of_rounding():
    """Images of rank 2 have two components, not eight."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 60)) + 3
    pca = fit_volume_pca(x, np.arange(20), 8)
    assert len(pca.components) == 2
    np.testing.assert_allclose(pca.reconstruct(x), x, atol=1e-9)
    np.testing.assert_allclose(pca.reconstruct(x, 0), np.tile(pca.mean, (20, 1)))


def test_misuse():
    with pytest.raises(ValueError, match="cannot have 5 components: ask for at least 1 and at most 4"):
        fit_volume_pca(np.eye(5), np.arange(5), 5)
    with pytest.raises(ValueError, match="5 images to fit are all equal"):
        fit_volume_pca(np.ones((5, 9)), np.arange(5), 2)
