"""The principal components of images as FitVolumePca writes them."""

from pathlib import Path

import numpy as np

from pydra_vae.stats.volume_pca import VolumePca

PARTS = ("mean", "components", "variance")


def save_pca(path: Path, pca: VolumePca) -> Path:
    """Write mean (V,), components (n, V) and variance (n,) as safetensors, float32."""
    from safetensors.numpy import save

    path = Path(path).absolute()
    arrays = {part: np.ascontiguousarray(getattr(pca, part), np.float32) for part in PARTS}
    path.write_bytes(save(arrays, metadata={"total": repr(pca.total)}))
    return path


def load_pca(path: Path, n_voxels: int | None = None) -> VolumePca:
    """The PCA of a pca.safetensors, float32.

    Raises
    ------
    ValueError
        If the file holds no PCA of images, or one of another mask; the message names it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = [file.get_tensor(part) for part in PARTS]
            total = float((file.metadata() or {})["total"])
    except (SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path} holds no PCA of images ({error}): give the pca.safetensors of FitVolumePca"
        ) from error
    if n_voxels is not None and len(arrays[0]) != n_voxels:
        raise ValueError(
            f"{path} was fitted on {len(arrays[0])} voxels but the images have {n_voxels}: give both of one mask"
        )
    return VolumePca(*arrays, total)
