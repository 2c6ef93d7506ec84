"""One latent space for several modalities of a person: an image, clinical scores, a second image.

Each modality m has an encoder that gives the posterior q(z | x_m) = N(μ_m, σ²_m), no wider than the prior N(0, I), and
a decoder p(x_m | z). What is known of a person is fused either as a *product of experts*,

    q(z | x_1 … x_M) ∝ Π_m q(z | x_m) / p(z)^(M − 1),

the exact posterior where modalities are independent given z and every q(z | x_m) is exact (Wu & Goodman 2018,
arXiv 1802.05335, with the prior divided out of each expert), or as the *mean* of the moments. A modality that is
missing leaves both untouched, so a score is predicted from an image alone, and an image from scores alone, by the same
network. Vázquez-García et al. (2025), applications 1 and 2, ask for such a joint encoder and decoder and give neither
its fusion nor its likelihoods: those are our choice. Experts are diagonal: where two modalities tell a *sum* of
dimensions (a score of both images, beside one of them), no product of theirs can say what is left for the other, and a
regression on both side by side does better; ScoreJoint prints it.

Encoders and decoders are a linear map beside a small network whose output starts at zero, so that a training can start
at the linear solution (`training.joint_start`) and step 0 is among the candidates for the best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of the leaky ReLU, as in the image networks
LOWEST = -6.0  # log σ²: no expert is surer than a standard deviation of .05

Posterior = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class JointConfig:
    """What a joint model is made of.

    Attributes
    ----------
    latent_dim : int
        K, dimensions of the shared latent.
    features : mapping of str to int
        Modalities that are vectors, by name, and their length; the image too where its own model is frozen.
    scores : sequence of str
        Clinical scores; together one modality, "scores", with a decoder ("head") each.
    hidden : int
        Units of each small network.
    fusion : {"poe", "mean"}
    """

    latent_dim: int
    features: Mapping[str, int] = field(default_factory=dict)
    scores: Sequence[str] = ()
    hidden: int = 64
    fusion: Literal["poe", "mean"] = "poe"

    def __post_init__(self):
        if self.fusion not in FUSIONS:
            raise ValueError(f"fusion is {self.fusion!r}: it must be one of {', '.join(FUSIONS)}")
        for name in ("latent_dim", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 1 or more")


def product_of_experts(mu: Tensor, log_variance: Tensor, present: Tensor) -> Posterior:
    """q(z | those present) as the product of the experts over the prior's surplus.

    Precision 1 + Σ_m (1/σ²_m − 1) and mean Σ_m μ_m/σ²_m over it; of nobody present, the prior.

    Parameters
    ----------
    mu, log_variance : (M, B, K) tensors
        Of each modality alone; log σ² ≤ 0.
    present : (M, B) tensor
        1 or 0.

    Returns
    -------
    mu, log_variance : (B, K) tensors

    >>> one = torch.full((2, 1, 1), 0.5), torch.log(torch.full((2, 1, 1), 0.5))
    >>> mean, log_variance = product_of_experts(*one, torch.ones(2, 1))
    >>> round(mean.item(), 4), round(log_variance.exp().item(), 4)
    (0.6667, 0.3333)
    """
    precision = torch.exp(-log_variance)
    there = present[..., None]
    total = 1 + (there * (precision - 1)).sum(0)
    return (there * precision * mu).sum(0) / total, -torch.log(total)


def mean_of_experts(mu: Tensor, log_variance: Tensor, present: Tensor) -> Posterior:
    """Means of μ and of σ² over the modalities present; of nobody present, the prior. Shapes as above."""
    there = present[..., None]
    n = there.sum(0)
    variance = (there * log_variance.exp()).sum(0) / n.clamp_min(1) + (n == 0)
    return (there * mu).sum(0) / n.clamp_min(1), torch.log(variance)


FUSIONS = {"poe": product_of_experts, "mean": mean_of_experts}


class Bridge(nn.Module):
    """A linear map plus a network of one hidden layer whose output starts at zero: (B, n_in) → (B, n_out)."""

    def __init__(self, n_in: int, n_out: int, hidden: int):
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.inner = nn.Linear(n_in, hidden)
        self.outer = nn.Linear(hidden, n_out, bias=False)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.outer(F.leaky_relu(self.inner(x), SLOPE))


class VectorEncoder(nn.Module):
    """q(z | x) of a vector of which some values may be missing."""

    def __init__(self, n: int, latent_dim: int, hidden: int):
        super().__init__()
        self.mean = Bridge(2 * n, latent_dim, hidden)
        self.spread = Bridge(2 * n, latent_dim, hidden)

    def forward(self, x: Tensor, given: Tensor) -> Posterior:
        """Posterior (B, K) of standardised values x (B, n); `given` (B, n) is 1 where a value is there, else 0."""
        inputs = torch.cat([x * given, given], -1)
        # log σ² in (LOWEST, 0): no wider than the prior
        return self.mean(inputs).float(), LOWEST * torch.sigmoid(self.spread(inputs).float())


class JointVae(nn.Module):
    """The shared latent of all modalities.

    Parameters
    ----------
    config : JointConfig
    image : nn.Module, optional
        A `VolumeVae` of the same latent size that is trained along (the modality "image", in voxels, data units).
        Without it the image, if any, is one of the config's vectors: the latents of its own frozen model.
    """

    def __init__(self, config: JointConfig, image: nn.Module | None = None):
        super().__init__()
        if image is not None and "image" in config.features:
            raise ValueError("the image is either a vector of its frozen model's latents or a network trained along")
        self.config, self.image = config, image
        k, hidden = config.latent_dim, config.hidden
        sizes = dict(config.features) | ({"scores": len(config.scores)} if config.scores else {})
        self.encoders = nn.ModuleDict({name: VectorEncoder(n, k, hidden) for name, n in sizes.items()})
        self.decoders = nn.ModuleDict({name: Bridge(k, n, hidden) for name, n in config.features.items()})
        self.heads = nn.ModuleList([Bridge(k, 1, hidden) for _ in config.scores])

    @property
    def modalities(self) -> list[str]:
        """Names, the image first where it is trained along, the scores last."""
        return ["image"] * (self.image is not None) + list(self.encoders)

    def encode_one(self, name: str, x: Tensor, given: Tensor) -> Posterior:
        """q(z | x_m) of one modality: (B, n) values, and which of them are there ((B, 1) for an image in voxels)."""
        if name == "image" and self.image is not None:
            mu, log_variance = self.image.encode(x)
            return mu, log_variance.clamp(LOWEST, 0)
        return self.encoders[name](x, given)

    def encode(self, data: Mapping[str, tuple[Tensor, Tensor]]) -> Posterior:
        """The posterior (B, K) of those modalities that are given.

        Parameters
        ----------
        data : mapping of str to (x, given)
            (B, n) values and 0/1 of each modality that is there; at least one.
        """
        alone = {name: self.encode_one(name, *values) for name, values in data.items()}
        return self.fuse(alone, {name: given.amax(-1) for name, (_, given) in data.items()})

    def fuse(self, alone: Mapping[str, Posterior], present: Mapping[str, Tensor]) -> Posterior:
        """The posterior of several modalities from those of each, and who (B,) has each."""
        mu, log_variance = (torch.stack([alone[name][i] for name in alone]) for i in (0, 1))
        there = torch.stack([present[name].to(mu) for name in alone])
        return FUSIONS[self.config.fusion](mu, log_variance, there)

    def decode_one(self, name: str, z: Tensor) -> Tensor:
        """The mean of p(x_m | z), (B, n)."""
        if name == "scores":
            return torch.cat([head(z) for head in self.heads], -1).float()
        if name == "image" and self.image is not None:
            return self.image.decode(z)
        return self.decoders[name](z).float()

    def decode(self, z: Tensor) -> dict[str, Tensor]:
        """The mean of every modality."""
        return {name: self.decode_one(name, z) for name in self.modalities}
