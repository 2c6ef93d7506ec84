"""Before and after a fit: from a step's inputs to arrays, and from a fitted model to its files.

FitCvae and the joint training of several of its calls share these, so that both read, refuse and write the same.
"""

import hashlib
import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import write_table
from pydra_vae.engine.hashing import content_hash
from pydra_vae.stats.pca import Pca, fit_pca
from pydra_vae.stats.reconstruction import compare
from pydra_vae.stats.splits import TEST, TRAIN, VALIDATION
from pydra_vae.tasks import _models
from pydra_vae.tasks._io import load_array, read_weights, write_json

# Inputs of FitCvae that are files; all others are options, but for the device, which is no part of a result's key.
FILES = ("scaled", "voxel_split", "frames", "scaling", "mask", "warm_start", "warm_start_config")


@dataclass(frozen=True)
class Prepared:
    """One call of FitCvae, read and checked.

    Attributes
    ----------
    inputs : dict
        As the step was called.
    problem : training.cvae.CvaeProblem
        What is fitted to what.
    noise_variance : float or None
        σ² that turned β into a weight; None where no β was given.
    """

    inputs: dict
    problem: object
    noise_variance: float | None

    def fingerprint(self, device: str) -> str:
        """Which fit this is, on that kind of device, for its checkpoint."""
        files = [self.inputs[name] for name in FILES if name not in ("scaling", "mask")]
        options = {name: value for name, value in self.inputs.items() if name not in (*FILES, "scheme")}
        return fingerprint(files, {**options, "device": device.partition(":")[0]})


def prepare(inputs: dict, pca: Pca | None = None, load: Callable[[Path], np.ndarray] = load_array) -> Prepared:
    """Read the files of one call of FitCvae.

    Parameters
    ----------
    inputs : dict
        Every input of the step by its name.
    pca : Pca, optional
        Of the training voxels, of at least the model's size; fitted here where it is needed without it.
    load : callable
        Opens an array, e.g. each file once for several calls.

    Raises
    ------
    ValueError
        Inputs that exclude each other, or weights to start from that do not suit; the message names them.
    """
    from pydra_vae.training.cvae import CvaeLoss, CvaeProblem, cvae_recipe

    check_options(inputs)
    x, split = load(inputs["scaled"]), np.array(load(inputs["voxel_split"]))
    weights = None if inputs["frames"] is None else read_weights(inputs["frames"], x.shape[1])
    start = _start(inputs, x.shape[1])
    recipe = cvae_recipe(
        *(inputs[name] for name in ("recipe", "network", "linear_skip")),
        **{name: inputs[name] for name in ("max_steps", "max_epochs", "batch_size", "learning_rate", "patience")},
    )
    size = inputs["latent_dim"]
    if needs_pca(inputs):
        pca = fit_pca(x, size, weights, rows=split == TRAIN) if pca is None else pca.first(size)
    kl_weight, noise_variance = _kl_weight(inputs, x, split, weights, pca)
    problem = CvaeProblem(
        x,
        split,
        latent_dim=size,
        network=inputs["network"],
        components=pca.components if inputs["linear_skip"] == "pca" else None,
        loss=CvaeLoss(weights, inputs["mixing"], kl_weight, inputs["sample_latent"], inputs["mmd_weight"]),
        recipe=recipe,
        ramp_steps=inputs["kl_annealing_steps"],
        annealing=inputs["annealing"],
        start=start,
        seed=inputs["seed"],
    )
    return Prepared(inputs, problem, noise_variance)


def needs_pca(inputs: dict) -> bool:
    """Does this call of FitCvae need a PCA of the training voxels?"""
    return inputs["linear_skip"] == "pca" or (inputs["beta"] is not None and inputs["noise_variance"] is None)


def check_options(inputs: dict):
    """Refuse inputs that exclude each other."""
    beta, variance = inputs["beta"], inputs["noise_variance"]
    if beta is not None and inputs["kl_weight"] != 0:
        raise ValueError(
            f"beta ({beta:g}) and kl_weight ({inputs['kl_weight']:g}) both set the weight of the KL: give one of them"
        )
    if beta is not None and not beta >= 0:
        raise ValueError(f"beta is {beta:g}: it must not be negative")
    if variance is not None and (beta is None or not variance > 0):
        raise ValueError(
            f"noise_variance is {variance:g} with beta {'not given' if beta is None else f'{beta:g}'}: it turns beta "
            "into a weight, and must be positive; give beta too, or kl_weight alone"
        )
    if (inputs["warm_start"] is None) != (inputs["warm_start_config"] is None):
        raise ValueError("warm_start and warm_start_config belong together: give the model and the JSON of one fit")


