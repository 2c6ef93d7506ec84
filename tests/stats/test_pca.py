"""PCA by the T × T scatter matrix against the singular value decomposition."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from pydra_vae.stats import pca as pca_module
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.pca import fit_pca

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(200, 6)) * [5, 4, 3, 2, 1, 0.5]) @ RNG.normal(size=(6, 40))
X = X + 0.1 * RNG.normal(size=X.shape) + np.sin(np.arange(40))


def test_agrees_with_sklearn():
    ours, theirs = fit_pca(X, 4), PCA(4, svd_solver="full").fit(X)
    np.testing.assert_allclose(ours.mean, theirs.mean_, atol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(ours.components * theirs.components_, axis=1)), 1)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_)
    np.testing.assert_allclose(ours.reconstruct(X), theirs.inverse_transform(theirs.transform(X)), atol=1e-9)


def test_components_are_orthonormal_and_nested():
    pca = fit_pca(X, 6)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(pca.first(2).components, fit_pca(X, 2).components, atol=1e-8)
    assert (np.diff(pca.explained) < 0).all()


def test_blocks_of_rows_change_nothing(monkeypatch):
    whole = fit_pca(X, 5)
    monkeypatch.setattr(pca_module, "row_chunks", lambda n, m: row_chunks(n, m, 8 * m * 7))
    np.testing.assert_allclose(fit_pca(X, 5).components, whole.components, atol=1e-9)


def test_rows_choose_the_training_voxels():
    rows = np.arange(200) < 120
    np.testing.assert_allclose(fit_pca(X, 3, rows=rows).components, fit_pca(X[:120], 3).components, atol=1e-12)


def test_frames_of_weight_zero_have_no_part():
    weights = np.ones(40)
    weights[[0, 7]] = 0
    spoilt = X.copy()
    spoilt[:, [0, 7]] = 1e6 * RNG.normal(size=(200, 2))
    used = weights.astype(bool)
    pca = fit_pca(spoilt, 4, weights)
    np.testing.assert_allclose(pca.components[:, used], fit_pca(X[:, used], 4).components, atol=1e-9)
    assert not pca.components[:, ~used].any()
    np.testing.assert_allclose(pca.reconstruct(spoilt)[:, 0], spoilt[:, 0].mean())


def test_too_many_components():
    with pytest.raises(ValueError, match="8 voxels × 40 usable frames cannot have 9 components"):
        fit_pca(X[:8], 9)
    with pytest.raises(ValueError, match="has 3 components, not 4"):
        fit_pca(X, 3).first(4)
