"""A model in more latent dimensions than it has does what it did."""

import pytest
import torch

from pydra_vae.models.cvae import Cvae, CvaeConfig
from pydra_vae.models.losses import gaussian_kl
from pydra_vae.models.padding import narrow, widen


@pytest.mark.parametrize("network", ["dense", "lk"])
@pytest.mark.parametrize("skip", ["none", "pca"])
def test_a_widened_model_encodes_and_decodes_as_before_and_comes_back(network, skip):
    torch.manual_seed(0)
    model = Cvae(CvaeConfig(40, 3, network, skip), torch.rand(40), 2.0).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    state = torch.get_rng_state()
    wide = widen(model, 5).eval()
    assert torch.equal(torch.get_rng_state(), state)  # what is drawn next is not moved
    x = torch.rand(7, 40)
    (mu, log_variance), (wide_mu, wide_log_variance) = model.encode(x), wide.encode(x)
    assert torch.allclose(wide_mu[:, :3], mu, atol=1e-6)
    assert torch.allclose(wide_log_variance[:, :3], log_variance, atol=1e-6)
    assert (wide_mu[:, 3:] == 0).all() and (wide_log_variance[:, 3:] == 0).all()
    assert torch.allclose(gaussian_kl(wide_mu, wide_log_variance), gaussian_kl(mu, log_variance), atol=1e-5)
    z = torch.randn(7, 3)
    assert torch.allclose(wide.decode(torch.cat([z, torch.randn(7, 2)], 1)), model.decode(z), atol=1e-5)
    back = narrow(wide.state_dict(), model)
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())
