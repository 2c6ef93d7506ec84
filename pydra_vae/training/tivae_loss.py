"""The loss of a `TiVae` on recordings, in the parts that `training.many` can share between models.

Rows are recordings; terms and weights are those of `models.factors`: TI-VAE minimises reconstruction + kl/k + β · tc,
the β-VAE reconstruction + β · kl/k. So a β-VAE at β = 1 is TI-VAE at β = 0, and since the reconstruction (summed over
time, mean over vertices) is no log-likelihood, β is not comparable between data or numbers of factors. Both
regularisers rise together over the ramp, so that this identity holds to the bit.

Training sees crops of L of the T frames: the reconstruction is scaled by T/L, and the total correlation is that of
the crop. A validation has whole recordings: the loss from a sampled z, always with the same noise, and R² from z = μ.
"""

from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pydra_vae.models.factor_padding import narrow, widen
from pydra_vae.models.factors import kl_decomposition, tivae_weights, total_correlation
from pydra_vae.models.losses import gaussian_kl, reparameterise
from pydra_vae.models.tivae import TiVae
from pydra_vae.training.course import Weights
from pydra_vae.training.member import Member, Outcome, Tensors
from pydra_vae.training.recordings import Recordings


@dataclass(frozen=True)
class TiVaeLoss:
    """What the training minimises.

    Attributes
    ----------
    kind : {"tivae", "beta-vae"}
    beta : float
        Weight of the total correlation beside a KL of weight 1; of the KL in a β-VAE.
    recurrent_l2 : float
        Weight of the squared norm of the temporal decoder's hidden-to-hidden weights.
    """

    kind: Literal["tivae", "beta-vae"] = "tivae"
    beta: float = 1.0
    recurrent_l2: float = 0.0

    def __post_init__(self):
        if self.kind not in ("tivae", "beta-vae"):
            raise ValueError(f"kind is {self.kind!r}: it must be one of tivae, beta-vae")
        for name in ("beta", "recurrent_l2"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must not be negative")

    def weights(self, latent_dim: int, ramp: float = 1.0) -> dict[str, float]:
        """Weights of the terms that training computes, where the annealing has reached `ramp`.

        >>> TiVaeLoss(beta=2.0).weights(8, ramp=0.5)
        {'reconstruction': 1.0, 'kl': 0.0625, 'tc': 1.0}
        """
        found = tivae_weights(latent_dim, self.beta, self.kind)
        weights = {"reconstruction": found["reconstruction"], "kl": ramp * found["kl"]}
        if self.correlated:
            weights["tc"] = ramp * found["tc"]
        if self.recurrent_l2 > 0:
            weights["recurrent_l2"] = self.recurrent_l2
        return weights

    @property
    def correlated(self) -> bool:
        """Has the total correlation a weight?"""
        return self.kind == "tivae" and self.beta > 0


class RecordingElbo(nn.Module):
    """A model with the error of its reconstruction: crops (B, L, V) → what the loss of each is made of.

    Parameters
    ----------
    model : TiVae
    n_frames : int
        T, frames of a whole recording.
    bfloat16 : bool
        Compute the network in bf16; errors and factors stay float32.
    """

    def __init__(self, model: TiVae, n_frames: int, bfloat16: bool = False):
        super().__init__()
        self.model, self.n_frames, self.bfloat16 = model, n_frames, bfloat16
        # 0 for factors beyond a model's own, in a stack with larger ones
        self.register_buffer("used", torch.ones(model.config.latent_dim))

    def forward(self, x: Tensor, noise: Tensor) -> Outcome:
        """Terms of each crop from z = μ + σ ε; ε = `noise` (B, L, k)."""
        with self._autocast(x.device):
            mu, log_variance = (values.float() * self.used for values in self.model.encode(x))
            z = reparameterise(mu, log_variance, noise)
            px = self.model.decode(z)
        outcome = {
            "reconstruction": _MeanSquare.apply(x, px)[0].sum(-1) * (self.n_frames / x.shape[1]),
            "mu": mu,
            "log_variance": log_variance,
            "z": z,
        }
        penalised = [weight.square().sum() for weight in self.model.penalised()]
        return outcome | ({"recurrent_l2": sum(penalised)} if penalised else {})

    def _autocast(self, device: torch.device):
        if device.type not in ("cpu", "cuda"):
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16)


