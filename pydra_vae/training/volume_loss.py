"""The loss of a `VolumeVae` on images, in units that do not depend on the data.

All terms are in nats an image, and the loss is their weighted sum divided by V, the voxels of the mask:

    loss = [reconstruction + β Σ_d max(λ_free, KL_d) + λ MMD] / V

Reconstruction is the Gaussian −log p(x | z) at its optimal σ² (Rybkin et al. 2021, arXiv 2006.13202), which is the mean
squared error of the batch, without its constants: ½ V log MSE, the error in units of the images' variance. So β = 1 is
the evidence lower bound, whatever the data's units. For `dssim` the mean dissimilarity D of the batch stands in place
of the error, ½ V log D, which is no likelihood; `mse+dssim` is the mean of both. Since the logarithm makes a factor a
constant, 1 − SSIM and (1 − SSIM)/2 have the same gradient: `full` or `half` only moves the figure by ½ V log 2.

InfoVAE's eq. 11 as printed penalises each posterior; the MMD here is that of Zhao et al. (2017), of the *aggregate*
posterior.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pydra_vae.models.losses import reparameterise
from pydra_vae.models.ssim import dssim
from pydra_vae.models.volume_vae import VolumeVae
from pydra_vae.training.augmentation import AUGMENTATIONS, NOISE_SD, OUTSIDE
from pydra_vae.training.member import Outcome

RECONSTRUCTIONS = ("mse", "dssim", "mse+dssim")
DIVERGENCES = ("kl", "mmd", "none")
SMALLEST = 1e-12  # of an error before its logarithm: a perfect reconstruction has a finite loss


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
