"""Sources mixed with known maps come out of every variant that they suit; starts are compared, rotations undone."""

import numpy as np
import pytest

from pydra_vae.stats import ica
from pydra_vae.stats.ica import fit_ica, matched_r, unmix, whiten
from pydra_vae.stats.rotation import rotate, varimax
from pydra_vae.stats.surface_pca import stacked_pca

K, N, V = 4, 3000, 900


def r_with(truth, found):
    """Largest |r| of each true row with a found one."""
    r = np.abs(np.corrcoef(truth, found)[: len(truth), len(truth) :])
    return r.max(axis=1)


@pytest.fixture(scope="module")
def planted():
    """Sparse courses with sparse maps: super-Gaussian in time and in space."""
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(K, N)) / np.sqrt(2)
    maps = rng.normal(size=(K, V)) * (rng.random((K, V)) < 0.15)
    x = sources.T @ maps + 0.05 * rng.normal(size=(N, V))
    return sources, maps, x, stacked_pca([x], K)


@pytest.mark.parametrize("independence", ["temporal", "spatial"])
@pytest.mark.parametrize("method", ["infomax-extended", "infomax", "fastica"])
def test_planted_sources_are_found(planted, method, independence):
    sources, maps, x, pca = planted
    scores = pca.scores(x)
    model = fit_ica(pca.components, scores, scores, method, independence)
    factors = scores @ model.turn
    assert (r_with(sources, factors.T) > 0.95).all() and (r_with(maps, model.maps) > 0.95).all()
    np.testing.assert_allclose(factors.std(axis=0), 1)
    np.testing.assert_allclose(factors @ model.maps, scores @ pca.components, atol=1e-8)
    assert (np.diff((model.maps**2).sum(axis=1)) <= 0).all()
    assert (model.maps.max(axis=1) >= -model.maps.min(axis=1)).all()
    assert len(model.starts) == 4 and all(start.converged and start.similarity > 0.99 for start in model.starts)


def test_only_extended_infomax_finds_sub_gaussian_sources():
    rng = np.random.default_rng(1)
    two_humps = np.sign(rng.normal(size=N)) + 0.3 * rng.normal(size=N)
    sources = np.stack([rng.uniform(-1, 1, N), two_humps, rng.laplace(size=N)])
    white, _, _ = whiten(rng.normal(size=(3, 3)) @ sources)
    extended, _ = unmix(white, "infomax-extended")
    standard, _ = unmix(white, "infomax")
    assert (r_with(sources, extended @ white) > 0.98).all()
    assert r_with(sources, standard @ white).min() < 0.95


def test_pca_is_left_as_it_is(planted):
    _, _, x, pca = planted
    scores = pca.scores(x)
    model = fit_ica(pca.components, scores, scores, "pca")
    np.testing.assert_allclose(np.abs(scores @ model.turn), np.abs(scores / scores.std(axis=0)))
    assert len(model.starts) == 1


def test_the_fixed_start_makes_results_repeatable(planted):
    white, _, _ = whiten(planted[3].scores(planted[2]).T)
    once, again = unmix(white, seed=3), unmix(white, seed=3)
    assert (once[0] == again[0]).all() and once[1] == again[1]
    other = unmix(white, seed=4)
    assert other[1][0].objective == once[1][0].objective and other[1][1].objective != once[1][1].objective


def test_gaussian_sources_show_their_instability():
    white, _, _ = whiten(np.random.default_rng(2).normal(size=(6, 2000)))
    _, starts = unmix(white, n_restarts=4)
    kept = [start for start in starts if start.kept]
    assert len(kept) == 1 and kept[0].similarity == pytest.approx(1)
    assert kept[0].objective == min(start.objective for start in starts)
    assert min(start.similarity for start in starts) < 0.95


def test_super_and_sub_gaussian_densities_are_normalised():
    """Starts with other numbers of sub-Gaussian sources are compared by likelihood: densities integrate to 1."""
    y = np.linspace(-12, 12, 24001)
    normal = np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
    pairs = (normal / np.cosh(y), ica._LOG_INTEGRAL_SUPER), (normal * np.cosh(y), ica._LOG_INTEGRAL_SUB)
    for density, expected in pairs:
        assert np.log(density.sum() * (y[1] - y[0])) == pytest.approx(expected, abs=1e-5)
    rng = np.random.default_rng(3)
    white, _, _ = whiten(np.stack([rng.laplace(size=N), rng.uniform(-1, 1, N)]))
    turn = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    right, wrong = (ica._objective(w @ white, w, "infomax-extended") for w in (np.eye(2), turn))
    assert right < wrong < right + 0.5


def test_matched_correlation_ignores_order_and_sign():
    w = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    assert matched_r(w, -w[[3, 1, 0, 4, 2]]) == pytest.approx(1)


def test_too_many_components_are_refused():
    x = np.outer(np.arange(3.0), np.sin(np.arange(50)))
    with pytest.raises(ValueError, match="3 components were asked for but the data vary in 1 dimensions"):
        whiten(x)


@pytest.mark.parametrize("method", ["spatial-infomax", "temporal-infomax", "varimax"])
def test_a_rotation_is_undone(planted, method):
    sources, maps, _, _ = planted
    mix = np.linalg.qr(np.random.default_rng(5).normal(size=(K, K)))[0]
    factors, loadings = sources.T @ mix, mix.T @ maps
    rotation, turned, starts = rotate(factors, loadings, method)
    assert (r_with(sources, (factors @ rotation).T) > 0.95).all() and (r_with(maps, turned) > 0.95).all()
    np.testing.assert_allclose(factors @ rotation @ turned, sources.T @ maps, atol=1e-9)
    assert bool(starts) == (method != "varimax")


def test_factors_that_hardly_vary_are_left_alone(planted):
    sources, maps, _, _ = planted
    factors = np.column_stack([sources[0] * 1e-6, sources[1:].T])
    rotation, turned, _ = rotate(factors, maps, "spatial-infomax")
    assert rotation[0].tolist() == [1, 0, 0, 0] and rotation[1:, 0].tolist() == [0, 0, 0]
    assert (turned[0] == maps[0]).all()


def test_varimax_has_a_stationary_point_at_simple_structure():
    simple = np.kron(np.eye(3), np.linspace(1, 2, 7)[:, None])
    np.testing.assert_allclose(np.abs(varimax(simple)), np.eye(3), atol=1e-9)
