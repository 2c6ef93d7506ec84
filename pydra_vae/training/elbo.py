"""The loss of a `Cvae` on the series of voxels, in the parts that `training.many` can share between models.

Rows are voxels. The loss is the mean squared error over the weighted frames, plus `kl_weight` times the KL in nats
where that is not 0. With a weight of 0, as in Singla et al. (2025), nothing holds σ up and sampling would only
shrink it, so z = μ unless `sample_latent` (our reading: the paper does not say). `mmd_weight` adds InfoVAE's distance
of the latents of a batch from the prior; it does not hold σ up either, so with the MMD alone z = μ too: the
deterministic WAE-MMD of Tolstikhin et al. (2018), arXiv 1711.01558.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pydra_vae.models.cvae import Cvae
from pydra_vae.models.losses import gaussian_kl, prior_mmd, reparameterise, squared_error
from pydra_vae.models.padding import narrow, widen
from pydra_vae.training.course import Weights
from pydra_vae.training.member import Member, Outcome, Tensors
from pydra_vae.training.rows import Rows

VALIDATION_ROWS = 2000  # of each split: enough for 1 % of a mean, cheap beside 50 training steps


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


PLAIN = CvaeLoss()


class Elbo(nn.Module):
    """A model with the error of its reconstruction: series (B, T) → what the loss of each row is made of.

    Parameters
    ----------
    model : Cvae
    frame_weights : (T,) array or None
        0 leaves a frame out of the error.
    """

    def __init__(self, model: Cvae, frame_weights: np.ndarray | None):
        super().__init__()
        self.model = model
        plain = frame_weights is None or np.all(np.asarray(frame_weights) == 1)
        weights = None if plain else torch.from_numpy(np.array(frame_weights, dtype=np.float32))
        self.register_buffer("frame_weights", weights)
        # a tensor, since it differs between the models of a stack
        self.register_buffer("latent_dim", torch.tensor(float(model.config.latent_dim)))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Outcome:
        """Mean squared error (B,) from z, posterior and z (B, D); z = μ without noise (B, D)."""
        mu, log_variance = self.model.encode(x)
        z = mu if noise is None else reparameterise(mu, log_variance, noise)
        error = squared_error(x, self.model.decode(z), self.frame_weights)
        return {"mse": error, "mu": mu, "log_variance": log_variance, "z": z, "latent_dim": self.latent_dim}


class CvaeMember(Member):
    """One `Cvae` with the voxels that it is fitted to, on the device of the rows.

    Parameters
    ----------
    model : Cvae
    rows : Rows
        Series of all voxels.
    train, validation : int arrays
        Rows of either part.
    loss : CvaeLoss
    seed : int
        Of the voxels and the noise of the validation.
    """

    def __init__(
        self, model: Cvae, rows: Rows, train: np.ndarray, validation: np.ndarray, loss: CvaeLoss, seed: int = 0
    ):
        self.model, self.source, self.loss = model, rows, loss
        self.module = Elbo(model, loss.frame_weights).to(rows.device)
        self.n_rows, self.size = len(train), model.config.latent_dim
        self.train = torch.from_numpy(train)
        generator = torch.Generator().manual_seed(seed)
        some = [rows.take(_some(voxels, generator)) for voxels in (train, validation)]
        self._passes: list[Tensors] = [(x,) for x in some]
        if loss.sampled:
            # the same noise at every validation, so that only the weights change the figure
            noise = torch.randn((len(some[1]), self.size), generator=generator).to(rows.device)
            self._passes.append((some[1], noise))

    @property
    def kin(self) -> Hashable | None:
        config, loss = self.model.config, self.loss
        if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in self.model.modules()):
            return None  # its running figures are no parameters
        shape = (config.n_frames, config.network, config.linear_skip, config.output)
        return (*shape, loss.sampled, loss.kl_weight > 0, loss.mmd_weight > 0, loss.mixing > 0)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensors:
        drawn = [self.train[rows]]
        if self.loss.mixing > 0:
            partners = torch.randint(len(self.train), (len(rows),), generator=generator)
            mixed = torch.rand(len(rows), 1, generator=generator) < self.loss.mixing
            drawn += [self.train[partners], torch.rand(len(rows), 1, generator=generator) * mixed]
        if self.loss.sampled:
            drawn.append(torch.randn((len(rows), self.size), generator=generator))
        return tuple(drawn)

    def inputs(self, *drawn: Tensor) -> Tensors:
        voxels, *others = drawn
        x = self.source.take(voxels)
        if self.loss.mixing > 0:
            partners, share, *others = others
            x = torch.lerp(x, self.source.take(partners), share.to(x.device))
        return x, *(noise.to(x.device) for noise in others)

    def reduce(self, outcome: Outcome) -> dict[str, Tensor]:
        terms = {"mse": outcome["mse"].mean(-1)}
        if self.loss.kl_weight > 0:
            terms["kl"] = gaussian_kl(outcome["mu"], outcome["log_variance"]).mean(-1)
        if self.loss.mmd_weight > 0:
            terms["mmd"] = prior_mmd(outcome["z"], outcome["latent_dim"])
        return terms

    def weights(self, ramp: float) -> dict[str, float]:
        return {"kl": ramp * self.loss.kl_weight, "mmd": ramp * self.loss.mmd_weight}

    def passes(self) -> list[Tensors]:
        return self._passes

    def figures(self, passed: list[list[Outcome]]) -> dict[str, float]:
        train, validation, *_ = passed
        val_mse = _mean(block["mse"] for block in validation)
        total = _mean(block["mse"] for block in passed[-1])  # from a sampled z where the training samples
        figures = {}
        if self.loss.kl_weight > 0:
            figures["val_kl"] = _mean(gaussian_kl(block["mu"], block["log_variance"]) for block in validation)
            total += self.loss.kl_weight * figures["val_kl"]
        if self.loss.mmd_weight > 0:
            z = torch.cat([block["z"] for block in passed[-1]])
            figures["val_mmd"] = float(prior_mmd(z, validation[0]["latent_dim"]))
            total += self.loss.mmd_weight * figures["val_mmd"]
        train_mse = _mean(block["mse"] for block in train)
        return {"val_loss": total, "train_mse": train_mse, "val_mse": val_mse} | figures

    def widened(self, size: int) -> Elbo:
        module = Elbo(widen(self.model, size), self.loss.frame_weights)
        module.latent_dim.fill_(self.size)
        if module.frame_weights is None:  # others of the stack may have some
            module.frame_weights = torch.ones(self.model.config.n_frames)
        return module

    def narrowed(self, weights: Weights) -> Weights:
        own = {name.removeprefix("model."): v for name, v in weights.items() if name.startswith("model.")}
        return narrow(own, self.model)


def _mean(blocks) -> float:
    """Mean over the rows of all blocks; summed in double precision."""
    total, n = 0.0, 0
    for block in blocks:
        total, n = total + float(block.sum()), n + len(block)
    return total / n


def _some(voxels: np.ndarray, generator: torch.Generator) -> Tensor:
    """Up to 2,000 of the voxels, in order."""
    chosen = torch.randperm(len(voxels), generator=generator)[:VALIDATION_ROWS].sort().values
    return torch.from_numpy(voxels)[chosen]
