"""Train many small models in one process: stacked where their architectures allow, else one after the other.

A GPU launches as much for a stack of fifteen models as for one (`training.stack`); on a CPU, which has no launches to
save, a stack is slower than its models one after the other.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from pydra_vae.training.annealing import Annealing
from pydra_vae.training.course import Course
from pydra_vae.training.fit import Fit, check_steps, fit, train
from pydra_vae.training.loop import Saver
from pydra_vae.training.member import Member
from pydra_vae.training.recipes import Recipe
from pydra_vae.training.stack import Stack


@dataclass(frozen=True)
class Training:
    """How one member is trained; see `training.fit.fit`."""

    member: Member
    recipe: Recipe
    seed: int = 0
    ramp_steps: int = 0
    annealing: str = "linear"

    @property
    def kin(self) -> Hashable | None:
        """Trainings that agree in it take the same steps and can be stacked."""
        n_rows, recipe = self.member.n_rows, self.recipe
        every = recipe.validate_every or recipe.epoch_steps(n_rows)
        kin = self.member.kin
        return None if kin is None else (kin, recipe, recipe.steps(n_rows), recipe.batch(n_rows), every)


def fit_many(
    trainings: Sequence[Training],
    *,
    stack: bool,
    device: torch.device,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> list[tuple[nn.Module, Fit]]:
    """Train each member's model in place and leave its best weights in it.

    Parameters
    ----------
    trainings : sequence of Training
    stack : bool
        Train those together that can be; else, and the others, one after the other.
    device : torch.device
    checkpoint : Path, optional
        Where to keep the state; of several groups each keeps its own beside it.
    checkpoint_seconds, fingerprint, progress
        As in `training.fit.fit`; the fingerprint says which fits these are, in this order.

    Returns
    -------
    list of (model, Fit)
        In the order of the trainings.
    """
    for training in trainings:
        check_steps(training.recipe, training.member.n_rows, training.ramp_steps)
    groups = _groups(trainings, stack)
    results: dict[int, tuple[nn.Module, Fit]] = {}
    before, total = 0, sum(trainings[group[0]].recipe.steps(trainings[group[0]].member.n_rows) for group in groups)
    for group in groups:
        chosen = [trainings[i] for i in group]
        path = checkpoint
        if path is not None and len(groups) > 1:
            path = path.with_name(f"{path.stem}-{group[0]}{path.suffix}")
        mark = fingerprint if len(groups) == 1 else f"{fingerprint}:{group}"
        saver = Saver(path, checkpoint_seconds, mark)
        fits = _fit_group(chosen, device, saver, _later(progress, before, total))
        results |= dict(zip(group, zip((t.member.model for t in chosen), fits, strict=True), strict=True))
        before += fits[0].planned_steps
    return [results[i] for i in range(len(trainings))]


def _groups(trainings: Sequence[Training], stack: bool) -> list[list[int]]:
    """Numbers of the trainings that are computed together."""
    groups: dict[Hashable, list[int]] = {}
    for i, training in enumerate(trainings):
        kin = training.kin if stack else None
        groups.setdefault(i if kin is None else kin, []).append(i)
    return list(groups.values())


def _later(progress: Callable[..., None] | None, before: int, total: int) -> Callable[..., None] | None:
    """Report the steps of one group among those of all."""
    if progress is None:
        return None
    return lambda **figures: progress(**figures | {"step": before + figures["step"], "steps": total})


def _fit_group(
    trainings: list[Training], device: torch.device, saver: Saver, progress: Callable[..., None] | None
) -> list[Fit]:
    first = trainings[0]
    if len(trainings) == 1:
        return [
            fit(
                first.member.model,
                first.member.objective,
                first.member.validate,
                n_rows=first.member.n_rows,
                recipe=first.recipe,
                device=device,
                seed=first.seed,
                ramp_steps=first.ramp_steps,
                annealing=first.annealing,
                checkpoint=saver.path,
                checkpoint_seconds=saver.interval,
                fingerprint=saver.fingerprint,
                progress=progress,
            )
        ]
    learner = Stack([training.member for training in trainings], device)
    courses = [
        Course(t.member.n_rows, t.recipe, t.seed, Annealing(t.ramp_steps, t.annealing), learner.weights(m))
        for m, t in enumerate(trainings)
    ]
    fits = train(learner, courses, first.recipe, device, saver, progress)
    for training, course in zip(trainings, courses, strict=True):
        training.member.model.load_state_dict(course.best_weights)
    return [replace(result, stacked_with=len(trainings) - 1) for result in fits]
