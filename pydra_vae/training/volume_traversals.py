"""What each latent does to the image: walks along one latent with the others at rest, and what it carries.

A walk goes from −span to +span standard deviations of the training images' latents, the other latents at their mean.
How much a latent carries is told in two ways, because a decoder need not be linear and latents need not be
uncorrelated, so that no split of the variance adds up: *alone*, the variance over images when only this latent takes
its values; and *frozen*, what the reconstruction of unseen images loses when this latent alone stays at its mean.
"""

import numpy as np
import torch

from pydra_vae.models.volume_vae import VolumeVae
from pydra_vae.training.volume_apply import CPU, decode


def walk_codes(mean: np.ndarray, sd: np.ndarray, n_steps: int, span: float) -> tuple[np.ndarray, np.ndarray]:
    """Latents along every walk, latent by latent.

    Parameters
    ----------
    mean, sd : (k,) arrays
        Of the latents of the training images.
    n_steps : int
        Evenly spaced, both ends included.
    span : float
        In standard deviations, to either side.

    Returns
    -------
    codes : (k · n_steps, k) array
    values : (n_steps,) array
        Where the steps lie, in standard deviations.

    Examples
    --------
    >>> codes, values = walk_codes(np.array([1.0, 5]), np.array([1.0, 2]), 3, 2.0)
    >>> codes.tolist(), values.tolist()
    ([[-1.0, 5.0], [1.0, 5.0], [3.0, 5.0], [1.0, 1.0], [1.0, 5.0], [1.0, 9.0]], [-2.0, 0.0, 2.0])
    """
    if n_steps < 2 or not span > 0:
        raise ValueError(f"a walk of {n_steps} steps over {span:g} sd: give at least 2 steps and a span above 0")
    mean, sd = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    values = np.linspace(-span, span, n_steps)
    codes = np.tile(mean, (len(mean), n_steps, 1))
    for latent in range(len(mean)):
        codes[latent, :, latent] += values * sd[latent]
    return codes.reshape(-1, len(mean)), values


def effects(
    model: VolumeVae, mean: np.ndarray, sd: np.ndarray, device: torch.device = CPU, bfloat16: bool = False
) -> np.ndarray:
    """Change of the image for one standard deviation of each latent, signed, (k, V) float32.

    Half of the difference between one standard deviation above and one below the mean.
    """
    codes, _ = walk_codes(mean, sd, 2, 1.0)
    images = decode(model, codes, device, bfloat16).reshape(len(codes) // 2, 2, -1)
    return (images[:, 1] - images[:, 0]) / 2


def alone_shares(
    model: VolumeVae, z: np.ndarray, mean: np.ndarray, device: torch.device = CPU, bfloat16: bool = False
) -> np.ndarray:
    """Variance over images when one latent alone varies, over that when all do, (k,); NaN where nothing varies."""
    total = _variance(decode(model, z, device, bfloat16))
    shares = np.full(z.shape[1], np.nan)
    for latent in range(z.shape[1] if total > 0 else 0):
        codes = np.tile(np.asarray(mean, dtype=np.float64), (len(z), 1))
        codes[:, latent] = z[:, latent]
        shares[latent] = _variance(decode(model, codes, device, bfloat16)) / total
    return shares


def frozen_r2(
    model: VolumeVae,
    x: np.ndarray,
    z: np.ndarray,
    rest: np.ndarray,
    centre: np.ndarray,
    device: torch.device = CPU,
    bfloat16: bool = False,
) -> tuple[float, np.ndarray]:
    """R² of images with all latents, and with each latent in turn at rest.

    Parameters
    ----------
    x : (n, V) array
        Unseen images.
    z : (n, k) array
        Their latents.
    rest : (k,) array
        Where a latent is frozen: the mean of the training images' latents.
    centre : (V,) array
        The mean training image, against which R² counts.

    Returns
    -------
    r2 : float
    frozen : (k,) array
        NaN, like r2, where the images are the mean image.
    """
    x = np.asarray(x, dtype=np.float64)
    total = np.sum((x - centre) ** 2)
    if not total > 0:
        return np.nan, np.full(z.shape[1], np.nan)
    whole = 1 - np.sum((x - decode(model, z, device, bfloat16)) ** 2) / total
    frozen = np.empty(z.shape[1])
    for latent in range(z.shape[1]):
        codes = np.array(z, dtype=np.float64)
        codes[:, latent] = rest[latent]
        frozen[latent] = 1 - np.sum((x - decode(model, codes, device, bfloat16)) ** 2) / total
    return float(whole), frozen


def _variance(images: np.ndarray) -> float:
    """Over images, summed over voxels."""
    return float(images.var(axis=0, dtype=np.float64).sum())
