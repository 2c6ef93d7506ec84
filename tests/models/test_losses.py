"""The KL against Monte Carlo and torch, and the ELBO against a known evidence."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from pydra_vae.models.losses import Terms, gaussian_kl, reparameterise, squared_error


def test_kl_agrees_with_monte_carlo_and_is_positive():
    generator = torch.Generator().manual_seed(0)
    mu, log_variance = torch.randn(5, 3, generator=generator), torch.randn(5, 3, generator=generator)
    qz, pz = Normal(mu, (log_variance / 2).exp()), Normal(0.0, 1.0)
    z = reparameterise(mu, log_variance, torch.randn(200_000, 5, 3, generator=generator))
    sampled = (qz.log_prob(z) - pz.log_prob(z)).sum(-1).mean(0)
    kl = gaussian_kl(mu, log_variance)
    assert torch.allclose(kl, kl_divergence(qz, pz).sum(-1), atol=1e-5)
    assert torch.allclose(kl, sampled, rtol=0.02)
    assert (kl > 0).all()
    assert gaussian_kl(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


def test_elbo_touches_the_evidence_of_a_linear_gaussian_model():
    """x = A z + noise: the exact posterior gives ELBO = log p(x), any other less."""
    generator = torch.Generator().manual_seed(1)
    t, d, variance = 40, 2, 0.3
    loading, _ = torch.linalg.qr(torch.randn(t, d, generator=generator))
    loading = loading * torch.tensor([2.0, 0.7])  # orthogonal columns: a diagonal posterior is exact
    x = torch.randn(1, t, generator=generator)
    evidence = MultivariateNormal(torch.zeros(t), loading @ loading.T + variance * torch.eye(t)).log_prob(x)

    precision = 1 + loading.square().sum(0) / variance
    mu = x @ loading / variance / precision

    def elbo(mu, log_variance):
        z = reparameterise(mu, log_variance, torch.randn(100_000, 1, d, generator=generator))
        error = squared_error(x, z @ loading.T).mean() * t / (2 * variance)
        return -error - t / 2 * math.log(2 * math.pi * variance) - gaussian_kl(mu, log_variance)

    exact = -precision.log()[None]
    assert elbo(mu, exact).item() == pytest.approx(evidence.item(), abs=0.02)
    assert elbo(mu + 0.3, exact) < evidence - 0.1
    assert elbo(mu, exact + 1) < evidence - 0.1


def test_frames_of_weight_zero_do_not_count():
    x = torch.randn(4, 10)
    spoiled = x.clone()
    spoiled[:, 3] = 1e6
    weights = torch.ones(10)
    weights[3] = 0
    assert squared_error(x, spoiled, weights).abs().max() == 0
    assert torch.allclose(squared_error(x, torch.zeros_like(x), torch.ones(10)), x.square().mean(1))


def test_the_loss_is_the_weighted_sum_of_named_terms():
    terms = Terms({"mse": torch.tensor(2.0), "kl": torch.tensor(10.0)}, {"kl": 0.1})
    assert terms.total.item() == 3.0
