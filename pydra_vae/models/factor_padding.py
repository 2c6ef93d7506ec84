"""A `TiVae` with more factors than it has, and back, so that models of different sizes can be stacked.

Wherever the number of factors is the size of a weight, its own come first and the rest is 0. A surplus factor then has
μ = 0 and log σ² = 0 and the decoder does not read it; the stack holds its log σ² there (`training.tivae_loss`), since
the total correlation, unlike the KL, has a gradient by it. So all surplus weights stay 0 (see `models.padding`).
"""

from dataclasses import replace

import torch
from torch import Tensor

from pydra_vae.models.tivae import TiVae


def widen(model: TiVae, size: int) -> TiVae:
    """A copy with more factors that encodes and decodes as the model does; the rest is 0."""
    with torch.random.fork_rng(devices=[]):  # its own first weights are not used
        wide = TiVae(replace(model.config, latent_dim=size))
    own, state = model.state_dict(), {}
    for name, value in wide.state_dict().items():
        state[name] = torch.zeros_like(value, device=own[name].device)
        state[name][tuple(slice(n) for n in own[name].shape)] = own[name]
    wide.load_state_dict(state)
    return wide


def narrow(weights: dict[str, Tensor], model: TiVae) -> dict[str, Tensor]:
    """The state of `model` that is in the weights of its widened copy."""
    own = model.state_dict()
    return {name: value[tuple(slice(n) for n in own[name].shape)] for name, value in weights.items()}
