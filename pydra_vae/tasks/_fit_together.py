"""Several calls of FitCvae in one process, their models stacked: each leaves the files that it would leave alone.

The engine asks `together_key` which pending calls suit one another, and lets `fit_together` compute them. A model
trained in a stack equals its own fit but for rounding (`training.stack`); its JSON says how many others were there.
"""

import functools
import json
from pathlib import Path

import numpy as np

from pydra_vae.stats.pca import Pca, fit_pca
from pydra_vae.stats.splits import TRAIN
from pydra_vae.tasks import _fits
from pydra_vae.tasks._io import load_array, read_weights
from pydra_vae.tasks._train_together import train_together

STACKED = ("dense", "lk")  # batch norm keeps running figures, so `paper` trains alone
ALIKE = (
    "network", "linear_skip", "recipe", "max_steps", "max_epochs", "batch_size", "learning_rate", "patience",
    "sample_latent", "threads", "device",
)  # fmt: skip


def together_key(inputs: dict) -> str | None:
    """What calls of FitCvae must agree in to train together; None for one that trains alone.

    Latent sizes, seeds, subjects and weights of the KL may differ; the network, the steps and the terms of the loss
    may not.

    Parameters
    ----------
    inputs : dict
        Inputs of the call by name; its files exist.
    """
    if inputs["network"] not in STACKED or str(inputs["device"]) == "mps":
        return None
    try:
        _fits.check_options(inputs)
        n_frames = np.load(Path(inputs["scaled"]), mmap_mode="r").shape[1]
    except (OSError, ValueError, IndexError):
        return None  # alone it says what is wrong
    terms = {
        "kl": inputs["kl_weight"] > 0 or bool(inputs["beta"]),
        **{name: inputs[name] > 0 for name in ("mmd_weight", "mixing")},
    }
    options = {name: inputs[name] for name in ALIKE}
    return json.dumps({**options, **terms, "n_frames": n_frames}, sort_keys=True)


def fit_together(calls: list[tuple[dict, Path]]) -> list[tuple[Path, Path, Path]]:
    """Compute several calls of FitCvae that have one `together_key`.

    Parameters
    ----------
    calls : list of (dict, Path)
        Every input of a call by name, and the folder for its files.

    Returns
    -------
    list of (model, config, history)
        Absolute paths, in the order of the calls.

    Raises
    ------
    Exception
        Where one call fails all do; alone each says what is wrong.
    """
    from pydra_vae.training.cvae import fit_cvae_many

    prepared = _prepare([inputs for inputs, _ in calls])  # before a GPU is taken
    return train_together(calls, lambda device: prepared, fit_cvae_many, _fits.finish)


def _prepare(calls: list[dict]) -> list[_fits.Prepared]:
    """Read each file once, and fit one PCA for all sizes on the same voxels."""
    load = functools.cache(lambda path: load_array(path))
    sizes: dict[tuple, int] = {}
    for inputs in filter(_fits.needs_pca, calls):
        sizes[_data(inputs)] = max(inputs["latent_dim"], sizes.get(_data(inputs), 0))

    @functools.cache
    def pca_of(scaled: str, voxel_split: str, frames: str) -> Pca:
        x, split = load(Path(scaled)), load(Path(voxel_split))
        weights = read_weights(Path(frames), x.shape[1]) if frames else None
        return fit_pca(x, sizes[scaled, voxel_split, frames], weights, rows=np.asarray(split) == TRAIN)

    return [
        _fits.prepare(inputs, pca_of(*_data(inputs)) if _fits.needs_pca(inputs) else None, lambda p: load(Path(p)))
        for inputs in calls
    ]


def _data(inputs: dict) -> tuple[str, str, str]:
    return tuple(str(inputs[name] or "") for name in ("scaled", "voxel_split", "frames"))
