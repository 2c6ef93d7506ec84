"""Structural similarity of images with a Gaussian window, and the dissimilarity that serves as a loss.

Wang et al. (2004), IEEE TIP 13:600: at each place of a sliding window,

    SSIM = (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)),   C₁ = (.01 R)², C₂ = (.03 R)²

with R the range of the data, averaged over the places where the whole window lies in the image. Weighted moments divide
by the sum of the weights (population moments): scikit-image with `gaussian_weights=True, use_sample_covariance=False`,
whose window is 11 at σ = 1.5 whatever `win_size` says, gives the same number to 1e-5.

DSSIM: Vázquez-García et al. (2025) print 1 − SSIM; (1 − SSIM)/2 is the usual definition. `dssim` gives either.

The window is separable, and along each axis a product with a banded Toeplitz matrix: at 11³ on a CPU some forty times
faster than convolutions. Images of one, two or three axes are taken alike, so that a series has its SSIM over time.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from pydra_vae.models.losses import full_precision

K1, K2 = 0.01, 0.03  # of Wang et al.


def ssim(
    x: Tensor,
    y: Tensor,
    data_range: float | Tensor,
    window: int = 11,
    sigma: float = 1.5,
    mask: Tensor | None = None,
    surrounded: bool = False,
) -> Tensor:
    """Mean structural similarity of each pair of images.

    Parameters
    ----------
    x, y : (B, ...) tensors
        Images of 1–3 axes, (B, I, J, K) for volumes.
    data_range : float or () tensor
        R, in the images' units: fixed for a whole data set, or figures of different images do not compare.
    window : int
        Odd length of the window along each axis, in voxels.
    sigma : float
        Standard deviation of the window, in voxels.
    mask : (...) tensor, optional
        Only places whose centre is in it count; of the shape of one image, bool or weights. `check_window` tells
        whether any is left.
    surrounded : bool
        The images are surrounded by 0, so that every voxel is a place, also of images smaller than the window. The
        same as padding them by half a window, at half the price. For images whose range R reaches to 0.

    Returns
    -------
    (B,) tensor
        1 for equal images; float32 (float64 for such inputs).

    Raises
    ------
    ValueError
        Where the window does not fit into the images, is even, or the images' shapes differ.

    >>> x = torch.rand(2, 12, 13, 14, generator=torch.Generator().manual_seed(0))
    >>> torch.allclose(ssim(x, x, 1.0), torch.ones(2))
    True
    """
    if x.shape != y.shape:
        raise ValueError(f"images of shapes {tuple(x.shape)} and {tuple(y.shape)} cannot be compared")
    check_window([window] if surrounded else x.shape[1:], window)
    if x.dtype != torch.float64:
        x, y = x.float(), y.float()
    with full_precision(x.device):
        places = _ssim_map(x, y, data_range, (window, sigma, surrounded))
    if mask is None:
        return places.flatten(1).mean(1)
    weights = (mask if surrounded else valid_region(mask, window)).to(places.dtype).flatten()
    return places.flatten(1) @ (weights / weights.sum().clamp_min(torch.finfo(places.dtype).tiny))


def dssim(
    x: Tensor,
    y: Tensor,
    data_range: float | Tensor,
    window: int = 11,
    sigma: float = 1.5,
    mask: Tensor | None = None,
    kind: str = "full",
    surrounded: bool = False,
) -> Tensor:
    """Structural dissimilarity of each pair: 1 − SSIM (`full`, as the tutorial prints it) or half of it (`half`).

    >>> x = torch.zeros(1, 11)
    >>> [round(dssim(x, x + 1, 1.0, kind=kind).item(), 3) for kind in ("full", "half")]
    [1.0, 0.5]
    """
    if kind not in ("full", "half"):
        raise ValueError(f"dssim is {kind!r}: it must be full (1 − SSIM) or half ((1 − SSIM)/2)")
    return (1 - ssim(x, y, data_range, window, sigma, mask, surrounded)) / (1 if kind == "full" else 2)


def check_window(shape: Sequence[int], window: int, mask: Tensor | None = None) -> None:
    """Refuse a window that does not fit into images of a shape, or leaves nothing of a mask.

    Raises
    ------
    ValueError
        Saying which window would fit.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"an SSIM window of {window} has no centre, or no extent: give an odd number from 3")
    smallest = min(shape)
    if window > smallest:
        fitting = smallest - 1 + smallest % 2
        advice = f"give a window of at most {fitting}" if fitting >= 3 else "SSIM needs at least 3 voxels along each"
        raise ValueError(
            f"an SSIM window of {window} voxels does not fit into images of {' × '.join(map(str, shape))}: {advice}, "
            "or use a finer grid"
        )
    if mask is not None and not bool(valid_region(mask, window).any()):
        raise ValueError(
            f"with an SSIM window of {window} voxels no place of the {' × '.join(map(str, shape))} images has its "
            "centre in the mask: give a smaller window"
        )


def valid_region(image: Tensor, window: int) -> Tensor:
    """An image without the margin in which a window's centre cannot lie.

    >>> valid_region(torch.arange(7), 5)
    tensor([2, 3, 4])
    """
    margin = window // 2
    return image[tuple(slice(margin, length - margin) for length in image.shape)]


def _ssim_map(x: Tensor, y: Tensor, data_range, kernel: tuple[int, float, bool]) -> Tensor:
    """SSIM at each place of the window, (B, I − w + 1, …), or at each voxel of surrounded images."""
    # Variances as E[x²] − E[x]² lose digits where images lie far from 0; they do not change with a common offset.
    # Surrounded images do not lie far from it.
    offset = 0.0 if kernel[-1] else x.detach().flatten(1).mean(1).reshape(-1, *[1] * (x.ndim - 1))
    a, b = x - offset, y - offset
    # apart, so that no gradient is computed of the data's own moments
    mean_a, aa = _smooth(torch.stack([a, a * a]).flatten(0, 1), *kernel).unflatten(0, (2, -1))
    mean_b, bb, ab = _smooth(torch.stack([b, b * b, a * b]).flatten(0, 1), *kernel).unflatten(0, (3, -1))
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    mean_x, mean_y = mean_a + offset, mean_b + offset
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    spread = aa - mean_a.square() + bb - mean_b.square()
    return luminance * (2 * (ab - mean_a * mean_b) + c2) / (spread + c2)


def _smooth(images: Tensor, window: int, sigma: float, surrounded: bool) -> Tensor:
    """Weighted mean over the window at each of its places, one axis after the other."""
    for axis in range(1, images.ndim):
        band = _band(images.shape[axis], window, sigma, surrounded).to(images)
        if axis == images.ndim - 1:
            return images @ band.T
        shape = images.shape
        images = (band @ images.flatten(axis + 1)).reshape(*shape[:axis], len(band), *shape[axis + 1 :])
    return images


@lru_cache(maxsize=64)
def _band(length: int, window: int, sigma: float, surrounded: bool) -> Tensor:
    """Banded Toeplitz matrix (L − w + 1, L) whose rows are the Gaussian window, shifted; rows sum to 1.

    Surrounded by 0, the window's centre reaches every voxel, (L, L), and rows at the ends lose what lies outside.
    """
    place = torch.arange(window, dtype=torch.float64) - window // 2
    weights = torch.exp(-0.5 * (place / sigma).square())
    margin = window // 2 if surrounded else 0
    band = torch.zeros(length + 2 * margin - window + 1, length + 2 * margin, dtype=torch.float64)
    for row in range(len(band)):
        band[row, row : row + window] = weights / weights.sum()
    return band[:, margin : margin + length]
