"""The loss of a `VolumeVae` on images, in the parts that `training.many` can share between models.

All terms are in nats an image, and the loss is their weighted sum divided by V, the voxels of the mask:

    loss = [reconstruction + β Σ_d max(λ_free, KL_d) + λ MMD] / V

Reconstruction is the Gaussian −log p(x | z) at its optimal σ² (Rybkin et al. 2021, arXiv 2006.13202), which is the mean
squared error of the batch, without its constants: ½ V log MSE, the error in units of the images' variance. So β = 1 is
the evidence lower bound, whatever the data's units. For `dssim` the mean dissimilarity D of the batch stands in place
of the error, ½ V log D, which is no likelihood; `mse+dssim` is the mean of both. Since the logarithm makes a factor a
constant, 1 − SSIM and (1 − SSIM)/2 have the same gradient: `full` or `half` only moves the figure by ½ V log 2.

InfoVAE's eq. 11 as printed penalises each posterior; the MMD here is that of Zhao et al. (2017), of the *aggregate*
posterior. The tutorial wants both terms of the same order: `mmd_ratio` = λ MMD / |log p(x | z)| is in the history, with
the λ at which it would be 1 (`mmd_weight_paper`).
"""

import math
from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pydra_vae.models.divergences import free_bits_kl
from pydra_vae.models.losses import gaussian_kl, prior_mmd, reparameterise
from pydra_vae.models.ssim import dssim
from pydra_vae.models.volume_vae import VolumeVae, narrow, widen
from pydra_vae.training.augmentation import AUGMENTATIONS, MIXED, NOISE_SD, OUTSIDE
from pydra_vae.training.course import Weights
from pydra_vae.training.member import Member, Outcome, Tensors
from pydra_vae.training.rows import Rows

RECONSTRUCTIONS = ("mse", "dssim", "mse+dssim")
DIVERGENCES = ("kl", "mmd", "none")
SMALLEST = 1e-12  # of an error before its logarithm: a perfect reconstruction has a finite loss
VALIDATION_ROWS = 200  # images of either part that a validation passes: cheap beside 50 steps of 32
BLOCK = 16  # images of a validation at a time


