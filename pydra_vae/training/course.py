"""What stays one model's own through a training, also in a stack: its batches, its history, its best weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from pydra_vae.training.annealing import Annealing
from pydra_vae.training.recipes import (
    PLATEAU_EPOCHS,
    PLATEAU_FACTOR,
    PLATEAU_MINIMUM,
    PLATEAU_THRESHOLD,
    Recipe,
)

Weights = dict[str, Tensor]


class NotFiniteError(FloatingPointError):
    """A term of the loss became NaN or infinite."""


class Course:
    """One model's own way through a training.

    Parameters
    ----------
    n_rows : int
        Training rows.
    recipe : Recipe
    seed : int
        Of the batches, and of what else the model's objective draws.
    annealing : Annealing
        Best weights and patience count only after it.
    weights : mapping
        Of the model as it starts.
    """

    KEPT = (
        "queue", "history", "best", "best_step", "best_weights", "stopped", "stopped_at", "slowed", "plateau_best",
        "plateau_since",
    )  # fmt: skip

    def __init__(self, n_rows: int, recipe: Recipe, seed: int, annealing: Annealing, weights: Weights):
        self.n_rows, self.recipe, self.annealing = n_rows, recipe, annealing
        self.batch = recipe.batch(n_rows)
        self.generator = torch.Generator().manual_seed(seed)
        self.queue = torch.empty(0, dtype=torch.int64)
        self.history: list[dict] = []
        self.best, self.best_step = float("inf"), 0
        self.best_weights = weights
        self.stopped: str | None = None
        self.stopped_at: int | None = None
        self.slowed = 1.0  # what plateaus have left of the learning rate
        self.plateau_best, self.plateau_since = float("inf"), 0

    def epoch(self, step: int) -> int:
        """Passes over the rows completed before a step."""
        return step * self.batch // self.n_rows

    def next_rows(self) -> Tensor:
        """The next batch of an endless chain of permutations: every batch is full, every row equally often seen."""
        if len(self.queue) < self.batch:
            permutation = torch.randperm(self.n_rows, generator=self.generator)
            self.queue = torch.cat([self.queue, permutation])
        rows, self.queue = self.queue[: self.batch], self.queue[self.batch :]
        return rows

    def record(self, step: int, row: dict, figures: dict[str, float], weights: Callable[[], Weights]):
        """Add a validation to the history; where it is the best, keep the weights."""
        name, value = next(iter(figures.items()))
        if not value < float("inf"):
            raise NotFiniteError(
                f"{name} is {value} at step {step} (epoch {self.epoch(step)}): look for NaN or infinite values in "
                "the validation data, or lower the learning rate"
            )
        better = step >= self.annealing.steps and value < self.best
        if better:
            self.best, self.best_step, self.best_weights = value, step, weights()
        if self.recipe.schedule == "plateau":
            self._follow(step, value)
        self.history.append({"step": step, "epoch": self.epoch(step), **row, **figures, "best": int(better)})

    def _follow(self, step: int, value: float):
        """Lower the rate where nothing has become better for long; the start and the ramp do not count."""
        if not step or step < self.annealing.steps:
            self.plateau_since = step
        elif value < self.plateau_best * (1 - PLATEAU_THRESHOLD):
            self.plateau_best, self.plateau_since = value, step
        elif step - self.plateau_since > PLATEAU_EPOCHS * self.recipe.epoch_steps(self.n_rows):
            lowest = min(1.0, PLATEAU_MINIMUM / self.recipe.learning_rate)
            self.slowed, self.plateau_since = max(self.slowed * PLATEAU_FACTOR, lowest), step

    def out_of_patience(self, step: int) -> bool:
        """Is the last improvement too long ago?"""
        if self.recipe.patience is None:
            return False
        since = step - max(self.best_step, self.annealing.steps)
        return since >= self.recipe.patience * self.recipe.epoch_steps(self.n_rows)

    def stop(self, step: int, why: str):
        """End this model's training here; others of a stack may go on."""
        self.stopped, self.stopped_at = why, step

    def state(self) -> dict:
        """All that a resumed training needs."""
        kept = {name: getattr(self, name) for name in self.KEPT}
        return kept | {"generator": self.generator.get_state(), "queue": self.queue.clone()}

    def restore(self, state: dict):
        """The opposite of `state`."""
        self.generator.set_state(state["generator"])
        for name in self.KEPT:
            setattr(self, name, state[name])
