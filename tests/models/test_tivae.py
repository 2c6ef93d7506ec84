"""TI-VAE: causal, blind to padding, the paper's counts, one result fused, explicit or stacked."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pydra_vae.models.clusters import ClusterLayout, largest_cluster
from pydra_vae.models.gru import Gru
from pydra_vae.models.initialisation import initialise_
from pydra_vae.models.mixer import OverBoth, OverFeatures
from pydra_vae.models.tivae import TiVae, TiVaeConfig

N_LEFT, N_RIGHT, C = 40, 50, 4
CLUSTERS = torch.cat([torch.arange(N_LEFT) % C, (torch.arange(N_RIGHT) ** 2) % 7 % C])
CONFIG = TiVaeConfig(N_LEFT, N_RIGHT, C, largest_cluster(CLUSTERS, N_LEFT), 3, hidden=32, gru_size=16, embedding=8)
KINDS = [
    CONFIG,
    replace(CONFIG, share_hemispheres=False),
    replace(CONFIG, input_layer="shared"),
    replace(CONFIG, temporal_decoder=True),
    replace(CONFIG, network="linear"),
]


def _series(b=2, t=12, seed=0):
    return torch.randn(b, t, N_LEFT + N_RIGHT, generator=torch.Generator().manual_seed(seed))


def _model(config=CONFIG, seed=0):
    """LSUV weights, since little of the input reaches the factors through PyTorch's own."""
    return initialise_(TiVae(config, CLUSTERS), "lsuv", _series(seed=9), torch.Generator().manual_seed(seed))


def test_gather_and_scatter_are_inverse_and_padding_is_zero():
    layout = ClusterLayout(N_LEFT, N_RIGHT, C, CONFIG.cluster_size, CLUSTERS)
    x = _series()[0] + 5
    gathered = layout.gather(x)
    assert torch.equal(layout.scatter(gathered), x)
    assert (gathered == 0).sum() == len(x) * (gathered[0, 0, 0].numel() * 2 * C - x.shape[1])
    for c in range(C):  # every vertex with its own cluster, left ones in the first half
        values = gathered[1, c, 0]
        own = x[0, N_LEFT:][CLUSTERS[N_LEFT:] == c]
        assert torch.equal(values[: len(own)], own)


def test_gradients_go_back_through_the_same_places():
    layout = ClusterLayout(N_LEFT, N_RIGHT, C, CONFIG.cluster_size, CLUSTERS)
    x = _series()[0].requires_grad_()
    weights = torch.randn_like(layout.gather(x.detach()))
    (gradient,) = torch.autograd.grad((layout.gather(x) * weights).sum(), x)
    assert torch.equal(gradient, layout.scatter(weights))
    y = weights.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((layout.scatter(y) * x.detach()).sum(), y)
    assert torch.equal(gradient, layout.gather(x.detach()))


def test_padded_places_influence_nothing():
    """A larger M with whatever weights at the new places gives the same model, and they get no gradient."""
    config = replace(CONFIG, cluster_size=CONFIG.cluster_size + 6)
    model, wide, x = _model(), TiVae(config, CLUSTERS), _series()
    state = wide.state_dict()
    m = CONFIG.cluster_size
    for name, value in model.state_dict().items():
        if name.startswith("layout"):
            continue
        if state[name].shape == value.shape:
            state[name] = value
        else:
            state[name] = 100 * torch.randn_like(state[name])
            state[name][tuple(slice(n) for n in value.shape)] = value
    wide.load_state_dict(state)
    assert torch.allclose(wide(x), model(x), atol=1e-5)
    wide(x).square().sum().backward()
    assert wide.encoder.input.weight.grad[..., m:].abs().max() == 0
    assert wide.decoder.output.weight.grad[:, m:].abs().max() == 0
    assert wide.encoder.input.weight.grad[..., :m].abs().max() > 0


