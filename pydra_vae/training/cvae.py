"""Fit a `Cvae` to the voxels of one subject, or many of them at once; the loss is in `training.elbo`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pydra_vae.models.cvae import Cvae, CvaeConfig
from pydra_vae.training.apply import blocks
from pydra_vae.training.devices import reproducible
from pydra_vae.training.elbo import PLAIN, CvaeLoss, CvaeMember
from pydra_vae.training.fit import Fit
from pydra_vae.training.many import Training, fit_many
from pydra_vae.training.recipes import RECIPES, Recipe
from pydra_vae.training.rows import Rows

TRAIN, VALIDATION = 0, 1  # codes of split.npy
# Steps of the `fast` recipe, without and with the linear skip: where each network reaches its plateau on one real
# subject (6,000 training voxels). The dense one overfits beyond; the skip starts at PCA's error and needs fewer.
FAST_STEPS = {"lk": (1000, 700), "paper": (2000, 1000), "dense": (500, 500)}


def cvae_recipe(name: str = "fast", network: str = "lk", linear_skip: str = "none", **options) -> Recipe:
    """A recipe of that name with the steps that suit a network; options that are not None replace its own.

    >>> cvae_recipe("fast", "lk", "pca", batch_size=100).max_steps
    700
    """
    if name not in RECIPES:
        raise ValueError(f"recipe is {name!r}: it must be one of {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    if name == "fast":
        recipe = recipe.with_options(max_steps=FAST_STEPS[network][linear_skip == "pca"])
    return recipe.with_options(**options)


@dataclass(frozen=True)
class CvaeProblem:
    """One model to fit to one subject's voxels; the attributes are those of `fit_cvae`."""

    x: np.ndarray
    split: np.ndarray
    latent_dim: int = 9
    network: str = "lk"
    components: np.ndarray | None = None
    loss: CvaeLoss = PLAIN
    recipe: Recipe = RECIPES["fast"]
    ramp_steps: int = 0
    annealing: str = "linear"
    start: Cvae | None = None
    seed: int = 0


