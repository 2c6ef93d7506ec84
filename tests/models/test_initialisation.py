"""Each start as it is described; LSUV hands the signal on where PyTorch's own loses it."""

import pytest
import torch

from pydra_vae.models.clusters import largest_cluster
from pydra_vae.models.initialisation import initialise_
from pydra_vae.models.tivae import TiVae, TiVaeConfig

N, C = 200, 16
CLUSTERS = (torch.arange(2 * N) % N) * C // N


def _model(**options):
    return TiVae(TiVaeConfig(N, N, C, largest_cluster(CLUSTERS, N), 4, **options), CLUSTERS)


def _batch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 64, 6, generator=generator) @ torch.randn(6, 2 * N, generator=generator)
    return x / x.std()


def _passed(model, x):
    """Standard deviation over time that reaches the factors and the reconstruction."""
    with torch.no_grad():
        mu = model.encode(x)[0]
        return mu.std((0, 1)).mean().item(), model.decode(mu).std((0, 1)).mean().item()


@pytest.mark.parametrize("options", [{}, {"share_hemispheres": False}, {"network": "linear"}])
def test_lsuv_gives_every_linear_layer_unit_variance_on_real_data(options):
    model, x = initialise_(_model(**options), "lsuv", _batch(), torch.Generator().manual_seed(0)), _batch()
    outputs = {}
    for name, layer in model.named_modules():  # a map over both is one layer
        if hasattr(layer, "weight") and "log_variance" not in name:
            layer.register_forward_hook(lambda _, __, y, name=name: outputs.__setitem__(name, y.std().item()))
    model(x)
    assert len(outputs) >= 7
    assert all(sd == pytest.approx(1, rel=1e-3) for sd in outputs.values()), outputs
    assert all(sd > 0.3 for sd in _passed(model, x))


@pytest.mark.parametrize("kind", ["orthogonal", "pytorch"])
def test_other_starts_lose_the_signal(kind):
    """Orthogonal weights keep a trace of it, from which training recovers; PyTorch's keep none."""
    model = initialise_(_model(), kind, generator=torch.Generator().manual_seed(0))
    assert _passed(model, _batch())[1] < {"orthogonal": 1e-2, "pytorch": 1e-5}[kind]


@pytest.mark.parametrize("kind", ["lsuv", "orthogonal", "pytorch"])
def test_a_seed_fixes_all_weights_and_the_variance_starts_small(kind):
    torch.manual_seed(1)
    first = initialise_(_model(temporal_decoder=True), kind, _batch(), torch.Generator().manual_seed(0))
    second = initialise_(_model(temporal_decoder=True), kind, _batch(), torch.Generator().manual_seed(0))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (first.to_log_variance.bias == -3).all()


def test_orthogonal_blocks_are_orthogonal():
    model = initialise_(_model(share_hemispheres=False), "orthogonal", generator=torch.Generator().manual_seed(0))
    gates = model.gru.recurrent_weight.chunk(3)
    for block in [*gates, *model.encoder.mixers[0].weight]:
        assert torch.allclose(block @ block.T, torch.eye(len(block)), atol=1e-5)
    assert all(p.abs().max() == 0 for n, p in model.named_parameters() if "bias" in n and "log_variance" not in n)


def test_what_cannot_start_is_refused():
    with pytest.raises(ValueError, match="'lsuv' needs a batch"):
        initialise_(_model(), "lsuv")
    with pytest.raises(ValueError, match="initialisation is 'xavier': it must be one of"):
        initialise_(_model(), "xavier")
    with pytest.raises(ValueError, match="leaves a layer without variance"):
        initialise_(_model(), "lsuv", torch.zeros(2, 64, 2 * N))
