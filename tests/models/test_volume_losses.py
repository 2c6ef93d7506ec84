"""Losses of volumes from truths: SSIM, free bits, draws of the KL, a linear-Gaussian model's evidence."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from pydra_vae.models.divergences import free_bits_kl, monte_carlo_kl
from pydra_vae.models.losses import gaussian_kl, prior_mmd, reparameterise
from pydra_vae.models.ssim import check_window, dssim, ssim

T, D, VARIANCE = 12, 3, 0.4


def _pair(shape=(2, 15, 17, 13), offset=0.0, seed=0):
    """Smooth-ish images and noisy copies of them."""
    rng = np.random.default_rng(seed)
    x = rng.random(shape) + np.linspace(0, 1, shape[-1])
    return [torch.from_numpy((values + offset).astype(np.float32)) for values in (x, x + 0.3 * rng.normal(size=shape))]


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_ssim_is_that_of_scikit_image(offset):
    """Its Gaussian filter is cut at 3.5 σ, 11 voxels at σ 1.5 whatever win_size says; both average the valid region."""
    metrics = pytest.importorskip("skimage.metrics")
    x, y = _pair(offset=offset)
    options = {"data_range": 2.0, "gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5}
    pairs = zip(x.double().numpy(), y.double().numpy(), strict=True)
    theirs = [metrics.structural_similarity(*pair, **options) for pair in pairs]
    np.testing.assert_allclose(ssim(x, y, 2.0), theirs, atol=1e-5)


def test_ssim_over_time_and_over_places_in_a_mask():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = _pair((1, 60))
    options = {"data_range": 1.0, "gaussian_weights": True, "use_sample_covariance": False, "full": True}
    mean, places = metrics.structural_similarity(x[0].double().numpy(), y[0].double().numpy(), **options)
    assert ssim(x, y, 1.0).item() == pytest.approx(mean, abs=1e-5)
    mask = torch.arange(60) < 20
    assert ssim(x, y, 1.0, mask=mask).item() == pytest.approx(places[5:20].mean(), abs=1e-5)


@pytest.mark.parametrize("shape", [(2, 15, 17, 13), (2, 4, 9, 12)], ids=["", "smaller than the window"])
def test_surrounded_images_are_padded_ones(shape):
    x, y = _pair(shape)
    mask = torch.rand(shape[1:], generator=torch.Generator().manual_seed(0)) > 0.4
    padded = [torch.nn.functional.pad(values, [5] * 6) for values in (x, y, mask)]
    expected = ssim(*padded[:2], 1.0, mask=padded[2])
    np.testing.assert_allclose(ssim(x, y, 1.0, mask=mask, surrounded=True), expected, atol=1e-5)


def test_ssim_of_constant_images_is_the_luminance():
    """Without structure (2ab + C₁)/(a² + b² + C₁) is left."""
    a, b, c1 = 0.3, 0.8, 1e-4
    images = [torch.full((1, 11, 11, 11), value) for value in (a, b)]
    assert ssim(*images, 1.0).item() == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-5)


def test_ssim_does_not_depend_on_units_and_falls_with_noise():
    x, y = _pair()
    np.testing.assert_allclose(ssim(x, y, 1.0), ssim(50 * x, 50 * y, 50.0), atol=1e-5)
    np.testing.assert_allclose(ssim(x, x, 1.0), 1, atol=1e-6)
    np.testing.assert_allclose(ssim(x, y, 1.0), ssim(y, x, 1.0), atol=1e-5)
    values = [ssim(x, x + noise * (y - x), 1.0).mean().item() for noise in (0, 0.2, 1, 3)]
    assert values == sorted(values, reverse=True)


def test_dssim_has_the_gradient_of_finite_differences():
    x, y = (values[:1, :11, :11, :12].double() for values in _pair())
    y.requires_grad_()
    assert torch.autograd.gradcheck(lambda y: dssim(x, y, 1.0, kind="half"), y, fast_mode=True)
    assert torch.allclose(dssim(x, y, 1.0, kind="full"), 2 * dssim(x, y, 1.0, kind="half"))
    with pytest.raises(ValueError, match="dssim is 'quarter'"):
        dssim(x, y, 1.0, kind="quarter")


def test_windows_that_do_not_fit_are_refused():
    x = torch.zeros(1, 9, 30, 8)
    with pytest.raises(ValueError, match=r"window of 11 voxels does not fit into images of 9 × 30 × 8: .* at most 7"):
        ssim(x, x, 1.0)
    with pytest.raises(ValueError, match="window of 4 has no centre"):
        ssim(x, x, 1.0, window=4)
    with pytest.raises(ValueError, match="cannot be compared"):
        ssim(x, x[:, :8], 1.0)
    corner = torch.zeros(9, 30, 8, dtype=torch.bool)
    corner[0] = True
    with pytest.raises(ValueError, match="no place of the 9 × 30 × 8 images has its centre in the mask"):
        check_window((9, 30, 8), 7, corner)


def test_draws_of_the_kl_average_to_its_closed_form():
    generator = torch.Generator().manual_seed(0)
    mu, log_variance = torch.randn(4, D, generator=generator), torch.randn(4, D, generator=generator)
    noise = torch.randn(20_000, 4, D, generator=generator)
    draws = torch.stack([monte_carlo_kl(mu, log_variance, one[None]) for one in noise[:2000]])
    error = draws.std(0) / 20_000**0.5
    estimate = monte_carlo_kl(mu, log_variance, noise)
    assert ((estimate - gaussian_kl(mu, log_variance)).abs() < 4 * error).all()
    assert draws.min() < 0  # a single one may be


def test_free_bits_leave_a_floor_without_gradient():
    mu = torch.tensor([[3.0, 0.1], [1.0, 0.0]], requires_grad=True)
    log_variance = torch.zeros(2, 2)
    plain = free_bits_kl(mu, log_variance)
    assert plain.item() == pytest.approx(gaussian_kl(mu, log_variance).mean().item())
    floored = free_bits_kl(mu, log_variance, 0.5)
    assert floored.item() == pytest.approx(2.5 + 0.5)  # (9/2 + 1/2)/2, and the second dimension's floor
    floored.backward()
    assert (mu.grad[:, 1] == 0).all() and (mu.grad[:, 0] > 0).all()


def test_free_bits_are_per_dimension_over_the_batch():
    """A dimension that one image needs costs all of them: the mean over images comes before the floor."""
    mu = torch.tensor([[2.0], [0.0], [0.0], [0.0]])
    assert free_bits_kl(mu, torch.zeros(4, 1), 0.5).item() == 0.5  # (2 + 0 + 0 + 0)/4
    assert free_bits_kl(mu, torch.zeros(4, 1), 0.4).item() == 0.5


def _linear_gaussian(seed=1):
    """x = A z + noise of known variance, and the diagonal posterior that is exact where A has orthogonal columns."""
    generator = torch.Generator().manual_seed(seed)
    loading = torch.linalg.qr(torch.randn(T, D, generator=generator, dtype=torch.float64))[0]
    loading = loading * torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    x = torch.randn(T, generator=generator, dtype=torch.float64)
    precision = 1 + loading.square().sum(0) / VARIANCE
    return x, loading, x @ loading / VARIANCE / precision, -precision.log()


def _elbo(x, loading, mu, log_variance):
    """E_q log p(x | z) − KL in closed form: |x − A z|² has mean |x − A μ|² + Σ σ² |a|²."""
    error = (x - loading @ mu).square().sum() + (log_variance.exp() * loading.square().sum(0)).sum()
    likelihood = -error / (2 * VARIANCE) - T / 2 * math.log(2 * math.pi * VARIANCE)
    return likelihood + 0.5 * (1 + log_variance - mu.square() - log_variance.exp()).sum()


def _evidence(x, loading):
    covariance = loading @ loading.T + VARIANCE * torch.eye(T, dtype=x.dtype)
    return MultivariateNormal(torch.zeros(T, dtype=x.dtype), covariance).log_prob(x)


def test_elbo_is_a_lower_bound_and_touches_at_the_optimum():
    x, loading, mu, log_variance = _linear_gaussian()
    evidence, generator = _evidence(x, loading), torch.Generator().manual_seed(2)
    assert _elbo(x, loading, mu, log_variance).item() == pytest.approx(evidence.item(), abs=1e-10)
    for _ in range(200):
        step = 0.5 * torch.randn(2, D, generator=generator, dtype=x.dtype)
        assert _elbo(x, loading, mu + step[0], log_variance + step[1]) < evidence


def test_climbing_the_elbo_ends_at_the_exact_posterior():
    x, loading, mu, log_variance = _linear_gaussian()
    found = torch.zeros(2, D, dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([found], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimiser.zero_grad()
        loss = -_elbo(x, loading, *found)
        loss.backward()
        return loss

    optimiser.step(closure)
    torch.testing.assert_close(found.detach(), torch.stack([mu, log_variance]), atol=1e-5, rtol=1e-5)


def test_the_reparameterised_gradient_is_that_of_the_closed_form():
    """∂/∂(μ, log σ²) of the sampled ELBO, averaged over draws, against the closed form's, within its own error."""
    x, loading, mu, log_variance = _linear_gaussian()
    at = torch.stack([mu + 0.4, log_variance + 0.7])
    exact = at.clone().requires_grad_()
    _elbo(x, loading, *exact).backward()
    n, generator = 40_000, torch.Generator().manual_seed(3)
    each = at[:, None].repeat(1, n, 1).requires_grad_()  # one copy a draw, so that each has its own gradient
    z = reparameterise(*each, torch.randn(n, D, generator=generator, dtype=x.dtype))
    likelihood = -(x - z @ loading.T).square().sum() / (2 * VARIANCE)
    kl = -0.5 * (1 + each[1] - each[0].square() - each[1].exp()).sum()
    (likelihood - kl).backward()
    error = each.grad.std(1) / n**0.5
    assert ((each.grad.mean(1) - exact.grad).abs() < 4 * error).all()
    assert (exact.grad.abs() > 20 * error).any()  # the test could fail


