"""The loop under every training: M models side by side, of which one alone is the common case.

What the models share is the `Loop`: optimiser, schedule, step, checkpoint. What stays each model's own even when many
are stacked is its `Course`: generator, batches, annealing, history, best weights, patience. How a batch becomes a
loss, and where weights lie, is the *learner's* matter: `training.fit.Alone` for one module, `training.many.Stack` for
many.
"""

import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from pydra_vae.models.losses import Terms
from pydra_vae.training import checkpoints
from pydra_vae.training.course import Course, NotFiniteError, Weights
from pydra_vae.training.recipes import Recipe

PROGRESS_EVERY = 10  # steps


class Learner(Protocol):
    """M models as the loop sees them."""

    def groups(self) -> list[dict]:
        """Parameter groups for the optimiser; a key `factor` multiplies the learning rate of one."""

    def terms(self, rows: list[Tensor], ramps: list[float], generators: list[torch.Generator]) -> Terms:
        """Loss of one batch of each; values are scalars, or (M,) of a stack."""

    def clip(self, limit: float):
        """Shorten the gradient of each model to that norm."""

    def go_back(self, before: Weights, shares: list[float]):
        """Leave each model only its share of the way from those weights to the present ones; never asked of one."""

    def figures(self) -> list[dict[str, float]]:
        """Validation of each, in eval mode; the first figure decides."""

    def weights(self, model: int) -> Weights:
        """A copy on the CPU of one model's weights, as its own module holds them."""

    def state_dict(self) -> Weights:
        """All weights."""

    def load_state_dict(self, state: Weights):
        """The opposite of `state_dict`."""


@dataclass
class Saver:
    """Writes the loop's state to a file, at most once in so many seconds; nowhere without a path."""

    path: Path | None
    interval: float
    fingerprint: str
    last: float = field(default_factory=time.monotonic)

    def __call__(self, loop: "Loop"):
        if self.path is not None and time.monotonic() - self.last >= self.interval:
            checkpoints.save(self.path, {"fingerprint": self.fingerprint, **loop.state()})
            self.last = time.monotonic()