@dataclass(frozen=True)
class VolumeLoss:
    """What the training minimises.

    Attributes
    ----------
    reconstruction : {"mse", "dssim", "mse+dssim"}
    dssim : {"full", "half"}
        1 − SSIM as the tutorial prints it, or half of it.
    ssim_window : int
        Voxels along each axis.
    data_range : float
        Of the training images, for SSIM.
    divergence : {"kl", "mmd", "none"}
        none is an autoencoder: z = μ.
    beta : float
        Weight of the KL.
    mmd_weight : float
        λ, weight of the MMD.
    free_bits : float
        Nats of each dimension's KL that cost nothing.
    n_samples : int
        Draws of z for each image, whose errors are averaged.
    augmentation : {"none", "noise", "shift", "flip", "mix"}
    """

    reconstruction: Literal["mse", "dssim", "mse+dssim"] = "mse"
    dssim: Literal["full", "half"] = "full"
    ssim_window: int = 11
    data_range: float = 1.0
    divergence: Literal["kl", "mmd", "none"] = "kl"
    beta: float = 10.0
    mmd_weight: float = 2000.0
    free_bits: float = 0.0
    n_samples: int = 1
    augmentation: str = "none"

    def __post_init__(self):
        for name, allowed in (
            ("reconstruction", RECONSTRUCTIONS), ("dssim", ("full", "half")), ("divergence", DIVERGENCES),
            ("augmentation", AUGMENTATIONS),
        ):  # fmt: skip
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be one of {', '.join(allowed)}")
        for name in ("beta", "mmd_weight", "free_bits"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must not be negative")
        if self.n_samples < 1:
            raise ValueError(f"n_samples is {self.n_samples}: each image needs at least one draw of z")
        if self.reconstruction != "mse" and not (self.ssim_window >= 3 and self.ssim_window % 2):
            raise ValueError(f"ssim_window is {self.ssim_window}: give an odd number of voxels, 3 or more")

    @property
    def sampled(self) -> bool:
        """Is z drawn from q(z | x) in training?"""
        return self.divergence != "none"

    def weights(self, n_voxels: int, ramp: float = 1.0) -> dict[str, float]:
        """Weights of the terms, where the annealing has reached `ramp`.

        >>> VolumeLoss(beta=10).weights(100, ramp=0.5)
        {'reconstruction': 0.01, 'kl': 0.05, 'mmd': 0.0}
        """
        kl = self.beta if self.divergence == "kl" else 0.0
        mmd = self.mmd_weight if self.divergence == "mmd" else 0.0
        return {"reconstruction": 1 / n_voxels, "kl": ramp * kl / n_voxels, "mmd": ramp * mmd / n_voxels}

    def nats(self, error: Tensor, dissimilarity: Tensor | None, n_voxels: int) -> Tensor:
        """The reconstruction of a batch from its mean error and mean dissimilarity."""
        parts = []
        if self.reconstruction != "dssim":
            parts.append(error)
        if self.reconstruction != "mse":
            parts.append(dissimilarity)
        return sum(0.5 * n_voxels * part.clamp_min(SMALLEST).log() for part in parts) / len(parts)


class VolumeElbo(nn.Module):
    """A model with the error of its reconstruction: images (B, V) → what the loss of each is made of.

    Parameters
    ----------
    model : VolumeVae
    loss : VolumeLoss
    sources : (n, V) int64 tensor, optional
        Where the voxels of every move of the augmentation come from (`training.augmentation.moves`).
    bfloat16 : bool
        Compute the networks in bf16; errors and latents stay float32.
    """

    def __init__(self, model: VolumeVae, loss: VolumeLoss, sources: Tensor | None = None, bfloat16: bool = False):
        super().__init__()
        self.model, self.loss, self.bfloat16 = model, loss, bfloat16
        self.register_buffer("sources", sources)
        # a tensor, since it differs between the models of a stack
        self.register_buffer("latent_dim", torch.tensor(float(model.config.latent_dim)))

    def forward(self, x: Tensor, noise: Tensor, augmented: Tensor | None = None) -> Outcome:
        """Terms of each image from z = μ + σ ε; ε = `noise` (B, n, k), a draw each.

        `augmented` has, for augmentation by noise, that of the input (B, V), else the move of each image (B,).
        """
        model, (n_images, n_draws, _) = self.model, noise.shape
        noisy = augmented is not None and self.loss.augmentation == "noise"
        if augmented is not None and not noisy:
            x = self._moved(x, augmented)
        seen = x + NOISE_SD * model.scale * augmented if noisy else x
        with self._autocast(x.device):
            mu, log_variance = model.encode(seen)
            z = reparameterise(mu[:, None], log_variance[:, None], noise)
            px = model.decode(z.flatten(0, 1)).unflatten(0, (n_images, n_draws))
        error = (px - x[:, None]) / model.scale
        outcome = {"error": error.square().mean((1, 2)), "mu": mu, "log_variance": log_variance, "z": z}
        if self.loss.reconstruction != "mse":
            outcome["dissimilarity"] = self._dissimilarity(x, px)
        return outcome | {"latent_dim": self.latent_dim}

    def _moved(self, x: Tensor, move: Tensor) -> Tensor:
        sources = self.sources[move]
        return torch.where(sources == OUTSIDE, self.model.mean, x.gather(1, sources.clamp_min(0)))

    def _dissimilarity(self, x: Tensor, px: Tensor) -> Tensor:
        """Mean over draws, over the mask's voxels; 0 surrounds the box, so that every one has its window."""
        n_draws = px.shape[1]
        boxes = [self.model.in_box(image) for image in (x.repeat_interleave(n_draws, 0), px.flatten(0, 1))]
        options = {"window": self.loss.ssim_window, "mask": self.model.mask, "kind": self.loss.dssim}
        return dssim(*boxes, self.loss.data_range, **options, surrounded=True).unflatten(0, (-1, n_draws)).mean(1)

    def _autocast(self, device: torch.device):
        if device.type not in ("cpu", "cuda"):
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16)


