"""How a `TiVae` starts: with PyTorch's own draw it collapses to the mean brain.

PyTorch's draw leaves nothing of the signal after so many layers, some of them of one feature. Layer-sequential unit
variance (LSUV; Mishkin & Matas 2016, arXiv 1511.06422) starts orthogonal without biases and scales each linear layer so
that its output has unit variance over a batch of real data. Without biases the output is linear in the weights, so one
forward pass sets all layers exactly.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from pydra_vae.models.mixer import HemisphereLinear, OverBoth
from pydra_vae.models.tivae import LOG_VARIANCE, TiVae

LSUV_RECORDINGS, LSUV_FRAMES = 2, 64  # of a batch suffice


def orthogonal_(model: TiVae, generator: torch.Generator | None = None) -> TiVae:
    """Orthogonal weights (each gate's and each hemisphere's alone), zero biases, log variance at −3."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter.zero_()
            else:
                for block in _blocks(name, parameter):
                    nn.init.orthogonal_(block, generator=generator)
    return _log_variance_(model)


def pytorch_(model: TiVae, generator: torch.Generator | None = None) -> TiVae:
    """What PyTorch draws by itself, U(−1/√n, 1/√n) of n inputs (GRUs: n hidden), but the log variance at −3."""
    with torch.no_grad():
        for layer in model.modules():
            own = list(layer.parameters(recurse=False))
            for parameter in own:
                n = layer.hidden_size if isinstance(layer, nn.GRU) else own[0].shape[-1]
                parameter.uniform_(-(n**-0.5), n**-0.5, generator=generator)
    return _log_variance_(model)


def lsuv_(model: TiVae, batch: Tensor, generator: torch.Generator | None = None) -> TiVae:
    """Orthogonal weights, each linear layer scaled to unit variance of its output on a batch.

    Parameters
    ----------
    model : TiVae
    batch : (B, T, V) tensor
        Training recordings, or crops; the first two and their first 64 frames are used.
    generator : torch.Generator, optional
        On the model's device.
    """
    orthogonal_(model, generator)
    with ExitStack() as hooks, torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Linear | HemisphereLinear | OverBoth) and layer is not model.to_log_variance:
                hooks.callback(layer.register_forward_hook(_to_unit_variance).remove)
        model(batch[:LSUV_RECORDINGS, :LSUV_FRAMES])
    return model


def initialise_(
    model: TiVae, kind: str = "lsuv", batch: Tensor | None = None, generator: torch.Generator | None = None
) -> TiVae:
    """Draw all weights anew: `lsuv` (needs a batch), `orthogonal` or `pytorch`."""
    if kind == "lsuv":
        if batch is None:
            raise ValueError("initialisation 'lsuv' needs a batch of training recordings")
        return lsuv_(model, batch, generator)
    if kind not in ("orthogonal", "pytorch"):
        raise ValueError(f"initialisation is {kind!r}: it must be one of lsuv, orthogonal, pytorch")
    return orthogonal_(model, generator) if kind == "orthogonal" else pytorch_(model, generator)


def _to_unit_variance(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    sd = output.float().std().item()
    if not sd > 0:
        raise ValueError(
            "the batch for the initialisation leaves a layer without variance: are its series all constant?"
        )
    layer.weight.div_(sd)
    return output / sd


def _blocks(name: str, weight: Tensor) -> Iterator[Tensor]:
    """The matrices in a weight: one a hemisphere, one a gate."""
    if weight.ndim == 3:
        return iter(weight)
    return iter(weight.chunk(3) if ".layer.weight_" in name else (weight,))


def _log_variance_(model: TiVae) -> TiVae:
    nn.init.constant_(model.to_log_variance.bias, LOG_VARIANCE)
    return model
