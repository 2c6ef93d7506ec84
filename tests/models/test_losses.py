"""The KL against Monte Carlo and torch, and the ELBO against a known evidence."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from pydra_vae.models.losses import (
    KERNEL_SCALES,
    Terms,
    gaussian_kl,
    kl_weight_of,
    prior_mmd,
    reparameterise,
    squared_error,
)


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


@pytest.mark.parametrize("d", [1, 3, 9])
def test_mmd_is_zero_for_the_prior_and_known_for_a_shifted_one(d):
    """For N(δ, I) each kernel of width γ² gives 2 (γ²/(2+γ²))^(D/2) (1 − exp(−|δ|²/2(2+γ²)))."""
    z = torch.randn(3000, d, generator=torch.Generator().manual_seed(0))
    assert abs(prior_mmd(z).item()) < 1e-3
    shift = 1.5
    widths = torch.tensor(KERNEL_SCALES) * d
    expected = 2 * (widths / (2 + widths)) ** (d / 2) * (1 - torch.exp(-(shift**2) * d / (2 * (2 + widths))))
    assert prior_mmd(z + shift).item() == pytest.approx(expected.mean().item(), rel=0.05)


def test_mmd_has_no_bias_in_small_batches():
    z = torch.randn(4000, 8, 3, generator=torch.Generator().manual_seed(1))  # 4,000 batches of 8
    values = prior_mmd(z)
    assert values.min() < 0  # the U-statistic may be
    assert abs(values.mean().item()) < 4 * values.std().item() / 4000**0.5


def test_mmd_agrees_with_a_sampled_prior():
    generator = torch.Generator().manual_seed(2)
    z, p = 0.4 * torch.randn(1500, 4, generator=generator) + 0.3, torch.randn(6000, 4, generator=generator)

    def kernel(a, b):
        squares = torch.cdist(a, b).square()
        return torch.stack([torch.exp(-squares / (2 * s * 4)) for s in KERNEL_SCALES]).mean(0)

    within = [(kernel(a, a).sum() - len(a)) / (len(a) * (len(a) - 1)) for a in (z, p)]
    assert prior_mmd(z).item() == pytest.approx((sum(within) - 2 * kernel(z, p).mean()).item(), abs=2e-3)


def test_mmd_leaves_out_empty_dimensions_and_pulls_latents_to_the_prior():
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(200, 3, generator=generator)
    padded = torch.stack([torch.cat([z, torch.zeros(200, 2)], 1), torch.randn(200, 5, generator=generator)])
    values = prior_mmd(padded, torch.tensor([3, 5]))
    assert values[0].item() == pytest.approx(prior_mmd(z).item(), abs=1e-6)
    free = (3 * z + 2).requires_grad_()
    prior_mmd(free).backward()
    assert (free.grad.mean(0) > 0).all()  # down, towards 0
    assert torch.isfinite(free.grad).all()


def test_mmd_of_one_row_is_refused():
    with pytest.raises(ValueError, match="MMD of 1 rows is undefined"):
        prior_mmd(torch.zeros(1, 3))


def test_beta_of_one_weighs_the_kl_as_the_elbo_does():
    """T/(2σ²) (mse + w KL) = T mse/(2σ²) + KL."""
    weight = kl_weight_of(1.0, 0.02, 50)
    assert 50 / (2 * 0.02) * weight == pytest.approx(1.0)