class Loop:
    """The state of a training between two steps.

    Parameters
    ----------
    learner : Learner
    courses : list of Course
        One a model; all take the same number of steps, of the same batch size.
    recipe : Recipe
    device : torch.device
    """

    def __init__(self, learner: Learner, courses: list[Course], recipe: Recipe, device: torch.device):
        self.learner, self.courses, self.recipe, self.device = learner, courses, recipe, device
        self.steps = recipe.steps(courses[0].n_rows)
        optimiser = torch.optim.Adam if recipe.coupled_decay else torch.optim.AdamW
        self.optimiser = optimiser(
            learner.groups(),
            lr=recipe.learning_rate,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.step = 0
        self._pending: list[Tensor] = []
        self._losses: list[float] | None = None  # mean training loss of each model as of the last drain
        self._names: tuple[str, ...] = ()
        self._before, self._start = 0.0, time.monotonic()

    def seconds(self) -> float:
        """Wall time so far, that of interrupted runs included."""
        return self._before + time.monotonic() - self._start

    @property
    def running(self) -> list[int]:
        """Models that have not stopped."""
        return [m for m, course in enumerate(self.courses) if course.stopped is None]

    def run(self, saver: Saver, progress: Callable[..., None] | None):
        """Train until every course has stopped."""
        every = self.recipe.validate_every or self.recipe.epoch_steps(self.courses[0].n_rows)
        if not self.courses[0].history:
            self._validate()
        while self._stop_some() and self.step < self.steps:
            self._train_step()
            if self.step % every == 0 or self.step == self.steps:
                self._validate()
                saver(self)
            if progress is not None and (self.step % PROGRESS_EVERY == 0 or self.step == self.steps):
                progress(**self._report())
        for m in self.running:
            self.courses[m].stop(self.step, "finished")

    def _stop_some(self) -> list[int]:
        """Stop the courses that are out of patience; which go on?"""
        for m in self.running if self.step < self.steps else []:
            if self.courses[m].out_of_patience(self.step):
                self.courses[m].stop(self.step, "patience")
        return self.running

    def _train_step(self):
        slowed = [course.slowed for course in self.courses]
        rate = self.recipe.learning_rate_at(self.step, self.steps) * max(slowed)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        rows = [course.next_rows() for course in self.courses]
        ramps = [course.annealing(self.step) for course in self.courses]
        with _autocast(self.device):
            terms = self.learner.terms(rows, ramps, [course.generator for course in self.courses])
        self.optimiser.zero_grad(set_to_none=True)
        total = terms.total
        total.sum().backward()  # no model's parameters are in another's loss
        if self.recipe.clip is not None:
            self.learner.clip(self.recipe.clip)
        # one optimiser has one rate: after its step, each model goes back to its own share of the way
        before = None if len(set(slowed)) == 1 else {k: v.clone() for k, v in self.learner.state_dict().items()}
        self.optimiser.step()
        if before is not None:
            self.learner.go_back(before, [own / max(slowed) for own in slowed])
        self._names = (*terms.values, "total")
        # kept on the device: reading it here would make every step wait
        self._pending.append(torch.stack([value.detach().float() for value in (*terms.values.values(), total)]))
        self.step += 1

    def _validate(self):
        losses = self._drain()
        with torch.no_grad():
            figures = self.learner.figures()
        rate = self.recipe.learning_rate_at(self.step, self.steps)
        for m in self.running:
            row = {"lr": rate * self.courses[m].slowed, **losses[m]}
            figured = {name: float(value) for name, value in figures[m].items()}
            with self._named(m):
                self.courses[m].record(self.step, row, figured, lambda m=m: self.learner.weights(m))

    def _drain(self) -> list[dict[str, float]]:
        """Means of each model's terms since the last validation; refuses those that are not finite."""
        if not self._pending:
            return [{} for _ in self.courses]
        values = torch.stack(self._pending).cpu().reshape(len(self._pending), len(self._names), len(self.courses))
        for m in self.running:
            with self._named(m):
                self._check_finite(values[..., m], self.courses[m])
        self._pending = []
        means = [values[..., m].contiguous().mean(0).tolist() for m in range(len(self.courses))]
        self._losses = [total for *_, total in means]
        return [{f"loss_{name}": mean for name, mean in zip(self._names[:-1], row, strict=False)} for row in means]

    def _check_finite(self, values: Tensor, course: Course):
        bad = (~torch.isfinite(values)).nonzero()
        if not len(bad):
            return
        i, term = (int(n) for n in bad[0])
        step = self.step - len(values) + i
        raise NotFiniteError(
            f"the {self._names[term]} term is {float(values[i, term])} at step {step} "
            f"(epoch {course.epoch(step)}): look for NaN or infinite values in the data, "
            f"or lower the learning rate ({self.recipe.learning_rate:g})"
        )

    def _report(self) -> dict:
        """What a user sees of the training; means over the models that still train."""
        going = self.running
        loss = {} if self._losses is None else {"loss": sum(self._losses[m] for m in going) / len(going)}
        best = sum(self.courses[m].best for m in going) / len(going)
        return {"step": self.step, "steps": self.steps, "epoch": self.courses[0].epoch(self.step), **loss, "best": best}

    def state(self) -> dict:
        """All that a resumed training needs."""
        cuda = self.device.type == "cuda"
        return {
            "weights": self.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if cuda else None,
            "step": self.step,
            "courses": [course.state() for course in self.courses],
            "seconds": self.seconds(),
        }

    def restore(self, state: dict):
        """The opposite of `state`."""
        self.learner.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        for course, kept in zip(self.courses, state["courses"], strict=True):
            course.restore(kept)
        self.step, self._before = state["step"], state["seconds"]

    @contextmanager
    def _named(self, model: int):
        """Say which model of several a message is about."""
        try:
            yield
        except NotFiniteError as error:
            if len(self.courses) == 1:
                raise
            raise NotFiniteError(f"model {model + 1} of {len(self.courses)} that train together: {error}") from error


def _autocast(device: torch.device):
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
