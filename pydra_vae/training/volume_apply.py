"""Run a fitted `VolumeVae` over any number of images or latents, a block at a time, without gradients."""

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.volume_vae import VolumeVae
from pydra_vae.training.apply import blocks

BLOCK = 16  # images at a time: of 230,000 voxels, the first convolution of more takes gigabytes
CPU = torch.device("cpu")


def encode(
    model: VolumeVae, x: np.ndarray, device: torch.device = CPU, bfloat16: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """μ and log σ² of images.

    Parameters
    ----------
    x : (N, V) float32 array
        In the units of the data; may be memory-mapped.
    bfloat16 : bool
        Compute the network in bf16, as the fit did.

    Returns
    -------
    mu, log_variance : (N, k) float32 arrays
    """
    model = model.to(device).eval()
    mu, log_variance = (np.empty((len(x), model.config.latent_dim), dtype=np.float32) for _ in range(2))
    for part in blocks(len(x), BLOCK):
        with torch.inference_mode(), _autocast(device, bfloat16):
            encoded = model.encode(_on(x[part], device))
        mu[part], log_variance[part] = (_host(values) for values in encoded)
    return mu, log_variance


def decode(
    model: VolumeVae,
    z: np.ndarray,
    device: torch.device = CPU,
    bfloat16: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Images of latents.

    Parameters
    ----------
    z : (N, k) array
    out : (N, V) float32 array, optional
        Where to write them, e.g. a memory map.

    Returns
    -------
    (N, V) float32 array
        In the units of the data.
    """
    model = model.to(device).eval()
    out = np.empty((len(z), model.config.n_voxels), dtype=np.float32) if out is None else out
    for part in blocks(len(z), BLOCK):
        with torch.inference_mode(), _autocast(device, bfloat16):
            out[part] = _host(model.decode(_on(z[part], device)))
    return out


def _autocast(device: torch.device, bfloat16: bool):
    if device.type not in ("cpu", "cuda"):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)


def _on(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32)).to(device)


def _host(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
