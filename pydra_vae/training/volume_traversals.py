"""What each latent does to the image: walks along one latent with the others at rest, and what it carries.

A walk goes from −span to +span standard deviations of the training images' latents, the other latents at their mean.
How much a latent carries is told in two ways, because a decoder need not be linear and latents need not be
uncorrelated, so that no split of the variance adds up: *alone*, the variance over images when only this latent takes
its values; and *frozen*, what the reconstruction of unseen images loses when this latent alone stays at its mean.
"""

import numpy as np
import torch

from pydra_vae.models.volume_vae import VolumeVae
from pydra_vae.training.apply import blocks
from pydra_vae.training.volume_apply import BLOCK, CPU, decode


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
    total = _variance(model, z, mean, device, bfloat16)
    shares = np.full(z.shape[1], np.nan)
    for latent in range(z.shape[1] if total > 0 else 0):
        codes = np.tile(np.asarray(mean, dtype=np.float64), (len(z), 1))
        codes[:, latent] = z[:, latent]
        shares[latent] = _variance(model, codes, mean, device, bfloat16) / total
    return shares


def frozen_r2(
    model: VolumeVae,
    x: np.ndarray,
    rows: np.ndarray,
    z: np.ndarray,
    rest: np.ndarray,
    centre: np.ndarray,
    device: torch.device = CPU,
    bfloat16: bool = False,
) -> tuple[float, np.ndarray]:
    """R² of images with all latents, and with each latent in turn at rest.

    Parameters
    ----------
    x : (N, V) array
        Images; may be memory-mapped.
    rows : (n,) int array
        The unseen ones.
    z : (N, k) array
        Latents.
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
    total, error = 0.0, np.zeros(z.shape[1] + 1)
    for part in blocks(len(rows), BLOCK):
        images = np.asarray(x[rows[part]], dtype=np.float64)
        total += np.sum((images - centre) ** 2)
        for latent in range(-1, z.shape[1]):
            codes = np.array(z[rows[part]], dtype=np.float64)
            if latent >= 0:
                codes[:, latent] = rest[latent]
            error[latent + 1] += np.sum((images - decode(model, codes, device, bfloat16)) ** 2)
    r2 = 1 - error / total if total > 0 else np.full(len(error), np.nan)
    return float(r2[0]), r2[1:]


def _variance(model, z, mean, device, bfloat16) -> float:
    """Of decoded latents over images, summed over voxels; only some images are in memory at a time."""
    centre = decode(model, np.asarray(mean)[None], device, bfloat16)[0].astype(np.float64)
    total, square = np.zeros_like(centre), 0.0
    for part in blocks(len(z), BLOCK):
        away = decode(model, z[part], device, bfloat16) - centre
        total += away.sum(axis=0)
        square += np.sum(away**2)
    return float(max(0.0, square / len(z) - np.sum((total / len(z)) ** 2)))