class _MeanSquare(torch.autograd.Function):
    """Mean over the last axis of (px − x)², without the copies that autograd would keep: a third of its time."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, px: Tensor) -> tuple[Tensor, Tensor]:
        error = px.float() - x
        return torch.linalg.vector_norm(error, dim=-1).square() / x.shape[-1], error

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)  # none of zeros for the error
        ctx.save_for_backward(output[1])
        ctx.dtype = inputs[1].dtype

    @staticmethod
    def backward(ctx, gradient: Tensor, _):
        (error,) = ctx.saved_tensors
        return None, (error * (gradient * (2 / error.shape[-1]))[..., None]).to(ctx.dtype)


class TiVaeMember(Member):
    """One `TiVae` with the recordings that it is fitted to, on their device.

    Parameters
    ----------
    model : TiVae
    recordings : Recordings
    train, validation : (n,) int64 tensors
        Numbers of recordings; of either part.
    loss : TiVaeLoss
    crop : int
        L, frames of a crop in training.
    bfloat16 : bool
    seed : int
        Of the validation's noise.
    """

    def __init__(
        self,
        model: TiVae,
        recordings: Recordings,
        train: Tensor,
        validation: Tensor,
        loss: TiVaeLoss,
        crop: int,
        bfloat16: bool = False,
        seed: int = 0,
    ):
        self.model, self.source, self.loss, self.crop = model, recordings, loss, crop
        self.train, self.n_rows, self.size = train, len(train), model.config.latent_dim
        self.module = RecordingElbo(model, recordings.n_frames, bfloat16).to(recordings.device)
        # on a CPU one recording at a time keeps its activations in the cache
        self.block = 1 if recordings.device.type == "cpu" else 8
        shape = (len(validation), recordings.n_frames, self.size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(recordings.device)
        # of a sampled z for the loss, of z = μ for R²; the same noise at every validation
        self._passes = [(validation, noise), (validation, torch.zeros_like(noise))]
        self._variance = sum(_variance(recordings.take(row)) for row in validation)

    @property
    def kin(self) -> Hashable | None:
        config = replace(self.model.config, latent_dim=1)
        return (config, self.crop, self.source.n_frames, self.module.bfloat16, *self.loss.weights(self.size))

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensors:
        last = self.source.n_frames - self.crop
        starts = torch.randint(last + 1, (len(rows),), generator=generator)
        return self.train[rows], starts, torch.randn((len(rows), self.crop, self.size), generator=generator)

    def inputs(self, *drawn: Tensor) -> Tensors:
        rows, starts, noise = drawn
        return self.source.take(rows, starts, self.crop), noise.to(self.source.device)

    def validated(self, *values: Tensor) -> Tensors:
        rows, noise = values
        return self.source.take(rows), noise

    def reduce(self, outcome: Outcome) -> dict[str, Tensor]:
        kl = gaussian_kl(outcome["mu"], outcome["log_variance"]).mean((-1, -2))
        terms = {"reconstruction": outcome["reconstruction"].mean(-1), "kl": kl}
        if self.loss.correlated:
            terms["tc"] = _of_all(total_correlation, outcome).mean(-1)
        if self.loss.recurrent_l2 > 0:
            terms["recurrent_l2"] = outcome["recurrent_l2"]
        return terms

    def weights(self, ramp: float) -> dict[str, float]:
        return self.loss.weights(self.size, ramp)

    def passes(self) -> list[Tensors]:
        return self._passes

    def figures(self, passed: list[list[Outcome]]) -> dict[str, float]:
        sampled, plain = passed
        found = {f"val_{name}": value for name, value in _summary(sampled, self.size).items()}
        weights = self.loss.weights(self.size)
        total = sum(weight * found[f"val_{name}"] for name, weight in weights.items() if f"val_{name}" in found)
        error = sum(float(block["reconstruction"].sum()) for block in plain)
        return {"val_loss": total, "val_r2": 1 - error / self._variance} | found

    def widened(self, size: int) -> RecordingElbo:
        module = RecordingElbo(widen(self.model, size).step_explicitly(), self.module.n_frames, self.module.bfloat16)
        module.used[self.size :] = 0
        return module

    def narrowed(self, weights: Weights) -> Weights:
        own = {name.removeprefix("model."): v for name, v in weights.items() if name.startswith("model.")}
        return narrow(own, self.model)


def _of_all(function, outcome: Outcome) -> Tensor:
    """A function of (B, T, k) posteriors where they have a leading dimension of models too."""
    values = [outcome[name] for name in ("z", "mu", "log_variance")]
    leading = values[0].shape[:-2]
    return function(*(value.reshape(-1, *value.shape[-2:]) for value in values)).reshape(leading)


def _summary(blocks: list[Outcome], size: int) -> dict[str, float]:
    """Means over recordings of all terms, over whole recordings: nats a frame, but for the reconstruction."""
    n, parts = sum(len(block["z"]) for block in blocks), {}
    for block in blocks:
        z, mu, log_variance = (block[name][..., :size] for name in ("z", "mu", "log_variance"))
        mi, tc, dimension_wise = kl_decomposition(z, mu, log_variance)
        terms = {
            "reconstruction": block["reconstruction"],
            "kl": gaussian_kl(mu, log_variance).mean(-1),
            "tc": tc,
            "mi": mi,
            "dimension_wise": dimension_wise,
            "log_mean_sigma": (log_variance / 2).exp().mean((-1, -2)).log(),
        }
        for name, values in terms.items():
            parts[name] = parts.get(name, 0.0) + float(values.sum()) / n
    return parts


def _variance(x: Tensor) -> float:
    """Squares about each vertex's mean over time, summed over time, mean over vertices: what R² = 0 leaves."""
    return float((x - x.mean(0)).square().sum()) / x.shape[1]