@pytest.mark.parametrize("config", KINDS)
def test_factors_depend_on_the_past_only_and_reconstructions_on_their_own_frame(config):
    model, x = _model(config), _series()
    future = x.clone()
    future[:, 7:] += 1
    for a, b in zip(model.encode(x), model.encode(future), strict=True):
        assert torch.equal(a[:, :7], b[:, :7])
        assert (a[:, 7:] - b[:, 7:]).abs().max() > 1e-3
    past = x.clone()
    past[:, 2] += 1
    assert (model.encode(x)[0] - model.encode(past)[0])[:, 3:].abs().max() > 1e-4  # a memory
    z = torch.randn(2, 12, 3)
    other = z.clone()
    other[:, 5] += 1
    changed = (model.decode(z) - model.decode(other)).abs().amax((0, 2)) > 1e-5
    assert changed.nonzero().flatten().tolist() == [5]


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("features_first", [True, False])
@pytest.mark.parametrize(("n", "m"), [(9, 4), (4, 9)])
def test_two_maps_in_either_order_are_the_maps_after_one_another(n, m, features_first, copies):
    torch.manual_seed(0)
    both, x = OverBoth(C, n, m, copies, features_first), torch.randn(2, C, 6, n)
    first, second = both.clusters, both.features
    if features_first:
        first, second = second, first
    written = torch.stack([_by_hand(second, _by_hand(first, x[h], h), h) for h in (0, 1)])
    assert torch.allclose(both(x), written, atol=1e-6)
    assert torch.allclose(second(first(x)), written, atol=1e-6)


def _by_hand(layer, x, hemisphere):
    weight, bias = (p[hemisphere % len(p)] for p in (layer.weight, layer.bias))
    if isinstance(layer, OverFeatures):
        return torch.einsum("cnf,gf->cng", x, weight) + bias
    return torch.einsum("cnf,dc->dnf", x, weight) + bias[:, None, None]


def test_recordings_do_not_mix():
    model, x = _model(), _series()
    assert torch.allclose(model(x)[1:], model(x[1:]), atol=1e-5)


