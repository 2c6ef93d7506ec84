"""Fitting the CVAE to series whose structure is planted."""

import numpy as np
import pytest
import torch

from pydra_vae.models.losses import prior_mmd
from pydra_vae.training.apply import decode, encode
from pydra_vae.training.cvae import CvaeLoss, build, fit_cvae
from pydra_vae.training.elbo import CvaeMember
from pydra_vae.training.recipes import RECIPES
from pydra_vae.training.rows import Rows

CPU = torch.device("cpu")
FAST = RECIPES["fast"]


@pytest.fixture(scope="module")
def planted():
    """1,200 voxels of three mixed time courses plus noise in [0, 1], with their split and PCA."""
    rng = np.random.default_rng(0)
    t = np.arange(80)
    courses = np.stack([np.sin(2 * np.pi * t / p) for p in (40, 17, 9)])
    x = rng.normal(size=(1200, 3)) @ courses + 0.5 * rng.normal(size=(1200, 80))
    x = ((x - x.min(1, keepdims=True)) / np.ptp(x, axis=1, keepdims=True)).astype(np.float32)
    split = np.repeat([0, 1, 2], [840, 120, 240]).astype(np.int8)
    components = np.linalg.svd(x[split == 0] - x[split == 0].mean(0), full_matrices=False)[2][:3]
    return x, split, components


def error(model, x):
    with torch.no_grad():
        x = torch.from_numpy(np.array(x))
        return float((model(x) - x).square().mean())


def pca_error(x, split, components, part):
    e = x[split == part] - x[split == 0].mean(0)
    return float(np.square(e - e @ components.T @ components).mean())


@pytest.mark.parametrize("network", ["lk", "dense", "paper"])
def test_a_network_learns_more_than_the_mean_series(planted, network):
    x, split, _ = planted
    steps = 160 if network == "paper" else 100
    model, fit = fit_cvae(
        x, split, latent_dim=3, network=network, recipe=FAST.with_options(max_steps=steps, learning_rate=5e-3)
    )
    assert model.config.output == ("sigmoid" if network == "paper" else "linear")
    mean_only = np.square(x[split == 2] - x[split == 0].mean(0)).mean()
    assert error(model, x[split == 2]) < 0.7 * mean_only
    assert fit.history[fit.best_step // 50]["best"] == 1


@pytest.mark.parametrize("network", ["lk", "dense"])
def test_the_skip_starts_at_pca_and_never_ends_worse(planted, network):
    x, split, components = planted
    model, fit = fit_cvae(
        x, split, latent_dim=3, network=network, components=components, recipe=FAST.with_options(max_steps=60)
    )
    of_pca = pca_error(x, split, components, 1)
    assert fit.history[0]["val_mse"] == pytest.approx(of_pca, rel=1e-4)
    assert error(model, x[split == 1]) <= of_pca * 1.0001
    assert error(model, x[split == 2]) <= 1.01 * pca_error(x, split, components, 2)


def test_history_and_weights_are_repeatable_to_the_bit(planted):
    x, split, _ = planted

    def run(seed):
        return fit_cvae(
            x, split, loss=CvaeLoss(mixing=0.3), recipe=FAST.with_options(max_steps=12, validate_every=4), seed=seed
        )

    (one, first), (same, second), (other, third) = run(1), run(1), run(2)
    assert first.history == second.history != third.history
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.encoder[-1].weight, other.encoder[-1].weight)


def test_frames_of_weight_zero_do_not_steer_the_fit(planted):
    """Rubbish in a censored frame of the target leaves the loss as it was."""
    x, split, components = planted
    weights = np.ones(80)
    weights[10] = 0
    blind = components.copy()
    blind[:, 10] = 0
    spoiled = x.copy()
    spoiled[:, 10] = np.random.default_rng(1).random(len(x)) * 50
    recipe = FAST.with_options(max_steps=1)
    values = [
        fit_cvae(
            d, split, latent_dim=3, network="dense", components=blind, loss=CvaeLoss(frame_weights=weights),
            recipe=recipe,
        )[1].history[0]["val_mse"]
        for d in (x, spoiled)
    ]  # fmt: skip
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_without_kl_the_latent_is_the_mean_and_with_it_a_sample(planted):
    x, split, _ = planted
    train = np.flatnonzero(split == 0)
    model = build(x, train, 3, "dense", None)
    batch = torch.arange(32)

    def terms_of(loss, seed):
        member = CvaeMember(model, Rows(x, CPU), train, train, loss)
        return member.objective(batch, 1.0, torch.Generator().manual_seed(seed))

    assert terms_of(CvaeLoss(), 1).total.item() == terms_of(CvaeLoss(), 2).total.item()
    assert set(terms_of(CvaeLoss(), 1).values) == {"mse"}
    for loss in (CvaeLoss(sample_latent=True), CvaeLoss(kl_weight=0.1)):
        assert terms_of(loss, 1).total.item() != terms_of(loss, 2).total.item()
    terms = terms_of(CvaeLoss(kl_weight=0.1), 1)
    mse, kl = (terms.values[name].item() for name in ("mse", "kl"))
    assert terms.total.item() == pytest.approx(mse + 0.1 * kl, rel=1e-6)


