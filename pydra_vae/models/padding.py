"""A `Cvae` in more latent dimensions than it has, and back, so that models of different sizes can be stacked.

The surplus dimensions have μ = 0 and log σ² = 0, so that their KL is 0, and the decoder does not read them. With the
noise of sampling 0 there too, every gradient of a surplus weight is 0: the derivative of the loss by a latent goes
through the decoder's weights, which are 0, that by a decoder's weight is proportional to the latent, which is 0, and
that of the KL vanishes at the prior. So they stay 0 under Adam and weight decay.
"""

from dataclasses import replace

import torch
from torch import Tensor

from pydra_vae.models.cvae import Cvae


def widen(model: Cvae, size: int) -> Cvae:
    """A copy of a model with more latent dimensions that encodes and decodes as the model does; the rest is 0."""
    with torch.random.fork_rng(devices=[]):  # its own first weights are not used
        wide = Cvae(replace(model.config, latent_dim=size))
    slots, own = _slots(model, model.config.latent_dim, size), model.state_dict()
    state = {}
    for name, value in wide.state_dict().items():
        if name in slots:
            state[name] = torch.zeros_like(value)
            state[name][slots[name]] = own[name].to(value.device)
        else:
            state[name] = own[name]
    wide.load_state_dict(state)
    return wide


def narrow(weights: dict[str, Tensor], model: Cvae) -> dict[str, Tensor]:
    """The state of `model` that is in the weights of its widened copy."""
    size = weights["decoder.0.weight"].shape[1]
    slots = _slots(model, model.config.latent_dim, size)
    return {name: value[slots[name]] if name in slots else value for name, value in weights.items()}


def _slots(model: Cvae, d: int, size: int) -> dict[str, tuple]:
    """Where d latents lie in those tensors of a model of `size` latents that know their number."""
    head = ([*range(d), *range(size, size + d)],)  # μ, then log σ²
    last = len(model.encoder) - 1
    return {
        f"encoder.{last}.weight": head,
        f"encoder.{last}.bias": head,
        "decoder.0.weight": (slice(None), slice(d)),
        "skip_encoder.weight": (slice(d),),
        "skip_decoder.weight": (slice(None), slice(d)),
    }
