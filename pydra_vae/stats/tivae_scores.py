"""How a TI-VAE is judged on recordings: reconstruction by part of the split, factors, collapse.

R² is about each vertex's own mean over a recording, all recordings of a part together. The collapse detector
(`stats.collapse`) takes frames of held-out recordings as its samples. Its thresholds were made for data of which a
model explains most; of single frames of the cortex a PCA of eight components explains a fifth. So a model counts as
collapsed only where it also falls below a quarter of what PCA of the same size reaches.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from pydra_vae.stats.collapse import Verdict, detect_collapse

PCA_SHARE = 0.25
OVERFITTED_GAP, POOR_SHARE = 0.1, 0.5


@dataclass
class Reconstruction:
    """Squares summed over the recordings of a part; `add` one after the other.

    Attributes
    ----------
    error, variance : float
        Of x − x̂, and of x about its vertices' means.
    n : int
        Values.
    """

    error: float = 0.0
    variance: float = 0.0
    n: int = field(default=0)

    def add(self, x: np.ndarray, reconstruction: np.ndarray):
        """Take one recording (T, V) into account."""
        difference = np.asarray(x, np.float32) - reconstruction
        centred = np.asarray(x, np.float32) - x.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.error += float(np.einsum("tv,tv->t", difference, difference).sum(dtype=np.float64))
        self.variance += float(np.einsum("tv,tv->t", centred, centred).sum(dtype=np.float64))
        self.n += x.size

    @property
    def r2(self) -> float:
        """1 − error / variance; NaN without variance.

        >>> one = Reconstruction()
        >>> one.add(np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]]))
        >>> one.r2, one.mse
        (0.5, 0.5)
        """
        return 1 - self.error / self.variance if self.variance > 0 else np.nan

    @property
    def mse(self) -> float:
        """Mean squared error, in squared data units."""
        return self.error / self.n if self.n else np.nan


def factor_correlation(factors: Iterable[np.ndarray]) -> float:
    """Mean |r| between different factors over the frames of all recordings, each centred; NaN for one factor.

    Parameters
    ----------
    factors : iterable of (T, k) arrays

    >>> wave = np.array([1.0, -1, 1, -1])
    >>> round(factor_correlation([np.stack([wave, -wave, [1, 1, -1, -1]], 1)]), 3)
    0.333
    """
    z = np.concatenate([np.asarray(f, np.float64) - np.mean(f, axis=0) for f in factors])
    size = np.linalg.norm(z, axis=0)
    r = np.abs(z.T @ z / np.where(size > 0, size, np.inf)[:, None] / np.where(size > 0, size, np.inf))
    k = len(r)
    return float((r.sum() - np.trace(r)) / (k * (k - 1))) if k > 1 else np.nan


def judge_frames(
    x: np.ndarray, reconstruction: np.ndarray, mu: np.ndarray, log_variance: np.ndarray, linear=None, seed: int = 0
) -> Verdict:
    """The collapse detector on held-out frames.

    Parameters
    ----------
    x, reconstruction : (N, V) arrays
    mu, log_variance : (N, k) arrays
    linear : (N, V) array, optional
        Reconstruction by a PCA of k components.
    seed : int
        Of the frames that are swapped.
    """
    found = detect_collapse(x, reconstruction, mu, log_variance, reference=linear, seed=seed)
    if linear is None or not found.collapsed or not found.active_units:
        return found
    floor = detect_collapse(x, linear, mu, seed=seed)
    weak = found.variance_ratio < PCA_SHARE * floor.variance_ratio
    alike = found.swap_ratio - 1 < PCA_SHARE * (floor.swap_ratio - 1)
    return found if weak or alike else replace(found, collapsed=False)


def tivae_warnings(r2: dict[str, float], pca_r2: float, n_train: int, best_step: int, steps: int) -> list[dict]:
    """What a person should be warned of after a fit, each {"code", "severity", "text"}.

    Parameters
    ----------
    r2 : dict
        R² by part: train, validation, test.
    pca_r2 : float
        Of PCA of the same size on the test recordings; NaN where it is not known.
    n_train : int
        Training recordings.
    best_step, steps : int
        Of the training.
    """
    found = []
    if (gap := r2["train"] - r2["test"]) > OVERFITTED_GAP:
        found.append(("overfitted", "mild", f"R² is {gap:.2f} higher on training than on test recordings: overfitting"))
    if r2["test"] < POOR_SHARE * pca_r2:
        text = (
            f"R² on the test recordings is {r2['test']:.3f}, less than half of the {pca_r2:.3f} of PCA of the same "
            "size: train longer, or lower beta"
        )
        found.append(("poor_reconstruction", "strong", text))
    if n_train < 20:
        text = f"{n_train} training recordings are few: compare the factors of several seeds before using them"
        found.append(("few_recordings", "mild", text))
    if steps and best_step <= 0.1 * steps:
        text = f"the best step, {best_step} of {steps}, lies in the first tenth of the training"
        found.append(("best_step_early", "strong", text))
    return [dict(zip(("code", "severity", "text"), one, strict=True)) for one in found]
