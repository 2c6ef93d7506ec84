"""What every fit leaves beside its weights: how it was made, its history as a table, its verdict."""

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pydra_vae.stats.collapse import MAX_SAMPLES, detect_collapse
from pydra_vae.stats.fit_warnings import fit_warnings
from pydra_vae.stats.pca import Pca, fit_pca
from pydra_vae.stats.splits import TEST, TRAIN, VALIDATION


def fingerprint(files: Iterable[Path | None], options: dict) -> str:
    """Which fit this is: a digest of its files' contents, its options and torch's version."""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        if path is not None:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
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


def judge(model, fit, x, split, weights, pca: Pca | None, regularised: bool, seed: int) -> dict:
    """The content of verdict.json: the collapse detector on held-out voxels, and the fit's warnings.

    Parameters
    ----------
    x, split : (K, T) and (K,) arrays
    weights : (T,) array or None
        Frame weights.
    pca : Pca or None
        Of the model's size, where the fit had it already.
    regularised : bool
        Whether the KL had a weight; without one its value means nothing.
    """
    from pydra_vae.training.apply import decode, encode

    rng = np.random.default_rng(seed)
    held_out = np.flatnonzero(split == TEST)
    if len(held_out) < 2:
        held_out = np.flatnonzero(split == VALIDATION)
    voxels = np.sort(rng.permutation(held_out)[:MAX_SAMPLES])
    inputs = np.asarray(x[voxels])
    encoded = list(encode(model, inputs))
    mu, log_variance = (np.concatenate([block[i] for block in encoded]) for i in (1, 2))
    found = detect_collapse(
        inputs,
        np.concatenate([block for _, block in decode(model, mu)]),
        mu,
        log_variance if regularised else None,
        weights=weights,
        reference=_linear(x, split, weights, pca, mu.shape[1], inputs, rng),
        seed=seed,
    )
    ramp = [row for row in fit.history if row["step"] >= fit.ramp_steps]
    warnings = fit_warnings(
        n_train=int((split == TRAIN).sum()),
        steps=[row["step"] for row in ramp],
        validation=[row["val_loss"] for row in ramp],
        linear_skip=model.config.linear_skip == "pca",
    )
    return {**found.to_dict(), "warnings": warnings}


def _linear(x, split, weights, pca, size, inputs, rng) -> np.ndarray | None:
    """Reconstruction by a PCA of the model's size; of a sample of the training voxels where there is none yet."""
    if pca is None:
        rows = np.sort(rng.permutation(np.flatnonzero(split == TRAIN))[:MAX_SAMPLES])
        used = x.shape[1] if weights is None else int(np.sum(weights))
        if size > min(len(rows), used):
            return None
        pca = fit_pca(x[rows], size, weights)
    return pca.reconstruct(inputs)
