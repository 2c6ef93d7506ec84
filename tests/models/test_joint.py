"""Fusion of modalities, against posteriors that are known exactly."""

import pytest
import torch

from pydra_vae.models.joint import FUSIONS, JointConfig, JointVae, mean_of_experts, product_of_experts


def exact(x, loading, noise):
    """Mean and variance of z given x_m = loading_m z + N(0, noise_m), z ~ N(0, 1); of the modalities in the columns."""
    precision = 1 + (loading**2 / noise).sum()
    return (x * loading / noise).sum(-1) / precision, 1 / precision


def test_product_of_exact_experts_is_the_exact_posterior():
    generator = torch.Generator().manual_seed(0)
    loading, noise = torch.tensor([1.5, -0.7, 0.3]), torch.tensor([0.5, 0.2, 1.0])
    x = torch.randn(20, 3, generator=generator)
    alone = [exact(x[:, [m]], loading[[m]], noise[[m]]) for m in range(3)]
    mu = torch.stack([mean for mean, _ in alone])[..., None]
    log_variance = torch.stack([variance.log().expand(20) for _, variance in alone])[..., None]
    for chosen in ([0, 1, 2], [0, 2], [1]):
        present = torch.zeros(3, 20)
        present[chosen] = 1
        mean, fused = product_of_experts(mu, log_variance, present)
        true_mean, true_variance = exact(x[:, chosen], loading[chosen], noise[chosen])
        torch.testing.assert_close(mean[:, 0], true_mean)
        torch.testing.assert_close(fused.exp()[:, 0], true_variance.expand(20))


@pytest.mark.parametrize("fusion", list(FUSIONS.values()))
def test_one_modality_is_its_own_posterior_and_none_is_the_prior(fusion):
    mu, log_variance = torch.randn(2, 5, 3), -torch.rand(2, 5, 3)
    mean, fused = fusion(mu, log_variance, torch.tensor([[0.0], [1.0]]).expand(2, 5))
    torch.testing.assert_close(mean, mu[1])
    torch.testing.assert_close(fused, log_variance[1])
    mean, fused = fusion(mu, log_variance, torch.zeros(2, 5))
    assert (mean == 0).all()
    torch.testing.assert_close(fused, torch.zeros(5, 3))


def test_agreeing_experts_are_surer_together_by_product_and_not_by_mean():
    mu, log_variance = torch.full((2, 1, 1), 0.8), torch.full((2, 1, 1), -1.0)
    there = torch.ones(2, 1)
    assert product_of_experts(mu, log_variance, there)[1] < -1.0
    torch.testing.assert_close(mean_of_experts(mu, log_variance, there)[1], torch.full((1, 1), -1.0))


def test_what_is_missing_changes_nothing():
    torch.manual_seed(0)
    model = JointVae(JointConfig(4, {"image": 3, "second": 2}, ("a", "b")))
    x, scores = torch.randn(6, 3), torch.randn(6, 2)
    alone = {"image": (x, torch.ones(6, 3))}
    with_absent = alone | {"second": (torch.randn(6, 2), torch.zeros(6, 2)), "scores": (scores, torch.zeros(6, 2))}
    for one, other in zip(model.encode(alone), model.encode(with_absent), strict=True):
        torch.testing.assert_close(one, other)
    half = torch.tensor([1.0, 0.0]).expand(6, 2)
    told = model.encode({"scores": (scores, half)})[0]
    torch.testing.assert_close(told, model.encode({"scores": (scores * half + 9 * (1 - half), half)})[0])


def test_no_expert_is_wider_than_the_prior():
    torch.manual_seed(0)
    model = JointVae(JointConfig(4, {"image": 3}, ("a",)))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    _, log_variance = model.encode_one("image", 5 * torch.randn(50, 3), torch.ones(50, 3))
    assert (log_variance <= 0).all()


def test_unknown_fusion_and_sizes_are_refused():
    with pytest.raises(ValueError, match="one of poe, mean"):
        JointConfig(4, {"image": 3}, fusion="sum")
    with pytest.raises(ValueError, match="latent_dim is 0"):
        JointConfig(0, {"image": 3})