def test_mixed_voxels_lie_between_training_voxels(planted):
    x, split, _ = planted
    train = np.flatnonzero(split == 0)
    flat = np.repeat(np.arange(len(x), dtype=np.float32)[:, None], 80, 1)  # voxel i is constant i
    member = CvaeMember(build(x, train, 3, "dense", None), Rows(flat, CPU), train, train, CvaeLoss(mixing=0.5))
    drawn = member.draw(torch.full((4000,), 100), torch.Generator().manual_seed(0))
    mixed = member.inputs(*drawn)[0][:, 0]
    assert mixed.min() >= 0 and mixed.max() <= 839
    assert (mixed != 100).float().mean() == pytest.approx(0.5, abs=0.03)
    # E[100 + a (j − 100)] with a and j uniform
    assert mixed[mixed != 100].mean() == pytest.approx(100 + (839 / 2 - 100) / 2, rel=0.05)


def test_a_kl_weight_of_one_collapses_and_its_kl_is_logged_in_nats(planted):
    x, split, _ = planted
    recipe = FAST.with_options(max_steps=150)
    model, fit = fit_cvae(x, split, latent_dim=3, network="dense", loss=CvaeLoss(kl_weight=1.0), recipe=recipe)
    assert 0 <= fit.history[-1]["val_kl"] < 0.05
    mu = np.concatenate([m for _, m, _ in encode(model, x)])
    assert mu.var(0).max() < 0.01


def test_encode_and_decode_in_blocks_equal_the_whole(planted):
    x, split, _ = planted
    model = build(x, np.flatnonzero(split == 0), 3, "lk", None).eval()
    big = np.concatenate([x, x])  # 2,400 rows: more than one block
    mu = np.concatenate([m for _, m, _ in encode(model, big)])
    parts = list(decode(model, mu))
    assert [part for part, _ in parts][-1] == slice(2304, 2400)
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    assert np.allclose(np.concatenate([p for _, p in parts])[1200:], expected, atol=1e-5)


def test_the_paper_network_has_no_sigmoid_on_data_beyond_one(planted):
    x, split, _ = planted
    assert build(3 * x, np.flatnonzero(split == 0), 3, "paper", None).config.output == "linear"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, s: (x, np.where(s == 1, 0, s)), "leaves 0 validation voxels of 1200"),
        (lambda x, s: (x, np.where(s == 0, 2, s)), "leaves 0 training voxels"),
        (lambda x, s: (x, s[:-1]), "split has 1199 entries but there are 1200 voxels"),
        (lambda x, s: (x[:, :20], s), "20 frames.*at least 32"),
        (lambda x, s: (0 * x, s), "all the same series"),
    ],
)
def test_refused_data(planted, change, message):
    x, split = change(*planted[:2])
    with pytest.raises(ValueError, match=message):
        fit_cvae(x, split, recipe=FAST.with_options(max_steps=1))


def test_an_mmd_brings_the_latents_to_the_prior_without_sampling(planted):
    x, split, _ = planted
    distances, losses = [], []
    for weight in (0.0, 1.0):
        loss, recipe = CvaeLoss(mmd_weight=weight), FAST.with_options(max_steps=200)
        model, fit = fit_cvae(x, split, latent_dim=3, network="dense", loss=loss, recipe=recipe)
        mu = np.concatenate([m for _, m, _ in encode(model, x)])
        distances.append(float(prior_mmd(torch.from_numpy(mu))))
        losses.append(fit.history[-1])
    assert distances[1] < distances[0] / 5
    assert losses[1]["val_loss"] == pytest.approx(losses[1]["val_mse"] + losses[1]["val_mmd"])
    assert "loss_mmd" in losses[1] and not {"val_mmd", "loss_mmd"} & set(losses[0])


def test_a_start_gives_its_weights_but_not_its_mean_series(planted):
    x, split, components = planted
    recipe = FAST.with_options(max_steps=60)
    source, first = fit_cvae(x, split, latent_dim=3, network="dense", components=components, recipe=recipe)
    shifted = 2 * x + np.linspace(0, 1, 80, dtype=np.float32)
    same = {"latent_dim": 3, "network": "dense", "components": components, "start": source}
    model, fit = fit_cvae(shifted, split, **same, recipe=recipe.with_options(max_steps=1))
    assert fit.history[0]["val_mse"] == pytest.approx(4 * first.history[-1]["val_mse"], rel=1e-3)
    assert torch.allclose(model.mean, 2 * source.mean + torch.linspace(0, 1, 80), atol=1e-5)
    with pytest.raises(ValueError, match=r"latent_dim=4.*one to start from is .*latent_dim=3"):
        fit_cvae(x, split, **same | {"latent_dim": 4, "components": None}, recipe=recipe)


def test_cyclical_annealing_keeps_the_best_weights_for_its_end(planted):
    x, split, _ = planted
    recipe = FAST.with_options(max_steps=80, validate_every=10)
    loss = CvaeLoss(kl_weight=1e-3)
    _, fit = fit_cvae(
        x, split, latent_dim=3, network="dense", loss=loss, recipe=recipe, ramp_steps=40, annealing="cyclical"
    )
    assert next(row["step"] for row in fit.history if row["best"]) == 40
    assert fit.ramp_steps == 40


@pytest.mark.parametrize(
    "options", [{"mixing": 1.1}, {"mixing": -0.1}, {"kl_weight": -1.0}, {"mmd_weight": -1.0}, {"kl_weight": np.nan}]
)
def test_refused_losses(options):
    with pytest.raises(ValueError, match="must"):
        CvaeLoss(**options)
