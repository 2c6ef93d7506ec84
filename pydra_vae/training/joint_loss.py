"""The loss of a `JointVae`, in nats an image.

With q_all the posterior given every modality of a person and q_m that given modality m alone,

    L = Σ_m w_m ℓ_m(q_all) + β KL(q_all) + mean over m of [w_m ℓ_m(q_m) + c Σ_{n ≠ m} w_n ℓ_n(q_m) + β KL(q_m)].

With three modalities or more, c w_m ℓ_m(q_{−m}) is in the bracket too: each from all the others together.
ℓ_m is −log p(x_m | z) of a Gaussian whose variance is the batch's own mean squared error, up to a constant: ½ log MSE
of each feature, summed over features; of an image in voxels, with one variance for all, ½ log MSE, which is a mean over
voxels where the others are sums. c is the weight of the *cross-modality loss*: each modality predicted from another
one. c = 0 leaves the bounds of all and of each alone, the sub-sampled training of Wu & Goodman (2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pydra_vae.models.joint import JointVae
from pydra_vae.models.losses import Terms, gaussian_kl, reparameterise
from pydra_vae.training.rows import Rows

LEAST_ERROR = 1e-3  # of standardised values: a feature that is known so well earns nothing more
HIDDEN = 0.25  # share of the scores that the encoder is not told in training
DRAWS = 8  # of z for each validation image, where the modalities are vectors


@dataclass(frozen=True)
class JointLoss:
    """What the training of the shared latent minimises.

    Attributes
    ----------
    weights : mapping of str to float
        w_m, 1 where a name is missing.
    cross_weight : float
        c.
    beta : float
        Of the KL divergence.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    cross_weight: float = 1.0
    beta: float = 1.0

    def __post_init__(self):
        for name, value in {"cross_weight": self.cross_weight, "beta": self.beta, **self.weights}.items():
            if not value >= 0:
                raise ValueError(f"the weight {name} is {value}: it must not be negative")


def gaussian_nats(error: Tensor, given: Tensor, single: bool = False) -> Tensor:
    """½ log MSE of each feature under its best variance, summed; a feature counts as often as it is there.

    Parameters
    ----------
    error : (B, n) tensor
        Squared errors.
    given : (B, n) or (B, 1) tensor
        1 where a value is there, else 0.
    single : bool
        One variance for all features, and the mean over features in place of the sum.

    >>> round(gaussian_nats(torch.tensor([[1.0, 4.0], [1.0, 4.0]]), torch.ones(2, 2)).item(), 2)
    0.69
    """
    if single:
        there = given[:, 0]
        return 0.5 * torch.log((error.mean(-1) * there).sum() / there.sum().clamp_min(1) + 1e-12) * there.mean()
    n = given.sum(0)
    mse = (error * given).sum(0) / n.clamp_min(1) + LEAST_ERROR
    return (0.5 * torch.log(mse) * n / len(given)).sum()


class JointObjective:
    """What `training.fit.fit` minimises and validates of a joint model.

    Parameters
    ----------
    model : JointVae
        On the device.
    data : mapping of str to (Rows, Rows)
        Values and which are given of all images, of each modality by its name.
    train, validation : int arrays
        Rows of either part.
    loss : JointLoss
    seed : int
        Of the noise of the validation, the same at every validation.
    """

    def __init__(
        self,
        model: JointVae,
        data: Mapping[str, tuple[Rows, Rows]],
        train: np.ndarray,
        validation: np.ndarray,
        loss: JointLoss,
        seed: int = 0,
    ):
        self.model, self.data, self.loss = model, data, loss
        self.train, self.validation = torch.from_numpy(train), torch.from_numpy(validation)
        if model.image is None:
            self.validation = self.validation.repeat(DRAWS)
        self.sources = sources(model.modalities)
        self.noise = self._noise(len(self.validation), torch.Generator().manual_seed(seed))
        # an image in voxels has a mean over them for its term, so the KL is divided by their number too
        self.kl_scale = 1.0 if model.image is None else 1.0 / model.image.config.n_voxels

    def __call__(self, rows: Tensor, ramp: float, generator: torch.Generator) -> Terms:
        """The loss of a batch, from z drawn."""
        noise = self._noise(len(rows), generator)
        n_scores = len(self.model.config.scores)
        seen = torch.rand((len(rows), n_scores), generator=generator) >= HIDDEN if n_scores > 1 else None
        return self._terms(self.train[rows], noise, ramp, seen)

    def validate(self) -> dict[str, float]:
        """The loss of the validation images: from z = μ every dimension would look as if it were known exactly."""
        terms = self._terms(self.validation, self.noise, 1.0)
        return {"val_loss": float(terms.total)} | {f"val_{name}": float(value) for name, value in terms.values.items()}

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        """(sources, n, K), for the posterior of each."""
        return torch.randn((len(self.sources), n, self.model.config.latent_dim), generator=generator)

    def _terms(self, rows: Tensor, noise: Tensor, ramp: float, seen: Tensor | None = None) -> Terms:
        data = {name: tuple(part.take(rows) for part in parts) for name, parts in self.data.items()}
        told = dict(data)
        if seen is not None:  # some scores are hidden from the encoder, so that one alone can be encoded too
            x, given = data["scores"]
            told["scores"] = (x, given * seen.to(given))
        posteriors, nats = _predictions(self.model, self.sources, told, data, noise)
        weight = {name: self.loss.weights.get(name, 1.0) for name in data}
        kl = {source: gaussian_kl(*posterior).mean() * self.kl_scale for source, posterior in posteriors.items()}
        every, n = self.sources[0], len(data)
        values = {name: nats[every, name] for name in data}
        values["own"] = sum(weight[name] * nats[(name,), name] for name in data) / n
        across = [(source, name) for source in self.sources for name in data if name not in source]
        if across:
            values["cross"] = sum(weight[name] * nats[source, name] for source, name in across) / n
        values["kl"] = kl[every] + sum(kl[name,] for name in data) / n
        return Terms(values, weight | {"cross": self.loss.cross_weight, "kl": ramp * self.loss.beta})


def sources(names: Sequence[str]) -> list[tuple[str, ...]]:
    """What predictions start from: all modalities, each alone, and of three or more all but one.

    >>> sources(["image", "scores"])
    [('image', 'scores'), ('image',), ('scores',)]
    """
    found = [tuple(names), *((name,) for name in names)]
    if len(names) > 2:
        found += [tuple(other for other in names if other != name) for name in names]
    return list(dict.fromkeys(found))


def _predictions(model: JointVae, chosen: Sequence[tuple], told: Mapping, data: Mapping, noise: Tensor):
    """Posteriors given each of the sources as told, and what each makes of each modality, in nats."""
    alone = {name: model.encode_one(name, *values) for name, values in told.items()}
    present = {name: given.amax(-1) for name, (_, given) in told.items()}
    posteriors = {source: model.fuse({name: alone[name] for name in source}, present) for source in chosen}
    nats = {}
    for i, (source, (mu, log_variance)) in enumerate(posteriors.items()):
        z = reparameterise(mu, log_variance, noise[i].to(mu.device))
        known = torch.stack([present[name] for name in source]).amax(0)[:, None]
        for target, (x, given) in data.items():
            error = (model.decode_one(target, z) - x).square()
            # nothing is asked of a source that is missing
            single = target == "image" and model.image is not None
            nats[source, target] = gaussian_nats(error, given * known, single)
    return posteriors, nats
