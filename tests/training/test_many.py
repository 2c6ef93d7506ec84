"""A model of a stack equals the one that is fitted alone; what cannot be stacked is fitted alone.

How equal: at the same weights gradients agree to 1e-4 of their size. Trained, `dense` agrees to 1e-5 in its
validation error; with the linear skip, which starts where the gradient is nearly 0 so that Adam follows its rounding,
and with `lk`, to 1 %: data that differ by one part in 10 million move a fit as much.
"""

import json

import numpy as np
import pytest
import torch

from pydra_vae.training.annealing import Annealing
from pydra_vae.training.cvae import CvaeLoss, CvaeProblem, _training, fit_cvae, fit_cvae_many
from pydra_vae.training.loop import NotFiniteError
from pydra_vae.training.recipes import RECIPES
from pydra_vae.training.rows import Rows
from pydra_vae.training.stack import Stack

CPU = torch.device("cpu")
SHORT = RECIPES["fast"].with_options(max_steps=30, batch_size=64, validate_every=10)


def subject(n=400, seed=0):
    rng = np.random.default_rng(seed)
    courses = np.cumsum(rng.normal(size=(4, 48)), axis=1)
    x = rng.normal(size=(n, 4)) @ courses / 5 + rng.normal(size=(n, 48))
    x = ((x - x.min(1, keepdims=True)) / np.ptp(x, axis=1, keepdims=True)).astype(np.float32)
    split = rng.permutation(np.arange(n) % 10)
    return x, np.select([split < 7, split == 7], [0, 1], 2).astype(np.int8)


def components(x, split, k):
    return np.linalg.svd(x[split == 0] - x[split == 0].mean(0), full_matrices=False)[2][:k]


@pytest.fixture(scope="module")
def data():
    return subject()


def problems(data, sizes=(2, 5, 3), skip=False, **options):
    x, split = data
    return [
        CvaeProblem(x, split, latent_dim=d, components=components(x, split, d) if skip else None, seed=i,
                    **{"recipe": SHORT, "network": "dense", **options})
        for i, d in enumerate(sizes)
    ]  # fmt: skip


def alone(problem):
    return fit_cvae(**vars(problem))


def worst(first, second, name="val_mse"):
    """Largest relative difference of a figure between two histories."""
    assert [list(row) for row in first.history] == [list(row) for row in second.history]
    values = np.array([[row[name] for row in fit.history] for fit in (first, second)])
    return np.abs(values[0] / values[1] - 1).max()


LOSSES = {
    "plain": CvaeLoss(),
    "sampled and mixed": CvaeLoss(kl_weight=1e-2, mixing=0.5),
    "mmd": CvaeLoss(mmd_weight=0.1, sample_latent=True),
    "censored": CvaeLoss(frame_weights=np.arange(48) > 3),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("network", "skip"), [("dense", False), ("dense", True), ("lk", False), ("lk", True)])
def test_terms_and_gradients_of_one_step_are_each_models_own(data, network, skip, loss):
    trainings = [_training(p, Rows(p.x, CPU)) for p in problems(data, skip=skip, network=network, loss=LOSSES[loss])]
    members = [training.member for training in trainings]
    stack = Stack(members, CPU)
    rows, ramps = [torch.arange(i, i + 20) for i in range(3)], [0.2, 0.5, 1.0]
    together = stack.terms(rows, ramps, [torch.Generator().manual_seed(i) for i in range(3)])
    together.total.sum().backward()
    for m, member in enumerate(members):
        own = member.objective(rows[m], ramps[m], torch.Generator().manual_seed(m))
        own.total.backward()
        assert together.total[m].item() == pytest.approx(own.total.item(), rel=1e-5)
        of_stack = member.narrowed({name: value.grad[m] for name, value in stack._parameters.items()})
        largest = max(p.grad.abs().max() for p in member.model.parameters())
        for name, parameter in member.model.named_parameters():
            assert torch.allclose(of_stack[name], parameter.grad, atol=1e-4 * largest), name


@pytest.mark.parametrize(
    ("network", "skip", "loss", "tolerance"),
    [
        ("dense", False, "plain", 1e-5),
        ("dense", False, "sampled and mixed", 1e-5),
        ("dense", False, "mmd", 1e-5),
        ("dense", True, "plain", 1e-2),
        ("lk", False, "censored", 1e-2),
    ],
)
def test_a_fit_of_a_stack_is_the_fit_alone(data, network, skip, loss, tolerance):
    given = problems(data, skip=skip, network=network, loss=LOSSES[loss])
    for problem, (model, fit) in zip(given, fit_cvae_many(given), strict=True):
        same, own = alone(problem)
        assert fit.stacked_with == 2 and own.stacked_with == 0
        assert model.config == same.config and not model.training
        assert worst(fit, own) < tolerance
        assert fit.best_step == own.best_step or skip
        if tolerance < 1e-3:
            for p, q in zip(model.parameters(), same.parameters(), strict=True):
                assert torch.allclose(p, q, atol=1e-4)


