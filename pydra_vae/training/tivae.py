"""Fit a `TiVae` to recordings of many subjects, or many of them at once; the loss is in `training.tivae_loss`.

`fast`: LSUV, one cycle of Adam up to 3e-3, batches of four random crops of 96 frames, regularisers that rise over the
first 60 % of the steps: what reconstructed simulated motor recordings best in equal time. `paper` is the paper's: Adam
at 5e-3 with ε = .1 and a decay of 1e-4 (PyTorch's, added to the gradient), a rate that falls on plateaus, batches of
eight whole recordings, 150 epochs; it starts with LSUV too, since from PyTorch's own initialisation it collapses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.initialisation import LSUV_FRAMES, LSUV_RECORDINGS, initialise_
from pydra_vae.models.tivae import TiVae, TiVaeConfig
from pydra_vae.training.devices import reproducible
from pydra_vae.training.fit import Fit
from pydra_vae.training.many import Training, fit_many
from pydra_vae.training.recipes import Recipe
from pydra_vae.training.recordings import Recordings
from pydra_vae.training.tivae_loss import TiVaeLoss, TiVaeMember

TRAIN, VALIDATION = "train", "validation"  # of subject_split.tsv
TIVAE_RECIPES = {
    "fast": Recipe("fast", 3e-3, "one-cycle", batch_size=4, max_steps=400, clip=100.0),
    "paper": Recipe(
        "paper", 5e-3, "plateau", batch_size=8, max_epochs=150, eps=0.1, weight_decay=1e-4, coupled_decay=True
    ),
}
CROPS = {"fast": 96, "paper": None}  # frames; None: whole recordings
RAMPS = {"fast": 0.6, "paper": 0.0}  # share of the steps over which the regularisers rise
# LSUV gives the reconstruction unit variance, so that training starts at R² = −1 and must first undo it; at .3 it
# starts near 0. After 100 steps on 648 simulated vertices R² was .16 and .14 (two seeds) instead of .11 and .13.
OUTPUT_SCALE = 0.3
# A validation passes each of its recordings twice, forwards only: about .85 of the time of a training step on it.
# `fast` validates on as many, evenly spaced, as a tenth of the training's time allows, but on two; `paper`, once an
# epoch, on all.
VALIDATION_SHARE, PASSES_COST = 0.1, 0.85


def tivae_recipe(name: str = "fast", **options) -> Recipe:
    """A recipe of that name; options that are not None replace its own.

    >>> tivae_recipe("fast", max_steps=100).max_steps, tivae_recipe("paper").eps
    (100, 0.1)
    """
    if name not in TIVAE_RECIPES:
        raise ValueError(f"recipe is {name!r}: it must be one of {', '.join(TIVAE_RECIPES)}")
    return TIVAE_RECIPES[name].with_options(**options)


def native_bfloat16(device: torch.device) -> bool:
    """Does the device multiply bf16 faster than float32?"""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()  # no public name for it
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


@dataclass(frozen=True)
class TiVaeProblem:
    """One model to fit to recordings.

    Attributes
    ----------
    arrays : sequence of S arrays, (T, V) float32
        May be memory-mapped. Problems that share one sequence share what the device holds.
    parts : sequence of S str
        train, validation or test.
    config : TiVaeConfig
    clusters : (V,) int array or None
        Cluster of each vertex; none in a linear network.
    loss : TiVaeLoss
    recipe : Recipe
    crop : int or None
        Frames of a training crop; None for whole recordings.
    ramp : float
        Share of the steps over which the regularisers rise.
    initialisation : {"lsuv", "orthogonal", "pytorch"}
    bfloat16 : bool
    seed : int
    names : sequence of S str, optional
        Of the recordings, for messages.
    """

    arrays: Sequence[np.ndarray]
    parts: Sequence[str]
    config: TiVaeConfig
    clusters: np.ndarray | None
    loss: TiVaeLoss = field(default_factory=TiVaeLoss)
    recipe: Recipe = TIVAE_RECIPES["fast"]
    crop: int | None = None
    ramp: float = 0.0
    initialisation: str = "lsuv"
    bfloat16: bool = False
    seed: int = 0
    names: Sequence[str] | None = None


def fit_tivae(
    problem: TiVaeProblem,
    *,
    threads: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> tuple[TiVae, Fit]:
    """Train on the training recordings, choose the weights on the validation recordings.

    Parameters
    ----------
    problem : TiVaeProblem
    device : torch.device
    checkpoint, checkpoint_seconds, fingerprint, progress
        As in `training.fit.fit`.

    Returns
    -------
    model : TiVae
        On the CPU, in eval mode, with the best weights.
    fit : Fit
        Its history has loss_reconstruction, loss_kl and loss_tc (where β is not 0) of the training crops, and of whole
        validation recordings val_loss, val_r2 (from z = μ) and val_ of every term (`models.factors.tivae_terms`).
    """
    options = {"checkpoint": checkpoint, "checkpoint_seconds": checkpoint_seconds, "fingerprint": fingerprint}
    return fit_tivae_many([problem], threads=threads, device=device, progress=progress, **options)[0]


def fit_tivae_many(
    problems: Sequence[TiVaeProblem],
    *,
    stack: bool = True,
    threads: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> list[tuple[TiVae, Fit]]:
    """Fit several models, each as `fit_tivae` would, stacked where their architectures allow.

    Parameters
    ----------
    problems : sequence of TiVaeProblem
    stack, checkpoint, checkpoint_seconds, fingerprint, progress
        As in `training.many.fit_many`.

    Returns
    -------
    list of (TiVae, Fit)
        In the order of the problems; models on the CPU, in eval mode, with their best weights.
    """
    held: dict[tuple, Recordings] = {}
    trainings = []
    for problem in problems:
        recordings = held.setdefault(_data(problem), None) or _recordings(problem, device)
        held[_data(problem)] = recordings
        with reproducible(problem.seed, threads):
            trainings.append(_training(problem, recordings))
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


def _data(problem: TiVaeProblem) -> tuple:
    return id(problem.arrays), tuple(problem.parts)


def _recordings(problem: TiVaeProblem, device: torch.device) -> Recordings:
    """Training recordings first, then those of the validation; those of the test are not touched."""
    rows = [row for part in (TRAIN, VALIDATION) for row in _members(problem.parts, part)]
    recordings = Recordings(problem.arrays, device, names=problem.names, chosen=rows)
    if recordings.n_vertices != problem.config.n_vertices:
        raise ValueError(
            f"the series have {recordings.n_vertices} vertices, but the region has {problem.config.n_vertices}: "
            "give series and vertices of one region"
        )
    return recordings


def _members(parts: Sequence[str], part: str) -> list[int]:
    rows = [row for row, own in enumerate(parts) if own == part]
    if not rows:
        raise ValueError(f"the split has no {part} recordings among {len(parts)}: more subjects are needed")
    return rows


def _training(problem: TiVaeProblem, recordings: Recordings) -> Training:
    n_train = len(_members(problem.parts, TRAIN))
    recipe = _with_validations(problem.recipe, n_train)
    crop = min(problem.crop or recordings.n_frames, recordings.n_frames)
    if crop < 2:
        raise ValueError(f"crop is {crop} frames: the total correlation over time needs at least 2")
    member = TiVaeMember(
        _build(problem, recordings, n_train).to(recordings.device),
        recordings,
        torch.arange(n_train),
        n_train + torch.from_numpy(_validated(recipe, recordings, n_train, crop)),
        problem.loss,
        crop,
        problem.bfloat16,
        problem.seed,
    )
    return Training(member, recipe, problem.seed, round(problem.ramp * recipe.steps(n_train)), "linear")


def _validated(recipe: Recipe, recordings: Recordings, n_train: int, crop: int) -> np.ndarray:
    """Numbers of the validation recordings that every validation passes."""
    n = n_some = len(recordings) - n_train
    if recipe.schedule != "plateau":
        seen = recipe.validate_every * recipe.batch(n_train) * crop
        n_some = max(2, int(VALIDATION_SHARE * seen / (PASSES_COST * recordings.n_frames)))
    return np.unique(np.linspace(0, n - 1, min(n, n_some)).round().astype(int))


def _with_validations(recipe: Recipe, n_train: int) -> Recipe:
    """One-cycle trainings are validated ten times or every 50 steps, plateaus once an epoch."""
    if recipe.validate_every is not None:
        return recipe
    every = recipe.epoch_steps(n_train)
    if recipe.schedule != "plateau":
        every = min(50, max(1, recipe.steps(n_train) // 10))
    return recipe.with_options(validate_every=every)


def _build(problem: TiVaeProblem, recordings: Recordings, n_train: int) -> TiVae:
    """An untrained model; LSUV sees crops of the first training recordings that the seed draws."""
    clusters = None if problem.clusters is None else torch.from_numpy(np.array(problem.clusters, dtype=np.int64))
    model = TiVae(problem.config, clusters)
    generator = torch.Generator().manual_seed(problem.seed)
    initialise_(model, problem.initialisation, _batch(recordings, n_train, generator), generator)
    if problem.initialisation == "lsuv":
        last = model.decoder[-1] if problem.config.network == "linear" else model.decoder.output
        with torch.no_grad():
            last.weight.mul_(OUTPUT_SCALE)
    return model


def _batch(recordings: Recordings, n_train: int, generator: torch.Generator) -> Tensor:
    length = min(LSUV_FRAMES, recordings.n_frames)
    rows = torch.randperm(n_train, generator=generator)[:LSUV_RECORDINGS]
    starts = torch.randint(recordings.n_frames - length + 1, (len(rows),), generator=generator)
    return recordings.take(rows, starts, length).cpu()
