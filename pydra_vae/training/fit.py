"""Train one model: any module, any objective over rows of data, any validation.

Data stay on the device and a permutation of row numbers is drawn for each pass, so there is no loader. Nothing here
knows of voxels or subjects: an *objective* turns row numbers into the named terms of a loss, a *validation* returns the
figures of the present weights, the first of which decides which weights are the best. On a CPU, with a fixed number of
threads, everything is repeatable to the bit, also across a kill and a resume. `training.loop` holds the loop itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pydra_vae.models.losses import Terms
from pydra_vae.training import checkpoints
from pydra_vae.training.annealing import Annealing
from pydra_vae.training.course import Course, NotFiniteError, Weights
from pydra_vae.training.loop import Learner, Loop, Saver
from pydra_vae.training.recipes import Recipe

__all__ = ["Fit", "NotFiniteError", "fit", "train"]

Objective = Callable[[Tensor, float, torch.Generator], Terms]
Validation = Callable[[], dict[str, float]]


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
    stacked_with : int
        Other models that trained in the same steps; `seconds` are those of all.
    """

    history: list[dict]
    best_step: int
    steps: int
    planned_steps: int
    ramp_steps: int
    stopped: str
    seconds: float
    resumed_at: int | None
    stacked_with: int = 0


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
    check_steps(recipe, n_rows, ramp_steps)
    learner = Alone(model, objective, validate, groups)
    course = Course(n_rows, recipe, seed, Annealing(ramp_steps, annealing), learner.weights(0))
    saver = Saver(checkpoint, checkpoint_seconds, fingerprint)
    (result,) = train(learner, [course], recipe, device, saver, progress)
    model.load_state_dict(course.best_weights)
    return result


def train(
    learner: Learner,
    courses: list[Course],
    recipe: Recipe,
    device: torch.device,
    saver: Saver,
    progress: Callable[..., None] | None,
) -> list[Fit]:
    """Run the loop, from a checkpoint where there is one; the courses hold the best weights then."""
    loop = Loop(learner, courses, recipe, device)
    resumed_at = None
    if saver.path is not None and (state := checkpoints.load(saver.path, saver.fingerprint)) is not None:
        loop.restore(state)
        resumed_at = loop.step
    loop.run(saver, progress)
    return [
        Fit(
            history=course.history,
            best_step=course.best_step,
            steps=course.stopped_at,
            planned_steps=loop.steps,
            ramp_steps=course.annealing.steps,
            stopped=course.stopped,
            seconds=loop.seconds(),
            resumed_at=resumed_at,
        )
        for course in courses
    ]


def check_steps(recipe: Recipe, n_rows: int, ramp_steps: int):
    """Refuse a training without rows, and a ramp longer than the training."""
    if not n_rows:
        raise ValueError("there are no training rows")
    steps = recipe.steps(n_rows)
    if ramp_steps > steps:
        raise ValueError(
            f"the annealing takes {ramp_steps} steps but the training only {steps}: the weight would never reach "
            "its value; shorten the annealing or train longer"
        )


class Alone:
    """One module as the loop's learner."""

    def __init__(self, model: nn.Module, objective: Objective, validate: Validation, groups: list[dict] | None):
        self.model, self.objective, self.validate = model, objective, validate
        self._groups = groups or [{"params": list(model.parameters())}]
        model.train()

    def groups(self) -> list[dict]:
        return self._groups

    def terms(self, rows: list[Tensor], ramps: list[float], generators: list[torch.Generator]) -> Terms:
        return self.objective(rows[0], ramps[0], generators[0])

    def clip(self, limit: float):
        nn.utils.clip_grad_norm_(self.model.parameters(), limit)

    def go_back(self, before: Weights, shares: list[float]):
        raise NotImplementedError("one model alone has one learning rate")

    def figures(self) -> list[dict[str, float]]:
        self.model.eval()
        figures = self.validate()
        self.model.train()
        return [figures]

    def weights(self, model: int) -> Weights:
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def state_dict(self) -> Weights:
        return self.model.state_dict()

    def load_state_dict(self, state: Weights):
        self.model.load_state_dict(state)
