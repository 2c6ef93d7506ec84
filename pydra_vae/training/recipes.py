"""Training recipes: optimiser, schedule, batch and when to stop, as data.

`fast` measures its schedule in optimiser steps: one cycle of the learning rate (Smith & Topin 2018), a
cosine up over the first 20 % and a cosine down to nearly zero, validated every 50 steps and at step 0. `paper`
is Singla et al. (2025): batches of 280 voxels, Adam at 1e-3, early stopping with a patience of 100 epochs. The
`plateau` schedule is TI-VAE's (`training.tivae`): a constant rate that each course lowers for itself.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

START_DIVISOR = 25.0  # one cycle starts at 1/25 of its peak …
FINAL_FRACTION = 1e-4  # … and ends at 1/10,000 of it, as in Smith & Topin
# A plateau, as PyTorch's ReduceLROnPlateau with TI-VAE's numbers: more than so many epochs without a validation that
# is better by a ten-thousandth multiply the rate by .95, but not below the minimum.
PLATEAU_FACTOR, PLATEAU_EPOCHS, PLATEAU_MINIMUM, PLATEAU_THRESHOLD = 0.95, 6, 1e-5, 1e-4


@dataclass(frozen=True)
class Recipe:
    """How to optimise.

    Attributes
    ----------
    learning_rate : float
        Of Adam; the peak where the schedule is one-cycle.
    schedule : {"one-cycle", "constant", "plateau"}
        "plateau" is constant but for what the validation takes from it.
    batch_size : int
        Rows (voxels, subjects) a step.
    max_steps, max_epochs : int or None
        The smaller wins; at least one is given.
    validate_every : int or None
        Steps between validations; None for one epoch.
    patience : int or None
        Epochs without a better validation loss before stopping; None never stops early.
    warm_up : float
        Fraction of the steps that a one-cycle schedule climbs.
    eps, weight_decay : float
        Of AdamW; with a decay of 0 it is Adam.
    coupled_decay : bool
        Add the decay to the gradient, which is PyTorch's Adam with weight decay; else it is decoupled (AdamW).
    clip : float or None
        Largest norm of the gradient.
    """

    name: str
    learning_rate: float
    schedule: Literal["one-cycle", "constant", "plateau"]
    batch_size: int = 280
    max_steps: int | None = None
    max_epochs: int | None = None
    validate_every: int | None = None
    patience: int | None = None
    warm_up: float = 0.2
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip: float | None = None
    coupled_decay: bool = False

    def __post_init__(self):
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}: it must be at least 1")

    def with_options(self, **options) -> "Recipe":
        """This recipe with the options that are not None put in."""
        return replace(self, **{k: v for k, v in options.items() if v is not None})

    def batch(self, n_rows: int) -> int:
        """Rows a step, at most all of them."""
        return min(self.batch_size, n_rows)

    def epoch_steps(self, n_rows: int) -> int:
        """Steps that see every row once."""
        return math.ceil(n_rows / self.batch(n_rows))

    def steps(self, n_rows: int) -> int:
        """Steps of the whole training, the smaller of max_steps and max_epochs.

        >>> RECIPES["fast"].with_options(max_epochs=2).steps(n_rows=1000)
        8
        """
        limits = []
        if self.max_steps is not None:
            limits.append(self.max_steps)
        if self.max_epochs is not None:
            limits.append(self.max_epochs * self.epoch_steps(n_rows))
        if not limits or min(limits) < 1:
            raise ValueError(
                f"recipe {self.name!r} trains for max_steps={self.max_steps} and "
                f"max_epochs={self.max_epochs}: give at least one of them, 1 or more"
            )
        return min(limits)

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step (from 0) of a training of so many steps, before any plateau."""
        if self.schedule in ("constant", "plateau"):
            return self.learning_rate
        climb = self.warm_up * steps
        if step < climb:
            return self.learning_rate * _cosine(1 / START_DIVISOR, 1.0, step / climb)
        return self.learning_rate * _cosine(1.0, FINAL_FRACTION, (step - climb) / (steps - climb))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


RECIPES = {
    "fast": Recipe("fast", 3e-3, "one-cycle", max_steps=1000, validate_every=50),
    # the paper gives no limit; 1,000 epochs is its library's (PyTorch Lightning's) own
    "paper": Recipe("paper", 1e-3, "constant", max_epochs=1000, patience=100),
}
