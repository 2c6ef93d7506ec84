"""Fit a `Cvae` to the voxels of one subject.

Rows are voxels. The loss is the mean squared error over the weighted frames, plus `kl_weight` times the KL in nats
where that is not 0. With a weight of 0, as in Singla et al. (2025), nothing holds σ up and sampling would only
shrink it, so z = μ unless `sample_latent` (our reading: the paper does not say). `mmd_weight` adds InfoVAE's distance
of the latents of a batch from the prior; it does not hold σ up either, so with the MMD alone z = μ too: the
deterministic WAE-MMD of Tolstikhin et al. (2018), arXiv 1711.01558.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.cvae import Cvae, CvaeConfig
from pydra_vae.models.losses import Terms, gaussian_kl, prior_mmd, reparameterise, squared_error
from pydra_vae.training.apply import blocks
from pydra_vae.training.devices import reproducible
from pydra_vae.training.fit import Fit, fit
from pydra_vae.training.recipes import RECIPES, Recipe
from pydra_vae.training.rows import Rows

TRAIN, VALIDATION = 0, 1  # codes of split.npy
VALIDATION_ROWS = 2000  # of each split: enough for 1 % of a mean, cheap beside 50 training steps
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
class CvaeLoss:
    """What the training minimises.

    Attributes
    ----------
    frame_weights : (T,) array or None
        0 leaves a frame out of the error.
    mixing : float
        Voxel mixing, an augmentation: the share of training series, drawn anew at every step, that are replaced by
        (1 − a) x_i + a x_j with another random training voxel j and a uniform in [0, 1].
    kl_weight : float
        Weight of the KL (nats) beside the *mean* squared error; see `models.losses` for its relation to β.
    sample_latent : bool
        z ~ q(z | x) although the KL weight is 0.
    mmd_weight : float
        Weight of the squared maximum mean discrepancy between the latents of a batch and N(0, I).
    """

    frame_weights: np.ndarray | None = None
    mixing: float = 0.0
    kl_weight: float = 0.0
    sample_latent: bool = False
    mmd_weight: float = 0.0

    def __post_init__(self):
        if not 0 <= self.mixing <= 1:
            raise ValueError(f"mixing is {self.mixing}: it is a share of the voxels and must lie in [0, 1]")
        for name in ("kl_weight", "mmd_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must not be negative")

    @property
    def sampled(self) -> bool:
        """Is z drawn from q(z | x) in training?"""
        return self.kl_weight > 0 or self.sample_latent


@dataclass(frozen=True)
class CvaeProblem:
    """One model to fit to one subject's voxels; the attributes are those of `fit_cvae`."""

    x: np.ndarray
    split: np.ndarray
    latent_dim: int = 9
    network: str = "lk"
    components: np.ndarray | None = None
    loss: CvaeLoss = CvaeLoss()
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
    loss: CvaeLoss = CvaeLoss(),
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
    train, validation = members(split, TRAIN), members(split, VALIDATION)
    if len(split) != len(x):
        raise ValueError(f"split has {len(split)} entries but there are {len(x)} voxels")
    with reproducible(seed, threads):
        model = build(x, train, latent_dim, network, components)
        if start is not None:
            start_from(model, start)
        model.to(device)
        rows = Rows(x, device)
        result = fit(
            model,
            _Objective(model, rows, train, loss),
            _Validation(model, rows, train, validation, loss, seed),
            n_rows=len(train),
            recipe=recipe,
            device=device,
            seed=seed,
            ramp_steps=ramp_steps,
            annealing=annealing,
            checkpoint=checkpoint,
            checkpoint_seconds=checkpoint_seconds,
            fingerprint=fingerprint,
            progress=progress,
        )
    return model.cpu().eval(), result


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


