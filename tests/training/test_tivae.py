"""A TI-VAE learns a planted task quickly, collapses from PyTorch's start, repeats to the bit, and trains in stacks.

How equal a stack's model is to its own fit: at the same weights terms agree to 1e-5 and gradients to 1e-4 of their
size; after 12 steps the validation loss agrees to 1e-3 (its GRU steps explicitly, and rounding grows as it trains).
"""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from pydra_vae.training.recordings import Recordings
from pydra_vae.training.stack import Stack
from pydra_vae.training.tivae import (
    RAMPS,
    TiVaeLoss,
    TiVaeProblem,
    _recordings,
    _training,
    fit_tivae,
    fit_tivae_many,
    native_bfloat16,
    tivae_recipe,
)

from .motor_sheets import pca_r2, sheets

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small():
    return sheets(side=8, blocks=2, n_frames=24, parts=(6, 2, 1), noise=0.5)


SIZES = {"hidden": 16, "gru_size": 8, "embedding": 8}  # seconds instead of minutes


def problem(made, latent_dim=3, kind="tivae", beta=1.0, seed=0, config=None, **options):
    recipe = options.pop("recipe", tivae_recipe("fast", max_steps=10, batch_size=3))
    return TiVaeProblem(
        made.arrays, made.parts, made.config(latent_dim=latent_dim, **SIZES | (config or {})), made.clusters,
        loss=TiVaeLoss(kind, beta), recipe=recipe, crop=16, ramp=RAMPS["fast"], seed=seed, **options,
    )  # fmt: skip


def same_weights(first, second):
    return all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))


def test_a_planted_task_is_learnt_within_a_hundred_steps():
    made = sheets(side=12, n_frames=60, parts=(10, 2, 2), noise=1.0)
    sizes = {"hidden": 256, "gru_size": 128, "embedding": 64}
    fast = problem(made, 8, recipe=tivae_recipe("fast", max_steps=100, batch_size=2), config=sizes)
    _, fit = fit_tivae(replace(fast, crop=48))
    last = fit.history[-1]
    assert last["val_r2"] > 0.1 and pca_r2(made, 8, "validation") > last["val_r2"]
    assert fit.best_step > 60 and last["val_mi"] > 1


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_from_pytorchs_start_it_collapses(small, beta):
    _, fit = fit_tivae(problem(small, beta=beta, initialisation="pytorch"))
    assert fit.history[-1]["val_r2"] < 0.01 and fit.history[-1]["val_mi"] < 0.1


def test_a_beta_vae_at_one_is_a_tivae_at_zero_to_the_bit(small):
    (first, a), (second, b) = (fit_tivae(problem(small, kind=kind, beta=beta)) for kind, beta in
                               (("beta-vae", 1.0), ("tivae", 0.0)))  # fmt: skip
    assert same_weights(first, second) and a.history == b.history
    assert not same_weights(first, fit_tivae(problem(small, beta=1.0))[0])


@pytest.mark.parametrize("name", ["fast", "paper"])
def test_a_fit_that_was_cut_off_goes_on_to_the_same_bytes(small, tmp_path, name):
    class CutOffError(Exception):
        pass

    def cut(step, **_):
        if step == 10:  # progress is reported every ten steps
            raise CutOffError

    given = problem(small, recipe=tivae_recipe(name, max_steps=14, batch_size=3))
    options = {"checkpoint": tmp_path / "fit.pt", "checkpoint_seconds": 0, "fingerprint": "one"}
    with pytest.raises(CutOffError):
        fit_tivae(given, **options, progress=cut)
    (whole, first), (resumed, second) = fit_tivae(given), fit_tivae(given, **options)
    assert second.resumed_at == 10 and json.dumps(first.history) == json.dumps(second.history)
    assert same_weights(whole, resumed)
    assert same_weights(whole, fit_tivae(given)[0]) and not same_weights(whole, fit_tivae(replace(given, seed=1))[0])


def test_crops_are_scaled_to_whole_recordings(small):
    """Of random crops the reconstruction is that of whole recordings on average."""
    given = problem(small)
    recordings = _recordings(given, CPU)
    member = _training(replace(given, crop=10), recordings).member
    whole = _training(replace(given, crop=None), recordings).member
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        crops = [member.objective(torch.arange(6), 1.0, generator).values["reconstruction"] for _ in range(100)]
        expected = whole.objective(torch.arange(6), 1.0, generator).values["reconstruction"]
    assert torch.stack(crops).mean().item() == pytest.approx(expected.item(), rel=0.05)


def test_a_validation_costs_a_tenth_of_the_training_between(small):
    """Recordings of a validation, passed twice, against the frames trained on since the last."""
    made = sheets(side=4, blocks=1, n_frames=100, parts=(4, 40, 1))
    for steps in (100, 400, 2000):
        recipe = tivae_recipe("fast", max_steps=steps)
        training = _training(replace(problem(made, recipe=recipe), crop=96), _recordings(problem(made), CPU))
        rows, _ = training.member.passes()[0]
        seen = training.recipe.validate_every * 4 * 96
        assert 2 <= len(rows) <= 40 and len(rows) * 100 * 0.85 <= max(0.1 * seen, 2 * 100)


def test_the_paper_s_recipe_validates_on_every_recording():
    made = sheets(side=4, blocks=1, n_frames=20, parts=(16, 9, 1))
    given = problem(made, recipe=tivae_recipe("paper"))
    rows, _ = _training(replace(given, crop=None), _recordings(given, CPU)).member.passes()[0]
    assert rows.tolist() == list(range(16, 25))


