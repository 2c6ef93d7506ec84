"""Maps of one value a voxel."""

from pathlib import Path

import numpy as np

from pydra_vae.images.geometry import load_geometry
from pydra_vae.stats.normalise import Scaling


def save_map(stem: Path, values: np.ndarray, scaling: Scaling, mask: Path) -> Path:
    """Write (K,) values of the usable voxels as a float32 map of the mask's kind, and with its extension.

    Voxels that were dropped, undefined values and the space outside the mask are 0.
    """
    full = scaling.unmask(np.nan_to_num(values, nan=0, posinf=0, neginf=0).astype(np.float32))
    return load_geometry(mask).write_maps(stem, full, [Path(stem).name])
