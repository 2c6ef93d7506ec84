"""What every measure of a reconstruction starts from: the input, the output, and the controls beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import Pca
from pydra_vae.stats.reconstruction import Model, shrink
from pydra_vae.tasks._io import control_name, load_array, load_controls, read_weights


@dataclass(frozen=True)
class Measured:
    """A subject's series, their reconstruction, and the PCAs of the same training voxels.

    Attributes
    ----------
    x, decoded : (K, T) arrays
        Input, and output as decoded, in scaled units; memory-mapped.
    scaling : Scaling
    weights : (T,) int8 array
        1 for frames that count.
    pcas : dict of int to Pca
        By size, that of the model first.
    """

    x: np.ndarray
    decoded: np.ndarray
    scaling: Scaling
    weights: np.ndarray
    pcas: dict[int, Pca]

    @classmethod
    def load(cls, scaled: Path, reconstruction: Path, scaling: Path, frames: Path, controls: Path) -> "Measured":
        """Read the files of Normalize, Reconstruct and FitControls; arrays are mapped, not read."""
        x = load_array(scaled)
        return cls(
            x=x,
            decoded=load_array(reconstruction),
            scaling=Scaling.load(Path(scaling)),
            weights=read_weights(frames, x.shape[1]),
            pcas=load_controls(controls),
        )

    @property
    def latent_dim(self) -> int:
        """Latent dimensions of the model."""
        return next(iter(self.pcas))

    @property
    def same_size(self) -> str:
        """Name of the PCA of the model's size."""
        return control_name(self.latent_dim, self.latent_dim)

    @property
    def fitted(self) -> dict[str, Model]:
        """The model, then the PCAs, by their names in tables; a PCA takes rows of x."""
        linear = {control_name(k, self.latent_dim): pca.reconstruct for k, pca in self.pcas.items()}
        return {"cvae": self.decoded, **linear}

    def shrinkage(self, variance_ratio: float) -> Model:
        """The control that only shrinks each voxel towards its mean."""
        return lambda rows: shrink(rows, variance_ratio, self.weights)
