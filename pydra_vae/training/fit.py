"""The one training loop: any model, any objective over rows of data, any validation.

Data stay on the device and a permutation of row numbers is drawn for each pass, so there is no loader. The loop
knows nothing of voxels or subjects: an *objective* turns row numbers into the named terms of a loss, a *validation*
returns the figures of the present weights, the first of which decides which weights are the best. On a CPU, with a
fixed number of threads, everything is repeatable to the bit, also across a kill and a resume.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from pydra_vae.models.losses import Terms
from pydra_vae.training import checkpoints
from pydra_vae.training.annealing import Annealing
from pydra_vae.training.recipes import Recipe

Objective = Callable[[Tensor, float, torch.Generator], Terms]
Validation = Callable[[], dict[str, float]]
PROGRESS_EVERY = 10  # steps


class NotFiniteError(FloatingPointError):
    """A term of the loss became NaN or infinite."""


@dataclass(frozen=True)
class Fit:
    """What a training did; the model holds the best weights.

    Attributes
    ----------
    history : list of dict
        One row a validation, from step 0: step, epoch, lr, loss_<term> (means since the last row, None
        at step 0), the validation's figures, best (1 where this row became the best).
    best_step, steps, planned_steps : int
        `steps` were done, of `planned_steps`.
    ramp_steps : int
        Steps of the annealing, after which the best was looked for.
    stopped : {"finished", "patience"}
    seconds : float
        Wall time, that of interrupted runs included.
    resumed_at : int or None
        The step that a checkpoint brought back.
    """

    history: list[dict]
    best_step: int
    steps: int
    planned_steps: int
    ramp_steps: int
    stopped: str
    seconds: float
    resumed_at: int | None


def fit(
    model: nn.Module,
    objective: Objective,
    validate: Validation,
    *,
    n_rows: int,
    recipe: Recipe,
    device: torch.device,
    seed: int = 0,
    ramp_steps: int = 0,
    annealing: str = "linear",
    groups: list[dict] | None = None,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> Fit:
    """Train a model in place and leave its best weights in it.

    Parameters
    ----------
    model : nn.Module
        On `device`.
    objective : callable
        `objective(rows, ramp, generator)`: rows (B,) int64 on the CPU, ramp from 0 to 1 for annealed weights, a CPU
        generator for whatever it draws; returns `Terms`.
    validate : callable
        Returns named figures; the first decides (smaller is better). Called in eval mode, without gradients.
    n_rows : int
        Training rows; the objective receives numbers below it.
    recipe : Recipe
    ramp_steps, annealing : int, {"linear", "cyclical", "sigmoid"}
        Steps over which annealed weights rise, and how. Best weights and patience count only after them.
    groups : list of dict, optional
        Parameter groups; a key `factor` multiplies the learning rate of one.
    checkpoint : Path, optional
        Where to keep the state; a state with the same fingerprint found there is taken up.
    fingerprint : str
        Says which fit this is: data, parameters, code.
    progress : callable, optional
        `progress(step=, steps=, epoch=, loss=, best=)`: the training loss between the last two validations (absent
        before there are two), and the best validation. Reading the present loss would make the device wait.

    Raises
    ------
    ValueError
        A ramp longer than the training, or no rows.
    NotFiniteError
        A NaN or infinite term, with its epoch and step.
    """
    steps = recipe.steps(n_rows) if n_rows else 0
    if not n_rows:
        raise ValueError("there are no training rows")
    if ramp_steps > steps:
        raise ValueError(
            f"the annealing takes {ramp_steps} steps but the training only {steps}: the weight would never reach "
            "its value; shorten the annealing or train longer"
        )
    loop = _Loop(model, recipe, device, seed, n_rows, steps, Annealing(ramp_steps, annealing), groups)
    resumed_at = None
    if checkpoint is not None and (state := checkpoints.load(checkpoint, fingerprint)) is not None:
        loop.restore(state)
        resumed_at = loop.step
    stopped = loop.run(objective, validate, _Saver(checkpoint, checkpoint_seconds, fingerprint), progress)
    model.load_state_dict(loop.best_weights)
    return Fit(loop.history, loop.best_step, loop.step, steps, ramp_steps, stopped, loop.seconds(), resumed_at)


@dataclass
class _Saver:
    path: Path | None
    interval: float
    fingerprint: str
    last: float = field(default_factory=time.monotonic)

    def __call__(self, loop: "_Loop"):
        if self.path is not None and time.monotonic() - self.last >= self.interval:
            checkpoints.save(self.path, {"fingerprint": self.fingerprint, **loop.state()})
            self.last = time.monotonic()


class _Loop:
    """The state of a training between two steps."""

    def __init__(self, model, recipe, device, seed, n_rows, steps, annealing, groups):
        self.model, self.recipe, self.device = model, recipe, device
        self.n_rows, self.steps, self.annealing = n_rows, steps, annealing
        self.batch = recipe.batch(n_rows)
        self.generator = torch.Generator().manual_seed(seed)
        self.optimiser = torch.optim.AdamW(
            groups or [{"params": list(model.parameters())}],
            lr=recipe.learning_rate,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )
        self.step = 0
        self.queue = torch.empty(0, dtype=torch.int64)
        self.history: list[dict] = []
        self.best, self.best_step = float("inf"), 0
        self.best_weights = _copy_of(model.state_dict())
        self._pending: list[Tensor] = []
        self._loss: float | None = None  # mean training loss as of the last drain
        self._names: tuple[str, ...] = ()
        self._before, self._start = 0.0, time.monotonic()

    @property
    def epoch(self) -> int:
        """Passes over the rows completed."""
        return self.step * self.batch // self.n_rows

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    def run(self, objective, validate, saver, progress) -> str:
        every = self.recipe.validate_every or self.recipe.epoch_steps(self.n_rows)
        self.model.train()
        if not self.history:
            self._validate(validate)
        while self.step < self.steps and not self._out_of_patience():
            self._train_step(objective)
            if self.step % every == 0 or self.step == self.steps:
                self._validate(validate)
                saver(self)
            if progress is not None and (self.step % PROGRESS_EVERY == 0 or self.step == self.steps):
                known = {} if self._loss is None else {"loss": self._loss}
                progress(step=self.step, steps=self.steps, epoch=self.epoch, **known, best=self.best)
        return "finished" if self.step == self.steps else "patience"

    def _train_step(self, objective: Objective):
        rate = self.recipe.learning_rate_at(self.step, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        with _autocast(self.device):
            terms = objective(self._next_rows(), self.annealing(self.step), self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        total = terms.total
        total.backward()
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimiser.step()
        self._names = (*terms.values, "total")
        # kept on the device: reading it here would make every step wait
        self._pending.append(torch.stack([value.detach().float() for value in (*terms.values.values(), total)]))
        self.step += 1

    def _next_rows(self) -> Tensor:
        """The next batch of an endless chain of permutations: every batch is full, every row equally often seen."""
        if len(self.queue) < self.batch:
            permutation = torch.randperm(self.n_rows, generator=self.generator)
            self.queue = torch.cat([self.queue, permutation])
        rows, self.queue = self.queue[: self.batch], self.queue[self.batch :]
        return rows

    def _validate(self, validate: Validation):
        losses = self._drain()
        self.model.eval()
        with torch.no_grad():
            figures = {name: float(value) for name, value in validate().items()}
        self.model.train()
        name, value = next(iter(figures.items()))
        if not value < float("inf"):
            raise NotFiniteError(
                f"{name} is {value} at step {self.step} (epoch {self.epoch}): look for NaN or infinite values in "
                "the validation data, or lower the learning rate"
            )
        better = self.step >= self.annealing.steps and value < self.best
        if better:
            self.best, self.best_step = value, self.step
            self.best_weights = _copy_of(self.model.state_dict())
        rate = self.recipe.learning_rate_at(self.step, self.steps)
        row = {"step": self.step, "epoch": self.epoch, "lr": rate, **losses, **figures}
        self.history.append({**row, "best": int(better)})

    def _drain(self) -> dict[str, float | None]:
        """Means of the terms since the last validation; refuses those that are not finite."""
        if not self._pending:
            return {}
        values = torch.stack(self._pending).cpu()
        bad = (~torch.isfinite(values)).nonzero()
        if len(bad):
            i, term = (int(n) for n in bad[0])
            step = self.step - len(values) + i
            raise NotFiniteError(
                f"the {self._names[term]} term is {float(values[i, term])} at step {step} "
                f"(epoch {step * self.batch // self.n_rows}): look for NaN or infinite values in the data, "
                f"or lower the learning rate ({self.recipe.learning_rate:g})"
            )
        self._pending = []
        *means, self._loss = values.mean(0).tolist()
        return {f"loss_{name}": mean for name, mean in zip(self._names, means, strict=False)}

    def _out_of_patience(self) -> bool:
        if self.recipe.patience is None:
            return False
        since = self.step - max(self.best_step, self.annealing.steps)
        return since >= self.recipe.patience * self.recipe.epoch_steps(self.n_rows)

    def state(self) -> dict:
        cuda = self.device.type == "cuda"
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if cuda else None,
            "queue": self.queue.clone(),
            "step": self.step,
            "history": self.history,
            "best": self.best,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
            "seconds": self.seconds(),
        }

    def restore(self, state: dict):
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        for name in ("queue", "step", "history", "best", "best_step", "best_weights"):
            setattr(self, name, state[name])
        self._before = state["seconds"]


def _copy_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}


def _autocast(device: torch.device):
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