class _Objective:
    """Terms of the loss on training voxels; whatever is random is drawn on the CPU."""

    def __init__(self, model: Cvae, rows: Rows, train: np.ndarray, loss: CvaeLoss):
        self.model, self.rows, self.loss = model, rows, loss
        self.train = torch.from_numpy(train)
        self.weights = _weights(loss, rows.device)

    def __call__(self, batch: Tensor, ramp: float, generator: torch.Generator) -> Terms:
        x = self._series(batch, generator)
        mu, log_variance = self.model.encode(x)
        z = mu
        if self.loss.sampled:
            noise = torch.randn(mu.shape, generator=generator).to(mu.device)
            z = reparameterise(mu, log_variance, noise)
        terms = {"mse": squared_error(x, self.model.decode(z), self.weights).mean()}
        if self.loss.kl_weight > 0:
            terms["kl"] = gaussian_kl(mu, log_variance).mean()
        if self.loss.mmd_weight > 0:
            terms["mmd"] = prior_mmd(z)
        return Terms(terms, {"kl": ramp * self.loss.kl_weight, "mmd": ramp * self.loss.mmd_weight})

    def _series(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        x = self.rows.take(self.train[batch])
        if self.loss.mixing == 0:
            return x
        partners = torch.randint(len(self.train), (len(batch),), generator=generator)
        mixed = torch.rand(len(batch), 1, generator=generator) < self.loss.mixing
        share = torch.rand(len(batch), 1, generator=generator) * mixed
        return torch.lerp(x, self.rows.take(self.train[partners]), share.to(x.device))


class _Validation:
    """Figures of the present weights on fixed voxels, in full precision; the first one decides."""

    def __init__(self, model, rows, train, validation, loss: CvaeLoss, seed: int):
        self.model, self.loss = model, loss
        self.weights = _weights(loss, rows.device)
        generator = torch.Generator().manual_seed(seed)
        self.train, self.validation = (rows.take(_some(voxels, generator)) for voxels in (train, validation))
        shape = (len(self.validation), model.config.latent_dim)
        # the same noise at every validation, so that only the weights change the figure
        self.noise = torch.randn(shape, generator=generator).to(rows.device)

    def __call__(self) -> dict[str, float]:
        train_mse, *_ = self._evaluate(self.train, None)
        val_mse, kl, sampled, z = self._evaluate(self.validation, self.noise)
        total = sampled + self.loss.kl_weight * kl if self.loss.sampled else val_mse
        figures = {"val_kl": kl} if self.loss.kl_weight > 0 else {}
        if self.loss.mmd_weight > 0:
            figures["val_mmd"] = float(prior_mmd(z))
            total += self.loss.mmd_weight * figures["val_mmd"]
        return {"val_loss": total, "train_mse": train_mse, "val_mse": val_mse} | figures

    def _evaluate(self, x: Tensor, noise: Tensor | None) -> tuple[float, float, float, Tensor]:
        """MSE from z = μ, KL, and MSE from a sampled z, means over the voxels; the last z."""
        sums, used = np.zeros(3), []
        for part in blocks(len(x)):
            mu, log_variance = self.model.encode(x[part])
            latents = [mu]
            if noise is not None and self.loss.sampled:
                latents.append(reparameterise(mu, log_variance, noise[part]))
            errors = [squared_error(x[part], self.model.decode(z), self.weights).sum() for z in latents]
            sums += [float(errors[0]), float(gaussian_kl(mu, log_variance).sum()), float(errors[-1])]
            used.append(latents[-1])
        return *(float(v) for v in sums / len(x)), torch.cat(used)


def _weights(loss: CvaeLoss, device: torch.device) -> Tensor | None:
    weights = loss.frame_weights
    if weights is None or np.all(np.asarray(weights) == 1):
        return None
    return torch.from_numpy(np.array(weights, dtype=np.float32)).to(device)


def _some(voxels: np.ndarray, generator: torch.Generator) -> Tensor:
    """Up to 2,000 of the voxels, in order."""
    chosen = torch.randperm(len(voxels), generator=generator)[:VALIDATION_ROWS].sort().values
    return torch.from_numpy(voxels)[chosen]


def _chunks(voxels: np.ndarray) -> list[np.ndarray]:
    return [voxels[part] for part in blocks(len(voxels))]
