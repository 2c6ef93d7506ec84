"""Run a fitted `TiVae` over recordings, one after the other, without gradients."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.tivae import TiVae


def encode(
    model: TiVae,
    arrays: Sequence[np.ndarray],
    device: torch.device = torch.device("cpu"),  # noqa: B008
    bfloat16: bool = False,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """μ and log σ² of each recording.

    Parameters
    ----------
    arrays : sequence of (T, V) float32 arrays
        May be memory-mapped.
    bfloat16 : bool
        Compute the spatial network in bf16, as the fit did.

    Yields
    ------
    mu, log_variance : (T, k) float32 arrays
    """
    model = model.to(device).eval()
    for array in arrays:
        with torch.inference_mode(), _autocast(device, bfloat16):
            yield tuple(_host(values[0]) for values in model.encode(_on(array, device)[None]))


def decode(
    model: TiVae,
    factors: Sequence[np.ndarray],
    device: torch.device = torch.device("cpu"),  # noqa: B008
    bfloat16: bool = False,
) -> Iterator[np.ndarray]:
    """Series (T, V) float32 of the factors (T, k) of each recording."""
    model = model.to(device).eval()
    for z in factors:
        with torch.inference_mode(), _autocast(device, bfloat16):
            yield _host(model.decode(_on(z, device)[None])[0])


def _autocast(device: torch.device, bfloat16: bool):
    if device.type not in ("cpu", "cuda"):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)


def _on(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32)).to(device)


def _host(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
