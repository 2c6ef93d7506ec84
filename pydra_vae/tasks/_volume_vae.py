"""A VAE of volumes between files and arrays: what FitVolumeVae reads and writes, and what later steps read of a fit.

FitVolumeVae and the joint training of several of its calls share these, so that both read, refuse and write the same.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import write_table
from pydra_vae.tasks._fits import complete, fingerprint, of_training
from pydra_vae.tasks._io import load_array, write_json
from pydra_vae.tasks._models import check_mask, describe_mask, save_weights
from pydra_vae.tasks._recordings import Split

# Inputs of FitVolumeVae that are files; all others are options, but for the device, which is no part of a result's key.
FILES = ("volumes", "volume_split", "mask")
PARTS = ("train", "validation", "test")
OF_LOSS = (
    "reconstruction", "dssim", "ssim_window", "divergence", "beta", "mmd_weight", "free_bits", "n_samples",
    "augmentation",
)  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A mask's bounding box.

    Attributes
    ----------
    mask : (I, J, K) bool array
        The mask within it.
    start : (i, j, k)
        Its first voxel, on the mask's grid.
    left_right : int
        The axis that runs from left to right.
    """

    mask: np.ndarray
    start: tuple[int, int, int]
    left_right: int


@dataclass(frozen=True)
class Prepared:
    """One call of FitVolumeVae, read and checked.

    Attributes
    ----------
    inputs : dict
        As the step was called.
    problem : training.volume_vae.VolumeProblem
    split : Split
    box : Box
    """

    inputs: dict
    problem: object
    split: Split
    box: Box

    def fingerprint(self, device: str) -> str:
        """Which fit this is, on that kind of device, for its checkpoint."""
        options = {name: value for name, value in self.inputs.items() if name not in FILES}
        return fingerprint([self.inputs[name] for name in FILES], {**options, "device": device.partition(":")[0]})


def load_box(path: Path) -> Box:
    """The bounding box of a mask's voxels."""
    from pydra_vae.images.headers import read_header
    from pydra_vae.images.volumes import load_mask

    mask = load_mask(Path(path))
    bounds = [(int(where.min()), int(where.max()) + 1) for where in np.nonzero(mask)]
    affine = np.asarray(read_header(Path(path)).affine, dtype=float)
    inner = mask[tuple(slice(*bound) for bound in bounds)]
    return Box(np.ascontiguousarray(inner), tuple(b[0] for b in bounds), int(np.abs(affine[0, :3]).argmax()))


def prepare(inputs: dict, device, load: Callable[[Path], np.ndarray] = load_array) -> Prepared:
    """Read the files of one call of FitVolumeVae.

    Parameters
    ----------
    inputs : dict
        Every input of the step by its name.
    device : torch.device
        Decides what precision "auto" is.
    load : callable
        Opens an array, e.g. each file once for several calls.

    Raises
    ------
    ValueError
        Files that do not belong together, or options that exclude each other; the message names them.
    """
    from pydra_vae.models.volume_vae import VolumeVaeConfig
    from pydra_vae.training.tivae import native_bfloat16
    from pydra_vae.training.volume_loss import VolumeLoss
    from pydra_vae.training.volume_vae import VolumeProblem, volume_recipe

    x, split, box = load(inputs["volumes"]), Split.load(inputs["volume_split"]), load_box(inputs["mask"])
    check_pair(x, inputs["volumes"], int(box.mask.sum()), inputs["mask"])
    if len(x) != len(split.label):
        raise ValueError(
            f"{inputs['volumes']} has {len(x)} images but {inputs['volume_split']} lists {len(split.label)}: "
            "give the split of these images"
        )
    shape, precision = box.mask.shape, inputs["precision"]
    config = VolumeVaeConfig(shape, x.shape[1], **{name: inputs[name] for name in ("latent_dim", "network", "width")})
    recipe = ("max_steps", "max_epochs", "batch_size", "learning_rate", "patience")
    problem = VolumeProblem(
        x,
        split.part.tolist(),
        config,
        box.mask,
        loss=VolumeLoss(**{name: inputs[name] for name in OF_LOSS}),
        recipe=volume_recipe(**{name: inputs[name] for name in recipe}),
        annealing=inputs["annealing"],
        annealing_steps=inputs["annealing_steps"],
        left_right=box.left_right,
        bfloat16=precision == "bfloat16" or (precision == "auto" and native_bfloat16(device)),
        seed=inputs["seed"],
    )
    return Prepared(inputs, problem, split, box)


def planned_steps(options: dict, n_train: int) -> tuple[int, int]:
    """Steps of a training on so many images, and those of its annealing, from FitVolumeVae's parameters."""
    from pydra_vae.training.volume_vae import ramp_steps, volume_recipe

    recipe = volume_recipe(**{name: options[name] for name in ("max_steps", "max_epochs", "batch_size")})
    return recipe.steps(n_train), ramp_steps(recipe, options["annealing"], options["annealing_steps"], n_train)


