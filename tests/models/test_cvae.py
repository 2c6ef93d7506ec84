"""Shapes for every length, the linear skip against PCA, and rebuilding from the configuration."""

import json
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pydra_vae.models.convolutions import LK, PAPER
from pydra_vae.models.cvae import LOG_VARIANCE_BOUNDS, Cvae, CvaeConfig

NETWORKS = ("lk", "paper", "dense")


def series(n=64, t=100, rank=12):
    """Random series of a known rank plus noise, and their PCA by SVD."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, rank, generator=generator) @ torch.randn(rank, t, generator=generator)
    x = 0.5 + 0.05 * (x + torch.randn(n, t, generator=generator))
    return x, x.mean(0), torch.linalg.svd(x - x.mean(0), full_matrices=False)


@settings(max_examples=40, deadline=None)
@given(
    n_frames=st.integers(32, 700),
    network=st.sampled_from(NETWORKS),
    latent_dim=st.integers(1, 16),
)
def test_every_length_comes_back_exactly(n_frames, network, latent_dim):
    model = Cvae(CvaeConfig(n_frames, latent_dim, network))
    x = torch.randn(3, n_frames)
    mu, log_variance = model.encode(x)
    assert mu.shape == log_variance.shape == (3, latent_dim)
    assert model(x).shape == x.shape


@settings(max_examples=300, deadline=None)
@given(n_frames=st.integers(32, 5000), stack=st.sampled_from([LK, PAPER]))
def test_transposed_convolutions_invert_the_lengths(n_frames, stack):
    lengths = stack.lengths(n_frames)
    for i, (k, s) in enumerate(zip(stack.kernels, stack.strides, strict=True)):
        p = (k - 1) // 2
        assert lengths[i + 1] == (lengths[i] + 2 * p - k) // s + 1
        back = (lengths[i + 1] - 1) * s - 2 * p + k + (lengths[i] - 1) % s
        assert back == lengths[i]


@pytest.mark.parametrize("network", ["lk", "paper"])
def test_eight_convolutions_and_two_connected_layers_each_way(network):
    model = Cvae(CvaeConfig(1310, network=network))
    for half in (model.encoder, model.decoder):
        layers = [type(layer).__name__ for layer in half.modules()]
        assert layers.count("Conv1d") + layers.count("ConvTranspose1d") == 8
        assert layers.count("Linear") == 2


def test_lk_has_the_size_that_was_measured_for_1310_frames():
    n = sum(p.numel() for p in Cvae(CvaeConfig(1310)).parameters())
    assert n == pytest.approx(671_000, rel=0.01)


@pytest.mark.parametrize("network", NETWORKS)
def test_skip_starts_at_the_error_of_pca(network):
    x, mean, (_, s, vt) = series()
    model = Cvae(CvaeConfig(100, 9, network, "pca"), mean, float((x - mean).std()), vt[:9], s[:9] / 8).eval()
    of_pca = s[9:].square().sum() / x.numel()
    with torch.no_grad():
        assert float((model(x) - x).square().mean()) == pytest.approx(float(of_pca), rel=1e-4)
    mu, _ = model.encode(x)
    assert torch.allclose(mu.var(0, correction=0), torch.ones(9), rtol=1e-3)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_learns_beside_the_skip(network):
    x, mean, (_, s, vt) = series()
    model = Cvae(CvaeConfig(100, 9, network, "pca"), mean, 0.2, vt[:9], s[:9] / 8)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for _ in range(3):  # the zeroed last layers pass gradients on only after their first step
        mu, log_variance = model.encode(x)
        loss = (model.decode(mu) - x).square().mean() + 1e-3 * log_variance.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    stuck = [name for name, p in model.named_parameters() if torch.equal(p, before[name])]
    assert not stuck


def test_log_variance_is_bounded():
    model = Cvae(CvaeConfig(64))
    torch.nn.init.constant_(model.encoder[-1].bias, 1e4)
    assert float(model.encode(torch.randn(2, 64))[1].detach().max()) == LOG_VARIANCE_BOUNDS[1]


def test_a_stored_model_is_rebuilt_from_configuration_and_weights():
    x, mean, (_, s, vt) = series()
    config = CvaeConfig(100, 9, "dense", "pca")
    model = Cvae(config, mean, 0.2, vt[:9], s[:9])
    again = Cvae(CvaeConfig(**json.loads(json.dumps(asdict(config)))))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(x), model.eval()(x))


def test_the_dense_network_takes_any_number_of_frames():
    model = Cvae(CvaeConfig(1, 2, "dense")).eval()
    assert model(torch.zeros(3, 1)).shape == (3, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_frames": 31}, "31 frames.*at least 32"),
        ({"n_frames": 0, "network": "dense"}, "0 frames.*at least 1"),
        ({"n_frames": 64, "network": "resnet"}, "network is 'resnet'.*lk, paper, dense"),
        ({"n_frames": 64, "latent_dim": 0}, "latent_dim is 0"),
        ({"n_frames": 64, "linear_skip": "pca", "output": "sigmoid"}, "bend the linear skip"),
    ],
)
def test_refused_configurations(options, message):
    with pytest.raises(ValueError, match=message):
        CvaeConfig(**options)


def test_the_convolutions_of_lk_start_with_the_gain_of_their_leaky_units():
    """Kaiming: the variance of weights is 2 / ((1 + slope²) fan-in), which keeps that of the activations."""
    for layer in Cvae(CvaeConfig(1310)).encoder.modules():
        if isinstance(layer, torch.nn.Conv1d) and layer.weight.numel() > 1000:
            fan_in = layer.weight[0].numel()
            assert float(layer.weight.detach().var()) == pytest.approx(2 / ((1 + 0.7**2) * fan_in), rel=0.15)


def test_the_shortest_series_is_the_one_that_reading_asks_for():
    from pydra_vae.images import headers
    from pydra_vae.models import cvae

    assert cvae.MIN_FRAMES == headers.MIN_FRAMES  # written twice, since models import no other part of the package


def test_series_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"fitted on 64 frames.*\(2, 65\)"):
        Cvae(CvaeConfig(64)).encode(torch.zeros(2, 65))
