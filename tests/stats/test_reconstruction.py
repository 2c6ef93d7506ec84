"""Errors of a reconstruction against their definitions, and the control that deletes signal."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from pydra_vae.stats import reconstruction as module
from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.reconstruction import (
    compare,
    emse_frame,
    random_voxels,
    reconstruction_errors,
    shrink,
    voxel_mean,
)
from pydra_vae.stats.tsnr import gain, tsnr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 50)) * RNG.uniform(0.5, 2, size=(300, 1)) + RNG.normal(size=(300, 1))
Y = X + 0.3 * RNG.normal(size=X.shape)
WEIGHTS = (np.arange(50) > 4).astype(int)
USED = WEIGHTS.astype(bool)


def test_definitions():
    errors = reconstruction_errors(X, Y, WEIGHTS)
    square = ((X - Y) ** 2)[:, USED]
    np.testing.assert_allclose(errors.voxel, square.mean(axis=1))
    assert errors.mse() == pytest.approx(square.mean())
    assert errors.mse(np.arange(300) < 20) == pytest.approx(square[:20].mean())
    assert errors.emse() == pytest.approx(square.mean())
    assert errors.emse(10) == pytest.approx(np.mean((X - Y)[:, 10] ** 2))
    centred = X[:, USED] - X[:, USED].mean(axis=1, keepdims=True)
    assert errors.r2() == pytest.approx(1 - square.sum() / (centred**2).sum())
    expected = Y[:, USED].var(axis=1).sum() / X[:, USED].var(axis=1).sum()
    assert errors.variance_ratio() == pytest.approx(expected)


def test_several_models_at_once_are_each_as_alone():
    pca = fit_pca(X, 3, WEIGHTS)
    together = compare(X, {"noisy": Y, "pca": pca.reconstruct}, WEIGHTS)
    for name, model in (("noisy", Y), ("pca", pca.reconstruct)):
        alone = reconstruction_errors(X, model, WEIGHTS)
        assert together[name].mse() == alone.mse()
        assert together[name].emse(10) == alone.emse(10)
        assert together[name].variance_ratio() == alone.variance_ratio()


def test_blocks_and_functions_change_nothing(monkeypatch):
    pca = fit_pca(X, 5)
    whole = reconstruction_errors(X, pca.reconstruct(X), WEIGHTS)
    monkeypatch.setattr(module, "row_chunks", lambda n, m: row_chunks(n, m, 8 * m * 7))
    parts = reconstruction_errors(X.astype(np.float64), pca.reconstruct, WEIGHTS)
    np.testing.assert_allclose(parts.voxel, whole.voxel)
    np.testing.assert_allclose(parts.frame, whole.frame)


def test_controls_at_their_known_values():
    mean = reconstruction_errors(X, lambda x: voxel_mean(x, WEIGHTS), WEIGHTS)
    assert mean.r2() == pytest.approx(0) and mean.variance_ratio() == pytest.approx(0)
    perfect = reconstruction_errors(X, X)
    assert (perfect.mse(), perfect.r2(), perfect.variance_ratio()) == (0, 1, 1)


@pytest.mark.parametrize("factor", [0.95, 0.7])
def test_shrinkage_gains_tsnr_without_removing_noise_rather_than_signal(factor):
    bold = X + 100
    shrunk = shrink(bold, factor**2, WEIGHTS)
    errors = reconstruction_errors(bold, shrunk, WEIGHTS)
    assert errors.variance_ratio() == pytest.approx(factor**2)
    assert errors.mse() == pytest.approx((1 - factor) ** 2 * bold[:, USED].var(axis=1).mean())
    gained = gain(tsnr(bold, WEIGHTS), tsnr(shrunk, WEIGHTS))
    assert gained.mean == pytest.approx(100 * (1 / factor - 1))  # 5 % of shrinkage: +5.26 %
    assert gained.median == pytest.approx(gained.mean)
    assert pearsonr(bold[0], shrunk[0])[0] == pytest.approx(1)


def test_choice_of_voxels_and_frame():
    chosen = random_voxels(8541)
    assert len(set(chosen)) == 2000 and (chosen == random_voxels(8541)).all()
    assert len(random_voxels(129)) == 129
    assert (emse_frame(1310), emse_frame(901), emse_frame(900), emse_frame(156)) == (900, 900, 450, 78)


def test_misuse():
    with pytest.raises(ValueError, match=r"shape \(300, 49\) but the input \(300, 50\)"):
        reconstruction_errors(X, Y[:, 1:])
    with pytest.raises(ValueError, match="at frame 900, but there are 50 frames"):
        reconstruction_errors(X, Y).emse(900)
    with pytest.raises(ValueError, match="50 frames but the frame weights have the shape"):
        reconstruction_errors(X, Y, np.ones(49))
    with pytest.raises(ValueError, match="must be 0 or 1"):
        reconstruction_errors(X, Y, np.full(50, 0.5))
