"""Fit a `JointVae`: in two stages on the features of frozen models, or jointly with the image's network.

*Two stages*: (0) the image's own model is fitted elsewhere and frozen; (1) the shared latent is fitted to its latents,
the scores and the second modality's features, from the linear solution; (2) with that latent finished, each score's
decoder is trained on it from every source that may stand in for the image (the image, the second modality, both) and
stops at its own best validation. *Jointly*: image network, encoders and decoders start at random and one loss trains
them all; there are no further stages. AdamW, one cycle of the learning rate; linear parts that start at their solution
take .03 of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from pydra_vae.models.joint import Bridge, JointConfig, JointVae
from pydra_vae.models.losses import Terms
from pydra_vae.models.volume_vae import VolumeVae, VolumeVaeConfig
from pydra_vae.training.devices import reproducible
from pydra_vae.training.fit import Fit, fit
from pydra_vae.training.joint_loss import JointLoss, JointObjective
from pydra_vae.training.joint_start import start_head, start_linear
from pydra_vae.training.recipes import Recipe
from pydra_vae.training.rows import Rows
from pydra_vae.training.volume_vae import training_moments

STEPS = 400
RECIPE = Recipe(
    "joint", 2e-3, "one-cycle", batch_size=64, max_steps=STEPS, validate_every=20, weight_decay=0.01, clip=1.0
)
LINEAR_RATE = 0.03  # of the learning rate, for what starts at its solution

Data = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class ImageNetwork:
    """The image network that is trained along.

    Attributes
    ----------
    config : VolumeVaeConfig
    mask_box : (I, J, K) bool array
    """

    config: VolumeVaeConfig
    mask_box: np.ndarray


@dataclass(frozen=True)
class JointProblem:
    """One joint model to fit.

    Attributes
    ----------
    data : mapping of str to (x, given)
        Of each modality: (N, n) float32 values, standardised and 0 where missing, and (N, n) 0/1. An image in voxels:
        (N, V) in the units of the data, and (N, 1).
    parts : sequence of N str
        train, validation or test.
    config : JointConfig
    loss : JointLoss
    recipe : Recipe
    network : ImageNetwork, optional
        Train it jointly; the image is in voxels then.
    seed : int
    """

    data: Data
    parts: Sequence[str]
    config: JointConfig
    loss: JointLoss = field(default_factory=JointLoss)
    recipe: Recipe = RECIPE
    network: ImageNetwork | None = None
    seed: int = 0

    def rows(self, part: str) -> np.ndarray:
        """Numbers of the images of a part; fewer than two are refused."""
        rows = np.flatnonzero(np.asarray(self.parts) == part)
        if len(rows) < 2:
            raise ValueError(
                f"the split leaves {len(rows)} {part} images of {len(self.parts)}: at least 2 are needed; "
                "more persons are needed, or another split"
            )
        return rows


@dataclass(frozen=True)
class Joint:
    """A fitted joint model.

    Attributes
    ----------
    model : JointVae
        On the CPU, in eval mode.
    fits : mapping of str to Fit
        "fusion", and in two stages "head SCORE" of each score.
    """

    model: JointVae
    fits: Mapping[str, Fit]


def fit_joint(
    problem: JointProblem,
    *,
    threads: int = 1,
    device: torch.device = torch.device("cpu"),  # noqa: B008
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 5.0,
    fingerprint: str = "",
    progress: Callable[..., None] | None = None,
) -> Joint:
    """Train on the training images, choose the weights on the validation images.

    Parameters
    ----------
    problem : JointProblem
    checkpoint, checkpoint_seconds, fingerprint, progress
        As in `training.fit.fit`.
    """
    with reproducible(problem.seed, threads):
        model = _build(problem).to(device)
        stage = _Stages(problem, device, checkpoint, checkpoint_seconds, fingerprint, progress)
        fits = {"fusion": stage.fusion(model)}
        if problem.network is None:
            fits |= stage.heads(model)
    return Joint(model.cpu().eval(), fits)


def fit_head(
    z: np.ndarray, y: np.ndarray, train: np.ndarray, validation: np.ndarray, hidden: int = 64, recipe: Recipe = RECIPE,
    seed: int = 0, **options,
) -> tuple[Bridge, Fit]:  # fmt: skip
    """A score's decoder on finished latents, from the ridge regression, by its mean squared error.

    Parameters
    ----------
    z : (N, K) array
        Standardised latents.
    y : (N,) array
        Standardised score; no value missing in the rows used.
    train, validation : int arrays
        Rows to fit to, rows that choose the step.
    hidden : int
        Units.
    **options
        device, checkpoint, checkpoint_seconds, fingerprint, progress as in `training.fit.fit`.

    Returns
    -------
    head : Bridge
        With its best weights, on the device.
    fit : Fit
    """
    device = options.setdefault("device", torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Bridge(z.shape[1], 1, hidden)
    start_head(head, z[train].astype(np.float64), y[train].astype(np.float64), np.ones(len(train), dtype=bool))
    inputs, target = (torch.from_numpy(np.array(a, dtype=np.float32)).to(device) for a in (z, y[:, None]))
    head.to(device)

    def error(rows):
        return (head(inputs[rows]) - target[rows]).square().mean()

    rows, held_out = (torch.from_numpy(part) for part in (train, validation))
    result = fit(
        head,
        lambda batch, ramp, generator: Terms({"mse": error(rows[batch])}, {}),
        lambda: {"val_loss": float(error(held_out))},
        n_rows=len(train),
        recipe=recipe,
        seed=seed,
        groups=_groups(head),
        **options,
    )
    return head, result


def encode(model: JointVae, data: Data, device: torch.device = torch.device("cpu")) -> np.ndarray:  # noqa: B008
    """Means of the posterior given those modalities that are in `data`, (N, K)."""
    model = model.to(device).eval()
    n = len(next(iter(data.values()))[0])
    mu = np.empty((n, model.config.latent_dim), dtype=np.float32)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        with torch.inference_mode():
            block = {name: tuple(_on(a[part], device) for a in values) for name, values in data.items()}
            mu[part] = model.encode(block)[0].float().cpu().numpy()
    return mu


def decode(model: JointVae, name: str, z: np.ndarray, device: torch.device = torch.device("cpu")) -> np.ndarray:  # noqa: B008
    """Mean of one modality given latents (N, K): (N, n), standardised (an image in voxels: in the data's units)."""
    model = model.to(device).eval()
    blocks = []
    for start in range(0, len(z), BLOCK):
        with torch.inference_mode():
            blocks.append(model.decode_one(name, _on(z[start : start + BLOCK], device)).float().cpu().numpy())
    return np.concatenate(blocks)


def stand_ins(names: Sequence[str]) -> list[tuple[str, ...]]:
    """What may stand in for a person's image: every choice of the modalities but the scores.

    >>> stand_ins(["image", "second", "scores"])
    [('image',), ('second',), ('image', 'second')]
    """
    others = [name for name in names if name != "scores"]
    return [chosen for n in range(1, len(others) + 1) for chosen in combinations(others, n)]


BLOCK = 64  # images at a time


class _Stages:
    """The trainings of one problem, with its checkpoints and its progress."""

    def __init__(self, problem: JointProblem, device, checkpoint, seconds, fingerprint, progress):
        self.problem, self.device = problem, device
        self.checkpoint, self.seconds, self.fingerprint, self.progress = checkpoint, seconds, fingerprint, progress
        self.train, self.validation = problem.rows("train"), problem.rows("validation")
        self.before = 0
        n_heads = 0 if problem.network is not None else len(problem.config.scores)
        self.total = (1 + n_heads) * problem.recipe.steps(len(self.train))

    def fusion(self, model: JointVae) -> Fit:
        """Train the shared latent."""
        problem = self.problem
        data = {name: tuple(Rows(a, self.device) for a in problem.data[name]) for name in model.modalities}
        objective = JointObjective(model, data, self.train, self.validation, problem.loss, problem.seed)
        groups = None if problem.network is not None else _groups(model)
        recipe = problem.recipe
        return fit(model, objective, objective.validate, n_rows=len(self.train), recipe=recipe, seed=problem.seed,
                   groups=groups, **self._options("fusion", recipe, len(self.train)))  # fmt: skip

    def heads(self, model: JointVae) -> dict[str, Fit]:
        """Train each score's head on the finished latent, and put it into the model."""
        problem, fits = self.problem, {}
        if not problem.config.scores:
            return fits
        chosen = stand_ins(model.modalities)
        given = {name: values[1].max(1) > 0 for name, values in problem.data.items()}
        z = np.concatenate([encode(model, {m: problem.data[m] for m in own}, self.device) for own in chosen])
        there = np.concatenate([np.any([given[m] for m in own], axis=0) for own in chosen])
        values, known = (np.concatenate([a] * len(chosen)) for a in problem.data["scores"])
        part = np.concatenate([np.asarray(problem.parts)] * len(chosen))
        for i, score in enumerate(problem.config.scores):
            usable = there & (known[:, i] > 0)
            rows = [np.flatnonzero(usable & (part == name)) for name in ("train", "validation")]
            recipe = replace(problem.recipe, clip=None)
            head, fits[f"head {score}"] = fit_head(
                z, values[:, i], *rows, hidden=problem.config.hidden, recipe=recipe, seed=problem.seed,
                **self._options(f"head-{i}", recipe, len(rows[0])),
            )  # fmt: skip
            model.heads[i].load_state_dict(head.state_dict())
        return fits

    def _options(self, name: str, recipe: Recipe, n_rows: int) -> dict:
        before, total, progress = self.before, self.total, self.progress
        self.before += recipe.steps(n_rows)
        path = self.checkpoint
        return {
            "device": self.device,
            "checkpoint": None if path is None else path.with_name(f"{path.stem}-{name}{path.suffix}"),
            "checkpoint_seconds": self.seconds,
            "fingerprint": f"{self.fingerprint}:{name}",
            "progress": progress
            and (lambda **figures: progress(**figures | {"step": before + figures["step"], "steps": total})),
        }


def _build(problem: JointProblem) -> JointVae:
    if problem.network is not None:
        moments = training_moments(problem.data["image"][0], problem.rows("train"))
        mask = torch.from_numpy(np.ascontiguousarray(problem.network.mask_box))
        image = VolumeVae(problem.network.config, mask, torch.from_numpy(moments.mean), moments.scale)
        return JointVae(problem.config, image)
    model = JointVae(problem.config)
    doubles = {name: tuple(np.asarray(a, dtype=np.float64) for a in values) for name, values in problem.data.items()}
    start_linear(model, doubles, problem.rows("train"))
    return model


def _groups(model: torch.nn.Module) -> list[dict]:
    """Parameters in two groups: those that start at random, and the linear ones that start at their solution."""
    linear = [p for name, p in model.named_parameters() if "linear." in name]
    others = [p for name, p in model.named_parameters() if "linear." not in name]
    return [{"params": others}, {"params": linear, "factor": LINEAR_RATE}]


def _on(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32)).to(device)
