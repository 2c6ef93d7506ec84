"""Shared models on disk and in memory: which rows are which place, what a subject starts with, what is written.

`model.safetensors` holds the weights, the members' parts, the places and what newcomers are aligned by; `model.json`
how to rebuild it, what to refuse, and how it was made. A newcomer's `part.safetensors` holds its own weights alone.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.read_ins import ReadIn, whitened
from pydra_vae.stats.shared_voxels import shared_rows
from pydra_vae.tasks._io import load_array, read_weights
from pydra_vae.tasks._models import describe_scaling
from pydra_vae.tasks._space import Space

HISTORY = ("step", "epoch", "lr", "val_loss", "val_mse", "best")
MIN_TO_ALIGN = 4  # places for each coordinate that a newcomer is aligned by


@dataclass(frozen=True)
class Subject:
    """The files of one subject, opened.

    Attributes
    ----------
    label : str
    x : (K, T) float32 array
        Memory-mapped.
    weights : (T,) int8 array
    mm : (K, 3) array
        Positions.
    voxel_mm : (3,) array
    method : str
        Of the scaling.
    """

    label: str
    x: np.ndarray
    weights: np.ndarray
    mm: np.ndarray
    voxel_mm: np.ndarray
    method: str

    @classmethod
    def load(cls, label: str, scaled: Path, frames: Path, voxels: Path, scaling: Path, mask: Path) -> "Subject":
        """Refuses a matrix that does not belong to its mask."""
        x, space = load_array(scaled), Space.load(voxels, scaling, mask)
        if len(x) != len(space.mm):
            raise ValueError(f"{scaled} has {len(x)} rows but the mask of {label} {len(space.mm)} usable voxels")
        weights = read_weights(frames, x.shape[1])
        return cls(label, x, weights, space.mm, space.voxel_mm, describe_scaling(scaling)["method"])


def check_alike(subjects: Sequence[Subject]) -> None:
    """Refuse series of unequal length or scaling; the message names who differs."""
    first = subjects[0]
    for other in subjects[1:]:
        if other.x.shape[1] != first.x.shape[1]:
            raise ValueError(
                f"{other.label} has {other.x.shape[1]} frames but {first.label} {first.x.shape[1]}: a shared model "
                "needs as many frames in every subject; leave that subject out, or choose the same runs for all"
            )
        if other.method != first.method:
            raise ValueError(
                f"{other.label} was scaled by {other.method!r} but {first.label} by {first.method!r}: "
                "scale all alike (--normalize)"
            )


def check_suits(subject: Subject, made: dict, config: Path) -> None:
    """Refuse a subject whose series a shared model was not made for."""
    if subject.x.shape[1] != made["n_frames"]:
        raise ValueError(
            f"{subject.label} has {subject.x.shape[1]} frames but the model of {config} was fitted on "
            f"{made['n_frames']}: it takes series of that length only"
        )
    if subject.method != made["scaling"]:
        raise ValueError(
            f"{subject.label} was scaled by {subject.method!r} but the model of {config} was fitted on data scaled by "
            f"{made['scaling']!r}: scale it by {made['scaling']!r} (--normalize {made['scaling']})"
        )


def places_of(subject: Subject, model, made: dict) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the model's places that a subject has, and its rows there."""
    edges = [np.array(made["voxel_mm"]), subject.voxel_mm]
    places, rows = shared_rows([model.mm.numpy(), subject.mm], edges, ["the model", subject.label])
    return places, rows


