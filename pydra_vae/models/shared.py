"""One autoencoder for several subjects: what they share, and the small part that each has of its own.

Subjects who hear one story share its course but not their intrinsic activity, so a decoder's time courses cannot be
common to all; what is common is how a *place* of the brain is described. Each subject s therefore has a read-in E_s
and a read-out R_s (as LFADS has for recordings of several days, Pandarinath et al. 2018): linear maps of rank r
between its own T frames and r coordinates that mean the same in every subject,

    a = E_s (x − m_s)/c_s,    z = encode(a),    x̂ = m_s + c_s R_s decode(z),

with its mean series m_s and its spread c_s. Kinds:

- `shared_decoder`: encoder and decoder are common; a subject owns E_s and R_s.
- `subject_decoders`: the encoder is common, each subject has a decoder of its own, and the latents of the others at
  the same place must decode to its series too: one latent space, a decoder for each subject (Huang et al. 2022).
- `pooled`: one plain `Cvae` on the voxels of all subjects; nobody owns anything.

The KL has no weight, as in Singla et al. (2025), and z is the encoder's mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pydra_vae.models.cvae import MIN_FRAMES, Cvae, CvaeConfig

KINDS = ("shared_decoder", "subject_decoders", "pooled")
WIDTH = 256


@dataclass(frozen=True)
class SharedConfig:
    """Everything that decides the shapes of a shared model.

    Attributes
    ----------
    kind : {"shared_decoder", "subject_decoders", "pooled"}
    n_frames : int
        T, the same in every subject.
    latent_dim : int
        D.
    rank : int
        r, coordinates between a subject's frames and the common network; not in a pooled model.
    n_members : int
        S, subjects that it was trained on.
    n_places, n_template : int
        Places that the members share, and how many of them newcomers are aligned by.
    network : {"dense", "lk", "paper"}
        Of a pooled model; the others are fully connected.
    """

    kind: Literal["shared_decoder", "subject_decoders", "pooled"]
    n_frames: int
    latent_dim: int = 9
    rank: int = 32
    n_members: int = 2
    n_places: int = 0
    n_template: int = 0
    network: Literal["dense", "lk", "paper"] = "dense"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: it must be one of {', '.join(KINDS)}")
        if self.n_frames < MIN_FRAMES:
            raise ValueError(f"the series have {self.n_frames} frames: the network needs at least {MIN_FRAMES}")
        if self.kind != "pooled" and not 1 <= self.latent_dim <= self.rank <= self.n_frames:
            raise ValueError(
                f"a model of {self.latent_dim} latents cannot read {self.n_frames} frames through {self.rank} "
                "coordinates: there must be no more latents than coordinates, no more coordinates than frames"
            )
        if self.kind != "pooled" and self.network != "dense":
            raise ValueError(f"network is {self.network!r}: only a pooled model can have another than 'dense'")


class Core(nn.Module):
    """(B, n) → (B, m): a linear path that starts as the first coordinates, and a network that starts at zero."""

    def __init__(self, n: int, m: int, width: int = WIDTH):
        super().__init__()
        self.linear = nn.Linear(n, m, bias=False)
        self.network = nn.Sequential(
            nn.Linear(n, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, m)
        )
        nn.init.eye_(self.linear.weight)
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.network(x).float()


class Part(nn.Module):
    """What one subject owns.

    Parameters
    ----------
    config : SharedConfig
    mean : (T,) tensor, optional
        m_s; it is not trained.
    scale : float
        c_s, standard deviation about it.
    read_in : (r, T) tensor, optional
        E_s for x − m_s, in data units: the same subject's `stats.read_ins.ReadIn`.
    read_out : (T, r) tensor, optional
        R_s in data units.
    used : (T,) tensor, optional
        0 where a frame was censored: what stands there is not read.
    """

    def __init__(
        self,
        config: SharedConfig,
        mean: Tensor | None = None,
        scale: float = 1.0,
        read_in: Tensor | None = None,
        read_out: Tensor | None = None,
        used: Tensor | None = None,
    ):
        super().__init__()
        t, r = config.n_frames, config.rank
        self.register_buffer("mean", torch.zeros(t) if mean is None else mean.float().clone())
        self.register_buffer("scale", torch.tensor(float(scale)))
        self.register_buffer("used", torch.ones(t) if used is None else used.float().clone())
        self.read_in, self.read_out = nn.Linear(t, r, bias=False), nn.Linear(r, t, bias=False)
        self.decoder = Core(config.latent_dim, r) if config.kind == "subject_decoders" else None
        if read_in is not None and read_out is not None:
            with torch.no_grad():
                # over the spread: a step of the optimiser then means the same whatever the data's units
                self.read_in.weight.copy_(read_in * scale)
                self.read_out.weight.copy_(read_out / scale)

    def read(self, x: Tensor) -> Tensor:
        """Coordinates (B, r) of series (B, T)."""
        return self.read_in((x - self.mean) / self.scale * self.used).float()

    def write(self, a: Tensor) -> Tensor:
        """Series (B, T) of coordinates (B, r)."""
        return self.mean + self.scale * self.read_out(a).float()


class _Places(nn.Module):
    """Where the places lie, which are held out, and how a newcomer is aligned: kept with the weights."""

    def __init__(self, config: SharedConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mm", torch.zeros(config.n_places, 3))
        self.register_buffer("split", torch.zeros(config.n_places, dtype=torch.int8))

    def check(self, x: Tensor):
        """Refuse series of another length."""
        if x.ndim != 2 or x.shape[1] != self.config.n_frames:
            raise ValueError(
                f"the model was fitted on {self.config.n_frames} frames, but the series have shape {tuple(x.shape)}"
            )


class SharedCvae(_Places):
    """A model of the kinds `shared_decoder` and `subject_decoders`.

    Parameters
    ----------
    config : SharedConfig
    parts : iterable of Part, optional
        One a member; to be loaded from a state dict without them.

    Attributes
    ----------
    template : (n_template, r) buffer
        Mean of the members' coordinates at the places `template_rows`: what a newcomer's are rotated to.
    common : (n_places, D) buffer
        Mean of the members' latents at every place.
    """

    def __init__(self, config: SharedConfig, parts: Iterable[Part] | None = None):
        super().__init__(config)
        d, r = config.latent_dim, config.rank
        self.encoder = Core(r, d)
        self.decoder = Core(d, r) if config.kind == "shared_decoder" else None
        self.parts = nn.ModuleList([Part(config) for _ in range(config.n_members)] if parts is None else parts)
        for part in self.parts[1:]:
            if part.decoder is not None:  # all start alike, so that their mean can start a newcomer's
                part.decoder.load_state_dict(self.parts[0].decoder.state_dict())
        self.register_buffer("template", torch.zeros(config.n_template, r))
        self.register_buffer("template_rows", torch.zeros(config.n_template, dtype=torch.int64))
        self.register_buffer("common", torch.zeros(config.n_places, d))

    def encode(self, x: Tensor, subject: int) -> Tensor:
        """Latents (B, D) of a subject's series (B, T)."""
        self.check(x)
        return self.encoder(self.parts[subject].read(x))

    def decode(self, z: Tensor, subject: int) -> Tensor:
        """A subject's series (B, T) of latents (B, D)."""
        return self.parts[subject].write(self.coordinates(z, subject))

    def coordinates(self, z: Tensor, subject: int) -> Tensor:
        """Coordinates (B, r) of latents (B, D), before the read-out."""
        return (self.parts[subject].decoder or self.decoder)(z)

    def maps(self, subject: int) -> list[nn.Parameter]:
        """A subject's read-in and read-out."""
        return [self.parts[subject].read_in.weight, self.parts[subject].read_out.weight]

    def own(self, subject: int) -> int:
        """How many parameters only this subject has."""
        return sum(weight.numel() for weight in self.parts[subject].parameters())

    def mean_part(self) -> Part:
        """A part with the members' mean weights: all that is known of a subject before anything is fitted."""
        made = Part(self.config)
        states = [part.state_dict() for part in self.parts]
        made.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
        return made

    def alone_with(self, part: Part) -> "SharedCvae":
        """Make this the model of one subject: the common weights, and its part in the place of the members'."""
        self.parts = nn.ModuleList([part])
        return self


class PooledCvae(_Places):
    """One `Cvae` for everybody; `subject` is accepted and has no effect.

    Attributes
    ----------
    pca_mean : (T,) buffer
    pca_components : (D, T) buffer
        PCA of the same voxels, the linear control.
    """

    def __init__(self, config: SharedConfig, network: Cvae | None = None):
        super().__init__(config)
        t, d = config.n_frames, config.latent_dim
        self.network = network or Cvae(CvaeConfig(t, d, config.network, linear_skip="pca"))
        self.register_buffer("pca_mean", torch.zeros(t))
        self.register_buffer("pca_components", torch.zeros(d, t))

    def encode(self, x: Tensor, subject: int = 0) -> Tensor:
        return self.network.encode(x)[0]

    def decode(self, z: Tensor, subject: int = 0) -> Tensor:
        return self.network.decode(z)

    def maps(self, subject: int) -> list[nn.Parameter]:
        """Nobody has any."""
        return []

    def own(self, subject: int) -> int:
        """Nobody owns any parameter."""
        return 0


def shared_model(config: SharedConfig) -> SharedCvae | PooledCvae:
    """An empty model of that configuration, to be loaded from a state dict."""
    return PooledCvae(config) if config.kind == "pooled" else SharedCvae(config)
