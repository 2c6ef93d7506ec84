"""What every fit leaves beside its weights: how it was made, and its history as a table."""

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pydra_vae.engine.hashing import content_hash
from pydra_vae.stats.splits import TEST, TRAIN, VALIDATION


def fingerprint(files: Iterable[Path | None], options: dict) -> str:
    """Which fit this is: a digest of its files' contents, its options and torch's version."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        if path is not None:
            digest.update(content_hash(Path(path)))  # the engine has read them and remembers
        digest.update(b"|")
    digest.update(json.dumps({**options, "torch": version("torch")}, sort_keys=True).encode())
    return digest.hexdigest()


def describe(model, fit, recipe, options: dict, split: np.ndarray, device) -> dict:
    """The content of model.json but for mask and scaling.

    Parameters
    ----------
    model : Cvae
    fit : training.fit.Fit
    recipe : training.recipes.Recipe
        As it was used, options put in.
    options : dict
        As the step was called.
    device : str or Slot
        The device that was used; a GPU's model and UUID are recorded.
    """
    counts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    return {
        **asdict(model.config),
        **{key: options[key] for key in ("mixing", "kl_weight", "kl_annealing_steps", "sample_latent", "seed")},
        "recipe": asdict(recipe),
        "voxels": {name: int((split == code).sum()) for name, code in counts.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
        "best_step": fit.best_step,
        "steps": fit.steps,
        "stopped": fit.stopped,
        "seconds": round(fit.seconds, 2),
        "resumed_at": fit.resumed_at,
        "device": str(device),
        "device_model": getattr(device, "model", "") or platform.processor() or platform.machine(),
        "device_uuid": getattr(device, "uuid", ""),
        "device_slot": getattr(device, "slot", 0),
        "threads": options["threads"],
        "versions": {name: version(name) for name in ("pydra-vae", "torch", "numpy", "safetensors")},
    }


def complete(history: list[dict]) -> list[dict]:
    """The rows with the same columns each, in the order of the contract; None where a row has no such figure."""
    return [{name: row.get(name) for name in history[-1]} for row in history]
