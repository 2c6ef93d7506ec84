"""One `VolumeVae` with its images as a member of a training (`training.member`); the loss is in `training.volume_loss`.

A validation gives the loss from a sampled z, always with the same noise, and R² from z = μ. The tutorial wants log-
likelihood and MMD of the same order: `mmd_ratio` = λ MMD / |log p(x | z)| is among the figures, with the λ at which it
would be 1 (`mmd_weight_paper`). |log p(x | z)| depends on the units of the data; the weights of the loss do not.
The MMD falls as λ rises, and the ratio lags behind: on simulated images λ = 1e2, 1e4, 1e5, 1.5e5, 1e6 gave ratios of
.0008, .024, .19, .23, .58 and a test R² of .872, .863, .699, .529, .061. A ratio of 1 would be a collapsed model.
"""

import math
from collections.abc import Hashable
from dataclasses import replace

import torch
from torch import Tensor

from pydra_vae.models.divergences import free_bits_kl
from pydra_vae.models.losses import gaussian_kl, prior_mmd
from pydra_vae.models.volume_vae import VolumeVae, narrow, widen
from pydra_vae.training.augmentation import MIXED
from pydra_vae.training.course import Weights
from pydra_vae.training.member import Member, Outcome, Tensors
from pydra_vae.training.rows import Rows
from pydra_vae.training.volume_loss import SMALLEST, VolumeElbo, VolumeLoss

VALIDATION_ROWS = 200  # images of either part that a validation passes: cheap beside 50 steps of 32
BLOCK = 16  # images of a validation at a time


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
