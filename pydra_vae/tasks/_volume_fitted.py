"""A fit beside the images that it encoded, for the steps that decode."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._recordings import Split
from pydra_vae.tasks._volume_latents import check_rows, load_latents


@dataclass(frozen=True)
class Fitted:
    """A fit beside the images that it encoded.

    Attributes
    ----------
    made : dict
        Content of model.json.
    network : VolumeVae
    split : Split
    x : (N, V) array
        The images, memory-mapped.
    z : (N, k) float64 array
        Posterior means.
    """

    made: dict
    network: object
    split: Split
    x: np.ndarray
    z: np.ndarray

    @property
    def bfloat16(self) -> bool:
        """Whether the network computes in bf16."""
        return self.made["precision"] == "bfloat16"

    @property
    def training(self) -> np.ndarray:
        """Rows of the training images."""
        return self.split.rows("train")

    @property
    def training_mean(self) -> np.ndarray:
        """Mean of the training images, (V,) float64, as the model holds it."""
        return self.network.mean.double().cpu().numpy()


def load_fitted(model: Path, config: Path, latents: Path, volumes: Path, volume_split: Path) -> Fitted:
    """Read a fit with its images and latents; ValueError where they do not belong together."""
    from pydra_vae.tasks import _volume_vae

    made, split, x = _volume_vae.read_config(config), Split.load(volume_split), load_array(volumes)
    _volume_vae.check_volumes(made, x, volumes)
    z = load_latents(latents, split)
    if z.shape[1] != made["latent_dim"]:
        raise ValueError(
            f"{latents} has {z.shape[1]} latents but the model {made['latent_dim']}: give those of this fit"
        )
    check_rows(x, volumes, split)
    return Fitted(made, _volume_vae.load_model(model, made), split, x, z)


def decoded(fitted: Fitted, codes: np.ndarray, device) -> np.ndarray:
    """Images (n, V) float32 of latents."""
    from pydra_vae.training.volume_apply import decode

    return decode(fitted.network, codes, device, fitted.bfloat16)
