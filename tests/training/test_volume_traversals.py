"""Walks along latents of a linear decoder, where everything has a closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from pydra_vae.models.volume_vae import VolumeVae, VolumeVaeConfig
from pydra_vae.training.volume_traversals import alone_shares, effects, frozen_r2, walk_codes

K, V, N = 3, 24, 4000


@pytest.fixture(scope="module")
def linear():
    """A VAE whose decoder is one linear layer with the sources A: x = m + 2 (A z + b)."""
    model = VolumeVae(VolumeVaeConfig((2, 3, 4), V, K, "dense", 1), torch.ones(2, 3, 4), torch.arange(V) / 10, 2.0)
    model.decoder = nn.Linear(K, V)
    return model.eval(), 2 * model.decoder.weight.detach().numpy().T.astype(float)


def test_effects_are_the_sources(linear):
    model, sources = linear
    sd = np.array([1.0, 0.5, 3.0])
    np.testing.assert_allclose(effects(model, np.array([5.0, -1, 2]), sd), sources * sd[:, None], rtol=1e-4, atol=1e-5)


def test_walks_move_one_latent_only():
    codes, values = walk_codes(np.array([1.0, 2.0]), np.array([0.5, 4.0]), 5, 2.0)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert (codes[:5, 1] == 2).all() and codes[:5, 0].tolist() == [0, 0.5, 1, 1.5, 2]
    assert (codes[5:, 0] == 1).all() and codes[5:, 1].tolist() == [-6, -2, 2, 6, 10]
    for wrong in ((1, 2.0), (5, 0.0)):
        with pytest.raises(ValueError, match="at least 2 steps and a span above 0"):
            walk_codes(np.zeros(2), np.ones(2), *wrong)


def test_shares_of_uncorrelated_latents_add_up(linear):
    model, sources = linear
    z = np.random.default_rng(0).normal(size=(N, K)) * [1, 0.5, 2] + 3
    variance = z.var(axis=0) * (sources**2).sum(axis=1)
    shares = alone_shares(model, z, z.mean(axis=0))
    np.testing.assert_allclose(shares, variance / variance.sum(), atol=0.02)
    assert shares.sum() == pytest.approx(1, abs=0.03)
    assert np.isnan(alone_shares(model, np.ones((5, K)), np.ones(K))).all()


def test_a_frozen_latent_loses_what_it_carried(linear):
    model, sources = linear
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200, K))
    centre = model.decode(torch.zeros(1, K)).detach().numpy()[0].astype(float)
    x, rows = centre + z @ sources, np.arange(20, 200)
    r2, frozen = frozen_r2(model, x, rows, z, np.zeros(K), centre)
    total = ((x[rows] - centre) ** 2).sum()
    assert r2 == pytest.approx(1, abs=1e-6)
    lost = [((z[rows, i, None] * sources[i]) ** 2).sum() / total for i in range(K)]
    np.testing.assert_allclose(1 - frozen, lost, rtol=1e-4)
    assert np.isnan(frozen_r2(model, centre[None], np.array([0]), z[:1], np.zeros(K), centre)[0])
