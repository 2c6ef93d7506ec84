"""Several calls of FitVolumeVae in one process, their models stacked: each leaves the files that it would leave alone.

The engine asks `together_key` which pending calls suit one another, and lets `fit_together` compute them. Seeds, the
weight of the divergence and the number of latents may differ; a model trained in a stack equals its own fit but for
rounding (`training.stack`).
"""

import functools
import json
from pathlib import Path

import numpy as np

from pydra_vae.tasks import _volume_vae
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._train_together import train_together

ALIKE = (
    "mask", "network", "width", "reconstruction", "dssim", "ssim_window", "free_bits", "n_samples", "augmentation",
    "max_steps", "max_epochs", "batch_size", "learning_rate", "patience", "precision", "threads", "device",
)  # fmt: skip


def together_key(inputs: dict) -> str | None:
    """What calls of FitVolumeVae must agree in to train together; None for one that trains alone.

    Parameters
    ----------
    inputs : dict
        Inputs of the call by name; its files exist.
    """
    if str(inputs["device"]) == "mps":
        return None
    try:
        shape = np.load(Path(inputs["volumes"]), mmap_mode="r").shape
    except (OSError, ValueError):
        return None  # alone it says what is wrong
    alike = {name: str(inputs[name]) for name in ALIKE}
    return json.dumps({**alike, "sampled": inputs["divergence"] != "none", "shape": shape}, sort_keys=True)


def fit_together(calls: list[tuple[dict, Path]]) -> list[tuple[Path, Path, Path]]:
    """Compute several calls of FitVolumeVae that have one `together_key`.

    Parameters
    ----------
    calls : list of (dict, Path)
        Every input of a call by name, and the folder for its files.

    Returns
    -------
    list of (model, config, history)
        Absolute paths, in the order of the calls.
    """
    from pydra_vae.training.volume_vae import fit_volumes_many

    load = functools.cache(load_array)  # one array for all calls that name the same file: the device holds it once

    def prepare(device) -> list[_volume_vae.Prepared]:
        return [_volume_vae.prepare(inputs, device, lambda path: load(str(path))) for inputs, _ in calls]

    return train_together(calls, prepare, fit_volumes_many, _volume_vae.finish)
