"""The plateau schedule is PyTorch's ReduceLROnPlateau with TI-VAE's numbers; each course follows its own validation."""

import numpy as np
import pytest
import torch
from torch import nn

from pydra_vae.models.losses import Terms
from pydra_vae.training.annealing import Annealing
from pydra_vae.training.course import Course
from pydra_vae.training.fit import fit
from pydra_vae.training.recipes import Recipe

CPU = torch.device("cpu")
PLATEAU = Recipe("test", 5e-3, "plateau", batch_size=8, max_epochs=100)


def of_torch(values, rate, lowest=1e-5):
    """Rates after each epoch's validation."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.95, patience=6, min_lr=lowest)
    rates = []
    for value in values:
        schedule.step(value)
        rates.append(optimiser.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("rate", [5e-3, 1.2e-5, 1e-6])
def test_rates_are_those_of_torch(rate):
    rng = np.random.default_rng(0)
    values = np.maximum(1 - np.arange(200) / 60, 0.2) + 0.05 * rng.random(200)
    course = Course(50, PLATEAU.with_options(learning_rate=rate), 0, Annealing(0), {})
    rates = []
    for epoch, value in enumerate(values, 1):
        course.record(7 * epoch, {}, {"val_loss": float(value)}, dict)
        rates.append(rate * course.slowed)
    # where the rate is below the minimum from the start, PyTorch would raise it to the minimum
    expected = of_torch(values, rate, lowest=min(1e-5, rate))
    assert rates == pytest.approx(expected, rel=1e-6)
    assert rate < 1e-5 or rates[-1] < rate


def test_the_ramp_is_no_plateau():
    course = Course(50, PLATEAU, 0, Annealing(7 * 20), {})
    for epoch in range(1, 41):
        course.record(7 * epoch, {}, {"val_loss": float(epoch)}, dict)
        assert (course.slowed == 1) == (epoch < 27)  # the first after the ramp is the best, and six pass


def regression():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 3, generator=generator)
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    objective = lambda rows, ramp, generator: Terms({"mse": model(x[rows]).square().mean()}, {})  # noqa: E731
    return model, objective


def test_the_history_and_the_optimiser_follow_the_plateau():
    model, objective = regression()
    result = fit(model, objective, lambda: {"val_loss": 1.0}, n_rows=50, recipe=PLATEAU, device=CPU)
    rates = [row["lr"] for row in result.history]
    assert rates[:9] == [5e-3] * 9 and rates[9] == pytest.approx(5e-3 * 0.95)
    assert rates[-1] == pytest.approx(5e-3 * 0.95 ** (99 // 7))


def test_a_plateau_survives_a_resume(tmp_path):
    class CutOffError(Exception):
        pass

    def cut(step, **_):
        if step == 400:
            raise CutOffError

    def run(**options):
        model, objective = regression()
        result = fit(
            model, objective, lambda: {"val_loss": 1.0}, n_rows=50, recipe=PLATEAU, device=CPU, fingerprint="one",
            checkpoint_seconds=0, **options,
        )  # fmt: skip
        return result.history, model.weight

    with pytest.raises(CutOffError):
        run(checkpoint=tmp_path / "fit.pt", progress=cut)
    (history, weight), (resumed, same) = run(), run(checkpoint=tmp_path / "fit.pt")
    assert history == resumed and torch.equal(weight, same)


def test_a_coupled_decay_is_that_of_torchs_adam():
    model, objective = regression()
    recipe = Recipe("test", 5e-3, "constant", batch_size=50, max_steps=5, eps=0.1, weight_decay=0.3, coupled_decay=True)
    fit(model, objective, lambda: {"val_loss": -float(model.weight.sum())}, n_rows=50, recipe=recipe, device=CPU)
    trained = {name: value.clone() for name, value in model.state_dict().items()}
    model, objective = regression()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3, eps=0.1, weight_decay=0.3)
    states = [{name: value.clone() for name, value in model.state_dict().items()}]
    for _ in range(5):
        optimiser.zero_grad()
        objective(torch.arange(50), 1.0, None).total.backward()
        optimiser.step()
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    best = max(states, key=lambda state: float(state["weight"].sum()))
    assert torch.allclose(trained["weight"], best["weight"], atol=1e-7)