def fit_cvae(
    x: np.ndarray,
    split: np.ndarray,
    *,
    latent_dim: int = 9,
    network: str = "lk",
    components: np.ndarray | None = None,
    loss: CvaeLoss = PLAIN,
    recipe: Recipe = RECIPES["fast"],
    ramp_steps: int = 0,
    annealing: str = "linear",
    start: Cvae | None = None,
    seed: int = 0,
    threads: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> tuple[Cvae, Fit]:
    """Train on the training voxels, choose the weights on the validation voxels.

    Parameters
    ----------
    x : (K, T) float32 array
        Scaled series, one row a voxel; may be memory-mapped.
    split : (K,) int array
        0 training, 1 validation, 2 test.
    components : (D, T) array, optional
        Orthonormal principal components of the training voxels: gives the model its linear skip.
    ramp_steps, annealing : int, {"linear", "cyclical", "sigmoid"}
        Steps over which the weights of KL and MMD rise from 0, and how (`training.annealing`).
    start : Cvae, optional
        Another fit of the same shape, to start from its weights (`start_from`).
    device : torch.device
    checkpoint, checkpoint_seconds, fingerprint, progress
        As in `training.fit.fit`.

    Returns
    -------
    model : Cvae
        On the CPU, in eval mode, with the best weights.
    fit : Fit
        Its history has train_mse and val_mse from z = μ, on up to 2,000 voxels of each.
    """
    problem = CvaeProblem(x, split, latent_dim, network, components, loss, recipe, ramp_steps, annealing, start, seed)
    return fit_cvae_many(
        [problem],
        threads=threads,
        device=device,
        checkpoint=checkpoint,
        checkpoint_seconds=checkpoint_seconds,
        fingerprint=fingerprint,
        progress=progress,
    )[0]


def fit_cvae_many(
    problems: Sequence[CvaeProblem],
    *,
    stack: bool = True,
    threads: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> list[tuple[Cvae, Fit]]:
    """Fit several models, each as `fit_cvae` would, stacked where their architectures allow.

    Stacked, a model's weights are those of its own fit but for rounding, which training magnifies: see the test.

    Parameters
    ----------
    problems : sequence of CvaeProblem
        An array that several share is one object, so that it is held on the device once.
    stack, checkpoint, checkpoint_seconds, fingerprint, progress
        As in `training.many.fit_many`.

    Returns
    -------
    list of (Cvae, Fit)
        In the order of the problems; models on the CPU, in eval mode, with their best weights.
    """
    rows = {id(problem.x): Rows(problem.x, device) for problem in problems}
    trainings = []
    for problem in problems:
        with reproducible(problem.seed, threads):
            trainings.append(_training(problem, rows[id(problem.x)]))
    with reproducible(problems[0].seed, threads):
        results = fit_many(
            trainings,
            stack=stack,
            device=device,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            fingerprint=fingerprint,
            progress=progress,
        )
    return [(model.cpu().eval(), fit) for model, fit in results]


def _training(problem: CvaeProblem, rows: Rows) -> Training:
    x, split, seed = problem.x, problem.split, problem.seed
    train, validation = members(split, TRAIN), members(split, VALIDATION)
    if len(split) != len(x):
        raise ValueError(f"split has {len(split)} entries but there are {len(x)} voxels")
    model = build(x, train, problem.latent_dim, problem.network, problem.components)
    if problem.start is not None:
        start_from(model, problem.start)
    member = CvaeMember(model.to(rows.device), rows, train, validation, problem.loss, seed)
    return Training(member, problem.recipe, seed, problem.ramp_steps, problem.annealing)


def members(split: np.ndarray, code: int) -> np.ndarray:
    """Row numbers of one part of the split; at least two, or it is refused."""
    rows = np.flatnonzero(np.asarray(split) == code)
    if len(rows) < 2:
        part = {TRAIN: "training", VALIDATION: "validation"}[code]
        raise ValueError(
            f"the split leaves {len(rows)} {part} voxels of {len(split)}: at least 2 are needed; "
            "use a larger mask or another split"
        )
    return rows


def build(
    x: np.ndarray,
    train: np.ndarray,
    latent_dim: int,
    network: str,
    components: np.ndarray | None,
) -> Cvae:
    """An untrained model with the training voxels' mean series and scale put in.

    `paper` without the skip sees the data as they are, as in the paper, and ends in a sigmoid where they lie in [0, 1].
    """
    literal = network == "paper" and components is None
    unit = literal and all(x[c].min() >= 0 and x[c].max() <= 1 for c in _chunks(train))
    config = CvaeConfig(
        n_frames=x.shape[1],
        latent_dim=latent_dim,
        network=network,
        linear_skip="none" if components is None else "pca",
        output="sigmoid" if unit else "linear",
    )
    if literal:
        return Cvae(config)
    mean = sum(x[c].sum(0, dtype=np.float64) for c in _chunks(train)) / len(train)
    scale = np.sqrt(sum(np.square(x[c] - mean).sum() for c in _chunks(train)) / len(train) / x.shape[1])
    if not scale > 0:
        raise ValueError("the training voxels are all the same series: there is nothing to learn")
    if components is None:
        return Cvae(config, torch.from_numpy(mean), scale)
    power = sum(np.square((x[c] - mean) @ components.T).sum(0) for c in _chunks(train)) / len(train)
    floor = 1e-6 * scale  # a component without variance would divide by zero
    return Cvae(
        config,
        torch.from_numpy(mean),
        scale,
        torch.from_numpy(np.array(components, dtype=np.float32)),
        torch.from_numpy(np.sqrt(power).clip(floor)),
    )


def start_from(model: Cvae, other: Cvae):
    """Put another fit's weights into a model, but for the mean series and the scale, which stay those of its own data.

    A network sees series less their mean, in units of their spread, so its weights carry over to other data as they
    are, while the mean of another subject would be an error that training must first undo.
    """
    if other.config != model.config:
        raise ValueError(
            f"the fit needs a model of {model.config}, but the one to start from is {other.config}: "
            "give one of the same shape, fitted to data that were scaled alike"
        )
    own = {name: model.state_dict()[name] for name in ("mean", "scale")}
    model.load_state_dict({**other.state_dict(), **own})


def _chunks(voxels: np.ndarray) -> list[np.ndarray]:
    return [voxels[part] for part in blocks(len(voxels))]
