"""Steps, epochs and learning rates of the recipes."""

import pytest

from pydra_vae.training.recipes import RECIPES


def test_the_smaller_of_steps_and_epochs_wins():
    fast = RECIPES["fast"]
    assert fast.with_options(max_steps=700, max_epochs=2).steps(2800) == 20
    assert fast.with_options(max_steps=7, max_epochs=2).steps(2800) == 7


def test_options_that_are_none_change_nothing():
    assert RECIPES["paper"].with_options(max_steps=None, batch_size=None) == RECIPES["paper"]


def test_the_paper_recipe_is_the_papers():
    paper = RECIPES["paper"]
    assert (paper.batch_size, paper.learning_rate, paper.patience) == (280, 1e-3, 100)
    assert paper.epoch_steps(97_650) == 349
    assert paper.learning_rate_at(0, 10) == paper.learning_rate_at(9, 10) == 1e-3


def test_one_cycle_climbs_for_a_fifth_and_falls_to_nearly_nothing():
    fast = RECIPES["fast"]
    rates = [fast.learning_rate_at(step, 500) for step in range(501)]
    assert max(rates) == rates[100] == pytest.approx(3e-3)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[0] == pytest.approx(3e-3 / 25)
    assert rates[-1] == pytest.approx(3e-7)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="batch_size is 0: it must be at least 1"):
        RECIPES["fast"].with_options(batch_size=0)


def test_a_batch_is_never_larger_than_the_data():
    assert RECIPES["fast"].batch(90) == 90
    assert RECIPES["fast"].epoch_steps(90) == 1


@pytest.mark.parametrize("options", [{"max_steps": 0}, {"max_epochs": 0}])
def test_a_training_without_steps_is_refused(options):
    with pytest.raises(ValueError, match="give at least one of them, 1 or more"):
        RECIPES["fast"].with_options(**options).steps(100)
