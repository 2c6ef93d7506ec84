"""The temporally independent variational autoencoder (TI-VAE) of motor-task fMRI on the cortical surface.

Generative model (eq. 1): z_t ~ N(0, I) in k dimensions, the factors of frame t; x_t | z_t ~ N(decode(z_t), σ² I) over
V vertices. Inference: q(z_t | x_≤t) = N(μ_t, diag exp(log σ²_t)), from a spatial encoder e_t of each frame and a GRU
over time. Since x_t depends on z_t alone, nothing recurrent follows z: the paper's "temporal decoder" is an optional
second causal GRU between the first one and the factors.

Two networks: `mixer` (`models.mixer`: clusters, weights shared across clusters, features and hemispheres) and
`linear`, the paper's baseline without any sharing: V → 256 → 128 → k and back, with ELUs between (our reading), and
the same GRU. The paper leaves open: the sizes of the GRU and of e_t, and that of C; ours are defaults.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from pydra_vae.models.clusters import ClusterLayout
from pydra_vae.models.cvae import LOG_VARIANCE_BOUNDS
from pydra_vae.models.gru import Gru
from pydra_vae.models.losses import full_precision
from pydra_vae.models.mixer import MixerDecoder, MixerEncoder

LOG_VARIANCE = -3.0  # at the start: nearly an autoencoder, until the KL has something to weigh against
LINEAR_WIDTHS = (256, 128)


@dataclass(frozen=True)
class TiVaeConfig:
    """Everything that decides the shapes and the arithmetic of a `TiVae`.

    Attributes
    ----------
    n_left, n_right : int
        Vertices of the region in each hemisphere; V is their sum.
    n_clusters : int
        C, clusters a hemisphere.
    cluster_size : int
        M, vertices in the largest cluster of both hemispheres (`clusters.largest_cluster`).
    latent_dim : int
        k.
    hidden : int
        Features of a cluster after the first layer.
    gru_size, embedding : int
        Hidden size of each GRU; size of e_t (k in the linear network).
    network : {"mixer", "linear"}
    input_layer : {"per-hemisphere", "shared"}
        One linear layer M → hidden a hemisphere, as the paper's text has it, or one for both, as its appendix A.
    share_hemispheres : bool
        Both hemispheres have the same mixers; False is a control, in which nothing is shared between them.
    temporal_decoder : bool
        A second causal GRU before the factors.
    """

    n_left: int
    n_right: int
    n_clusters: int
    cluster_size: int
    latent_dim: int = 8
    hidden: int = 256
    gru_size: int = 128
    embedding: int = 64
    network: Literal["mixer", "linear"] = "mixer"
    input_layer: Literal["per-hemisphere", "shared"] = "per-hemisphere"
    share_hemispheres: bool = True
    temporal_decoder: bool = False

    def __post_init__(self):
        _check("network", self.network, ("mixer", "linear"))
        _check("input_layer", self.input_layer, ("per-hemisphere", "shared"))
        if self.latent_dim < 1:
            raise ValueError(f"latent_dim is {self.latent_dim}: it must be at least 1")
        if self.network == "mixer" and not 1 <= self.n_clusters <= min(self.n_left, self.n_right):
            raise ValueError(
                f"{self.n_clusters} clusters a hemisphere cannot be made of {self.n_left} left and {self.n_right} "
                "right vertices"
            )

    @property
    def n_vertices(self) -> int:
        """V."""
        return self.n_left + self.n_right


class TiVae(nn.Module):
    """Encoder and decoder of recordings.

    Parameters
    ----------
    config : TiVaeConfig
    clusters : (V,) int tensor, optional
        Cluster of each vertex within its hemisphere, 0 … C − 1, left vertices first. Loading a state dict brings
        them, so a stored model is rebuilt from its `config` alone. The linear network has none.

    Attributes
    ----------
    layout : ClusterLayout or None
        `layout.clusters` is the clusters' buffer.
    """

    def __init__(self, config: TiVaeConfig, clusters: Tensor | None = None):
        super().__init__()
        self.config = config
        c, k = config, config.latent_dim
        if c.network == "linear":
            self.layout, sizes = None, (c.n_vertices, *LINEAR_WIDTHS, k)
            self.encoder, self.decoder, e = _linear(sizes), _linear(sizes[::-1]), k
        else:
            self.layout, e = ClusterLayout(c.n_left, c.n_right, c.n_clusters, c.cluster_size, clusters), c.embedding
            copies = 1 if c.share_hemispheres else 2
            ends = 2 if c.input_layer == "per-hemisphere" else copies
            self.encoder = MixerEncoder(self.layout.shape, c.hidden, e, ends, copies)
            self.decoder = MixerDecoder(self.layout.shape, c.hidden, k, ends, copies)
        self.gru = Gru(e, c.gru_size)
        self.temporal_decoder = Gru(c.gru_size, c.gru_size) if c.temporal_decoder else None
        self.to_mean, self.to_log_variance = nn.Linear(c.gru_size, k), nn.Linear(c.gru_size, k)
        nn.init.constant_(self.to_log_variance.bias, LOG_VARIANCE)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ² of q(z_t | x_≤t).

        Parameters
        ----------
        x : (B, T, V) tensor
            Recordings as PrepareSurface leaves them, columns in the order of the region's vertices.

        Returns
        -------
        mu, log_variance : (B, T, k) float32 tensors
        """
        if x.ndim != 3 or x.shape[2] != self.config.n_vertices:
            raise ValueError(
                f"the model was made for {self.config.n_vertices} vertices, but the series have shape "
                f"{tuple(x.shape)}: recordings × frames × vertices are needed"
            )
        frames = x.flatten(0, 1)
        e = self.encoder(frames) if self.layout is None else self.encoder(self.layout.gather(frames))
        return self._factors(e.float().unflatten(0, x.shape[:2]))

    def decode(self, z: Tensor) -> Tensor:
        """The mean of p(x_t | z_t): (B, T, k) → (B, T, V)."""
        frames = self.decoder(z.flatten(0, 1))
        if self.layout is not None:
            frames = self.layout.scatter(frames)
        return frames.unflatten(0, z.shape[:2])

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction from z = μ(x)."""
        return self.decode(self.encode(x)[0])

    def step_explicitly(self, explicit: bool = True) -> "TiVae":
        """Let the GRUs step through time in Python, so that `torch.func.vmap` can batch them."""
        for gru in (self.gru, self.temporal_decoder):
            if gru is not None:
                gru.explicit = explicit
        return self

    def penalised(self) -> list[nn.Parameter]:
        """What the paper's L2 acts on: hidden-to-hidden weights of the temporal decoder; empty without one."""
        return [] if self.temporal_decoder is None else [self.temporal_decoder.recurrent_weight]

    def parameter_counts(self, biases: bool = True) -> dict[str, int]:
        """Trained numbers by part, with `total`.

        Parameters
        ----------
        biases : bool
            False counts weights only.
        """
        counts: dict[str, int] = {}
        for name, parameter in self.named_parameters():
            if biases or "bias" not in name:
                part = _part(name, self.config.network)
                counts[part] = counts.get(part, 0) + parameter.numel()
        return counts | {"total": sum(counts.values())}

    def _factors(self, e: Tensor) -> tuple[Tensor, Tensor]:
        """The recurrent part, in full precision: it is 1 % of the arithmetic."""
        with full_precision(e.device):
            h = self.gru(e)
            if self.temporal_decoder is not None:
                h = self.temporal_decoder(h)
            return self.to_mean(h), self.to_log_variance(h).clamp(*LOG_VARIANCE_BOUNDS)


def _linear(sizes: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), nn.ELU()]
    return nn.Sequential(*layers[:-1])


def _part(name: str, network: str) -> str:
    """The part of the model that a parameter belongs to, in words.

    >>> _part("encoder.mixers.0.weight", "mixer"), _part("to_mean.bias", "mixer")
    ('encoder mixers', 'factors')
    """
    first, second, *_ = name.split(".")
    if first.startswith("to_"):
        return "factors"
    if first in ("encoder", "decoder") and network == "mixer":
        return f"{first} {second}"
    return first.replace("_", " ")


def _check(name: str, value: str, allowed: tuple[str, ...]):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")