def check_pair(x: np.ndarray, volumes: Path, n_voxels: int, mask: Path):
    """Refuse volumes that were not stacked within the mask."""
    if x.ndim != 2 or x.shape[1] != n_voxels:
        raise ValueError(
            f"{volumes} has shape {x.shape} but the mask {mask} has {n_voxels} voxels: give the volumes (images × "
            "voxels) that were stacked within this mask"
        )


def finish(prepared: Prepared, model, fit, folder: Path, device) -> tuple[Path, Path, Path]:
    """Write model, configuration and history of a fit into a folder.

    Parameters
    ----------
    model, fit : VolumeVae, training.fit.Fit
    device : str or Slot
    """
    return (
        save_weights(folder / "model.safetensors", model),
        write_json(folder / "model.json", describe(prepared, model, fit, device)),
        write_table(folder / "history.tsv", complete(_with_weights(prepared, fit))),
    )


def _with_weights(prepared: Prepared, fit) -> list[dict]:
    """The history with what each term of the training loss weighed at that step."""
    from pydra_vae.training.annealing import Annealing

    problem = prepared.problem
    rises = Annealing(fit.ramp_steps, "linear" if problem.annealing == "none" else problem.annealing)
    rows = []
    for row in fit.history:
        weights = problem.loss.weights(problem.config.n_voxels, rises(row["step"]))
        rows.append(row | {f"weight_{name}": weight for name, weight in weights.items()})
    return rows


def describe(prepared: Prepared, model, fit, device) -> dict:
    """The content of model.json.

    Parameters
    ----------
    prepared : Prepared
    model : VolumeVae
    fit : training.fit.Fit
    device : str or Slot
        The device that was used; a GPU's model and UUID are recorded.
    """
    inputs, problem, split = prepared.inputs, prepared.problem, prepared.split
    best = next(row for row in fit.history if row["step"] == fit.best_step)
    return {
        **asdict(model.config),
        "box_start": list(prepared.box.start),
        "mask": describe_mask(inputs["mask"]),
        **{name: inputs[name] for name in OF_LOSS},
        "annealing": inputs["annealing"],
        "annealing_steps": fit.ramp_steps,
        "weights_of_terms": problem.loss.weights(problem.config.n_voxels),
        "precision": "bfloat16" if problem.bfloat16 else "float32",
        "recipe": asdict(problem.recipe),
        "scale": float(model.scale),
        "images": {part: int((split.part == part).sum()) for part in PARTS},
        "persons": {part: len(set(split.person[split.part == part])) for part in PARTS},
        "r2_train": best["train_r2"],
        "r2_validation": best["val_r2"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seed": inputs["seed"],
        **of_training(fit, device, inputs["threads"]),
    }


def read_config(path: Path) -> dict:
    """The content of a volumetric VAE's model.json; the error names the file."""
    from pydra_vae.models.volume_vae import VolumeVaeConfig

    needed = [field.name for field in fields(VolumeVaeConfig)] + ["mask", "seed", "threads", "precision", "divergence"]
    try:
        made = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = [name for name in needed if name not in made]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not the model.json of a fitted volumetric VAE: {error}") from error
    if missing:
        raise ValueError(f"{path} is not the model.json of a fitted volumetric VAE: it lacks {', '.join(missing)}")
    return made


def load_model(weights: Path, made: dict):
    """The `VolumeVae` of a model.json with its weights, in eval mode."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pydra_vae.models.volume_vae import VolumeVae, VolumeVaeConfig

    config = VolumeVaeConfig(**{field.name: made[field.name] for field in fields(VolumeVaeConfig)})
    try:
        state = load_file(str(weights))
        model = VolumeVae(config, state["mask"])
        model.load_state_dict(state)
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise ValueError(
            f"{weights} does not hold the weights that its configuration describes ({made['network']}, "
            f"{made['n_voxels']} voxels, {made['latent_dim']} latents): give the model and the JSON of one fit. {error}"
        ) from error
    return model.eval()


def check_volumes(made: dict, x: np.ndarray, path: Path, mask: Path | None = None):
    """Refuse images of another mask than the model's.

    Parameters
    ----------
    made : dict
        Content of model.json.
    x : (N, V) array
        Images.
    path : Path
        Their file, for messages.
    mask : Path, optional
        Their mask.
    """
    if x.ndim != 2 or x.shape[1] != made["n_voxels"]:
        raise ValueError(
            f"{path} has shape {x.shape} but the model was fitted on images of {made['n_voxels']} voxels: stack the "
            "volumes within the model's mask, or fit a new model"
        )
    if mask is not None:
        check_mask(made["mask"], describe_mask(mask), mask)
