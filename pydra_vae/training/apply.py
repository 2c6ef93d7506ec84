"""Run a fitted `Cvae` over any number of voxels, a block of rows at a time, without gradients."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.cvae import Cvae

CHUNK = 256  # rows: with more, activations leave the processor's cache, and a pass takes twice the time


def encode(
    model: Cvae,
    x: np.ndarray,
    device: torch.device = torch.device("cpu"),  # noqa: B008
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """μ and log σ² of any number of voxels, a block of rows at a time.

    Parameters
    ----------
    x : (K, T) float32 array

    Yields
    ------
    rows : slice
    mu, log_variance : (rows, D) float32 arrays
    """
    model = model.to(device).eval()
    for part in blocks(len(x)):
        with torch.inference_mode():
            mu, log_variance = model.encode(_on(x[part], device))
        yield part, mu.cpu().numpy(), log_variance.cpu().numpy()


def decode(
    model: Cvae,
    z: np.ndarray,
    device: torch.device = torch.device("cpu"),  # noqa: B008
) -> Iterator[tuple[slice, np.ndarray]]:
    """Series of latents z (K, D), a block of rows at a time: (slice, (rows, T) float32 array)."""
    model = model.to(device).eval()
    for part in blocks(len(z)):
        with torch.inference_mode():
            x = model.decode(_on(z[part], device))
        yield part, x.cpu().numpy()


def blocks(n: int, size: int = CHUNK) -> list[slice]:
    """Slices that cover n rows, so many each."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def _on(block: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(block, dtype=np.float32)).to(device)
