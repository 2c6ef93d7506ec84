"""The convolutional variational autoencoder of Singla et al. (2025) on single voxels' time series.

Generative model: z ~ N(0, I) in D dimensions, x | z ~ N(decode(z), σ² I) for a series x of T frames.
Inference: q(z | x) = N(μ(x), diag exp(log σ²(x))). Encoder and decoder see (x − m)/c, where m is the
mean series and c the standard deviation about it over the training voxels, and give back scanner-free
scaled units.

Three networks: `lk` (eight convolutions with a long first kernel and two fully connected layers each way),
`paper` (the paper's numbers of layers; kernels, strides, norm and channels are our reading) and `dense`.
`linear_skip="pca"` adds PCA as a linear path beside the network, which starts at zero, so that the model
starts at PCA's error: μ(x) = W(x − m) + f(x) and decode(z) = m + V z + g(z), with z whitened.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pydra_vae.models.convolutions import LK, LK_SLOPE, PAPER, ConvStack
from pydra_vae.models.losses import full_precision

MIN_FRAMES = 32  # also in images/headers.py, which asks for it early: models import no other part of the package
LOG_VARIANCE_BOUNDS = (-10.0, 4.0)  # exp of anything wider over- or underflows in bf16 products
HIDDEN = 256
DENSE_WIDTHS = (512, 256)


@dataclass(frozen=True)
class CvaeConfig:
    """Everything that decides the shapes and the arithmetic of a `Cvae`.

    Attributes
    ----------
    n_frames : int
        T, at least 32 for the convolutions.
    latent_dim : int
        D.
    network : {"lk", "paper", "dense"}
    linear_skip : {"none", "pca"}
    output : {"linear", "sigmoid"}
        The last operation of the decoder. The sigmoid suits data scaled to [0, 1] and cannot be
        combined with the linear skip.
    """

    n_frames: int
    latent_dim: int = 9
    network: Literal["lk", "paper", "dense"] = "lk"
    linear_skip: Literal["none", "pca"] = "none"
    output: Literal["linear", "sigmoid"] = "linear"

    def __post_init__(self):
        _check("network", self.network, ("lk", "paper", "dense"))
        shortest = 1 if self.network == "dense" else MIN_FRAMES
        if self.n_frames < shortest:
            raise ValueError(f"the series have {self.n_frames} frames: the network needs at least {shortest}")
        if self.latent_dim < 1:
            raise ValueError(f"latent_dim is {self.latent_dim}: it must be at least 1")
        _check("linear_skip", self.linear_skip, ("none", "pca"))
        _check("output", self.output, ("linear", "sigmoid"))
        if self.output == "sigmoid" and self.linear_skip != "none":
            raise ValueError("a sigmoid output would bend the linear skip: use output='linear'")


class Cvae(nn.Module):
    """Encoder and decoder of one subject's voxels.

    Parameters
    ----------
    config : CvaeConfig
    mean : (T,) tensor, optional
        m, the training voxels' mean series; zeros without it.
    scale : float
        c, their standard deviation about m.
    components : (D, T) tensor, optional
        Orthonormal principal components, for `linear_skip="pca"`.
    score_sd : (D,) tensor, optional
        Standard deviations of the training voxels' scores on them.

    Loading a state dict replaces all four, so a stored model is rebuilt from its `config` alone.
    """

    def __init__(
        self,
        config: CvaeConfig,
        mean: Tensor | None = None,
        scale: float = 1.0,
        components: Tensor | None = None,
        score_sd: Tensor | None = None,
    ):
        super().__init__()
        t, d = config.n_frames, config.latent_dim
        self.config = config
        self.register_buffer("mean", torch.zeros(t) if mean is None else mean.float().clone())
        self.register_buffer("scale", torch.tensor(float(scale)))
        if config.network == "dense":
            self.encoder, self.decoder = _dense(t, d)
        else:
            self.encoder, self.decoder = _convolutional(_STACKS[config.network], t, d)
        _initialise(self, config.network)
        self.skip_encoder = self.skip_decoder = None
        if config.linear_skip == "pca":
            self._add_skip(components, score_sd)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ² of q(z | x).

        Parameters
        ----------
        x : (B, T) tensor
            Scaled series.

        Returns
        -------
        mu, log_variance : (B, D) tensors
        """
        if x.ndim != 2 or x.shape[1] != self.config.n_frames:
            raise ValueError(
                f"the model was fitted on {self.config.n_frames} frames, but the series have shape {tuple(x.shape)}"
            )
        x = (x - self.mean) / self.scale
        mu, log_variance = self.encoder(x).float().chunk(2, dim=-1)
        if self.skip_encoder is not None:
            mu = mu + _in_full_precision(self.skip_encoder, x)
        return mu, log_variance.clamp(*LOG_VARIANCE_BOUNDS)

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x | z): (B, D) → (B, T), in the units of the input."""
        x = self.decoder(z).float()
        if self.skip_decoder is not None:
            x = x + _in_full_precision(self.skip_decoder, z)
        if self.config.output == "sigmoid":
            x = torch.sigmoid(x)
        return self.mean + self.scale * x

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction from z = μ(x)."""
        return self.decode(self.encode(x)[0])

    def _add_skip(self, components: Tensor | None, score_sd: Tensor | None):
        t, d = self.config.n_frames, self.config.latent_dim
        self.skip_encoder = nn.Linear(t, d, bias=False)
        self.skip_decoder = nn.Linear(d, t, bias=False)
        for last in (self.encoder[-1], _last_linear(self.decoder)):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        if components is None:
            return  # to be loaded from a state dict
        if components.shape != (d, t):
            raise ValueError(f"linear_skip='pca' needs components of shape ({d}, {t}), got {tuple(components.shape)}")
        sd = torch.ones(d) if score_sd is None else score_sd.float()
        with torch.no_grad():
            # whitened latents: z has unit variance whatever the data's scale
            self.skip_encoder.weight.copy_(self.scale * components / sd[:, None])
            self.skip_decoder.weight.copy_(components.T * sd / self.scale)