def test_explicit_gru_equals_the_fused_one():
    torch.manual_seed(0)
    gru, e = Gru(5, 7), torch.randn(3, 20, 5)
    gradients, values = [], []
    for explicit in (False, True):
        gru.explicit = explicit
        values.append(gru(e))
        gradients.append(torch.autograd.grad(values[-1].square().sum(), list(gru.parameters())))
    assert torch.allclose(*values, atol=1e-6)
    for fused, stepped in zip(*gradients, strict=True):
        assert torch.allclose(fused, stepped, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", KINDS)
def test_models_stacked_by_vmap_are_the_models_alone(config):
    models = [_model(config, seed).step_explicitly() for seed in (0, 1)]
    x = torch.stack([_series(seed=1), _series(seed=2)])
    parameters, buffers = torch.func.stack_module_state(models)

    def one(p, b, x):
        return torch.func.functional_call(models[0], (p, b), (x,))

    stacked = torch.func.vmap(one)(parameters, buffers, x)
    alone = torch.stack([model(series) for model, series in zip(models, x, strict=True)])
    assert torch.allclose(stacked, alone, atol=1e-5)
    stacked.square().sum().backward()
    alone.square().sum().backward()
    for name, parameter in models[1].named_parameters():
        if "log_variance" not in name:
            scale = parameter.grad.abs().max()
            assert (parameters[name].grad[1] - parameter.grad).abs().max() <= 1e-4 * scale + 1e-6, name


@pytest.mark.parametrize("config", KINDS)
def test_a_model_is_rebuilt_from_its_configuration_and_weights(config):
    model = _model(config)
    rebuilt = TiVae(config)
    rebuilt.load_state_dict(model.state_dict())
    assert torch.equal(rebuilt(_series()), model(_series()))


def test_the_linear_model_has_the_paper_s_weights():
    with torch.device("meta"):
        model = TiVae(TiVaeConfig(53**3, 0, 0, 0, 16, network="linear"))
    counts = model.parameter_counts(biases=False)
    assert counts["encoder"] + counts["decoder"] == 76_294_656


def test_the_paper_s_44k_are_three_encoder_mixers_of_64_clusters():
    clusters = torch.arange(128) % 64
    counts = [TiVae(TiVaeConfig(64, 64, 64, 1), clusters.repeat(1)).parameter_counts(biases=b) for b in (False, True)]
    assert [count["encoder mixers"] for count in counts] == [43_684, 44_193]
    for count in counts:
        assert count["total"] == sum(count.values()) - count["total"]


def test_counts_cover_every_parameter_and_sharing_halves_the_mixers():
    for config in KINDS:
        model = TiVae(config, CLUSTERS)
        assert model.parameter_counts()["total"] == sum(p.numel() for p in model.parameters())
    shared, apart = (TiVae(config, CLUSTERS).parameter_counts() for config in KINDS[:2])
    assert apart["encoder mixers"] == 2 * shared["encoder mixers"]
    assert apart["encoder input"] == shared["encoder input"]  # already one a hemisphere


def test_shared_hemispheres_see_mirrored_data_alike():
    """With one input layer, exchanging equal hemispheres exchanges what the mixers give."""
    half = torch.arange(20) % C
    config = TiVaeConfig(20, 20, C, 5, 3, hidden=32, input_layer="shared")
    model = TiVae(config, torch.cat([half, half]))
    x = torch.randn(6, 40)
    swapped = torch.cat([x[:, 20:], x[:, :20]], 1)
    a, b = (model.encoder.mixers(model.encoder.input(model.layout.gather(v))) for v in (x, swapped))
    assert torch.allclose(a, b.flip(0), atol=1e-6)


def test_only_a_temporal_decoder_has_weights_for_the_paper_s_l2():
    assert TiVae(CONFIG, CLUSTERS).penalised() == []
    (weight,) = TiVae(replace(CONFIG, temporal_decoder=True), CLUSTERS).penalised()
    assert weight.shape == (48, 16)


def test_bf16_stays_near_float32():
    model, x = _model(), _series()
    with torch.autocast("cpu", torch.bfloat16):
        mu, log_variance = model.encode(x)
        px = model.decode(mu)
    assert mu.dtype == log_variance.dtype == torch.float32
    assert (px.float() - model(x)).std() < 0.05 * model(x).std()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "conv"}, "network is 'conv': it must be one of mixer, linear"),
        ({"input_layer": "none"}, "input_layer is 'none'"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"n_clusters": 41}, "41 clusters a hemisphere cannot be made of 40 left and 50 right vertices"),
    ],
)
def test_bad_configurations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)


def test_bad_clusters_and_series_are_refused():
    with pytest.raises(ValueError, match=r"40 \+ 50 vertices, but the clusters have shape \(89,\)"):
        TiVae(CONFIG, CLUSTERS[:-1])
    with pytest.raises(ValueError, match="clusters are numbered 0 to 3, but 3 a hemisphere need 0 to 2"):
        TiVae(replace(CONFIG, n_clusters=3), CLUSTERS)
    with pytest.raises(ValueError, match="cluster_size is 2, but the largest cluster has"):
        TiVae(replace(CONFIG, cluster_size=2), CLUSTERS)
    with pytest.raises(ValueError, match="made for 90 vertices, but the series have shape"):
        TiVae(CONFIG, CLUSTERS).encode(torch.zeros(1, 5, 91))


def test_the_gru_follows_its_equation():
    """One step from h = 0 with known weights."""
    gru = Gru(1, 1)
    for parameter, value in zip(
        gru.parameters(), ([0.5, -1.0, 2.0], [1.0, 1.0, 1.0], [0, 0, 0], [0, 0, 0.3]), strict=True
    ):
        nn.init.zeros_(parameter)
        parameter.data += torch.tensor(value).reshape(parameter.shape)
    r, u = torch.sigmoid(torch.tensor([0.5, -1.0]))
    expected = (1 - u) * torch.tanh(2.0 + r * 0.3)
    assert gru(torch.ones(1, 1, 1)).item() == pytest.approx(expected.item(), abs=1e-6)
