"""Principal components as FitSurfacePca writes them."""

from pathlib import Path

import numpy as np


def load_components(path: Path, k: int, n_vertices: int, data: str = "concatenated") -> tuple[np.ndarray, np.ndarray]:
    """Mean (V,) and first k components (k, V), float32.

    Parameters
    ----------
    path : Path
        pca.safetensors.
    k, n_vertices : int
    data : {"concatenated", "mean"}
        What they were fitted to: the training recordings under one another, or their mean.

    Raises
    ------
    ValueError
        If the file holds no PCA, one of another region, or fewer components.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            mean, components = (file.get_tensor(f"{data}.{part}") for part in ("mean", "components"))
    except SafetensorError as error:
        raise ValueError(f"{path} holds no PCA ({error}): give the pca.safetensors of FitSurfacePca") from error
    if components.shape[1] != n_vertices:
        raise ValueError(
            f"{path} was fitted on {components.shape[1]} vertices but the series have {n_vertices}: "
            "give the PCA of the same region"
        )
    if not 1 <= k <= len(components):
        raise ValueError(
            f"{path} holds {len(components)} components and {k} are needed: run FitSurfacePca with n_components={k}"
        )
    return mean, components[:k]
