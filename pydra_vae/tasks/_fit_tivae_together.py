"""Several calls of FitTiVae in one process, their models stacked: each leaves the files that it would leave alone.

The engine asks `together_key` which pending calls suit one another, and lets `fit_together` compute them. Seeds, β and
numbers of factors may differ; a model trained in a stack equals its own fit but for rounding (`training.stack`).
"""

import functools
import json
from pathlib import Path

import numpy as np

from pydra_vae.tasks import _tivae
from pydra_vae.tasks._recordings import load_series
from pydra_vae.tasks._train_together import train_together

ALIKE = (
    "network", "share_hemispheres", "input_layer", "temporal_decoder", "recipe", "max_steps", "max_epochs",
    "batch_size", "crop", "learning_rate", "precision", "threads", "device",
)  # fmt: skip


def together_key(inputs: dict) -> str | None:
    """What calls of FitTiVae must agree in to train together; None for one that trains alone.

    Parameters
    ----------
    inputs : dict
        Inputs of the call by name; its files exist.
    """
    if str(inputs["device"]) == "mps":
        return None
    try:
        n_frames, n_vertices = np.load(Path(inputs["series"][0]), mmap_mode="r").shape
        config, _ = _tivae.shapes(inputs)
    except (OSError, ValueError, IndexError):
        return None  # alone it says what is wrong
    terms = {"tc": inputs["kind"] == "tivae" and inputs["beta"] > 0, "recurrent_l2": inputs["recurrent_l2"] > 0}
    shapes = [len(inputs["series"]), n_frames, n_vertices, config.n_clusters, config.cluster_size]
    return json.dumps({**{name: inputs[name] for name in ALIKE}, **terms, "shapes": shapes}, sort_keys=True)


def fit_together(calls: list[tuple[dict, Path]]) -> list[tuple[Path, Path, Path]]:
    """Compute several calls of FitTiVae that have one `together_key`.

    Parameters
    ----------
    calls : list of (dict, Path)
        Every input of a call by name, and the folder for its files.

    Returns
    -------
    list of (model, config, history)
        Absolute paths, in the order of the calls.
    """
    from pydra_vae.training.tivae import fit_tivae_many

    # one list of arrays for all calls that name the same files, so that the device holds them once
    cached = functools.cache(lambda paths: load_series([Path(path) for path in paths]))

    def prepare(device) -> list[_tivae.Prepared]:
        return [_tivae.prepare(inputs, device, lambda paths: cached(tuple(map(str, paths)))) for inputs, _ in calls]

    return train_together(calls, prepare, fit_tivae_many, _tivae.finish)
