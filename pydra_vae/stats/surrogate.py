"""Gaussian surrogates: data that no autoencoder can describe better than PCA.

Each row is an independent draw from N(m, S), where m is the data's mean series over voxels and S its covariance over
frames. Of such rows PCA keeps the most variance that any code of its size can (their best linear code is their best
code, up to noise: components of a Gaussian are independent). An autoencoder that "gains" more than a per cent over
PCA here has seen its test voxels, or is scored unlike PCA.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.chunks import row_chunks

LEAK = 0.01  # gain over PCA above which it is a leak; fits on surrogates landed within 0.5 % worse to 1 % better


@dataclass(frozen=True)
class GaussianRows:
    """N(m, S) of rows of T frames.

    Attributes
    ----------
    mean : (T,) float64 array
    root : (T, T) float64 array
        S = root · rootᵀ; of the rank that the data have.
    """

    mean: np.ndarray
    root: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> "GaussianRows":
        """Mean and covariance of the rows of x (K, T), summed over blocks in double precision; all frames count."""
        from scipy.linalg import eigh

        chunks = list(row_chunks(*x.shape))
        mean = sum(np.asarray(x[rows], dtype=np.float64).sum(axis=0) for rows in chunks) / len(x)
        scatter = np.zeros((x.shape[1],) * 2)
        for rows in chunks:
            centred = np.asarray(x[rows], dtype=np.float64) - mean
            scatter += centred.T @ centred
        variance, vectors = eigh(scatter / len(x), driver="evd")
        return cls(mean, vectors * np.sqrt(np.clip(variance, 0, None)))

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n independent rows, (n, T) float32."""
        # single precision: its rounding is far below the sampling error, in half of the time
        normal = rng.standard_normal((n, self.root.shape[1]), dtype=np.float32)
        return normal @ self.root.T.astype(np.float32) + self.mean.astype(np.float32)
