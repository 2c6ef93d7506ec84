"""Traversals of decoders whose maps are known."""

import numpy as np
import pytest
import torch

from pydra_vae.models.tivae import TiVae, TiVaeConfig
from pydra_vae.training.traversals import factor_range, traversal_maps


def linear_model(weights):
    """A TI-VAE whose decoder is one matrix, k → V."""
    k, n = weights.shape
    model = TiVae(TiVaeConfig(n // 2, n - n // 2, 1, n, latent_dim=k, network="linear"))
    model.decoder = torch.nn.Linear(k, n)
    with torch.no_grad():
        model.decoder.weight.copy_(torch.from_numpy(weights.T))
    return model


@pytest.mark.parametrize("n_steps", [2, 50])
def test_variance_of_a_linear_way(n_steps):
    """n even steps of a way of length L have the variance L² (n + 1) / (12 (n − 1)), wherever the others stay."""
    weights = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    low, high = np.array([-1.0, 0, 2]), np.array([1.0, 5, 2])
    maps = traversal_maps(linear_model(weights), low, high, np.array([0.3, -4, 2]), n_steps)
    expected = ((high - low) ** 2 * (n_steps + 1) / (12 * (n_steps - 1)))[:, None] * weights**2
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-9)
    assert (maps[2] == 0).all() and maps.dtype == np.float32


def test_some_factors_only():
    weights = np.eye(3, 8, dtype=np.float32)
    every = traversal_maps(linear_model(weights), -np.ones(3), np.ones(3), np.zeros(3))
    some = traversal_maps(linear_model(weights), -np.ones(3), np.ones(3), np.zeros(3), factors=np.array([2, 0]))
    np.testing.assert_allclose(some, every[[2, 0]], rtol=1e-6)


def test_others_matter_where_the_decoder_is_not_linear():
    torch.manual_seed(0)
    model = TiVae(TiVaeConfig(6, 6, 2, 3, latent_dim=2), torch.tensor([0, 0, 0, 1, 1, 1] * 2))
    at = [traversal_maps(model, -np.ones(2), np.ones(2), np.array([0, rest])) for rest in (0.0, 3.0)]
    assert at[0].shape == (2, 12) and (at[0] >= 0).all()
    assert not np.allclose(at[0][0], at[1][0], rtol=0.1, atol=0)
    with pytest.raises(ValueError, match="at least 2"):
        traversal_maps(model, -np.ones(2), np.ones(2), np.zeros(2), n_steps=1)


def test_range_is_over_recordings_and_frames():
    z = np.random.default_rng(1).normal(size=(4, 30, 3))
    low, high, rest = factor_range(z)
    np.testing.assert_allclose([low, high, rest], [z.min((0, 1)), z.max((0, 1)), z.mean((0, 1))])
