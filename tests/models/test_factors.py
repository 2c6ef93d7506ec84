"""Total correlation against a Gaussian's determinant; the parts of the KL against their sum and their limits."""

import math

import pytest
import torch

from pydra_vae.models.factors import kl_decomposition, tivae_terms, tivae_weights, total_correlation
from pydra_vae.models.losses import gaussian_kl

D, RHO, SIGMA = 5, 0.5, 0.7


def _latents(b, t, rho, sigma, seed=0):
    """Posteriors whose aggregate is N(0, σ² I + (1 − σ²) R), R with ρ everywhere off its diagonal, and a draw."""
    generator = torch.Generator().manual_seed(seed)
    r = torch.full((D, D), rho) + (1 - rho) * torch.eye(D)
    mu = torch.randn(b, t, D, generator=generator) @ torch.linalg.cholesky((1 - sigma**2) * r).T
    z = mu + sigma * torch.randn(b, t, D, generator=generator)
    return (
        z,
        mu,
        torch.full_like(mu, 2 * math.log(sigma)),
        -0.5 * torch.logdet((1 - sigma**2) * r + sigma**2 * torch.eye(D)).item(),
    )


def _posteriors(b=3, t=30, seed=1):
    generator = torch.Generator().manual_seed(seed)
    mu, log_variance = torch.randn(b, t, D, generator=generator), torch.randn(b, t, D, generator=generator)
    return mu + torch.exp(0.5 * log_variance) * torch.randn(b, t, D, generator=generator), mu, log_variance


def test_total_correlation_of_a_gaussian():
    """−½ log det = .237; with T = 284 the estimate lies some hundredths above, with T = 2000 on it."""
    *latents, exact = _latents(60, 284, RHO, SIGMA)
    assert exact == pytest.approx(0.237, abs=5e-4)
    assert 0.235 < total_correlation(*latents).mean().item() < 0.28
    *latents, _ = _latents(4, 2000, RHO, SIGMA, seed=1)
    assert total_correlation(*latents).mean().item() == pytest.approx(exact, abs=0.03)


def test_independent_factors_have_little_and_sharp_posteriors_hide_it():
    *independent, exact = _latents(20, 284, 0.0, SIGMA)
    assert exact == pytest.approx(0, abs=1e-6)
    assert abs(total_correlation(*independent).mean().item()) < 0.05
    apart, together = (total_correlation(*_latents(8, 284, rho, 0.1)[:3]).mean().item() for rho in (0.0, RHO))
    assert apart > 5 and together > 5  # a documented blindness: see the module


def test_total_correlation_is_the_double_sum_of_its_formula():
    z, mu, log_variance = _posteriors(1, 7)
    t = 7
    log_n = torch.distributions.Normal(mu[0], torch.exp(0.5 * log_variance[0])).log_prob(z[0][:, None])  # (t, s, j)
    joint = torch.logsumexp(log_n.sum(-1), 1) - math.log(t)
    each = torch.logsumexp(log_n, 1) - math.log(t)
    assert total_correlation(z, mu, log_variance).item() == pytest.approx(
        (joint - each.sum(-1)).mean().item(), abs=1e-5
    )


def test_one_factor_has_no_total_correlation():
    z, mu, log_variance = (v[..., :1] for v in _posteriors())
    assert total_correlation(z, mu, log_variance).abs().max() < 1e-5


def test_a_stride_leaves_the_expectation():
    *latents, _ = _latents(60, 284, RHO, SIGMA)
    full, sparse = total_correlation(*latents), total_correlation(*latents, stride=4)
    assert abs((full - sparse).mean().item()) < 4 * (full - sparse).std().item() / 60**0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_the_parts_of_the_kl_sum_to_it(seed):
    latents = _posteriors(seed=seed)
    mi, tc, dimension_wise = kl_decomposition(*latents)
    assert torch.allclose(mi + tc + dimension_wise, gaussian_kl(*latents[1:]).mean(-1), rtol=1e-5)
    assert torch.allclose(tc, total_correlation(*latents))


def test_the_parts_of_posteriors_that_are_the_prior_are_zero():
    z = torch.randn(2, 500, D, generator=torch.Generator().manual_seed(0))
    for part in kl_decomposition(z, torch.zeros_like(z), torch.zeros_like(z)):
        assert part.abs().max() < 0.2  # E log p(z) is exact, the draw's is not
    assert sum(kl_decomposition(z, torch.zeros_like(z), torch.zeros_like(z))).abs().max() < 1e-5


def test_sharp_posteriors_tell_the_frame():
    """The mutual information reaches log T."""
    *latents, _ = _latents(4, 100, 0.0, 0.01)
    assert kl_decomposition(*latents)[0].mean().item() == pytest.approx(math.log(100), abs=0.5)


def test_terms_and_their_weights():
    z, mu, log_variance = _posteriors()
    x = torch.randn(3, 30, 11)
    terms = tivae_terms(x, torch.zeros_like(x), z, mu, log_variance, decompose=True)
    assert torch.allclose(terms["reconstruction"], x.square().mean(2).sum(1))
    assert torch.allclose(terms["mi"] + terms["tc"] + terms["dimension_wise"], terms["kl"], rtol=1e-5)
    crop = tivae_terms(x[:, :10], 0 * x[:, :10], z[:, :10], mu[:, :10], log_variance[:, :10], n_frames=30)
    assert torch.allclose(crop["reconstruction"], 3 * x[:, :10].square().mean(2).sum(1))
    assert set(terms) == set(tivae_weights(D, 1.0))
    paper_kl = -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).mean((1, 2))  # over time and dimensions
    assert torch.allclose(tivae_weights(D, 3.0)["kl"] * terms["kl"], paper_kl, rtol=1e-5)


def test_beta_vae_at_one_is_tivae_at_zero():
    assert tivae_weights(D, 0.0) == tivae_weights(D, 1.0, "beta-vae")
    # the total correlation counts in the KL too, which is averaged over factors
    ours = tivae_weights(D, 2.0)
    assert ours["kl"] + ours["tc"] == pytest.approx(tivae_weights(D, 1 + 2 * D, "beta-vae")["kl"])
    with pytest.raises(ValueError, match="kind is 'vae'"):
        tivae_weights(D, 1.0, "vae")
