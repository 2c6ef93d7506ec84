"""The loop on small problems whose answers are known."""

import math

import pytest
import torch
from torch import nn

from pydra_vae.models.losses import Terms
from pydra_vae.training.fit import NotFiniteError, fit
from pydra_vae.training.recipes import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe("test", 0.05, "one-cycle", batch_size=8, max_steps=120, validate_every=10)


def regression(n=50, noise=0.0):
    """y = X w; the loop must find w."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + noise * torch.randn(n, generator=generator)
    torch.manual_seed(0)
    model = nn.Linear(3, 1, bias=False)

    def objective(rows, ramp, generator):
        return Terms({"mse": (model(x[rows])[:, 0] - y[rows]).square().mean()}, {})

    def validate():
        return {"val_loss": (model(x)[:, 0] - y).square().mean()}

    return model, objective, validate


def test_a_regression_is_solved():
    model, objective, validate = regression()
    result = fit(model, objective, validate, n_rows=50, recipe=RECIPE.with_options(learning_rate=0.2), device=CPU)
    assert torch.allclose(model.weight, torch.tensor([[1.0, -2.0, 0.5]]), atol=0.02)
    assert (result.steps, result.stopped, result.resumed_at) == (120, "finished", None)
    assert [row["step"] for row in result.history] == list(range(0, 121, 10))
    assert result.history[0]["epoch"] == 0 and result.history[-1]["epoch"] == 120 * 8 // 50
    assert "loss_mse" not in result.history[0] and result.history[1]["loss_mse"] > 0


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    def run(seed):
        model, objective, validate = regression(noise=1.0)
        return fit(model, objective, validate, n_rows=50, recipe=RECIPE, device=CPU, seed=seed).history

    assert run(1) == run(1) != run(2)


def test_every_row_is_seen_equally_often_and_every_batch_is_full():
    model, _, validate = regression()
    seen = torch.zeros(50)

    def objective(rows, ramp, generator):
        assert len(rows) == 8
        seen.index_add_(0, rows, torch.ones(8))
        return Terms({"zero": model.weight.sum() * 0}, {})

    # 25 steps of 8 rows are 4 passes over 50
    fit(model, objective, validate, n_rows=50, recipe=RECIPE.with_options(max_steps=25), device=CPU)
    assert (seen == 4).all()


def test_the_best_weights_come_back_though_the_last_are_worse():
    model, objective, _ = regression()
    target = model.weight.detach().clone()  # the start is the best

    def validate():
        return {"val_loss": (model.weight - target).square().sum()}

    result = fit(model, objective, validate, n_rows=50, recipe=RECIPE, device=CPU)
    assert result.best_step == 0 and result.history[-1]["val_loss"] > 0
    assert torch.equal(model.weight, target)
    assert [row["best"] for row in result.history] == [1] + [0] * 12


def test_patience_counts_epochs_without_a_better_validation():
    model, objective, _ = regression()
    values = iter([5.0, 4.0, 3.0, *[3.0] * 1000])
    recipe = Recipe("test", 0.01, "constant", batch_size=8, max_epochs=100, patience=5)
    result = fit(model, objective, lambda: {"val_loss": next(values)}, n_rows=50, recipe=recipe, device=CPU)
    assert (result.best_step, result.steps, result.stopped) == (14, 14 + 5 * 7, "patience")


def test_the_best_is_looked_for_only_after_the_ramp():
    model, _, _ = regression()
    ramps = []

    def objective(rows, ramp, generator):
        ramps.append(ramp)
        return Terms({"kl": model.weight.square().sum()}, {"kl": ramp})

    values = iter([1.0, 2.0, 3.0, 4.0, 5.0, 4.5])
    recipe = RECIPE.with_options(max_steps=50)
    result = fit(
        model, objective, lambda: {"val_loss": next(values)}, n_rows=50, recipe=recipe, device=CPU, ramp_steps=40
    )
    assert ramps[:41] == pytest.approx([i / 40 for i in range(41)]) and ramps[-1] == 1
    assert [row["best"] for row in result.history] == [0, 0, 0, 0, 1, 1]


def test_a_ramp_longer_than_the_training_is_refused():
    model, objective, validate = regression()
    with pytest.raises(ValueError, match=r"annealing takes 121 steps but the training only 120.*never reach"):
        fit(model, objective, validate, n_rows=50, recipe=RECIPE, device=CPU, ramp_steps=121)


def test_a_nan_stops_with_the_name_of_its_term_step_and_epoch():
    model, _, validate = regression()
    steps = []

    def objective(rows, ramp, generator):
        steps.append(rows)
        fine = model.weight.square().mean()
        return Terms({"mse": fine, "kl": fine * (math.nan if len(steps) == 27 else 1)}, {})

    with pytest.raises(NotFiniteError, match=r"the kl term is nan at step 26 \(epoch 4\).*learning rate \(0.05\)"):
        fit(model, objective, validate, n_rows=50, recipe=RECIPE, device=CPU)


def test_a_nan_in_validation_stops_too():
    model, objective, _ = regression()
    with pytest.raises(NotFiniteError, match=r"val_loss is nan at step 0 \(epoch 0\): look for NaN"):
        fit(model, objective, lambda: {"val_loss": math.nan}, n_rows=50, recipe=RECIPE, device=CPU)


def test_progress_reports_up_to_the_last_step():
    model, objective, validate = regression()
    seen = []
    recipe = RECIPE.with_options(max_steps=25)
    fit(model, objective, validate, n_rows=50, recipe=recipe, device=CPU, progress=lambda **k: seen.append(k))
    assert [k["step"] for k in seen] == [10, 20, 25] and seen[-1]["steps"] == 25
    assert all({"epoch", "loss", "best"} <= set(k) for k in seen)


def test_progress_shows_the_training_loss_beside_the_best_validation():
    model, objective, _ = regression()
    seen = []

    def weighted(rows, ramp, generator):
        mse = objective(rows, ramp, generator).values["mse"]
        return Terms({"mse": mse, "kl": mse.detach() * 0 + 3.0}, {"kl": 2.0})

    recipe = RECIPE.with_options(max_steps=40, validate_every=20)
    result = fit(
        model, weighted, lambda: {"val_loss": 7.0}, n_rows=50, recipe=recipe, device=CPU,
        progress=lambda **k: seen.append(k),
    )  # fmt: skip
    assert [k["best"] for k in seen] == [7.0] * 4
    assert "loss" not in seen[0]  # nothing was read back yet
    of_training = [row["loss_mse"] + 2 * 3.0 for row in result.history[1:]]
    assert [k["loss"] for k in seen[1:]] == pytest.approx([of_training[0], of_training[0], of_training[1]], rel=1e-5)
    assert "loss_total" not in result.history[-1]


def test_a_group_of_parameters_may_learn_at_its_own_rate():
    model, objective, validate = regression()
    before = model.weight.detach().clone()
    groups = [{"params": [model.weight], "factor": 0.0}]
    fit(model, objective, validate, n_rows=50, recipe=RECIPE, device=CPU, groups=groups)
    assert torch.equal(model.weight, before)
