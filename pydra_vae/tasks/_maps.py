"""Maps of one value a voxel."""

from pathlib import Path

import numpy as np

from pydra_vae.images.headers import read_header
from pydra_vae.images.volumes import load_mask, save_nifti, unmask
from pydra_vae.stats.normalise import Scaling


def save_map(path: Path, values: np.ndarray, scaling: Scaling, mask: Path) -> Path:
    """Write (K,) values of the usable voxels as a float32 NIfTI map.

    Voxels that were dropped, undefined values and the space outside the mask are 0.
    """
    full = scaling.unmask(np.nan_to_num(values, nan=0, posinf=0, neginf=0).astype(np.float32))
    mask = Path(mask)
    volume = unmask(full, load_mask(mask))
    return save_nifti(Path(path).absolute(), volume, like=read_header(mask))
