"""From planted latents to clean BOLD: a smooth nonlinear map with a physiological reading.

Each grey-matter voxel has six latents: its place u on three functional gradients, and the delay,
the width and the amplitude of its haemodynamic response. Seventeen networks have neural courses
c_j(t) and places m_j on the gradients; a voxel follows those near to it,

    w_j(u) ∝ exp(−‖u − m_j‖² / 2ω²),   Σ_j w_j² = 1
    clean(t) = amplitude · Σ_j w_j(u) · (h(delay, width) ∗ c_j)(t)

with the double-gamma response h. The series live on a curved six-dimensional manifold that spans
several times as many linear dimensions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve
from scipy.stats import gamma

OVERSAMPLING = 4  # neural courses a repetition time
HRF_SECONDS = 36.0
HRF_RANK = 8  # of the family of responses; the rest is below 1e-3
TUNING_WIDTH = 0.32  # ω, for network centres on the unit sphere
LATENTS = ("gradient1", "gradient2", "gradient3", "delay", "width", "amplitude")


@dataclass(frozen=True)
class Latents:
    """What is planted in each grey-matter voxel.

    Attributes
    ----------
    gradients : (G, 3) array
        Place on the functional gradients.
    delay : (G,) array
        Of the response, in seconds, against the canonical one.
    width : (G,) array
        Factor on the duration of the response.
    amplitude : (G,) array
        Factor on the response.
    """

    gradients: np.ndarray
    delay: np.ndarray
    width: np.ndarray
    amplitude: np.ndarray

    def table(self) -> np.ndarray:
        """(G, 6) matrix in the order of `LATENTS`."""
        return np.column_stack([self.gradients, self.delay, self.width, self.amplitude])


def network_centres(n: int) -> np.ndarray:
    """Places of the networks on the gradients: n points spread over the unit sphere, (n, 3)."""
    height = 1 - (2 * np.arange(n) + 1) / n
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    radius = np.sqrt(1 - height**2)
    return np.column_stack([radius * np.cos(turn), radius * np.sin(turn), height])


def tuning(gradients: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """How strongly each voxel follows each network, (G, J), rows of unit length."""
    distance = ((gradients[:, None] - centres) ** 2).sum(axis=2)
    distance -= distance.min(axis=1, keepdims=True)  # guards far voxels against underflow
    weights = np.exp(-distance / (2 * TUNING_WIDTH**2))
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def haemodynamic_response(delay: np.ndarray, width: np.ndarray, dt: float, duration: float = HRF_SECONDS) -> np.ndarray:
    """Double-gamma responses of unit energy, sampled every dt seconds; (n, L).

    Parameters
    ----------
    delay : (n,) array
        Seconds added to the canonical response (peak at 5 s, undershoot at 15 s).
    width : (n,) array
        Factor that stretches the response about its peak.
    """
    time = np.arange(0, duration, dt)
    delay, width = np.atleast_1d(delay)[:, None], np.atleast_1d(width)[:, None]
    stretched = np.clip((time - 5 - delay) / width + 5, 0, None)
    response = gamma.pdf(stretched, 6) - gamma.pdf(stretched, 16) / 6
    return response / np.linalg.norm(response, axis=1, keepdims=True)


def clean_bold(latents: Latents, courses: np.ndarray, t_r: float, centres: np.ndarray) -> np.ndarray:
    """Clean series of the voxels.

    Parameters
    ----------
    latents : Latents
        Of G voxels.
    courses : (J, OVERSAMPLING · T) array
        Neural courses of the networks.
    t_r : float
        Repetition time in seconds.
    centres : (J, 3) array

    Returns
    -------
    clean : (G, T) float32 array
    """
    dt = t_r / OVERSAMPLING
    responses = haemodynamic_response(latents.delay, latents.width, dt)
    # All responses are combinations of a few: convolve those once, then mix for each voxel.
    basis = np.linalg.svd(responses[:: max(1, len(responses) // 500)], full_matrices=False)[2]
    basis = basis[:HRF_RANK]
    convolved = fftconvolve(courses[:, None], basis[None], axes=2)
    convolved = convolved[:, :, : courses.shape[1] : OVERSAMPLING]
    mixing = tuning(latents.gradients, centres)[:, :, None] * (responses @ basis.T)[:, None]
    mixing *= latents.amplitude[:, None, None]
    flat = mixing.reshape(len(mixing), -1).astype(np.float32)
    return flat @ convolved.reshape(flat.shape[1], -1).astype(np.float32)