_STACKS: dict[str, ConvStack] = {"lk": LK, "paper": PAPER}


def _convolutional(stack: ConvStack, n_frames: int, d: int) -> tuple[nn.Sequential, nn.Sequential]:
    channels, length = stack.channels[-1], stack.lengths(n_frames)[-1]
    flat = channels * length
    norm = [] if stack.batch_norm else [nn.LayerNorm(flat)]
    fc_activation = stack.activation if stack.batch_norm else nn.GELU
    encoder = nn.Sequential(
        nn.Unflatten(1, (1, n_frames)),
        *stack.encoder(),
        nn.Flatten(),
        *norm,
        nn.Linear(flat, HIDDEN),
        fc_activation(),
        nn.Linear(HIDDEN, 2 * d),
    )
    decoder = nn.Sequential(
        nn.Linear(d, HIDDEN),
        fc_activation(),
        nn.Linear(HIDDEN, flat),
        stack.activation(),
        nn.Unflatten(1, (channels, length)),
        *stack.decoder(n_frames),
        nn.Flatten(),
    )
    return encoder, decoder


def _dense(n_frames: int, d: int) -> tuple[nn.Sequential, nn.Sequential]:
    wide, narrow = DENSE_WIDTHS
    encoder = nn.Sequential(
        nn.Linear(n_frames, wide),
        nn.GELU(),
        nn.Linear(wide, narrow),
        nn.GELU(),
        nn.Linear(narrow, 2 * d),
    )
    decoder = nn.Sequential(
        nn.Linear(d, narrow),
        nn.GELU(),
        nn.Linear(narrow, wide),
        nn.GELU(),
        nn.Linear(wide, n_frames),
    )
    return encoder, decoder


def _in_full_precision(layer: nn.Module, x: Tensor) -> Tensor:
    """bf16 would move the skip away from PCA's error."""
    with full_precision(x.device):
        return layer(x.float())


def _last_linear(decoder: nn.Sequential) -> nn.Module:
    return decoder[-2] if isinstance(decoder[-1], nn.Flatten) else decoder[-1]


def _initialise(model: nn.Module, network: str):
    """Kaiming for the leaky layers of `lk`; PyTorch's own elsewhere."""
    if network != "lk":
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            nn.init.kaiming_normal_(layer.weight, a=LK_SLOPE)
            nn.init.zeros_(layer.bias)


def _check(name: str, value: str, allowed: tuple[str, ...]):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")