class VolumeMember(Member):
    """One `VolumeVae` with the images that it is fitted to, on their device.

    Parameters
    ----------
    model : VolumeVae
    rows : Rows
        All images, (N, V).
    train, validation : int arrays
        Rows of either part.
    loss : VolumeLoss
    sources : (n, V) int64 tensor, optional
        As `VolumeElbo`.
    bfloat16 : bool
    seed : int
        Of the validation's noise.
    """

    block = BLOCK

    def __init__(self, model: VolumeVae, rows: Rows, train, validation, loss: VolumeLoss, sources=None,
                 bfloat16: bool = False, seed: int = 0):  # fmt: skip
        self.model, self.source, self.loss = model, rows, loss
        self.module = VolumeElbo(model, loss, sources, bfloat16).to(rows.device)
        self.train, self.n_rows, self.size = torch.as_tensor(train), len(train), model.config.latent_dim
        self.n_voxels = model.config.n_voxels
        some = [_spaced(torch.as_tensor(part)) for part in (validation, train)]
        noise, still = self._noise(len(some[0]), torch.Generator().manual_seed(seed)), self._noise(len(some[0]))
        # of a sampled z for the loss, of z = μ for R²; the same noise at every validation
        self._passes = [(some[0], noise), (some[0], still), (some[1], self._noise(len(some[1])))]
        self._variances = [self._about_mean(part) for part in some]

    @property
    def kin(self) -> Hashable | None:
        config, loss = replace(self.model.config, latent_dim=1), self.loss
        return (config, replace(loss, beta=0.0, mmd_weight=0.0, divergence="none"), loss.sampled, self.module.bfloat16)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensors:
        drawn, n, kind = [self.train[rows]], len(rows), self.loss.augmentation
        drawn.append(self._noise(n, generator if self.loss.sampled else None))
        if kind == "mix":
            mixed = torch.rand(n, 1, generator=generator) < MIXED
            drawn += [self.train[torch.randint(self.n_rows, (n,), generator=generator)]]
            drawn += [torch.rand(n, 1, generator=generator) * mixed]
        elif kind == "noise":
            drawn.append(torch.randn((n, self.n_voxels), generator=generator))
        elif kind != "none":
            drawn.append(torch.randint(len(self.module.sources), (n,), generator=generator))
        return tuple(drawn)

    def inputs(self, *drawn: Tensor) -> Tensors:
        rows, noise, *others = drawn
        x, kind, device = self.source.take(rows), self.loss.augmentation, self.source.device
        if kind == "mix":
            partners, share = others
            return torch.lerp(x, self.source.take(partners), share.to(device)), noise.to(device)
        return x, noise.to(device), *(augmented.to(device) for augmented in others)

    def validated(self, *values: Tensor) -> Tensors:
        rows, noise = values
        return self.source.take(rows), noise.to(self.source.device)

    def reduce(self, outcome: Outcome) -> dict[str, Tensor]:
        dissimilarity = outcome["dissimilarity"].mean(-1) if "dissimilarity" in outcome else None
        return {
            "reconstruction": self.loss.nats(outcome["error"].mean(-1), dissimilarity, self.n_voxels),
            "kl": _divergence(outcome, self.loss.free_bits),
            "mmd": _aggregate_mmd(outcome["z"], outcome["latent_dim"]),
        }

    def weights(self, ramp: float) -> dict[str, float]:
        return self.loss.weights(self.n_voxels, ramp)

    def passes(self) -> list[Tensors]:
        return self._passes

    def figures(self, passed: list[list[Outcome]]) -> dict[str, float]:
        sampled, plain, train = (_joined(blocks) for blocks in passed)
        scale, terms = float(self.model.scale), self.reduce(sampled)
        weights = self.weights(1.0)
        loss = sum(weights[name] * float(value) for name, value in terms.items())
        mse, train_mse = (float(part["error"].mean()) * scale**2 for part in (plain, train))
        likelihood = (
            -0.5
            * self.n_voxels
            * math.log(2 * math.pi * math.e * max(float(sampled["error"].mean()) * scale**2, SMALLEST * scale**2))
        )
        mmd = float(terms["mmd"])
        figures = {
            "val_loss": loss,
            "train_r2": 1 - train_mse / self._variances[1],
            "val_r2": 1 - mse / self._variances[0],
            "val_mse": mse,
            "val_reconstruction": float(terms["reconstruction"]),
            "val_kl": float(gaussian_kl(sampled["mu"], sampled["log_variance"]).mean()),
            "val_mmd": mmd,
            "val_log_likelihood": likelihood,
        }
        if "dissimilarity" in plain:
            share = 1 if self.loss.dssim == "full" else 2
            figures["val_ssim"] = 1 - share * float(plain["dissimilarity"].mean())
        if self.loss.divergence == "mmd":
            figures["mmd_ratio"] = self.loss.mmd_weight * mmd / abs(likelihood)
        return figures | {"mmd_weight_paper": abs(likelihood) / mmd if mmd > 0 else float("nan")}

    def widened(self, size: int) -> VolumeElbo:
        module = VolumeElbo(widen(self.model, size), self.loss, self.module.sources, self.module.bfloat16)
        module.latent_dim.fill_(self.size)
        return module

    def narrowed(self, weights: Weights) -> Weights:
        own = {name.removeprefix("model."): v for name, v in weights.items() if name.startswith("model.")}
        return narrow(own, self.model)

    def _noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Of a sampled z; none without a generator."""
        draws = self.loss.n_samples if generator is not None and self.loss.sampled else 1
        shape = (n, draws, self.size)
        return torch.zeros(shape) if generator is None else torch.randn(shape, generator=generator)

    def _about_mean(self, rows: Tensor) -> float:
        """Mean squared error of the training images' mean, in squared units of the data: what R² = 0 leaves."""
        mean, total = self.model.mean.to(self.source.device), 0.0
        for part in rows.split(BLOCK):
            total += float((self.source.take(part) - mean).double().square().sum())
        return total / (len(rows) * self.n_voxels)


def _divergence(outcome: Outcome, free_bits: float) -> Tensor:
    """KL with free bits, of each model's own dimensions: a surplus one of a stack would count as its free bits."""
    mu = outcome["mu"]
    surplus = mu.shape[-1] - outcome["latent_dim"]
    return free_bits_kl(mu, outcome["log_variance"], free_bits) - free_bits * surplus


def _aggregate_mmd(z: Tensor, latent_dim: Tensor) -> Tensor:
    """Mean over draws of the MMD of a batch (..., B, n, k): draws of one image are not independent."""
    return prior_mmd(z.transpose(-2, -3), latent_dim[..., None]).mean(-1)


def _joined(blocks: list[Outcome]) -> Outcome:
    """The blocks of a pass as one."""
    first = blocks[0]
    return {name: torch.cat([b[name] for b in blocks]) if first[name].ndim else first[name] for name in first}


def _spaced(rows: Tensor) -> Tensor:
    """Some of the rows, evenly spaced."""
    return rows[torch.linspace(0, len(rows) - 1, min(len(rows), VALIDATION_ROWS)).round().long()]
