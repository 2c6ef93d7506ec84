"""Views of planted spaces."""

import sys

import numpy as np
import pytest

from pydra_vae.stats.views import ica_view, pca_view, tsne_view, umap_view


def test_pca_sees_the_widest_plane():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 4)) * [0.1, 5, 2, 0.1]
    seen = pca_view(z + 3)
    r = np.abs(np.corrcoef(seen.T, z.T)[:2, 2:])
    assert r[0, 1] > 0.99 and r[1, 2] > 0.99
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-9)


def test_ica_finds_the_sources_that_are_least_gaussian():
    rng = np.random.default_rng(1)
    sources = np.stack([rng.laplace(size=4000), rng.normal(size=4000), rng.choice([-1.0, 1], 4000)], axis=1)
    seen = ica_view(sources @ rng.normal(size=(3, 3)), seed=0)
    r = np.abs(np.corrcoef(seen.T, sources.T)[:2, 2:])
    assert sorted(r.argmax(axis=1)) == [0, 2] and r.max(axis=1).min() > 0.98
    np.testing.assert_allclose(seen.std(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("view", [pca_view, ica_view])
def test_flat_spaces(view):
    line = np.outer(np.random.default_rng(2).normal(size=50), [1.0, 2, 0])
    for z in (line, line[:, :1]):
        seen = view(z)
        assert seen.shape == (50, 2) and np.abs(np.corrcoef(seen[:, 0], line[:, 0])[0, 1]) > 0.999
    assert (view(np.ones((10, 3))) == 0).all()


def test_tsne_parts_two_groups():
    rng = np.random.default_rng(3)
    z = np.concatenate([rng.normal(0, 1, (40, 5)), rng.normal(20, 1, (40, 5))])
    seen = tsne_view(z, seed=0)
    np.testing.assert_array_equal(seen, tsne_view(z, seed=0))
    nearest = np.argsort(np.linalg.norm(seen[:, None] - seen, axis=2), axis=1)[:, 1]
    assert ((nearest < 40) == (np.arange(80) < 40)).all()


def test_umap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pydra-vae\[umap\]'"):
        umap_view(np.zeros((10, 2)))