def _kl_weight(inputs: dict, x, split, weights, pca) -> tuple[float, float | None]:
    """Weight of the KL beside the mean squared error, and the σ² that it follows from."""
    from pydra_vae.models.losses import kl_weight_of

    if inputs["beta"] is None:
        return inputs["kl_weight"], None
    variance = inputs["noise_variance"]
    if variance is None:
        variance = compare(x[split == VALIDATION], {"": pca.reconstruct}, weights)[""].mse()
    n_frames = x.shape[1] if weights is None else int(np.sum(weights))
    return kl_weight_of(inputs["beta"], variance, n_frames), variance


def _start(inputs: dict, n_frames: int):
    """The model to start from, or None; refused where its shape is not that of the fit."""
    if inputs["warm_start"] is None:
        return None
    made = _models.read_config(inputs["warm_start_config"])
    needed = {"n_frames": n_frames, **{name: inputs[name] for name in ("network", "latent_dim", "linear_skip")}}
    if differing := _models.other_shape(made, needed):
        raise ValueError(f"{inputs['warm_start_config']} describes {differing}")
    return _models.load_model(inputs["warm_start"], made)


def finish(prepared: Prepared, model, fit, folder: Path, device) -> tuple[Path, Path, Path]:
    """Write model, configuration and history of a fit into a folder.

    Parameters
    ----------
    model, fit : Cvae, training.fit.Fit
    device : str or Slot

    Returns
    -------
    model, config, history : Path
    """
    inputs = prepared.inputs
    made = describe(prepared, model, fit, device) | {"scheme": inputs["scheme"]}
    scaling, mask = inputs["scaling"], inputs["mask"]
    made["scaling"] = None if scaling is None else _models.describe_scaling(scaling)
    made["mask"] = None if mask is None else _models.describe_mask(mask)
    return (
        _models.save_weights(folder / "model.safetensors", model),
        write_json(folder / "model.json", made),
        write_table(folder / "history.tsv", complete(fit.history)),
    )


def fingerprint(files: Iterable[Path | None], options: dict) -> str:
    """Which fit this is: a digest of its files' contents, its options and torch's version."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        if path is not None:
            digest.update(content_hash(Path(path)))  # the engine has read them and remembers
        digest.update(b"|")
    digest.update(json.dumps({**options, "torch": version("torch")}, sort_keys=True).encode())
    return digest.hexdigest()


def describe(prepared: Prepared, model, fit, device) -> dict:
    """The content of model.json but for mask and scaling.

    Parameters
    ----------
    prepared : Prepared
    model : Cvae
    fit : training.fit.Fit
    device : str or Slot
        The device that was used; a GPU's model and UUID are recorded.
    """
    inputs, problem = prepared.inputs, prepared.problem
    counts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    warm = inputs["warm_start"]
    return {
        **asdict(model.config),
        "mixing": inputs["mixing"],
        "kl_weight": problem.loss.kl_weight,
        "beta": inputs["beta"],
        "noise_variance": prepared.noise_variance,
        **{name: inputs[name] for name in ("mmd_weight", "annealing", "kl_annealing_steps", "sample_latent", "seed")},
        "warm_start": None if warm is None else content_hash(Path(warm)).hex(),
        "recipe": asdict(problem.recipe),
        "voxels": {name: int((problem.split == code).sum()) for name, code in counts.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
        **of_training(fit, device, inputs["threads"]),
    }


def of_training(fit, device, threads: int) -> dict:
    """What model.json says of every training.

    Parameters
    ----------
    fit : training.fit.Fit
    device : str or Slot
        The device that was used; a GPU's model and UUID are recorded.
    threads : int
    """
    return {
        "best_step": fit.best_step,
        "steps": fit.steps,
        "stopped": fit.stopped,
        "seconds": round(fit.seconds, 2),
        "stacked_with": fit.stacked_with,  # the seconds are those of all of them
        "resumed_at": fit.resumed_at,
        "device": str(device),
        "device_model": getattr(device, "model", "") or platform.processor() or platform.machine(),
        "device_uuid": getattr(device, "uuid", ""),
        "device_slot": getattr(device, "slot", 0),
        "threads": threads,
        "versions": {name: version(name) for name in ("pydra-vae", "torch", "numpy", "safetensors")},
    }


def complete(history: list[dict]) -> list[dict]:
    """The rows with the same columns each, in the order of the contract; None where a row has no such figure."""
    return [{name: row.get(name) for name in history[-1]} for row in history]
