"""Terms of the evidence lower bound, each in stated units.

−ELBO = E_q[−log p(x | z)] + KL(q(z | x) ‖ N(0, I)). With a Gaussian likelihood of variance σ² the first part
is T/(2σ²) times the mean squared error, so on a loss of *mean* squared error β = 1 is a KL weight of
2σ²/T: about 1.7e-5 for σ² = .011 and T = 1,310, and a weight of 1 is β ≈ 6e4.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


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
    return error @ (frame_weights / frame_weights.sum())


def gaussian_kl(mu: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) of each row, in nats.

    −½ Σ_d (1 + log σ²_d − μ²_d − σ²_d); Vázquez-García et al. (2025) print their eq. 7 with the sign reversed.

    >>> gaussian_kl(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
    tensor([0.5000])
    """
    mu, log_variance = mu.float(), log_variance.float()
    return -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).sum(-1)


def reparameterise(mu: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ ε, with ε ~ N(0, I) given as `noise`."""
    return mu + torch.exp(0.5 * log_variance) * noise