def test_surplus_dimensions_stay_zero_and_nothing_else_moves_them(data):
    recipe = SHORT.with_options(weight_decay=0.1, clip=0.5)
    given = problems(data, loss=LOSSES["sampled and mixed"], recipe=recipe)
    members = [_training(p, Rows(p.x, CPU)).member for p in given]
    stack = Stack(members, CPU)
    optimiser = torch.optim.AdamW(stack.groups(), lr=0.01, weight_decay=0.1)
    for _ in range(5):
        rows = [torch.arange(20)] * 3
        stack.terms(rows, [1.0] * 3, [torch.Generator().manual_seed(0)] * 3).total.sum().backward()
        stack.clip(0.5)
        optimiser.step()
        optimiser.zero_grad()
    decoder = stack.state_dict()["model.decoder.0.weight"]
    assert (decoder[0, :, 2:] == 0).all() and (decoder[2, :, 3:] == 0).all() and (decoder[1] != 0).all()
    for problem, (_, fit) in zip(given, fit_cvae_many(given), strict=True):
        assert worst(fit, alone(problem)[1]) < 1e-4


def test_other_subjects_ramps_and_weights_share_a_stack(data):
    """Each has its own rows, another number of validation voxels, its own annealing and patience."""
    recipe = SHORT.with_options(patience=1, max_steps=60)
    each = [(300, 0, "linear", 1e-2), (500, 20, "cyclical", 1e-3), (700, 40, "sigmoid", 1e-1)]
    given = [
        CvaeProblem(*subject(n, i), latent_dim=2 + i, network="dense", seed=i, recipe=recipe, ramp_steps=ramp,
                    annealing=kind, loss=CvaeLoss(np.arange(48) > 1 if i else None, kl_weight=weight))
        for i, (n, ramp, kind, weight) in enumerate(each)
    ]  # fmt: skip
    results = fit_cvae_many(given)
    assert [fit.stacked_with for _, fit in results] == [2, 2, 2]
    for problem, (_, fit) in zip(given, results, strict=True):
        own = alone(problem)[1]
        assert worst(fit, own) < 1e-4
        assert (fit.steps, fit.stopped, fit.best_step) == (own.steps, own.stopped, own.best_step)
    assert len({fit.steps for _, fit in results}) > 1


def test_what_cannot_be_stacked_is_fitted_alone_to_the_bit_and_order_is_kept(data):
    x, split = data
    given = [
        *problems(data, (2, 3), network="paper", recipe=SHORT.with_options(max_steps=5)),
        *problems(data, (2, 3), recipe=SHORT.with_options(max_steps=5)),
        CvaeProblem(x[:, :40].copy(), split, latent_dim=2, network="dense", recipe=SHORT.with_options(max_steps=5)),
    ]
    steps = []
    results = fit_cvae_many(given, progress=lambda **k: steps.append((k["step"], k["steps"])))
    assert [fit.stacked_with for _, fit in results] == [0, 0, 1, 1, 0]
    assert [model.config.network for model, _ in results] == ["paper", "paper", "dense", "dense", "dense"]
    assert steps == [(5, 20), (10, 20), (15, 20), (20, 20)]
    for i in (0, 1, 4):
        same, own = alone(given[i])
        assert own.history == results[i][1].history
        assert all(torch.equal(a, b) for a, b in zip(results[i][0].parameters(), same.parameters(), strict=True))
    assert [fit.stacked_with for _, fit in fit_cvae_many(given[2:4], stack=False)] == [0, 0]


def test_a_stack_that_was_cut_off_goes_on_to_the_same_bytes(data, tmp_path):
    given = problems(data, loss=LOSSES["sampled and mixed"])
    options = {"checkpoint": tmp_path / "stack.pt", "checkpoint_seconds": 0, "fingerprint": "three"}

    class CutOffError(Exception):
        pass

    def cut(step, **_):
        if step == 20:
            raise CutOffError

    with pytest.raises(CutOffError):
        fit_cvae_many(given, **options, progress=cut)
    whole, resumed = fit_cvae_many(given), fit_cvae_many(given, **options)
    assert [fit.resumed_at for _, fit in resumed] == [20, 20, 20]
    for (a, first), (b, second) in zip(whole, resumed, strict=True):
        assert json.dumps(first.history) == json.dumps(second.history)
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    other = fit_cvae_many(given[:2], **options | {"fingerprint": "two"})
    assert [fit.resumed_at for _, fit in other] == [None, None]


def test_the_model_that_breaks_is_named(data):
    x, split = data
    spoiled = x.copy()
    spoiled[split == 0] *= 1e25
    given = [*problems(data, (2, 2)), CvaeProblem(spoiled, split, latent_dim=2, network="dense", recipe=SHORT)]
    with pytest.raises(NotFiniteError, match=r"model 3 of 3 that train together: .*learning rate"):
        fit_cvae_many(given)


def test_a_ramp_longer_than_the_training_is_refused_before_anything_trains(data):
    assert Annealing(30)(30) == 1
    with pytest.raises(ValueError, match="annealing takes 31 steps but the training only 30"):
        fit_cvae_many(problems(data, ramp_steps=31))


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["dense", "lk"])
def test_on_a_gpu_a_stack_is_as_good_as_its_models_alone(data, network):
    """bf16 rounds each product, so the fits differ by more than on a CPU, but not in what they reach."""
    recipe = SHORT.with_options(max_steps=200)
    given = problems(data, network=network, recipe=recipe, loss=LOSSES["sampled and mixed"])
    device = torch.device("cuda")
    together, again = (fit_cvae_many(given, device=device) for _ in range(2))
    for problem, (model, fit), (same, _) in zip(given, together, again, strict=True):
        _, own = fit_cvae(**vars(problem), device=device)
        assert worst(fit, own) < 0.05
        assert next(model.parameters()).device.type == "cpu"
        assert all(torch.allclose(p, q, atol=1e-3) for p, q in zip(model.parameters(), same.parameters(), strict=True))
