"""Scores of the linear controls: where PCA puts each voxel, or each parcel's mean series."""

import numpy as np

from pydra_vae.stats.chunks import row_chunks
from pydra_vae.stats.pca import Pca


def pca_scores(controls: dict[int, Pca], x: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (N, k) of series (N, T) on their own scale: "pca" of the model's size, "pca-16" of another.

    Parameters
    ----------
    controls : dict of int to Pca
        The model's size first, as `_io.load_controls` gives them.
    x : (N, T) array
        May be memory-mapped.
    """
    same = next(iter(controls))
    chunks = list(row_chunks(*x.shape)) or [slice(0, 0)]  # no parcel may be large enough
    return {
        ("pca" if k == same else f"pca-{k}"): np.vstack([pca.encode(x[rows]) for rows in chunks])
        for k, pca in controls.items()
    }


def whitened(controls: dict[int, Pca], scores: dict[str, np.ndarray]) -> np.ndarray:
    """Scores of the model's size, each over its standard deviation in the training voxels but for one factor.

    Examples
    --------
    >>> pca = Pca(np.zeros(2), np.eye(2), np.array([0.64, 0.04]))
    >>> whitened({2: pca}, {"pca": np.array([[0.8, 0.2]])}).tolist()
    [[1.0, 1.0]]
    """
    spread = np.sqrt(next(iter(controls.values())).explained)
    return np.divide(scores["pca"], spread, out=np.zeros_like(scores["pca"]), where=spread > 0)
