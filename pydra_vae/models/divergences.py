"""Two other ways to write the KL of a posterior from the prior: estimated from draws, and with free bits."""

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def monte_carlo_kl(mu: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) of each row from draws: the mean of log q(z | x) − log p(z), in nats.

    Unbiased, and so the ELBO's KL where a prior has no closed form; here the closed form is known
    (`losses.gaussian_kl`), and the estimate only adds variance. Single estimates may be negative.

    Parameters
    ----------
    mu, log_variance : (B, D) tensors
    noise : (N, B, D) tensor
        Standard normal; z = μ + σ ε of each.

    Returns
    -------
    (B,) tensor

    >>> monte_carlo_kl(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(3, 1, 2))
    tensor([0.])
    """
    mu, log_variance = mu.float(), log_variance.float()
    z = mu + torch.exp(log_variance / 2) * noise
    log_q = -0.5 * (LOG_2PI + log_variance + noise.square())  # (z − μ)/σ is the noise itself
    log_p = -0.5 * (LOG_2PI + z.square())
    return (log_q - log_p).sum(-1).mean(0)


def free_bits_kl(mu: Tensor, log_variance: Tensor, free_bits: float = 0.0) -> Tensor:
    """Σ_d max(λ, mean over rows of KL_d): no reward for a dimension's KL below λ nats.

    Kingma et al. (2016), arXiv 1606.04934, eq. 15. A dimension below λ has no gradient, so that the divergence cannot
    push it all the way to the prior.

    Parameters
    ----------
    mu, log_variance : (..., B, D) tensors
    free_bits : float
        λ, in nats of each dimension; 0 leaves the KL as it is.

    Returns
    -------
    (...) tensor
        Nats, summed over dimensions, averaged over rows.

    >>> free_bits_kl(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2), 0.5)
    tensor(2.5000)
    """
    mu, log_variance = mu.float(), log_variance.float()
    each = -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).mean(-2)
    return each.clamp_min(free_bits).sum(-1) if free_bits > 0 else each.sum(-1)
