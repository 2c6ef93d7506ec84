"""The network of volumes: any grid comes back exactly, masks are kept, wider copies do the same."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pydra_vae.models.volume_convolutions import VolumeStack
from pydra_vae.models.volume_vae import NETWORKS, VolumeVae, VolumeVaeConfig, narrow, widen

GRIDS = st.tuples(*[st.integers(3, 33)] * 3)
SHAPE = (7, 9, 8)


def ball(shape=SHAPE):
    """A mask with holes and ragged edges."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    mask = sum(axis**2 for axis in axes) < 1.2
    mask[tuple(n // 2 for n in shape)] = False
    return torch.from_numpy(mask)


def vae(network="conv-dense", latent_dim=3, width=2, seed=0, **options):
    mask = ball()
    torch.manual_seed(seed)
    return VolumeVae(VolumeVaeConfig(SHAPE, int(mask.sum()), latent_dim, network, width), mask, **options)


@settings(max_examples=40, deadline=None)
@given(shape=GRIDS)
def test_the_decoder_gives_back_exactly_the_encoders_grid(shape):
    stack = VolumeStack(shape, (1, 2, 2))
    with torch.no_grad():
        code = stack.encoder()(torch.zeros(1, 1, *shape))
        assert tuple(code.shape[1:]) == stack.code
        assert tuple(stack.decoder()(code).shape) == (1, 1, *shape)


@settings(max_examples=10, deadline=None)
@given(shape=GRIDS, seed=st.integers(0, 99))
def test_images_within_any_mask_come_back_as_images_within_it(shape, seed):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[0, 0, 0] = True
    model = VolumeVae(VolumeVaeConfig(shape, int(mask.sum()), 2, "conv", 1), mask)
    x = torch.rand(2, int(mask.sum()))
    with torch.no_grad():
        assert model(x).shape == x.shape


@pytest.mark.parametrize("network", NETWORKS)
def test_shapes_units_and_the_first_posterior(network):
    mask = ball()
    mean = torch.linspace(0, 1, int(mask.sum()))
    model, x = vae(network, mean=mean, scale=0.2), mean + 0.2 * torch.randn(5, len(mean))
    mu, log_variance = model.encode(x)
    assert mu.shape == log_variance.shape == (5, 3)
    assert torch.allclose(log_variance, torch.tensor(-3.0))  # narrow at the start, whatever the image
    assert model(x).shape == x.shape
    # in other units everything scales, and the latents stay
    with torch.no_grad():
        other = vae(network, mean=1000 * mean, scale=200.0)
        assert torch.allclose(other.encode(1000 * x)[0], mu, atol=1e-4)
        assert torch.allclose(other.decode(mu) / 1000, model.decode(mu), atol=1e-4)


def test_the_box_holds_each_voxel_at_its_place():
    model, mask = vae(), ball()
    x = torch.rand(2, int(mask.sum()))
    box = model.in_box(x)
    assert torch.equal(box[:, mask], x) and (box[:, ~mask] == 0).all()


def test_log_variance_is_bounded():
    model = vae()
    with torch.no_grad():
        model.log_variance.bias.fill_(1e3)
    assert model.encode(torch.rand(2, model.config.n_voxels))[1].max() == 4


@pytest.mark.parametrize("network", NETWORKS)
def test_a_widened_copy_does_the_same_and_comes_back(network):
    model = vae(network)
    wide, x = widen(model, 5), torch.rand(4, model.config.n_voxels)
    mu, log_variance = wide.encode(x)
    assert torch.allclose(mu[:, :3], model.encode(x)[0], atol=1e-6)
    assert (mu[:, 3:] == 0).all() and (log_variance[:, 3:] == 0).all()
    z = torch.randn(4, 5)
    assert torch.allclose(wide.decode(z), model.decode(z[:, :3]), atol=1e-6)
    back = narrow(dict(wide.named_parameters()) | dict(wide.named_buffers()), model)
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())


def test_what_does_not_fit_is_refused():
    mask = ball()
    with pytest.raises(ValueError, match="give the mask that the model was fitted in"):
        VolumeVae(VolumeVaeConfig(SHAPE, 5), mask)
    with pytest.raises(ValueError, match=r"fitted on images of 2\d\d voxels.*\(2, 7\)"):
        vae().encode(torch.zeros(2, 7))
    with pytest.raises(ValueError, match="must be one of conv-dense, conv, dense"):
        VolumeVaeConfig(SHAPE, 10, network="resnet")
    with pytest.raises(ValueError, match="latent_dim is 0"):
        VolumeVaeConfig(SHAPE, 10, latent_dim=0)
    with pytest.raises(ValueError, match="but the box has 27 voxels"):
        VolumeVaeConfig([3, 3, 3], 28)
