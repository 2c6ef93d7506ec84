"""Fit a shared model to the voxels of several subjects, or a newcomer's part to its own.

Rows are places that all subjects share. Each step draws places and up to four subjects, and reads only these rows from
the subjects' memory-mapped files, so what is held in memory does not depend on how many subjects there are.

What was tried on three simulated listeners of 8,959 voxels × 1,310 frames, 500 steps, D = 9 (test MSE × 1e-5; mean
Procrustes disparity between subjects on test voxels; rough seconds on one core):

| a subject's own part | MSE | disparity | s |
|---|---|---|---|
| everything: independent dense models with PCA skip | 62.9 | .754 | 55 |
| PCA of each subject; pooled PCA with own means | 92.8; 111 | .769; .756 | |
| nothing: pooled dense model | 67.8 | .715 | 20 |
| mean series; with affine maps of the latents (dense network on all frames) | 69.1; 69.4 | .739; .742 | 21 |
| a linear path beside it, from 0; from its own PCA, rotated | 81.9; 75.7 | .855; .766 | 26 |
| aligned read-in and read-out, rank 16; 32; 64, learning like the rest | 73.9; 67.7; 67.8 | .650; .640; .617 | 9 |
| rank 32, three subjects a step; its maps frozen | 67.0; 68.4 | .609; .574 | 9 |
| rank 32, three subjects a step, a tenth of the rate (used here) | 66.3 | .556 | 9 |
| the same in two blocks, so that it starts as each subject's PCA of size D | 67.2 | .653 | 9 |

So the maps learn at a tenth of the rate: the faster they learn, the further latent spaces drift apart. A newcomer's
learn at the full rate, since nothing else moves (a tenth costs 16 % in error): after 200 steps its error is 6 % above
the members' where there are six of them, 15 % where there are two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.losses import Terms, squared_error
from pydra_vae.models.shared import PooledCvae, SharedCvae
from pydra_vae.training.apply import CHUNK, blocks
from pydra_vae.training.devices import free_memory, reproducible
from pydra_vae.training.fit import Fit, fit
from pydra_vae.training.recipes import RECIPES, Recipe
from pydra_vae.training.rows import DEVICE_SHARE, Rows

SUBJECTS_A_STEP = 4
VALIDATION_ROWS = 2000  # over all subjects
OWN_RATE = 0.1
OTHERS_WEIGHT = 0.3


@dataclass(frozen=True)
class Places:
    """The same places in several subjects.

    Attributes
    ----------
    arrays : sequence of S arrays, (K_s, T) float32
        Scaled series; may be memory-mapped.
    rows : (S, K) int array
        Row of each place in each subject.
    train, validation : int arrays
        Numbers of places below K.
    weights : sequence of S (T,) arrays or None
        Frames of weight 0 do not count.
    """

    arrays: Sequence[np.ndarray]
    rows: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    weights: Sequence[np.ndarray | None]

    def __post_init__(self):
        for part in ("train", "validation"):
            if len(getattr(self, part)) < 2:
                raise ValueError(f"fewer than 2 shared places are left as {part} voxels: use larger masks")


def shared_recipe(n_subjects: int, **options) -> Recipe:
    """The fast recipe with the steps that suit the number of subjects; options that are not None replace its own.

    >>> shared_recipe(3).max_steps, shared_recipe(6).max_steps, shared_recipe(22).max_steps
    (750, 1500, 2000)
    """
    return RECIPES["fast"].with_options(max_steps=min(2000, max(500, 250 * n_subjects))).with_options(**options)


def fit_shared(
    model: SharedCvae | PooledCvae,
    places: Places,
    *,
    recipe: Recipe,
    join: bool = False,
    seed: int = 0,
    threads: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> Fit:
    """Train a shared model in place, or a newcomer's part of it.

    The loss is the mean squared error over the weighted frames of the drawn subjects. With `subject_decoders`, 0.3
    times the error from the mean of the *other* drawn subjects' latents at the same places is added (a newcomer's:
    from the members' mean): that is what makes the latent shared. From the mean of all, own included, encoders learn
    to write each its own dimensions, and no latent means anything alone.

    Parameters
    ----------
    model : SharedCvae or PooledCvae
    places : Places
        Of as many subjects as the model has parts.
    recipe : Recipe
        Its batch size counts series a step, of all drawn subjects together.
    join : bool
        Train the part of the model's only subject, and nothing else.
    device, seed, threads, checkpoint, checkpoint_seconds, fingerprint, progress
        As in `training.cvae.fit_cvae`.

    Returns
    -------
    Fit
        Its history has val_mse, over all subjects, and for `subject_decoders` val_others.
    """
    n_subjects = len(places.arrays)
    drawn = min(SUBJECTS_A_STEP, n_subjects)
    with reproducible(seed, threads):
        model.to(device).requires_grad_(not join)
        if join:
            model.parts[0].requires_grad_(True)
        readers = _readers(places.arrays, device)
        result = fit(
            model,
            _Objective(model, places, readers, drawn, join),
            _Validation(model, places, readers, join),
            n_rows=len(places.train),
            recipe=recipe.with_options(batch_size=max(1, recipe.batch_size // drawn)),
            device=device,
            seed=seed,
            groups=_groups(model, n_subjects, 1.0 if join else OWN_RATE),
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            fingerprint=fingerprint,
            progress=progress,
        )
    model.cpu().eval().requires_grad_(True)
    return result


def mean_latents(model: SharedCvae, places: Places, device: torch.device = torch.device("cpu")) -> Tensor:  # noqa: B008
    """Mean of the subjects' latents at every place, (K, D), one subject after the other."""
    total = torch.zeros(places.rows.shape[1], model.config.latent_dim)
    for subject, (array, rows) in enumerate(zip(places.arrays, places.rows, strict=True)):
        for part in blocks(len(rows)):
            total[part] += encode_rows(model, array[rows[part]], subject, device)
    return total / len(places.arrays)