def test_test_recordings_are_not_read(small):
    spoiled = replace(small, arrays=[*small.arrays[:-1], np.full_like(small.arrays[-1], np.nan)])
    assert same_weights(fit_tivae(problem(small))[0], fit_tivae(problem(spoiled))[0])


def test_bfloat16_reaches_what_float32_reaches(small):
    if not native_bfloat16(CPU):
        pytest.skip("without native bfloat16 this is slow")
    (_, full), (_, half) = (fit_tivae(problem(small, bfloat16=flag)) for flag in (False, True))
    assert full.history != half.history
    assert half.history[-1]["val_reconstruction"] == pytest.approx(full.history[-1]["val_reconstruction"], rel=0.05)


def test_parts_and_regions_that_do_not_suit_are_refused(small):
    with pytest.raises(ValueError, match="the split has no validation recordings among 9"):
        fit_tivae(replace(problem(small), parts=["train"] * 9))
    other = [array[:, 1:] for array in small.arrays]
    with pytest.raises(ValueError, match="the series have 127 vertices, but the region has 128"):
        fit_tivae(replace(problem(small), arrays=other))
    with pytest.raises(ValueError, match="recipe is 'slow'"):
        tivae_recipe("slow")
    with pytest.raises(ValueError, match="beta is -1"):
        TiVaeLoss(beta=-1)


STACKS = {
    "sizes, seeds and betas": [{"latent_dim": 2, "beta": 0.5}, {"latent_dim": 4, "seed": 1}, {"latent_dim": 3}],
    "beta-VAEs": [{"kind": "beta-vae", "beta": 2.0}, {"latent_dim": 2, "kind": "tivae", "beta": 0.0, "seed": 1}],
    "unshared": [{"config": {"share_hemispheres": False, "temporal_decoder": True}, "seed": seed} for seed in (0, 1)],
    "linear": [{"config": {"network": "linear"}, "latent_dim": k} for k in (2, 3)],
}


@pytest.mark.parametrize("name", STACKS)
def test_terms_and_gradients_of_one_step_are_each_models_own(small, name):
    given = [problem(small, **options) for options in STACKS[name]]
    members = [_training(p, _recordings(p, CPU)).member for p in given]
    assert len({member.kin for member in members}) == 1
    stack, n = Stack(members, CPU), len(members)
    rows, ramps = [torch.arange(i, i + 3) for i in range(n)], [0.3, 1.0, 0.6][:n]
    together = stack.terms(rows, ramps, [torch.Generator().manual_seed(i) for i in range(n)])
    together.total.sum().backward()
    for m, member in enumerate(members):
        own = member.objective(rows[m], ramps[m], torch.Generator().manual_seed(m))
        own.total.backward()
        assert together.total[m].item() == pytest.approx(own.total.item(), rel=1e-5)
        of_stack = {name: value.grad[m] for name, value in stack._parameters.items()}
        for parameter, gradient in of_stack.items():
            surplus = gradient.clone()
            like = dict(member.module.named_parameters())[parameter]
            surplus[tuple(slice(n) for n in like.shape)] = 0
            assert (surplus == 0).all(), parameter
        of_model = member.narrowed(of_stack)
        largest = max(p.grad.abs().max() for p in member.model.parameters())
        for parameter, value in member.model.named_parameters():
            assert torch.allclose(of_model[parameter], value.grad, atol=1e-4 * largest), parameter


@pytest.mark.parametrize("recipe", ["fast", "paper"])
def test_a_fit_of_a_stack_is_the_fit_alone(small, recipe):
    how = tivae_recipe(recipe, max_steps=12, batch_size=3)
    given = [problem(small, recipe=how, **options) for options in STACKS["sizes, seeds and betas"]]
    for one, (model, fit) in zip(given, fit_tivae_many(given), strict=True):
        own_model, own = fit_tivae(one)
        assert fit.stacked_with == 2 and own.stacked_with == 0 and model.config == own_model.config
        assert [list(row) for row in fit.history] == [list(row) for row in own.history]
        both = np.array([[row["val_loss"] for row in of.history] for of in (fit, own)])
        assert np.abs(both[0] / both[1] - 1).max() < 1e-3
        assert fit.best_step == own.best_step


def test_models_of_a_stack_go_back_to_their_own_rates(small):
    """Where plateaus have slowed one model, its step is that share of the full one; the others' stay."""
    given = [problem(small, seed=seed) for seed in (0, 1)]
    stack = Stack([_training(p, _recordings(p, CPU)).member for p in given], CPU)
    before = {name: value.clone() for name, value in stack.state_dict().items()}
    with torch.no_grad():
        for value in stack._parameters.values():
            value.add_(1.0)
    stack.go_back(before, [1.0, 0.25])
    for name, value in stack.state_dict().items():
        assert torch.equal(value[0], before[name][0] + 1)
        assert torch.allclose(value[1] - before[name][1], torch.tensor(0.25), atol=1e-6)


@pytest.mark.gpu
def test_on_a_gpu_a_stack_is_as_good_as_its_models_alone(small):
    device = torch.device("cuda")
    how = tivae_recipe("fast", max_steps=100, batch_size=3)
    given = [problem(small, recipe=how, bfloat16=True, **o) for o in STACKS["sizes, seeds and betas"]]
    assert Recordings(small.arrays, device).n_held == len(small.arrays)
    for one, (_, fit) in zip(given, fit_tivae_many(given, device=device), strict=True):
        _, own = fit_tivae(one, device=device)
        assert fit.history[-1]["val_loss"] == pytest.approx(own.history[-1]["val_loss"], rel=0.05)
