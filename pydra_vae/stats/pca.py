"""Principal components of voxel series: the linear control of every autoencoder.

Rows are voxels, features are frames. The decomposition is exact: eigenvectors of the T × T
scatter matrix, summed over blocks of rows in double precision. An ICA of the same size spans the
same subspace, so its reconstruction error is the same number.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from pydra_vae.stats.chunks import columns_of, frame_weights, row_chunks


@dataclass(frozen=True)
class Pca:
    """A fitted PCA.

    Attributes
    ----------
    mean : (T,) float64 array
        Mean series over the fitted voxels.
    components : (k, T) float64 array
        Orthonormal rows, the largest variance first; the largest entry of each is positive.
    explained : (k,) float64 array
        Share of the variance about the mean series that each component explains.
    """

    mean: np.ndarray
    components: np.ndarray
    explained: np.ndarray

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Scores (K, k) of series x (K, T)."""
        return (np.asarray(x, dtype=np.float64) - self.mean) @ self.components.T

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Series (K, T) of scores z (K, k)."""
        x = np.asarray(z, dtype=np.float64) @ self.components
        x += self.mean
        return x

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """decode(encode(x)), (K, T)."""
        return self.decode(self.encode(x))

    def first(self, k: int) -> "Pca":
        """The PCA with only the first k components."""
        if not 1 <= k <= len(self.components):
            raise ValueError(f"this PCA has {len(self.components)} components, not {k}")
        return Pca(self.mean, self.components[:k], self.explained[:k])


def fit_pca(
    x: np.ndarray,
    k: int,
    weights: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> Pca:
    """Fit a PCA to voxel series.

    Parameters
    ----------
    x : (K, T) array
        May be memory-mapped.
    k : int
        Number of components; at most min(voxels, frames).
    weights : (T,) array, optional
        Frames of weight 0 have no part in the fit: components are 0 there, so that they do not
        enter the scores, and `decode` gives the mean series.
    rows : (K,) bool array, optional
        Voxels to fit on, e.g. the training voxels; all by default.

    Raises
    ------
    ValueError
        When k exceeds what the data allow.

    Examples
    --------
    >>> t = np.linspace(0, 1, 20)
    >>> x = np.outer(np.arange(1, 9), np.sin(t)) + np.outer(np.arange(8) ** 2, np.cos(t))
    >>> bool(np.allclose(fit_pca(x, 2).reconstruct(x), x))
    True
    """
    n_frames = x.shape[1]
    used = frame_weights(weights, n_frames)
    selected = np.arange(x.shape[0]) if rows is None else np.flatnonzero(rows)
    if not 1 <= k <= min(len(selected), int(used.sum())):
        raise ValueError(
            f"a PCA of {len(selected)} voxels × {int(used.sum())} usable frames cannot have "
            f"{k} components: ask for at most {min(len(selected), int(used.sum()))}"
        )
    chunks = [selected[part] for part in row_chunks(len(selected), n_frames)]
    mean = sum(np.asarray(x[c], dtype=np.float64).sum(axis=0) for c in chunks) / len(selected)
    columns = columns_of(used)
    scatter = np.zeros((int(used.sum()),) * 2)
    for chunk in chunks:
        centred = np.asarray(x[chunk], dtype=np.float64)[:, columns] - mean[columns]
        scatter += centred.T @ centred
    total = np.trace(scatter)
    last = len(scatter) - 1
    variance, vectors = eigh(scatter, subset_by_index=[last - k + 1, last], driver="evr")
    components = np.zeros((k, n_frames))
    components[:, used] = _signed(vectors.T[::-1])
    explained = np.clip(variance[::-1], 0, None) / (total if total > 0 else 1)
    return Pca(mean, components, explained)


def _signed(components: np.ndarray) -> np.ndarray:
    """Fix the arbitrary sign: the largest entry of each row is positive."""
    peak = np.argmax(np.abs(components), axis=1)
    return components * np.sign(components[np.arange(len(components)), peak])[:, None]