def encode_rows(model, x: np.ndarray, subject: int, device: torch.device) -> Tensor:
    """Latents of some series, on the CPU and without gradients."""
    with torch.inference_mode():
        series = torch.from_numpy(np.array(x, dtype=np.float32)).to(device)
        return model.to(device).eval().encode(series, subject).cpu()


def decode_rows(model, z: Tensor, subject: int, device: torch.device) -> np.ndarray:
    """Series of some latents."""
    with torch.inference_mode():
        return model.to(device).eval().decode(z.to(device), subject).cpu().numpy()


def _readers(arrays: Sequence[np.ndarray], device: torch.device) -> list[Rows]:
    """Each array takes an equal share of the device's memory, or stays in its file."""
    free = free_memory(device)
    limit = None if free is None else int(DEVICE_SHARE * free / len(arrays))
    return [Rows(array, device, limit) for array in arrays]


def _groups(model, n_subjects: int, own_rate: float) -> list[dict]:
    """Read-ins and read-outs learn at a rate of their own, the rest at the recipe's; what is frozen has no group."""
    slow = [weight for subject in range(n_subjects) for weight in model.maps(subject)]
    known = {id(weight) for weight in slow}
    fast = [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in known]
    return [{"params": group, "factor": factor} for group, factor in ((fast, 1.0), (slow, own_rate)) if group]


class _Objective:
    """Errors of the drawn subjects at the drawn places."""

    def __init__(self, model, places: Places, readers: list[Rows], drawn: int, join: bool):
        self.model, self.readers, self.drawn, self.join = model, readers, drawn, join
        self.train = torch.from_numpy(places.train)
        self.rows = torch.from_numpy(np.ascontiguousarray(places.rows, dtype=np.int64))
        self.weights = [frame_weights(weights, model.mm.device) for weights in places.weights]
        self.kind = model.config.kind

    def __call__(self, batch: Tensor, ramp: float, generator: torch.Generator) -> Terms:
        subjects = torch.randperm(len(self.readers), generator=generator)[: self.drawn].tolist()
        chosen = self.train[batch]
        series = [self.readers[s].take(self.rows[s, chosen]) for s in subjects]
        latents = [self.model.encode(x, s) for x, s in zip(series, subjects, strict=True)]
        terms = {"mse": self._error(series, latents, subjects)}
        if self.kind == "subject_decoders":
            others = [self.model.common[chosen.to(self.model.common.device)]] if self.join else of_others(latents)
            terms["others"] = self._error(series, others, subjects)
        return Terms(terms, {"others": OTHERS_WEIGHT})

    def _error(self, series: list[Tensor], latents: list[Tensor], subjects: list[int]) -> Tensor:
        errors = [
            squared_error(x, self.model.decode(z, s), self.weights[s]).mean()
            for x, z, s in zip(series, latents, subjects, strict=True)
        ]
        return torch.stack(errors).mean()


class _Validation:
    """Errors of all subjects at fixed validation places, read anew each time, one subject after the other."""

    def __init__(self, model, places: Places, readers: list[Rows], join: bool):
        self.model, self.readers, self.join = model, readers, join
        n = max(20, VALIDATION_ROWS // len(readers))
        some = places.validation[np.linspace(0, len(places.validation) - 1, n).round().astype(int)]
        self.places = torch.from_numpy(np.unique(some))
        self.rows = torch.from_numpy(places.rows[:, self.places.numpy()].astype(np.int64))
        self.weights = [frame_weights(weights, model.mm.device) for weights in places.weights]

    def __call__(self) -> dict[str, float]:
        subjects = range(len(self.readers))
        latents = [torch.cat([self.model.encode(x, s) for x in self._blocks(s)]) for s in subjects]
        mse = self._mean_error(latents)
        if self.model.config.kind != "subject_decoders":
            return {"val_loss": mse, "val_mse": mse}
        others = [self.model.common[self.places.to(latents[0].device)]] if self.join else of_others(latents)
        error = self._mean_error(others)
        return {"val_loss": mse + OTHERS_WEIGHT * error, "val_mse": mse, "val_others": error}

    def _blocks(self, subject: int):
        for part in blocks(len(self.places)):
            yield self.readers[subject].take(self.rows[subject, part])

    def _mean_error(self, latents: list[Tensor]) -> float:
        total = 0.0
        for subject, own in enumerate(latents):
            for x, z in zip(self._blocks(subject), own.split(CHUNK), strict=True):
                total += float(squared_error(x, self.model.decode(z, subject), self.weights[subject]).sum())
        return total / (len(latents) * len(self.places))


def of_others(latents: Sequence[Tensor]) -> list[Tensor]:
    """For each subject, the mean of all other subjects' latents.

    >>> [z.tolist() for z in of_others([torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([6.0])])]
    [[4.0], [3.5], [1.5]]
    """
    total = torch.stack(list(latents)).sum(0)
    return [(total - own) / (len(latents) - 1) for own in latents]


def frame_weights(weights: np.ndarray | None, device: torch.device) -> Tensor | None:
    """Weights of frames on the device; None where all count."""
    if weights is None or np.all(np.asarray(weights) == 1):
        return None
    return torch.from_numpy(np.array(weights, dtype=np.float32)).to(device)