def own_rows(x: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Chosen rows of a matrix, a block at a time, in double precision."""
    for part in row_chunks(len(rows), x.shape[1]):
        yield np.asarray(x[rows[part]], dtype=np.float64)


def fit_read_in(
    subject: Subject, train: np.ndarray, template: np.ndarray, rank: int
) -> tuple[ReadIn, np.ndarray, float]:
    """What a subject starts with, before it is turned to agree with others.

    Parameters
    ----------
    subject : Subject
    train : int array
        Its rows to fit on.
    template : int array
        Its rows at the places by which subjects are aligned.
    rank : int

    Returns
    -------
    read_in : ReadIn
    maps : (n, rank) array
        Its coordinates at those places.
    scale : float
        Standard deviation of its series about their mean series.
    """
    inside = np.zeros(len(subject.x), dtype=bool)
    inside[train] = True
    pca = fit_pca(subject.x, rank, subject.weights, rows=inside)
    used = subject.weights > 0
    scores, power = [], 0.0
    for x in own_rows(subject.x, template):
        scores.append(pca.encode(x))
        power += np.square((x - pca.mean)[:, used]).sum()
    scale = float(np.sqrt(power / len(template) / used.sum()))
    if not scale > 0:
        raise ValueError(f"the training voxels of {subject.label} are all the same series: there is nothing to learn")
    raw = np.vstack(scores)
    one = whitened(pca, raw.var(axis=0))
    return one, raw / np.linalg.norm(one.outwards, axis=0), scale


def usable_rank(rank: int, latent_dim: int, subjects: Sequence[Subject], n_train: int) -> int:
    """Coordinates that the data allow: at least D, at most training places and usable frames of every subject."""
    most = min(n_train, *(int(subject.weights.sum()) for subject in subjects))
    return min(max(rank, latent_dim), most)


def part_of(config, read_in: ReadIn, scale: float, weights: np.ndarray):
    """A subject's `models.shared.Part` that starts as its read-in."""
    import torch

    from pydra_vae.models.shared import Part

    arrays = {"mean": read_in.mean, "read_in": read_in.inwards, "read_out": read_in.outwards, "used": weights}
    tensors = {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in arrays.items()}
    return Part(config, scale=scale, **tensors)


def rebuild_model(weights: Path, made: dict):
    """The model of a model.json with its weights."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pydra_vae.models.shared import SharedConfig, shared_model

    model = shared_model(SharedConfig(**{field.name: made[field.name] for field in fields(SharedConfig)}))
    try:
        model.load_state_dict(load_file(str(weights)))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{weights} does not hold the shared model that its configuration describes ({made['kind']}, "
            f"{made['n_members']} members): give the model and the JSON of one fit. {error}"
        ) from error
    return model.eval()


def read_shared_config(path: Path) -> dict:
    """The content of a shared model's JSON; the error names the file."""
    try:
        made = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = [key for key in ("kind", "n_frames", "labels", "voxel_mm", "scaling") if key not in made]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not the model.json of a shared model: {error}") from error
    if missing:
        raise ValueError(f"{path} is not the model.json of a shared model (FitShared): it lacks {', '.join(missing)}")
    return made


def save_part(path: Path, part, label: str, steps: int) -> Path:
    """Write a newcomer's weights; none for a pooled model."""
    from safetensors.torch import save

    tensors = {} if part is None else {name: value.contiguous() for name, value in part.state_dict().items()}
    path = Path(path).absolute()
    path.write_bytes(save(tensors, metadata={"label": label, "steps": str(steps)}))
    return path


def load_part(path: Path, config, label: str):
    """A newcomer's `Part` and the steps that it was trained for; refused where it is another subject's."""
    from safetensors import SafetensorError, safe_open

    from pydra_vae.models.shared import Part

    try:
        with safe_open(str(path), framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
        if about.get("label") != label:
            raise ValueError(f"{path} is the part of {about.get('label')}, not of {label}: give each subject its own")
        if config.kind == "pooled":
            return None, 0
        part = Part(config)
        part.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} is no part of a {config.kind} model (JoinShared): {error}") from error
    return part, int(about["steps"])


def describe_training(fit, recipe, options: dict, device) -> dict:
    """What a JSON keeps of a training."""
    return {
        "recipe": asdict(recipe),
        "best_step": fit.best_step,
        "steps": fit.steps,
        "stopped": fit.stopped,
        "seconds": round(fit.seconds, 2),
        "resumed_at": fit.resumed_at,
        "seed": options["seed"],
        "threads": options["threads"],
        "device": str(device),
    }


def template_of_newcomer(model, places: np.ndarray, rows: np.ndarray, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a newcomer at the template's places, and the template there."""
    row_of = np.full(len(model.mm), -1)
    row_of[places] = rows
    own = row_of[model.template_rows.numpy()]
    found = own >= 0
    if found.sum() < MIN_TO_ALIGN * model.config.rank:
        raise ValueError(
            f"{label} has only {int(found.sum())} of the {len(own)} places by which newcomers are aligned: does it lie "
            "in the same standard space, and in a mask like the members'?"
        )
    return own[found], model.template.numpy()[found]


def places_in(model, places: np.ndarray, code: int) -> np.ndarray:
    """Those of some places that belong to one part of the split."""
    return places[model.split.numpy()[places] == code]
