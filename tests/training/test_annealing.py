"""The three ways in which a weight rises."""

import pytest

from pydra_vae.training.annealing import CYCLES, Annealing


@pytest.mark.parametrize("kind", ["linear", "cyclical", "sigmoid"])
def test_every_kind_starts_at_zero_and_stays_at_one(kind):
    ramp = Annealing(80, kind)
    assert ramp(0) == pytest.approx(0, abs=1e-9)
    assert [ramp(step) for step in (80, 81, 10_000)] == [1.0, 1.0, 1.0]
    assert all(0 <= ramp(step) <= 1 for step in range(100))


def test_linear_and_sigmoid_only_rise_and_meet_in_the_middle():
    for kind in ("linear", "sigmoid"):
        values = [Annealing(80, kind)(step) for step in range(81)]
        assert values == sorted(values)
        assert values[40] == pytest.approx(0.5)
    assert Annealing(80, "sigmoid")(20) < Annealing(80, "linear")(20)


def test_cyclical_starts_again_and_stays_for_half_of_each_cycle():
    values = [Annealing(80, "cyclical")(step) for step in range(80)]
    assert [step for step, value in enumerate(values) if value == 0] == [0, 20, 40, 60]
    assert sum(value == 1 for value in values) == CYCLES * 10


def test_without_steps_the_weight_is_whole_from_the_start():
    assert Annealing(0, "cyclical")(0) == 1.0


@pytest.mark.parametrize(("options", "message"), [((5, "cosine"), "linear, cyclical, sigmoid"), ((-1,), "negative")])
def test_refused_annealings(options, message):
    with pytest.raises(ValueError, match=message):
        Annealing(*options)
