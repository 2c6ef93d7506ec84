"""Terms of the evidence lower bound, each in stated units.

−ELBO = E_q[−log p(x | z)] + KL(q(z | x) ‖ N(0, I)). With a Gaussian likelihood of variance σ² the first part
is T/(2σ²) times the mean squared error, so on a loss of *mean* squared error β = 1 is a KL weight of
2σ²/T: about 1.7e-5 for σ² = .011 and T = 1,310, and a weight of 1 is β ≈ 6e4.

InfoVAE (Zhao et al. 2017, arXiv 1706.02262) adds (α + λ − 1) D(q(z) ‖ p(z)), a distance of the *aggregate* posterior
q(z) = mean over x of q(z | x) from the prior; here D is the squared maximum mean discrepancy.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

KERNEL_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)  # squared widths of the MMD's kernels, in units of D


@dataclass(frozen=True)
class Terms:
    """Named terms of a loss and their weights; the loss is their weighted sum.

    Attributes
    ----------
    values : mapping of str to scalar tensor
        Unweighted, in each term's own units (mean squared error in data units, KL in nats).
    weights : mapping of str to float
        1 where a name is missing.
    """

    values: Mapping[str, Tensor]
    weights: Mapping[str, float]

    @property
    def total(self) -> Tensor:
        """Σ weight · value."""
        return sum(self.weights.get(name, 1.0) * value for name, value in self.values.items())


def squared_error(x: Tensor, px: Tensor, frame_weights: Tensor | None = None) -> Tensor:
    """Mean squared error of each row over its weighted frames.

    Parameters
    ----------
    x, px : (B, T) tensors
        Data and reconstruction.
    frame_weights : (T,) tensor, optional
        0 leaves a frame out; all ones without it.

    Returns
    -------
    (B,) tensor
        Squared data units.

    >>> squared_error(torch.tensor([[1., 2., 9.]]), torch.zeros(1, 3), torch.tensor([1., 1., 0.]))
    tensor([2.5000])
    """
    error = (x.float() - px.float()).square()
    if frame_weights is None:
        return error.mean(-1)
    with full_precision(error.device):
        return error @ (frame_weights / frame_weights.sum())


def gaussian_kl(mu: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) of each row, in nats.

    −½ Σ_d (1 + log σ²_d − μ²_d − σ²_d); Vázquez-García et al. (2025) print their eq. 7 with the sign reversed.

    >>> gaussian_kl(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    tensor([0.5000])
    """
    mu, log_variance = mu.float(), log_variance.float()
    return -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).sum(-1)


def full_precision(device: torch.device):
    """No bf16 inside the block: its three digits would drown small differences."""
    if device.type not in ("cuda", "cpu"):
        return nullcontext()  # no autocast elsewhere, and not every device knows it
    return torch.autocast(device.type, enabled=False)


def reparameterise(mu: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ε, with ε ~ N(0, I) given as `noise`."""
    return mu + torch.exp(0.5 * log_variance) * noise


def kl_weight_of(beta: float, noise_variance: float, n_frames: int) -> float:
    """The weight of the KL beside the *mean* squared error that is β on the ELBO in nats: 2σ²β/T.

    Parameters
    ----------
    beta : float
    noise_variance : float
        σ² of p(x | z), squared data units.
    n_frames : int
        T, frames that count.

    >>> round(kl_weight_of(1.0, 0.011, 1310), 7)
    1.68e-05
    """
    return 2 * noise_variance * beta / n_frames


def prior_mmd(z: Tensor, n_dimensions: int | Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy between latents and N(0, I), without bias.

    E k(z, z') − 2 E k(z, p) + E k(p, p') with the mean of Gaussian kernels k = exp(−‖z − z'‖²/2γ²) over five widths
    γ² = D/4 … 4 D. The expectations over the prior are exact (Rustamov 2021, Stat 10:e329), so no sample of it is
    drawn; that over pairs of latents is the U-statistic of Gretton et al. (2012), which may fall below 0.

    Parameters
    ----------
    z : (..., B, D) tensor
        Latents of B rows, at least 2.
    n_dimensions : int or (...) tensor, optional
        D, where z holds dimensions beyond it that are all 0.

    Returns
    -------
    (...) tensor

    >>> far = prior_mmd(torch.full((2, 1), 100.0))
    >>> round(far.item(), 4) == round((1 + sum((s / (2 + s)) ** 0.5 for s in KERNEL_SCALES) / 5), 4)
    True
    """
    z = z.float()
    n = z.shape[-2]
    if n < 2:
        raise ValueError(f"the MMD of {n} rows is undefined: it needs at least 2")
    d = torch.as_tensor(z.shape[-1] if n_dimensions is None else n_dimensions, dtype=z.dtype, device=z.device)
    squares = z.square().sum(-1)
    with full_precision(z.device):
        distances = (squares[..., None] + squares[..., None, :] - 2 * z @ z.mT).clamp_min(0)
    total = torch.zeros_like(d)
    for scale in KERNEL_SCALES:
        width = scale * d
        pairs = torch.exp(-distances / (2 * width[..., None, None])).sum((-1, -2)) - n  # without each with itself
        cross = (width / (1 + width)) ** (d / 2) * torch.exp(-squares / (2 + 2 * width[..., None])).mean(-1)
        total = total + pairs / (n * (n - 1)) - 2 * cross + (width / (2 + width)) ** (d / 2)
    return total / len(KERNEL_SCALES)