@pytest.mark.parametrize("d", [2, 12])
def test_mmd_tells_equal_from_shifted_and_from_narrow_latents(d):
    """Of one size of batch: equal ones lie around 0, others far above their spread."""
    z = torch.randn(200, 64, d, generator=torch.Generator().manual_seed(4))
    equal = prior_mmd(z)
    assert abs(equal.mean().item()) < 4 * equal.std().item() / 200**0.5
    for other in (z + 1, 0.3 * z):
        assert prior_mmd(other).min() > equal.mean() + 4 * equal.std()


def test_half_v_log_mse_is_the_likelihood_at_the_best_variance():
    """max over σ² of log N(error; 0, σ² I) is −½ V (log MSE + 1 + log 2π); with σ² held, the gradient is the same."""
    error = torch.randn(500, generator=torch.Generator().manual_seed(5), dtype=torch.float64, requires_grad=True)
    mse = error.square().mean()

    def likelihood(variance):
        return -0.5 * (error.square() / variance + math.log(2 * math.pi) + torch.as_tensor(variance).log()).sum()

    best = likelihood(mse.detach())
    assert best.item() == pytest.approx((-0.5 * 500 * (mse.log() + 1 + math.log(2 * math.pi))).item())
    assert all(likelihood(mse.detach() * factor) < best for factor in (0.9, 1.1))
    (held,) = torch.autograd.grad(best, error, retain_graph=True)
    (free,) = torch.autograd.grad(-0.5 * 500 * mse.log(), error)
    torch.testing.assert_close(held, free)
